//! Whether the documents of a publication agree with each other; each disagreement is a sentence.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;
use serde_json::Value;

use super::documents::{Change, Document, Flaw, Line, collection_digest, delta, flaw, parsed, shard};
use super::names::file_path;
use crate::manifest::format::{
    AssetEntry, DeltaRef, ExportList, FileEntry, FileRef, Index, Root, ShardList, ShardRef, Updated,
};

/// A publication that is being looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proof {
    /// What is wrong, in the order in which it was found.
    pub problems: Vec<Flaw>,
    /// How many documents were looked at.
    pub documents: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// The entries, by collection and id.
    entries: BTreeMap<String, BTreeMap<String, Line>>,
    /// Collections of which not all entries could be read: nothing is compared with them, for the cause is told already.
    unread: BTreeSet<String>,
    /// The files that can be fetched, by their addresses.
    files: BTreeMap<String, FileEntry>,
    /// How many files the assets have.
    pub file_count: usize,
}

impl Proof {
    /// How many assets there are.
    pub fn assets(&self) -> usize {
        self.entries.values().map(BTreeMap::len).sum()
    }

    /// The files that can be fetched, by their addresses.
    pub fn files(&self) -> &BTreeMap<String, FileEntry> {
        &self.files
    }

    /// Notes a problem.
    pub fn note(&mut self, problem: Flaw) {
        self.problems.push(problem);
    }

    /// Takes what was read, or notes why it could not be.
    fn kept<T>(&mut self, read: Result<T, Flaw>) -> Option<T> {
        read.map_err(|problem| self.note(problem)).ok()
    }

