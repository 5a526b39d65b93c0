//! How the targets stand beside the commit that a remote is at, without a clone of it: for whoever looks now and then.

use std::path::Path;

use anyhow::{Context as _, anyhow};

use super::status::status_beside;
use crate::adapters::carrier::Carrier;
use crate::adapters::state_store::{CARRIED, SqliteState, StateError, StateLock as _, StateStore as _, present};
use crate::ids::CommitId;
use crate::report::state::Held;
use crate::report::status::Status;
use crate::state::{Lock, State, Timestamp};

/// What a remote tells.
struct Told {
    head: Option<CommitId>,
    /// The state that it carries.
    carried: Option<(Result<State, String>, Option<Lock>)>,
}

/// Asks the remote where it is, and which commits its targets have, by the state that it carries. `folder` is for what is
/// brought, and goes with it.
///
/// `shown` is what the remote is called, without secrets. `here` is the state in this clone, for a remote that carries none.
pub async fn remote_status(
    carrier: Carrier,
    folder: &Path,
    shown: String,
    here: Option<(Result<State, String>, Option<Held>)>,
    now: Timestamp,
) -> anyhow::Result<Status> {
    let folder = folder.to_owned();
    let asked =
        tokio::task::spawn_blocking(move || ask(&carrier, &folder)).await.context("the remote was not asked")?;
    let Told { head, carried } = asked.with_context(|| format!("{shown} cannot be asked"))?;
    match (carried, here) {
        (Some((state, lock)), _) => Ok(status_beside(&state, shown, head, lock.map(|lock| Held::new(lock, None, now)))),
        (None, Some((state, lock))) => Ok(status_beside(&state, shown, head, lock)),
        (None, None) => {
            let why = "it carries no state (`state` in its stockroom.yml), so nothing is known of its targets";
            Ok(status_beside(&Err(why.to_owned()), shown, head, None))
        }
    }
}

fn ask(carrier: &Carrier, folder: &Path) -> anyhow::Result<Told> {
    let head = carrier.branch_head()?;
    let Some(carried) = carrier.fetch(folder)? else { return Ok(Told { head, carried: None }) };
    let file = carried.files.iter().find(|(name, _)| CARRIED.first() == Some(name));
    let (_, file) = file.ok_or_else(|| anyhow!("it carries a state without its file"))?;
    Ok(Told { head, carried: Some(tokio::runtime::Handle::current().block_on(read(file.path()))?) })
}

/// The state in a file, whichever library it belongs to: that of the remote, whatever the remote is called here.
async fn read(file: &Path) -> Result<(Result<State, String>, Option<Lock>), StateError> {
    let store = SqliteState::new(file, String::new());
    let store = match store.load().await {
        Err(StateError::Foreign { found, .. }) => SqliteState::new(file, found),
        _ => store,
    };
    Ok((present(&store).await?, store.locked().await?))
}
