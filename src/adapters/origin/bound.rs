//! How much a download may bring: git itself sets it no limit.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked how much has come.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What a file takes at least, so that many small ones are not nothing.
const BLOCK: u64 = 4 * 1024;

/// A folder that may grow so far and no further.
pub(in crate::adapters) struct Bound {
    folder: PathBuf,
    most: u64,
    looked: Instant,
}

impl Bound {
    /// Lets the folder grow by that many bytes from what it has now.
    pub(in crate::adapters) fn new(folder: &Path, growth: u64) -> Self {
        let most = weight(folder, u64::MAX).saturating_add(growth);
        Self { folder: folder.to_owned(), most, looked: Instant::now() }
    }

    /// Whether there is more than may be, where that was not looked at a moment ago.
    pub(in crate::adapters) fn is_found_passed(&mut self) -> bool {
        if self.looked.elapsed() < LOOK_EVERY {
            return false;
        }
        let is_passed = self.is_passed();
        self.looked = Instant::now();
        is_passed
    }

    /// Whether there is more than may be.
    pub(in crate::adapters) fn is_passed(&self) -> bool {
        weight(&self.folder, self.most) > self.most
    }
}

/// What the files of a folder take; of more than `enough` not all are counted. Files come and go meanwhile.
fn weight(folder: &Path, enough: u64) -> u64 {
    let (mut folders, mut sum) = (vec![folder.to_owned()], 0_u64);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(facts) if facts.is_dir() => folders.push(entry.path()),
                Ok(facts) => sum = sum.saturating_add(facts.len().max(BLOCK)),
                Err(_) => {}
            }
            if sum > enough {
                return sum;
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_grown_too_far_by_one_large_file_or_by_many_small_ones() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("before"), [0; 100_000]).unwrap();
        let bound = Bound::new(folder.path(), 50_000);
        fs::write(inner.join("more"), [0; 50_000]).unwrap();
        assert!(!bound.is_passed());
        fs::write(folder.path().join("one"), "").unwrap();
        assert!(bound.is_passed());
        let bound = Bound::new(folder.path(), 50_000);
        (0..13).for_each(|number| fs::write(inner.join(number.to_string()), "").unwrap());
        assert!(bound.is_passed());
    }
}
