//! Says what was seen of loops before anything is delivered.

use std::collections::BTreeMap;

use super::{Execution, FEW_FINDINGS};
use crate::commands::gather::Library;
use crate::commands::loops::Looked;
use crate::report::excerpt::Excerpts;
use crate::report::{Check, github, human};

impl Execution<'_> {
    /// Tells of loops, in the log and at the records, and of what could not be looked at.
    pub(super) fn say_loops(&self, library: &Library, looked: &Looked) {
        if let Some(note) = &looked.note {
            self.console.talk(&format!("{note}\n"));
        }
        if looked.findings.is_empty() {
            return;
        }
        let check = Check::new(library.tree.commit.clone(), false, BTreeMap::new(), looked.findings.clone());
        let mut text = String::new();
        for finding in check.findings.iter().take(FEW_FINDINGS) {
            human::finding(&mut text, finding, &Excerpts::default(), self.style());
        }
        self.console.talk(&text);
        for command in github::check(&check, library.worktree.prefix()) {
            self.console.command(&command);
        }
    }
}
