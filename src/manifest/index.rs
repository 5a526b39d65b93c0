//! All assets in short, for whoever wants to list or search them with one request.

use super::build::{BuildError, Manifest, canonical};
use super::files::size;
use super::format::{AssetEntry, IndexEntry};
use super::listing::Listing;
use super::shard::write;

/// How large the index may be, in bytes; where it would be larger there is none.
const MOST_BYTES: u64 = 512 * 1024;
/// How much of a description it has, in characters.
const DESCRIPTION: usize = 200;

/// The bytes of the index; none where it would be no small file.
pub fn index(manifest: &Manifest, listing: &Listing) -> Result<Option<Vec<u8>>, BuildError> {
    let (mut lines, mut bytes) = (Vec::new(), 0_u64);
    for (collection, of) in &manifest.collections {
        for entry in &of.entries {
            let entry = serde_json::from_slice(&entry.bytes).map_err(|error| BuildError::Json(error.to_string()))?;
            let line = canonical(&in_short(collection, &entry, listing))?;
            bytes += size(&line) + 2;
            if bytes > MOST_BYTES {
                return Ok(None);
            }
            lines.push(line);
        }
    }
    let lines = lines.iter().map(Vec::as_slice);
    Ok(Some(write(b"{\"version\":1,\"assets\":[\n", lines, b"\n]}\n")))
}

fn in_short(collection: &str, entry: &AssetEntry, listing: &Listing) -> IndexEntry {
    let listed = listing.of(collection, entry);
    let description = listed.description.map(|text| match text.char_indices().nth(DESCRIPTION) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
        None => text,
    });
    IndexEntry {
        collection: collection.to_owned(),
        id: entry.id.clone(),
        digest: entry.digest.clone(),
        status: entry.status.clone(),
        title: listed.title,
        description,
        tags: listed.tags,
        url: listed.url,
        image: listed.image.and_then(|file| file.url.clone()),
    }
}
