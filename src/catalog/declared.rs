//! What records say of the size and the digest of files, against the files.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde_json::Value;

use super::fact::FileFact;
use super::lfs;
use super::pointer::PointerPattern;
use super::record::{Record, UNREADABLE};
use super::references::SHOWN;
use super::tree::{ContentError, Contents, Tree};
use super::unique::Unlocated;
use crate::finding::words::cut;
use crate::finding::{Finding, codes};
use crate::ids::{RepoPath, Sha256Hex};

codes! {
    SIZE_DIFFERS "size-differs"
        "The record declares a size that the file beside it does not have. The file was changed, or the number was."
    DIGEST_DIFFERS "digest-differs"
        "The record declares a SHA-256 that the file beside it does not have. The file was changed, or the digest \
         was."
}

/// How many findings of this room are told of one record: as many as `limits.findings` can be.
const MOST: usize = 1_000;

/// Where records speak of the size and the digest of a file.
#[derive(Debug, Clone)]
pub struct DeclaredRule {
    /// The file's name.
    pub file: PointerPattern,
    /// Its size.
    pub bytes: Option<PointerPattern>,
    /// Its SHA-256.
    pub sha256: Option<PointerPattern>,
}

/// What a record says of a file. It is compared later, since a large file takes longer than a record may.
#[derive(Debug)]
pub struct Claim {
    /// The file's index in the tree.
    file: usize,
    bytes: Option<Said<u64>>,
    sha256: Option<Said<Sha256Hex>>,
}

/// A value, where it stands, and how to show it; none where it is no value of that kind.
#[derive(Debug)]
struct Said<T> {
    value: Option<T>,
    pointer: String,
    shown: String,
}

impl Claim {
    /// What the record says of the file that the value at this pointer names; none where it says nothing.
    pub fn of(file: usize, rule: &DeclaredRule, pointer: &str, record: &Record) -> Option<Self> {
        let wildcards = rule.file.wildcards(pointer);
        let find = |pattern: &Option<PointerPattern>| {
            let pointer = pattern.as_ref()?.filled(&wildcards);
            let value = record.document.value.pointer(&pointer).filter(|value| !value.is_null())?;
            Some((pointer, value))
        };
        let bytes = find(&rule.bytes).map(|(pointer, value)| Said::new(size_of(value), pointer, value));
        let sha256 = find(&rule.sha256).map(|(pointer, value)| Said::new(digest_of(value), pointer, value));
        (bytes.is_some() || sha256.is_some()).then_some(Self { file, bytes, sha256 })
    }

    /// Whether it is settled by the size of a file that is no LFS pointer.
    fn is_settled_by(&self, size: Option<u64>) -> bool {
        let says = self.bytes.as_ref().map(|said| said.value);
        self.sha256.is_none() && size.is_some() && says == Some(size)
    }
}

impl<T: PartialEq> Said<T> {
    fn new(value: Option<T>, pointer: String, shown_as: &Value) -> Self {
        Self { value, pointer, shown: cut(&shown_as.to_string(), SHOWN) }
    }
}

/// The size and digest of a file, as far as claims ask for them.
enum Facts {
    /// Its size is what all claims say.
    Settled,
    Known(Sha256Hex, u64),
    Unreadable(ContentError),
}

/// Compares what records say of files with the files: each claim comes with its record's index and path.
///
/// A file is read once however many records speak of it, and not at all where its size alone is asked for and right.
pub fn differing(claims: &[(usize, &RepoPath, &Claim)], tree: &Tree, contents: &dyn Contents) -> Vec<Unlocated> {
    let mut by_file: BTreeMap<usize, Vec<&Claim>> = BTreeMap::new();
    for (_, _, claim) in claims {
        by_file.entry(claim.file).or_default().push(claim);
    }
    let facts: BTreeMap<usize, Facts> = by_file
        .into_par_iter()
        .filter_map(|(file, claims)| {
            let entry = tree.entries.get(file)?;
            let head = contents.head(entry, 64).ok().filter(|(head, _)| !lfs::is_pointer(head));
            let size = head.map(|(_, size)| size);
            if claims.iter().all(|claim| claim.is_settled_by(size)) {
                return Some((file, Facts::Settled));
            }
            let facts = match contents.fact(entry) {
                Ok(FileFact { sha256, bytes, .. }) => Facts::Known(sha256, bytes),
                Err(error) => Facts::Unreadable(error),
            };
            Some((file, facts))
        })
        .collect();
    let (mut found, mut full) = (Vec::new(), BTreeSet::new());
    let mut told = (usize::MAX, 0);
    for (record, path, claim) in claims {
        let (Some(entry), Some(facts)) = (tree.entries.get(claim.file), facts.get(&claim.file)) else { continue };
        let findings = compare(claim, entry.path.file_name(), facts, path);
        told = if told.0 == *record { (*record, told.1 + findings.len()) } else { (*record, findings.len()) };
        if told.1 > MOST && !full.insert(*record) {
            continue;
        }
        found.extend(findings.into_iter().map(|finding| Unlocated { record: *record, finding }));
    }
    found
}

fn compare(claim: &Claim, name: &str, facts: &Facts, path: &RepoPath) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut tell = |code, pointer: &str, message: String, help: String| {
        findings.push(Finding::error(code, path.clone(), message).about(pointer).help(help));
    };
    let pointer = claim.bytes.as_ref().map(|said| &said.pointer).or(claim.sha256.as_ref().map(|said| &said.pointer));
    match facts {
        Facts::Settled => {}
        Facts::Unreadable(error) => {
            let message = format!("the file {name:?} cannot be compared with what the record says of it: {error}");
            let help = "see that the file is there and can be read".to_owned();
            tell(&UNREADABLE, pointer.map_or("", String::as_str), message, help);
        }
        Facts::Known(sha256, bytes) => {
            if let Some(said) = claim.bytes.as_ref().filter(|said| said.value != Some(*bytes)) {
                let message = format!("the file {name:?} has {bytes} bytes, and the record says {}", said.shown);
                tell(&SIZE_DIFFERS, &said.pointer, message, format!("if the file is the right one, write {bytes}"));
            }
            if let Some(said) = claim.sha256.as_ref().filter(|said| said.value.as_ref() != Some(sha256)) {
                let message = format!("the file {name:?} has another SHA-256 than the record says, {}", said.shown);
                let help = format!("if the file is the right one, write \"{sha256}\"");
                tell(&DIGEST_DIFFERS, &said.pointer, message, help);
            }
        }
    }
    findings
}

fn size_of(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A digest in either case of letters, perhaps with the name of its algorithm before it.
fn digest_of(value: &Value) -> Option<Sha256Hex> {
    let text = value.as_str()?.to_ascii_lowercase();
    Sha256Hex::parse(text.strip_prefix("sha256:").unwrap_or(&text)).ok()
}
