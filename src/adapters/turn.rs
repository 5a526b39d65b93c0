//! One sync at a time in a clone: whoever comes second waits until the first has ended, however it ends.

use std::fs::{File, TryLockError, create_dir_all};
use std::path::Path;

use super::whole_file::without_links;

/// The right to change what this clone's targets have; it ends when it is dropped, and with the process at the latest.
///
/// It is a lock of the operating system's on a file, so nothing is left behind by a run that was killed.
#[derive(Debug)]
pub struct Turn {
    _held: Option<File>,
}

impl Turn {
    /// Whether some process has the turn. Nothing is made where there is none.
    pub fn is_taken(folder: &Path) -> bool {
        let Ok(file) = File::open(folder.join("turn.lock")) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Takes the turn, or nothing while another process has it.
    ///
    /// Where files cannot be locked, everybody has their turn: the state's compare-and-set is what is left then.
    pub fn take(folder: &Path) -> Option<Self> {
        let opened = create_dir_all(folder)
            .and_then(|()| without_links().create(true).truncate(false).write(true).open(folder.join("turn.lock")));
        let Ok(file) = opened else { return Some(Self { _held: None }) };
        match file.try_lock() {
            Ok(()) => Some(Self { _held: Some(file) }),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(_)) => Some(Self { _held: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_one_s_own_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("stockroom");
        let first = Turn::take(&below).unwrap();
        assert!(Turn::take(&below).is_none());
        assert!(Turn::is_taken(&below) && !Turn::is_taken(folder.path()));
        drop(first);
        assert!(!Turn::is_taken(&below));
        assert!(Turn::take(&below).is_some());
    }
}
