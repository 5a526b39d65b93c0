//! A collection's entries in shards.
//!
//! The SHA-256 of an asset's id, bit by bit, leads down a binary tree; a node whose assets fit into one file is a shard. So
//! where an asset stands depends on nothing but the assets around it, and a library that grows divides one shard at a time.

use super::build::Entry;
use super::files::{Files, add, size};
use super::format::ShardRef;
use crate::ids::Sha256Hex;

/// What comes before a shard's entries.
const HEAD: &[u8] = b"{\"version\":1,\"assets\":[\n";
/// What comes after them.
const TAIL: &[u8] = b"\n]}\n";

/// How large a shard may be, in bytes, unless a single entry is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MostBytes(pub u64);

impl MostBytes {
    /// For those who come back for what has changed: small enough that little else comes along, and large enough that there
    /// are few of them.
    pub const FOLLOWED: Self = Self(64 * 1024);
    /// For a place that is read once: one shard for a collection.
    pub const SNAPSHOT: Self = Self(u64::MAX);
}

/// Writes the entries, which are sorted by id, into shards and gives the list of these in the order of their prefixes.
pub fn shards(entries: &[Entry], most: MostBytes, files: &mut Files) -> Vec<ShardRef> {
    let mut placed: Vec<Placed<'_>> = entries.iter().map(Placed::new).collect();
    placed.sort_by(|a, b| a.place.cmp(&b.place));
    let mut made = Vec::new();
    divide(&mut placed, String::new(), most, files, &mut made);
    made
}

struct Placed<'a> {
    /// The digits of the SHA-256 of its id.
    place: String,
    entry: &'a Entry,
}

impl<'a> Placed<'a> {
    fn new(entry: &'a Entry) -> Self {
        Self { place: Sha256Hex::of(entry.id.as_bytes()).to_string(), entry }
    }

    /// Its bit at this depth.
    fn bit(&self, depth: usize) -> bool {
        let digit = self.place.as_bytes().get(depth / 4).copied().unwrap_or_default();
        let value = char::from(digit).to_digit(16).unwrap_or_default();
        value & (8 >> (depth % 4)) != 0
    }
}

fn divide(placed: &mut [Placed<'_>], prefix: String, most: MostBytes, files: &mut Files, made: &mut Vec<ShardRef>) {
    let lines: u64 = placed.iter().map(|placed| size(&placed.entry.bytes) + 2).sum();
    if placed.len() <= 1 || size(HEAD) + lines + size(TAIL) <= most.0 {
        placed.sort_by(|a, b| a.entry.id.cmp(&b.entry.id));
        let bytes = write(HEAD, placed.iter().map(|placed| placed.entry.bytes.as_slice()), TAIL);
        let file = add(files, "shard", bytes);
        made.push(ShardRef { prefix, path: file.path, bytes: file.bytes, sha256: file.sha256, assets: placed.len() });
        return;
    }
    // Two ids have different digests, so that the paths of any two of them part somewhere.
    let depth = prefix.len();
    let half = placed.partition_point(|placed| !placed.bit(depth));
    let (zeros, ones) = placed.split_at_mut(half);
    for (side, bit) in [(zeros, '0'), (ones, '1')] {
        if !side.is_empty() {
            divide(side, format!("{prefix}{bit}"), most, files, made);
        }
    }
}

/// Lines between a head and a tail, divided by commas.
pub fn write<'b>(head: &[u8], lines: impl Iterator<Item = &'b [u8]>, tail: &[u8]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    for (index, line) in lines.enumerate() {
        if index > 0 {
            bytes.extend_from_slice(b",\n");
        }
        bytes.extend_from_slice(line);
    }
    bytes.extend_from_slice(tail);
    bytes
}

