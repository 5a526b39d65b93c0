//! Git's index as git wrote it: what it remembers of each file, read once and without copies.
//!
//! Only what an ordinary library has is understood. Whatever else there is (a conflict, a link, a sparse checkout, a format
//! of tomorrow) is nothing here, and left to libgit2.

use std::ops::Range;
use std::path::Path;

use git2::Oid;

/// The part of an entry that stands before its name, in bytes.
const FIXED: usize = 62;
/// The bits of an entry's flags that say nothing else than how long its name is.
const NAME_LENGTH: u16 = 0x0FFF;
/// The flag of an entry that has more flags.
const EXTENDED: u16 = 0x4000;
/// The digest at the index's end.
const TRAILER: usize = 20;

/// Seconds and nanoseconds, as the index has them.
pub(super) type Moment = (u32, u32);

/// An index that was read.
pub(super) struct Index {
    bytes: Vec<u8>,
    entries: Range<usize>,
    count: usize,
}

/// What the index remembers of one file.
#[derive(Clone, Copy)]
pub(super) struct Remembered<'i> {
    /// In the repository.
    pub(super) path: &'i [u8],
    pub(super) blob: Oid,
    pub(super) mode: u32,
    pub(super) size: u32,
    pub(super) changed: Moment,
    /// The change of the file's facts, which nobody can set back.
    pub(super) touched: Moment,
}

impl Index {
    /// Reads an index of version 2 or 3.
    pub(super) fn read(place: &Path) -> Option<Self> {
        let bytes = std::fs::read(place).ok()?;
        let count = usize::try_from(word(&bytes, 8)?).ok()?;
        if !bytes.starts_with(b"DIRC") || !matches!(word(&bytes, 4)?, 2 | 3) {
            return None;
        }
        let entries = 12..bytes.len().checked_sub(TRAILER)?;
        Some(Self { bytes, entries, count })
    }

    /// All files whose paths begin like this, in the order of their paths, and what follows the last entry.
    pub(super) fn files(&self, prefix: &[u8]) -> Option<(Vec<Remembered<'_>>, Extensions<'_>)> {
        let mut rest = self.bytes.get(self.entries.clone())?;
        let mut files = Vec::with_capacity(self.count.min(rest.len() / FIXED));
        for _ in 0..self.count {
            let (path, length) = name(rest)?;
            if path.starts_with(prefix) {
                files.push(entry(rest, path)?);
            }
            rest = rest.get(length..)?;
        }
        Some((files, Extensions::new(rest)?))
    }
}

/// An entry's name, and how long the entry is.
fn name(entry: &[u8]) -> Option<(&[u8], usize)> {
    let flags = flags(entry)?;
    let length = usize::from(flags & NAME_LENGTH);
    if flags & EXTENDED != 0 {
        return None;
    }
    let after = entry.get(FIXED..)?;
    let length = match length < usize::from(NAME_LENGTH) {
        true => length,
        false => after.iter().position(|byte| *byte == 0)?,
    };
    Some((after.get(..length)?, (FIXED + length + 8) & !7))
}

/// An entry that is a file like any other: no link, no submodule, no side of a conflict, nothing to be overlooked.
fn entry<'i>(at: &[u8], path: &'i [u8]) -> Option<Remembered<'i>> {
    let mode = word(at, 24)?;
    if flags(at)? & !NAME_LENGTH != 0 || !matches!(mode, 0o100_644 | 0o100_755) {
        return None;
    }
    Some(Remembered {
        path,
        blob: Oid::from_bytes(at.get(40..60)?).ok()?,
        mode,
        size: word(at, 36)?,
        changed: (word(at, 8)?, word(at, 12)?),
        touched: (word(at, 0)?, word(at, 4)?),
    })
}

fn flags(entry: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(entry.get(60..62)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// What the index holds beside its entries.
pub(super) struct Extensions<'i> {
    trees: &'i [u8],
}

impl<'i> Extensions<'i> {
    /// Steps over all that may be overlooked; what must be understood has a name in small letters.
    fn new(mut rest: &'i [u8]) -> Option<Self> {
        let mut trees: &[u8] = &[];
        while let Some((name, after)) = rest.split_at_checked(4).filter(|(name, _)| !name.is_empty()) {
            if !name.first()?.is_ascii_uppercase() {
                return None;
            }
            let (data, next) = after.get(4..)?.split_at_checked(usize::try_from(word(after, 0)?).ok()?)?;
            if name == b"TREE" {
                trees = data;
            }
            rest = next;
        }
        rest.is_empty().then_some(Self { trees })
    }

    /// The tree that the index would be committed as, below this folder, if git has noted it.
    pub(super) fn tree(&self, folder: &str) -> Option<Oid> {
        let wanted: Vec<&[u8]> = folder.split('/').filter(|part| !part.is_empty()).map(str::as_bytes).collect();
        let mut rest = self.trees;
        noted_tree(&mut rest, &wanted, true)?
    }
}

/// Steps over a noted tree and those below it; gives the one at the end of the way, if this one is on it.
fn noted_tree(rest: &mut &[u8], way: &[&[u8]], is_on_it: bool) -> Option<Option<Oid>> {
    take_until(rest, 0)?;
    let entries: i64 = std::str::from_utf8(take_until(rest, b' ')?).ok()?.parse().ok()?;
    let below: usize = std::str::from_utf8(take_until(rest, b'\n')?).ok()?.parse().ok()?;
    let mut found = None;
    if entries >= 0 {
        let (oid, next) = rest.split_at_checked(20)?;
        *rest = next;
        found = Oid::from_bytes(oid).ok().filter(|_| is_on_it && way.is_empty());
    }
    for _ in 0..below {
        let next = way.split_first().filter(|_| is_on_it);
        let is_next =
            next.is_some_and(|(name, _)| rest.strip_prefix(*name).is_some_and(|rest| rest.first() == Some(&0)));
        let deeper = noted_tree(rest, next.map_or(&[], |(_, way)| way), is_next)?;
        found = found.or(deeper);
    }
    Some(found)
}

fn take_until<'i>(rest: &mut &'i [u8], end: u8) -> Option<&'i [u8]> {
    let at = rest.iter().position(|byte| *byte == end)?;
    let (part, after) = (rest.get(..at)?, rest.get(at + 1..)?);
    *rest = after;
    Some(part)
}
