//! How large the files on a branch are that are not here.
//!
//! A tree says which files there are and not how large they are, and to bring all of them only to measure them would take
//! more than all the rest. Git keeps a file as it was committed, whole; and the root and its lists say how large each is that we
//! have committed.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::Seen;
use super::commit::AS_THEY_ARE;
use crate::adapters::origin::OriginError;
use crate::manifest::edition::references;
use crate::manifest::files::ROOT;
use crate::manifest::format::{ExportList, FileRef, Root, ShardList, Updated};
use crate::manifest::layout::all;

/// How large a list of ours may be, in bytes.
const MOST_LISTED: u64 = 256 << 20;

/// Brings the lists that a root names, in one request.
pub(super) fn bring(seen: &Seen, folder: &str, root: &[u8]) -> Result<(), OriginError> {
    let Some(root) = serde_json::from_slice::<Root>(root).ok() else { return Ok(()) };
    let mut wanted = Vec::new();
    for list in lists(&root) {
        wanted.extend(seen.file(folder, &list.path)?);
    }
    seen.bench.bring(&wanted)
}

/// The files of a folder of the branch but its root, with their sizes. One that is neither here nor in a list has none: 0.
pub(super) fn sizes(seen: &Seen, folder: &str) -> Result<BTreeMap<String, u64>, OriginError> {
    let files = seen.files(folder)?;
    let root: Option<Root> = parsed(seen, folder, ROOT)?;
    let mut promised = BTreeMap::new();
    if let Some(root) = root {
        promised.extend(references(&root).map(|(name, bytes)| (name.clone(), bytes)));
        if let Some(list) = parsed::<ShardList>(seen, folder, &root.shards.path)? {
            promised.extend(all(&list).map(|(_, shard)| (shard.path.clone(), shard.bytes)));
        }
        if let Some(updated) = parsed::<Updated>(seen, folder, &root.updated.path)? {
            promised.extend(updated.deltas.into_iter().map(|delta| (delta.path, delta.bytes)));
        }
        if let Some(exports) = root.exports.as_ref() {
            let exports = parsed::<ExportList>(seen, folder, &exports.path)?.unwrap_or_default();
            promised.extend(exports.exports.into_values().flatten().map(|file| (file.path, file.bytes)));
        }
    }
    let size = |name: &str, blob| seen.bench.size(blob).or_else(|| promised.get(name).copied()).unwrap_or_default();
    let others = files.into_iter().filter(|(name, _)| name != ROOT && name != AS_THEY_ARE);
    Ok(others.map(|(name, blob)| (size(&name, blob), name)).map(|(size, name)| (name, size)).collect())
}

fn lists(root: &Root) -> impl Iterator<Item = &FileRef> {
    [Some(&root.shards), Some(&root.updated), root.exports.as_ref()].into_iter().flatten()
}

fn parsed<T: DeserializeOwned>(seen: &Seen, folder: &str, name: &str) -> Result<Option<T>, OriginError> {
    let Some(blob) = seen.file(folder, name)? else { return Ok(None) };
    let bytes = seen.bench.read(blob, MOST_LISTED)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}
