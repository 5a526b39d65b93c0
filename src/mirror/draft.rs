//! What is in a folder, held against what should be there; and once more, right before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{OWN, folders};
use super::plan::{Ground, Origin, Placement, Plan, Refusal, Seen, Target, Wanted};
use super::record::Record;
use crate::catalog::names::folded;
use crate::ids::Sha256Hex;

/// How many names a refusal tells.
const MOST_TOLD: usize = 5;

/// Whether a file is as it was placed.
fn is_ours(path: &str, record: &Record, ground: &mut dyn Ground) -> bool {
    let Some((sha256, bytes)) = record.placed.get(path) else { return false };
    ground.look(path) == Seen::File(*bytes) && ground.digest(path).as_ref() == Some(sha256)
}

/// Refuses to write over files of somebody else.
pub(super) fn refuse_taken(taken: Vec<String>) -> Result<(), Refusal> {
    match taken.len() {
        0 => Ok(()),
        count => Err(Refusal::Taken { count, told: taken.into_iter().take(MOST_TOLD).collect() }),
    }
}

/// Refuses a plan whose places were changed by somebody since it was made: fetching may have taken hours.
pub fn refuse_changed(plan: &Plan, record: &Record, ground: &mut dyn Ground) -> Result<(), Refusal> {
    let cleared: BTreeSet<&str> = plan.clear.iter().map(|(path, _)| path.as_str()).collect();
    let mut taken = Vec::new();
    for folder in folders(plan.place.iter().map(|placement| placement.path.as_str())) {
        match ground.look(folder) {
            Seen::Nothing | Seen::Folder => {}
            Seen::File(_) if cleared.contains(folder) => {}
            Seen::File(_) => taken.push(folder.to_owned()),
            Seen::Other(what) => return Err(Refusal::InTheWay { path: folder.to_owned(), what }),
        }
    }
    for placement in &plan.place {
        let path = placement.path.as_str();
        let is_free = match ground.look(path) {
            Seen::Nothing => true,
            Seen::Folder => !ground.holds_others(path, &cleared),
            Seen::File(_) => is_ours(path, record, ground) || ground.digest(path).as_ref() == Some(&placement.sha256),
            Seen::Other(what) => return Err(Refusal::InTheWay { path: path.to_owned(), what }),
        };
        if !is_free {
            taken.push(path.to_owned());
        }
    }
    for (path, _) in &plan.clear {
        if ground.look(path) != Seen::Nothing && !is_ours(path, record, ground) {
            taken.push(path.clone());
        }
    }
    refuse_taken(taken)
}

/// A plan that is being made.
pub(super) struct Draft<'d> {
    record: &'d Record,
    /// What was placed, by its SHA-256.
    contents: BTreeMap<&'d Sha256Hex, Vec<&'d str>>,
    /// What was placed, by its path as a system has it that takes no notice of case.
    former: BTreeMap<String, &'d str>,
    ground: &'d mut dyn Ground,
    pub clear: BTreeSet<String>,
    pub place: Vec<Placement>,
    pub taken: Vec<String>,
    pub left: Vec<(String, &'static str)>,
    pub kept: usize,
}

impl<'d> Draft<'d> {
    pub fn new(record: &'d Record, ground: &'d mut dyn Ground) -> Self {
        let mut contents: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (path, (sha256, _)) in &record.placed {
            contents.entry(sha256).or_default().push(path.as_str());
        }
        let (clear, place, taken, left, kept) = (BTreeSet::new(), Vec::new(), Vec::new(), Vec::new(), 0);
        let former = record.placed.keys().map(|path| (folded(path), path.as_str())).collect();
        Self { record, contents, former, ground, clear, place, taken, left, kept }
    }

    /// The folders on the way have to be folders, or files that go.
    pub fn look_at_folders(&mut self, target: &Target) -> Result<(), Refusal> {
        let own = std::iter::once(OWN);
        for folder in folders(target.wanted.keys().map(String::as_str)).into_iter().chain(own) {
            match self.ground.look(folder) {
                Seen::Nothing | Seen::Folder => {}
                Seen::File(_) if self.is_ours(folder) && !target.wanted.contains_key(folder) => {
                    self.clear.insert(folder.to_owned());
                }
                Seen::File(_) => self.taken.push(folder.to_owned()),
                Seen::Other(what) => return Err(Refusal::InTheWay { path: folder.to_owned(), what }),
            }
        }
        Ok(())
    }