    /// The bytes of a document that is there and what was promised.
    fn whole<'b>(&mut self, document: &Document, bytes: Option<&'b [u8]>) -> Option<&'b [u8]> {
        self.documents += 1;
        let there = bytes.ok_or_else(|| flaw(&document.path, "is not there"));
        let whole = there.and_then(|bytes| document.refuse_other(bytes).map(|()| bytes));
        self.bytes = self.bytes.saturating_add(bytes.map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)));
        self.kept(whole)
    }

    /// Takes the list of the shards.
    pub fn take_list(&mut self, root: &Root, bytes: Option<&[u8]>) -> Option<ShardList> {
        let document = Document::from(&root.shards);
        let whole = self.whole(&document, bytes);
        let list = whole.and_then(|bytes| self.kept(super::documents::shard_list(&document, bytes)));
        let Some(list) = list else {
            self.unread.extend(root.collections.keys().cloned());
            return None;
        };
        for name in root.collections.keys().filter(|name| !list.collections.contains_key(*name)) {
            self.note(flaw(&document.path, format!("has no shards of {name:?}, which the root names")));
            self.unread.insert(name.clone());
        }
        for name in list.collections.keys().filter(|name| !root.collections.contains_key(*name)) {
            self.note(flaw(&document.path, format!("has shards of {name:?}, which the root does not name")));
        }
        Some(list)
    }

    /// Takes a shard.
    pub fn take_shard(&mut self, collection: &str, reference: &ShardRef, bytes: Option<&[u8]>) {
        let whole = self.whole(&Document::from(reference), bytes);
        let Some(lines) = whole.and_then(|bytes| self.kept(shard(reference, bytes))) else {
            self.unread.insert(collection.to_owned());
            return;
        };
        for line in lines {
            match serde_json::from_slice::<AssetEntry>(&line.bytes) {
                Err(error) => {
                    self.note(flaw(&reference.path, format!("has {:?}, which is no asset: {error}", line.id)))
                }
                Ok(entry) => entry.files.into_iter().for_each(|file| self.take_file(reference, file)),
            }
            let known = self.entries.entry(collection.to_owned()).or_default().insert(line.id.clone(), line);
            if let Some(twice) = known {
                self.note(flaw(&reference.path, format!("has the asset {:?}, which another shard has too", twice.id)));
            }
        }
    }

    fn take_file(&mut self, reference: &ShardRef, file: FileEntry) {
        self.file_count += 1;
        if let Err(name) = file_path(&file.path) {
            self.note(flaw(&reference.path, format!("names a file that nobody would pull: {name}")));
        }
        let Some(url) = file.url.clone() else { return };
        let is_other = |known: &FileEntry| (&known.sha256, known.bytes) != (&file.sha256, file.bytes);
        if self.files.get(&url).is_some_and(is_other) {
            self.note(flaw(&url, "is the address of two files that differ, and can be only one of them"));
        }
        self.files.insert(url, file);
    }

    /// Compares all entries with what the root says of them, when all shards were taken.
    pub fn compare(&mut self, root: &Root) {
        let nothing = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, of) in root.collections.iter().filter(|(name, _)| !self.unread.contains(*name)) {
            let assets = self.entries.get(name).unwrap_or(&nothing);
            let digest = collection_digest(assets.iter().map(|(id, line)| (id.as_str(), &line.sha256)));
            if assets.len() != of.assets {
                problems.push(format!(
                    "says that {name:?} has {} assets, and its shards have {}",
                    of.assets,
                    assets.len()
                ));
            } else if digest.as_str() != of.digest {
                problems.push(format!("says another digest of {name:?} than its shards give: {digest}"));
            }
            let entries = assets.values().filter_map(|line| serde_json::from_slice::<AssetEntry>(&line.bytes).ok());
            let files: Vec<FileEntry> = entries.flat_map(|entry| entry.files).collect();
            let bytes: u64 = files.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
            if digest.as_str() == of.digest && (files.len(), bytes) != (of.files, of.bytes) {
                problems.push(format!(
                    "says that the assets of {name:?} have {} files of {} bytes, and they have {} of {bytes}",
                    of.files,
                    of.bytes,
                    files.len()
                ));
            }
        }
        self.problems.extend(problems.into_iter().map(|why| flaw("manifest.json", why)));
    }

    /// Takes the index.
    pub fn take_index(&mut self, reference: &FileRef, bytes: Option<&[u8]>) {
        let document = Document::from(reference);
        let Some(bytes) = self.whole(&document, bytes) else { return };
        let Some(index) = self.kept(parsed::<Index>(&document.path, bytes)) else { return };
        let listed: Vec<_> = index.assets.iter().filter(|entry| !self.unread.contains(&entry.collection)).collect();
        let read = self.entries.iter().filter(|(name, _)| !self.unread.contains(*name));
        let count: usize = read.map(|(_, assets)| assets.len()).sum();
        let wrong = listed.iter().find(|entry| {
            let line = self.entries.get(&entry.collection).and_then(|assets| assets.get(&entry.id));
            let asset = line.and_then(|line| serde_json::from_slice::<Value>(&line.bytes).ok());
            asset.is_none_or(|asset| asset.get("digest").and_then(Value::as_str) != Some(entry.digest.as_str()))
        });
        let told = match wrong {
            Some(entry) => format!("says something else of {:?} in {:?} than its shard", entry.id, entry.collection),
            None if listed.len() != count => format!("has {} assets, and the shards have {count}", listed.len()),
            None => return,
        };
        self.note(flaw(&document.path, told));
    }

    /// Takes the list of the commits that last changed each asset; the deltas that it says are kept.
    pub fn take_updated(&mut self, reference: &FileRef, bytes: Option<&[u8]>) -> Vec<DeltaRef> {
        let document = Document::from(reference);
        let Some(bytes) = self.whole(&document, bytes) else { return Vec::new() };
        let Some(updated) = self.kept(parsed::<Updated>(&document.path, bytes)) else { return Vec::new() };
        let places = updated.collections.values().flat_map(BTreeMap::values).chain([&updated.base]);
        if self.assets() > 0 && places.into_iter().any(|at| *at >= updated.commits.len()) {
            self.note(flaw(&document.path, "names a commit that it does not list"));
        }
        let is_there = |collection: &str, id: &str| {
            self.unread.contains(collection)
                || self.entries.get(collection).is_some_and(|assets| assets.contains_key(id))
        };
        let listed = updated.collections.iter().flat_map(|(name, ids)| ids.keys().map(move |id| (name, id)));
        let stray = listed.into_iter().find(|(name, id)| !is_there(name, id)).map(|(_, id)| id.clone());
        if let Some(stray) = stray {
            self.note(flaw(&document.path, format!("names the asset {stray:?}, which is not there")));
        }
        updated.deltas
    }

    /// Takes a delta, which has to lead to the catalogue with the digest `to`.
    pub fn take_delta(&mut self, reference: &DeltaRef, to: &str, is_newest: bool, bytes: Option<&[u8]>) {
        let Some(bytes) = self.whole(&Document::from(reference), bytes) else { return };
        let Some(Change { to: leads, put, removed, .. }) = self.kept(delta(reference, bytes)) else { return };
        if leads != to {
            self.note(flaw(&reference.path, "does not lead to the catalogue that the next one begins with"));
        }
        let entry = |collection: &str, id: &str| self.entries.get(collection).and_then(|assets| assets.get(id));
        let is_read = |collection: &str| !self.unread.contains(collection);
        let other = put.iter().find(|(name, line)| is_read(name) && entry(name, &line.id) != Some(line));
        let other = other.map(|(_, line)| &line.id);
        let stays = removed.iter().find(|(collection, id)| entry(collection, id).is_some()).map(|(_, id)| id);
        if let Some(id) = other.or(stays).filter(|_| is_newest) {
            let why = format!("says something else of the asset {id:?} than its shard");
            self.note(flaw(&reference.path, why));
        }
    }

    /// Takes a document of which only the form matters here.
    pub fn take_other(&mut self, reference: &FileRef, bytes: Option<&[u8]>) {
        let document = Document::from(reference);
        if let Some(bytes) = self.whole(&document, bytes) {
            self.kept(parsed::<IgnoredAny>(&document.path, bytes));
        }
    }

    /// Takes the list of the exports: their files.
    pub fn take_exports(&mut self, reference: &FileRef, bytes: Option<&[u8]>) -> Vec<FileRef> {
        let document = Document::from(reference);
        let Some(bytes) = self.whole(&document, bytes) else { return Vec::new() };
        let list = self.kept(parsed::<ExportList>(&document.path, bytes));
        let files = list.into_iter().flat_map(|list| list.exports.into_values().flatten());
        files.filter(|file| self.kept(Document::from(file).refuse_unusable()).is_some()).collect()
    }

    /// Takes a file of an export.
    pub fn take_export(&mut self, reference: &FileRef, bytes: Option<&[u8]>) {
        self.whole(&Document::from(reference), bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Edition, Library};
    use super::*;

    fn proved(edition: &Edition) -> Vec<String> {
        let (root, mut proof) = (edition.root(), Proof::default());
        let file = |name: &str| edition.files.get(name).map(Vec::as_slice);
        if let Some(list) = proof.take_list(&root, file(&root.shards.path)) {
            for (collection, shards) in &list.collections {
                for shard in shards {
                    proof.take_shard(collection, shard, file(&shard.path));
                }
            }
        }
        proof.compare(&root);
        proof.take_updated(&root.updated, file(&root.updated.path));
        if let Some(delta) = &root.delta {
            proof.take_delta(delta, &root.digest, true, file(&delta.path));
        }
        proof.problems.iter().map(ToString::to_string).filter(|told| !told.contains("0 files of 0 bytes")).collect()
    }

    #[test]
    fn a_publication_that_agrees_with_itself_has_no_problem() {
        let one = Library::of(&[("products", "a", 1), ("products", "b", 1), ("guides", "x", 1)]).publish(1, None);
        assert!(proved(&one).is_empty(), "{:?}", proved(&one));
        let two = Library::of(&[("products", "a", 2), ("guides", "x", 1)]).publish(2, Some(&one));
        assert!(proved(&two).is_empty(), "{:?}", proved(&two));
    }

    #[test]
    fn each_thing_that_is_wrong_is_told_once_by_its_file() {
        let one = Library::of(&[("products", "a", 1), ("products", "b", 1), ("products", "c", 1)]).publish(1, None);
        let two = Library::of(&[("products", "a", 2), ("products", "c", 1)]).publish(2, Some(&one));
        let root = two.root();
        let with = |change: &dyn Fn(&mut Edition)| {
            let mut edition = two.clone();
            change(&mut edition);
            proved(&edition).join("; ")
        };
        let list = root.shards.path.clone();
        assert_eq!(with(&|edition| drop(edition.files.remove(&list))), format!("{list} is not there"));
        for name in two.files.keys().filter(|name| name.starts_with("shard-")) {
            let told = with(&|edition| drop(edition.files.remove(name)));
            assert!(told.is_empty() || told == format!("{name} is not there"), "{told}");
        }
        let delta = root.delta.clone().unwrap().path;
        let told = with(&|edition| drop(edition.files.remove(&delta)));
        assert_eq!(told, format!("{delta} is not there"));
        let updated = root.updated.path;
        let told = with(&|edition| edition.files.get_mut(&updated).unwrap().push(b' '));
        assert!(told.starts_with(&updated) && told.contains("were promised"), "{told}");
        let told = with(&|edition| edition.root["collections"]["products"]["assets"] = 7.into());
        assert!(told.contains("has 7 assets, and its shards have 2"), "{told}");
    }
}