/// The entries of a shard as they stand in it, each on its line; none where these are not the bytes of a shard.
pub fn lines(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let inner = bytes.strip_prefix(HEAD)?.strip_suffix(TAIL)?;
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let lines = inner.split(|byte| *byte == b'\n');
    Some(lines.map(|line| line.strip_suffix(b",").unwrap_or(line)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::files::digest_in;
    use crate::manifest::format::Shard;

    fn entry(id: &str, long: usize) -> Entry {
        let text = "x".repeat(long);
        let bytes = serde_json_canonicalizer::to_vec(&serde_json::json!({
            "id": id, "path": "p", "digest": "d", "status": "valid", "record": text, "files": []
        }))
        .unwrap();
        Entry { id: id.into(), sha256: Sha256Hex::of(&bytes), digest: Sha256Hex::of(b"d"), bytes }
    }

    fn made(entries: &[Entry], most: u64) -> (Vec<ShardRef>, Files) {
        let mut files = Files::new();
        (shards(entries, MostBytes(most), &mut files), files)
    }

    fn entries(count: usize, long: usize) -> Vec<Entry> {
        (0..count).map(|index| entry(&format!("asset {index:05}"), long)).collect()
    }

    #[test]
    fn what_fits_is_one_shard_without_a_prefix() {
        let (list, files) = made(&entries(3, 10), 1_000);
        assert_eq!((list.len(), list[0].prefix.as_str(), list[0].assets, files.len()), (1, "", 3, 1));
        let shard: Shard = serde_json::from_slice(&files[&list[0].path]).unwrap();
        assert_eq!(shard.assets.iter().map(|asset| asset.id.as_str()).collect::<Vec<_>>()[0], "asset 00000");
        assert_eq!(digest_in(&list[0].path), Some(list[0].sha256.as_str()));
    }

    #[test]
    fn an_entry_that_is_too_large_has_a_shard_of_its_own() {
        let (list, _) = made(&entries(4, 2_000), 1_000);
        assert!(list.iter().all(|shard| shard.assets == 1) && list.len() == 4);
    }

    #[test]
    fn an_empty_collection_has_one_empty_shard() {
        let (list, files) = made(&[], 1_000);
        assert_eq!(lines(&files[&list[0].path]).unwrap().len(), 0);
        assert!(serde_json::from_slice::<Shard>(&files[&list[0].path]).unwrap().assets.is_empty());
    }

    #[test]
    fn one_more_asset_changes_the_shard_that_it_comes_into_and_no_other() {
        let all = entries(500, 100);
        let ((before, old), (after, new)) = (made(&all[1..], 8_192), made(&all, 8_192));
        let lost = before.iter().filter(|shard| !new.contains_key(&shard.path)).count();
        let come = after.iter().filter(|shard| !old.contains_key(&shard.path)).count();
        assert!(before.len() > 8 && lost == 1 && come <= 2, "{} shards, {lost} lost, {come} new", before.len());
    }

    proptest! {
        #[test]
        fn every_asset_stands_once_where_the_bits_of_its_id_lead(
            ids in proptest::collection::btree_set("[a-z]{1,6}", 0..60), most in 100_u64..4_000
        ) {
            let all: Vec<Entry> = ids.iter().map(|id| entry(id, 60)).collect();
            let (list, files) = made(&all, most);
            let mut found = Vec::new();
            for shard in &list {
                let bytes = &files[&shard.path];
                let entries = lines(bytes).unwrap();
                prop_assert_eq!(entries.len(), shard.assets);
                prop_assert!(shard.bytes <= most || shard.assets <= 1);
                prop_assert_eq!(serde_json::from_slice::<Shard>(bytes).unwrap().assets.len(), shard.assets);
                for line in entries {
                    let entry = all.iter().find(|entry| entry.bytes == line).unwrap();
                    let bits: String = (0..shard.prefix.len())
                        .map(|depth| if Placed::new(entry).bit(depth) { '1' } else { '0' })
                        .collect();
                    prop_assert_eq!(&bits, &shard.prefix);
                    found.push(entry.id.clone());
                }
            }
            found.sort();
            prop_assert_eq!(found, ids.into_iter().collect::<Vec<_>>());
            let prefixes: Vec<_> = list.iter().map(|shard| shard.prefix.clone()).collect();
            let mut sorted = prefixes.clone();
            sorted.sort();
            prop_assert_eq!(prefixes, sorted);
        }
    }
}