    fn is_ours(&mut self, path: &str) -> bool {
        is_ours(path, self.record, self.ground)
    }

    pub fn look_at(&mut self, path: &str, wanted: &Wanted) -> Result<(), Refusal> {
        let placed = self.record.placed.get(path).map(|(sha256, _)| sha256 == &wanted.sha256);
        let is_cleared = folders(std::iter::once(path)).into_iter().any(|folder| self.clear.contains(folder));
        let seen = if is_cleared { Seen::Nothing } else { self.ground.look(path) };
        match (seen, placed) {
            (Seen::Other(what), _) => return Err(Refusal::InTheWay { path: path.to_owned(), what }),
            (Seen::Nothing, _) => self.fetch(path, wanted, None),
            (Seen::Folder, _) => self.take_folder(path, wanted),
            (Seen::File(bytes), Some(true)) if bytes == wanted.bytes => self.kept += 1,
            (Seen::File(_), Some(true)) => {
                self.kept += 1;
                self.left.push((path.to_owned(), "it was changed here; delete it to have it as it was published"));
            }
            (Seen::File(bytes), before) => {
                let is_same = bytes == wanted.bytes && self.ground.digest(path).as_ref() == Some(&wanted.sha256);
                match before {
                    _ if is_same => self.kept += 1,
                    Some(false) if self.is_ours(path) => {
                        let before = self.record.placed.get(path).cloned();
                        self.fetch(path, wanted, before);
                    }
                    None if let Some(former) = self.former_of(path)
                        && self.is_ours(former) =>
                    {
                        let before = self.record.placed.get(former).cloned();
                        self.fetch(path, wanted, before);
                    }
                    _ => self.taken.push(path.to_owned()),
                }
            }
        }
        Ok(())
    }

    /// A file takes the place of a folder of files that go.
    fn take_folder(&mut self, path: &str, wanted: &Wanted) {
        let below = format!("{path}/");
        let ours: Vec<String> = self.record.placed.keys().filter(|other| other.starts_with(&below)).cloned().collect();
        let there: Vec<String> = ours.into_iter().filter(|other| self.is_ours(other)).collect();
        if self.ground.holds_others(path, &there.iter().map(String::as_str).collect()) {
            self.taken.push(path.to_owned());
        } else {
            self.clear.extend(there);
            self.fetch(path, wanted, None);
        }
    }

    fn fetch(&mut self, path: &str, wanted: &Wanted, before: Option<(Sha256Hex, u64)>) {
        let origin = match &wanted.origin {
            Some(origin @ Origin::Bytes(_)) => Some(origin.clone()),
            other => self.donor(&wanted.sha256).map(Origin::Copy).or_else(|| other.clone()),
        };
        match origin {
            Some(origin) => {
                let (path, sha256, bytes) = (path.to_owned(), wanted.sha256.clone(), wanted.bytes);
                self.place.push(Placement { path, sha256, bytes, before, origin });
            }
            // Without its address it is not fetched again; losses() has seen to it that this is no file of an asset.
            None => self.taken.push(path.to_owned()),
        }
    }

    /// A file of the folder with the same content.
    fn donor(&mut self, sha256: &Sha256Hex) -> Option<String> {
        let same = self.contents.get(sha256)?.clone();
        same.into_iter().find(|path| self.is_ours(path)).map(str::to_owned)
    }

    /// The path at which a file was placed that another path leads to as well.
    fn former_of(&mut self, path: &str) -> Option<&'d str> {
        let former = self.former.get(&folded(path)).copied()?;
        (former != path && self.ground.is_one(former, path)).then_some(former)
    }

    pub fn removals(&mut self, target: &Target) -> Vec<(String, Sha256Hex)> {
        let mut remove = Vec::new();
        let wanted: BTreeMap<String, &str> = target.wanted.keys().map(|path| (folded(path), path.as_str())).collect();
        for (path, (sha256, _)) in &self.record.placed {
            if target.wanted.contains_key(path) || self.clear.contains(path) {
                continue;
            }
            // It has another name now, and taking the former one away would take the file itself.
            if wanted.get(&folded(path)).is_some_and(|now| self.ground.is_one(path, now)) {
                continue;
            }
            if self.is_ours(path) {
                remove.push((path.clone(), sha256.clone()));
            } else if self.ground.look(path) != Seen::Nothing {
                self.left.push((path.clone(), "the manifest does not have it any more, and it was changed here"));
            }
        }
        remove
    }
}
