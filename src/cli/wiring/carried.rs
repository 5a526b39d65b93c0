//! Whether the state is carried by origin, and by which key.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Reach;
use crate::adapters::carrier::{Carrier, Place};
use crate::adapters::origin::header;
use crate::adapters::state_store::{CARRIED, CarriedState, Role, Say, SqliteState, Store};
use crate::adapters::stop::Stop;
use crate::adapters::worktree::Worktree;
use crate::cli::console::Console;
use crate::cli::environment::Environment;
use crate::commands::outside::Tip;
use crate::config::Config;
use crate::report::workflow_command::Command;
use crate::secret::{Secret, SecretRef};
use crate::state::{Carry, Kind};

/// The token of the action's input `github-token`.
const TOKEN: &str = "STOCKROOM_GITHUB_TOKEN";
const GITHUB: &str = "https://github.com";

/// Whether the state of this library is carried by its origin.
///
/// By itself it is where GitHub's runner started us, which forgets everything, and where there is an origin.
pub fn carries(worktree: &Worktree, config: &Config, environment: &Environment) -> bool {
    let settings = &config.settings.state;
    match settings.carry {
        _ if settings.kind != Kind::Sqlite => false,
        Carry::None => false,
        Carry::Ref => true,
        Carry::Auto => environment.is_actions() && worktree.has_origin(),
    }
}

/// The way to a remote, with the key that the environment has for it.
pub fn carrier(place: Place, environment: &Environment, console: &Console) -> Carrier {
    let carrier = Carrier::new(place);
    let Some(token) = environment.secret(&SecretRef::to_variable(TOKEN)) else { return carrier };
    for secret in [token.reveal(), header(&token).reveal()] {
        console.mask(secret.rsplit(' ').next().unwrap_or(secret));
    }
    let server = environment.get("GITHUB_SERVER_URL").unwrap_or(GITHUB);
    carrier.with_token(server, Secret::new(token.reveal()))
}

/// What origin is to a library: where it is, and what it carries.
fn place(worktree: &Worktree) -> Place {
    Place {
        repository: worktree.git_folder().to_owned(),
        folder: worktree.top().to_owned(),
        objects: worktree.private_folder().join("carried/git"),
        reference: Place::reference_of(worktree.prefix()),
        names: CARRIED,
    }
}

/// Where origin's default branch is, for whoever asks.
pub(super) fn tip(worktree: &Worktree, environment: &Environment, console: &Console) -> Tip {
    let carrier = carrier(place(worktree), environment, console);
    Arc::new(move || carrier.branch_head().ok().flatten())
}

/// The state as origin has it, of which `local` is the copy in this clone.
pub(super) fn state(
    local: SqliteState,
    worktree: &Worktree,
    environment: &Environment,
    reach: Reach,
    console: &Console,
    stop: &Stop,
) -> Arc<dyn Store> {
    let private = worktree.private_folder();
    let carrier = carrier(place(worktree), environment, console);
    let (over, stop) = (carrier.stop(), stop.clone());
    // A git program is not left behind: it could move the ref when we are gone.
    tokio::spawn(async move {
        stop.until_others_end().await;
        over.store(true, Ordering::Relaxed);
    });
    let role = match reach {
        Reach::Network => Role::Writes { has_turn: true },
        Reach::Local | Reach::Look => Role::Reads,
    };
    let writer = console.clone();
    let say: Say = Arc::new(move |text: &str| {
        writer.talk(&format!("warning: {text}\n"));
        writer.command(&Command::warning(text));
    });
    Arc::new(CarriedState::new(local, carrier, private, role, say))
}
