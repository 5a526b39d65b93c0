//! Files of others at a place, which are not replaced.

use std::collections::{BTreeMap, BTreeSet};

use crate::adapters::publication::{PublicationError, PublishTarget};
use crate::ids::Sha256Hex;
use crate::manifest::edition::Held;
use crate::manifest::files::{Files, RETIRED, digest_in, is_immutable};
use crate::manifest::format::ExportList;
use crate::manifest::page;

/// How large a file is that is looked at, in bytes.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Refuses to replace a file that has the name of an export and is none of ours, such as a home page or a sitemap.
///
/// Ours are those that the root's exports name. Where a run was killed before its root was there, the list of its exports is.
pub(super) async fn spare_others(
    target: &dyn PublishTarget,
    held: Option<&Held>,
    names: &BTreeMap<String, u64>,
    put: &Files,
) -> Result<(), PublicationError> {
    let known: BTreeSet<&str> = match held {
        // A list that is lost cannot tell, and the place is ours.
        Some(held) if held.root.exports.is_some() && held.exports.exports.is_empty() => return Ok(()),
        Some(held) => held.exports.exports.values().flatten().map(|file| file.path.as_str()).collect(),
        None => BTreeSet::new(),
    };
    let is_doubtful = |name: &str| !is_immutable(name) && name != RETIRED && !known.contains(name);
    let mut begun: Option<BTreeSet<(String, String)>> = None;
    for (name, bytes) in put.iter().filter(|(name, _)| is_doubtful(name) && names.contains_key(*name)) {
        let there = target.read(name, MOST_BYTES).await?;
        if there.as_ref().is_some_and(|there| there == bytes || (name == page::NAME && page::is_ours(there))) {
            continue;
        }
        if begun.is_none() {
            begun = Some(of_lists(target, names).await?);
        }
        let named = there.map(|there| (name.clone(), Sha256Hex::of(&there).to_string()));
        if named.zip(begun.as_ref()).is_some_and(|(named, begun)| begun.contains(&named)) {
            continue;
        }
        let why = format!(
            "it has a file {name} that Stockroom has not made and that would be lost; publish to a folder without one, move \
             that file away, or leave the export or page out of `manifest` in stockroom.yml"
        );
        return Err(PublicationError::Refused { place: target.place(), why });
    }
    Ok(())
}

/// The names and digests of the files that the lists of exports have which lie there.
async fn of_lists(
    target: &dyn PublishTarget,
    names: &BTreeMap<String, u64>,
) -> Result<BTreeSet<(String, String)>, PublicationError> {
    let mut found = BTreeSet::new();
    for name in names.keys().filter(|name| name.starts_with("exports-")) {
        let Some(digest) = digest_in(name) else { continue };
        let bytes = target.read(name, MOST_BYTES).await?.filter(|bytes| Sha256Hex::of(bytes).as_str() == digest);
        let list = bytes.and_then(|bytes| serde_json::from_slice::<ExportList>(&bytes).ok()).unwrap_or_default();
        found.extend(list.exports.into_values().flatten().map(|file| (file.path, file.sha256)));
    }
    Ok(found)
}
