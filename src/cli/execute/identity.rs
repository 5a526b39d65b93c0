//! Who runs, and why: for the history of the state and for those who wait for its lock.

use uuid::Uuid;

use super::Execution;
use crate::commands::gather::Library;
use crate::commands::lock::Claimant;
use crate::ids::{LockToken, RunId};
use crate::state::{Run, Timestamp};

impl Execution<'_> {
    /// This run, as it will stand in the history.
    pub(super) fn this_run(&self, library: &Library, command: String, at: Timestamp) -> Run {
        Run {
            id: RunId::new(Uuid::new_v4().to_string()),
            who: self.who(),
            event: self.environment.get("GITHUB_EVENT_NAME").map(str::to_owned),
            command,
            commit: library.tree.commit.clone(),
            link: self.page(),
            at,
        }
    }

    /// This run, as one who wants the lock. Whoever has this clone's turn knows that no other run of it is alive.
    pub(super) fn claimant(&self) -> Claimant {
        let process = std::process::id();
        let holder = match self.page() {
            Some(page) => format!("{} in {page}", self.who()),
            None => format!("{}, process {process}", self.who()),
        };
        Claimant { token: LockToken::new(Uuid::new_v4().to_string()), holder, alone: true }
    }

    /// The account that started the workflow, else the user and the machine.
    fn who(&self) -> String {
        if let Some(actor) = self.environment.get("GITHUB_ACTOR") {
            return actor.to_owned();
        }
        let named = |names: [&str; 2]| names.into_iter().find_map(|name| self.environment.get(name)).map(str::to_owned);
        let machine = named(["HOSTNAME", "COMPUTERNAME"]).or_else(host_name).unwrap_or_else(|| "a machine".to_owned());
        format!("{} on {machine}", named(["USER", "USERNAME"]).unwrap_or_else(|| "somebody".to_owned()))
    }
}

/// The machine's name as Linux keeps it; the shells of other systems set a variable.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/etc/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
