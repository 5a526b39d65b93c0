//! What was fetched before, below `.git`: every entry is known by a digest, so damage is seen and the entry fetched again.
//!
//! It may be deleted at any time. What cannot be written is not kept, and nothing else comes of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use git2::{ObjectType, Oid};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::adapters::whole_file;
use crate::ids::{BlobId, Sha256Hex};

/// No entry is larger.
const MAX_ENTRY: u64 = 65 << 20;

/// Files and notes that were fetched before.
pub struct Cache {
    folder: PathBuf,
    is_kept: bool,
    /// What a cache that must leave no trace has learnt.
    memory: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Cache {
    /// The cache in this folder, which need not be there yet.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder, is_kept: true, memory: Mutex::default() }
    }

    /// The same for a run that must write nothing: what it fetches it remembers until it ends.
    pub fn without_trace(folder: PathBuf) -> Self {
        Self { is_kept: false, ..Self::at(folder) }
    }

    /// The blob, if it is here and whole.
    pub fn blob(&self, id: &BlobId) -> Option<Vec<u8>> {
        self.get(&blob_name(id)).filter(|bytes| is_blob(id, bytes))
    }

    /// Keeps a blob.
    pub fn put_blob(&self, id: &BlobId, bytes: &[u8]) {
        self.put(&blob_name(id), bytes);
    }

    /// The download with this digest, if it is here and whole.
    pub fn download(&self, digest: &Sha256Hex) -> Option<Vec<u8>> {
        self.get(&download_name(digest)).filter(|bytes| Sha256Hex::of(bytes) == *digest)
    }

    /// Keeps a download.
    pub fn put_download(&self, digest: &Sha256Hex, bytes: &[u8]) {
        self.put(&download_name(digest), bytes);
    }

    /// What was noted under this key, if it is whole.
    pub fn note<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let bytes = self.get(&note_name(key))?;
        let (digest, text) = bytes.split_at_checked(64)?;
        if Sha256Hex::of(text).as_str().as_bytes() != digest {
            return None;
        }
        serde_json::from_slice(text).ok()
    }

    /// Notes something under a key.
    pub fn put_note<T: Serialize>(&self, key: &str, note: &T) {
        if let Ok(text) = serde_json::to_vec(note) {
            let mut bytes = Sha256Hex::of(&text).as_str().as_bytes().to_vec();
            bytes.extend(text);
            self.put(&note_name(key), &bytes);
        }
    }

    fn get(&self, name: &str) -> Option<Vec<u8>> {
        if let Some(bytes) = self.memory.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(bytes.clone());
        }
        let mut bytes = Vec::new();
        File::open(self.folder.join(name)).ok()?.take(MAX_ENTRY).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        if self.is_kept {
            // A full disk or a folder of somebody else: the next run fetches it again.
            drop(whole_file::write(&self.folder.join(name), bytes));
        } else {
            self.memory.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), bytes.to_vec());
        }
    }
}

/// Whether these are the bytes that git knows by this id.
pub(super) fn is_blob(id: &BlobId, bytes: &[u8]) -> bool {
    Oid::hash_object(ObjectType::Blob, bytes).is_ok_and(|oid| oid.to_string() == id.as_str())
}

fn blob_name(id: &BlobId) -> String {
    format!("blobs/{id}")
}

fn download_name(digest: &Sha256Hex) -> String {
    format!("downloads/{digest}")
}

fn note_name(key: &str) -> String {
    format!("notes/{}", Sha256Hex::of(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "ce013625030ba8dba906f756967f9e9ca394464a";

    #[test]
    fn what_is_damaged_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().to_owned());
        let (id, digest) = (BlobId::parse(HELLO).unwrap(), Sha256Hex::of(b"hello\n"));
        cache.put_blob(&id, b"hello\n");
        cache.put_download(&digest, b"hello\n");
        cache.put_note("key", &["a", "b"]);
        let all = || (cache.blob(&id), cache.download(&digest), cache.note::<Vec<String>>("key"));
        let whole = Some(b"hello\n".to_vec());
        assert_eq!(all(), (whole.clone(), whole, Some(vec!["a".to_owned(), "b".to_owned()])));
        for name in [blob_name(&id), download_name(&digest), note_name("key")] {
            let mut bytes = std::fs::read(folder.path().join(&name)).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(folder.path().join(&name), bytes).unwrap();
        }
        assert_eq!(all(), (None, None, None));
        for name in [blob_name(&id), download_name(&digest), note_name("key")] {
            std::fs::write(folder.path().join(&name), "").unwrap();
        }
        assert_eq!(all(), (None, None, None));
    }

    #[test]
    fn a_cache_without_trace_remembers_and_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::without_trace(folder.path().to_owned());
        cache.put_note("key", &1);
        assert_eq!((cache.note("key"), cache.note::<i32>("other")), (Some(1), None));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
