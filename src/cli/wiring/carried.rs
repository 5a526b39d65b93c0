//! Whether the state is carried by origin, and by which key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
pub(super) const GITHUB: &str = "https://github.com";

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
    match token(environment, console) {
        Some(token) => carrier.with_token(server(environment), token),
        None => carrier,
    }
}

/// The token of the action's input, where there is one.
pub(super) fn token(environment: &Environment, console: &Console) -> Option<Secret> {
    let token = environment.secret(&SecretRef::to_variable(TOKEN))?;
    for secret in [token.reveal(), header(&token).reveal()] {
        console.mask(secret.rsplit(' ').next().unwrap_or(secret));
    }
    Some(Secret::new(token.reveal()))
}

/// The forge's own address.
pub(super) fn server(environment: &Environment) -> &str {
    environment.get("GITHUB_SERVER_URL").unwrap_or(GITHUB)
}

/// Ends the git programs that work for somebody once nobody waits for them any more: they could move a ref when we are gone.
pub(super) fn end_with(over: Arc<AtomicBool>, stop: &Stop) {
    let stop = stop.clone();
    tokio::spawn(async move {
        stop.until_others_end().await;
        over.store(true, Ordering::Relaxed);
    });
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
    end_with(carrier.stop(), stop);
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
