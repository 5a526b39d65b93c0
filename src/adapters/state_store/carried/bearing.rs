//! What a clone knows of the state on origin: which commit its own copy came from, or has become.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::adapters::whole_file;
use crate::ids::{CommitId, LockToken};
use crate::state::Serial;

/// The newest format that this version reads and the one that it writes.
const FORMAT: u64 = 1;
const FILE: &str = "carried.json";
/// How many pushes of which nobody knows what became are remembered.
const MOST_PENDING: usize = 8;

/// Where a clone's copy of the state stands in relation to origin's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Bearing {
    version: u64,
    /// The commit on origin that the copy was equal to.
    #[serde(with = "text")]
    pub(super) commit: Option<CommitId>,
    /// What the copy was at that moment.
    pub(super) lineage: String,
    pub(super) serial: Serial,
    /// Commits that were pushed and of which it is not known whether they arrived, the newest last.
    pending: Vec<String>,
    /// The lock that was taken from this clone.
    lock: Option<String>,
    /// Whether the copy came from origin and has not gone there since.
    pub(super) is_fetched: bool,
    /// Whether a copy that came from this commit was found to be of no use.
    pub(super) is_doubted: bool,
}

impl Bearing {
    /// What is known in this folder; nothing, where there is no note or one that cannot be read.
    pub(super) fn read(folder: &Path) -> Self {
        let read = || serde_json::from_slice::<Self>(&fs::read(file(folder)).ok()?).ok();
        read().filter(|bearing| bearing.version == FORMAT).unwrap_or_default()
    }

    pub(super) fn write(&mut self, folder: &Path) -> io::Result<()> {
        self.version = FORMAT;
        whole_file::write(&file(folder), &serde_json::to_vec(self)?)
    }

    /// Notes that this commit is about to be pushed.
    pub(super) fn expect(&mut self, commit: &CommitId) {
        self.pending.push(commit.to_string());
        let surplus = self.pending.len().saturating_sub(MOST_PENDING);
        self.pending.drain(..surplus);
    }

    /// Whether the commit was pushed from here.
    pub(super) fn has_pushed(&self, commit: &CommitId) -> bool {
        self.pending.iter().any(|pending| pending == commit.as_str())
    }

    /// The copy and origin are equal at this commit.
    pub(super) fn meet(&mut self, commit: CommitId, (lineage, serial): (String, Serial), is_fetched: bool) {
        let lock = self.lock.take();
        *self = Self { commit: Some(commit), lineage, serial, lock, is_fetched, ..Self::default() };
    }

    /// Origin is at this commit, and the copy goes on from it or takes its place.
    pub(super) fn follow(&mut self, commit: Option<CommitId>) {
        self.commit = commit;
        self.pending.clear();
    }

    /// Notes which lock is this clone's.
    pub(super) fn hold(&mut self, token: Option<&LockToken>) {
        self.lock = token.map(ToString::to_string);
    }

    /// Whether this lock was taken from this clone.
    pub(super) fn holds(&self, token: &LockToken) -> bool {
        self.lock.as_deref() == Some(token.as_str())
    }
}

/// Notes that the copy in this folder was found to be of no use, before it is set aside. Says whether origin has a better one.
pub(super) fn doubt(folder: &Path) -> io::Result<bool> {
    let mut bearing = Bearing::read(folder);
    if bearing.is_fetched {
        bearing.is_doubted = true;
        bearing.write(folder)?;
    }
    Ok(bearing.commit.is_some() && !bearing.is_fetched)
}

fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

mod text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::ids::CommitId;

    pub(super) fn serialize<S: Serializer>(commit: &Option<CommitId>, serializer: S) -> Result<S::Ok, S::Error> {
        match commit {
            Some(commit) => serializer.serialize_some(commit.as_str()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CommitId>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| CommitId::parse(&text).map_err(serde::de::Error::custom)).transpose()
    }
}
