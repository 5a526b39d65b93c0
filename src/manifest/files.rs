//! Names of an edition's files, and what a server should say of them.

use std::collections::BTreeMap;

use super::format::FileRef;
use crate::ids::{RepoPath, Sha256Hex};

/// The name of the root.
pub const ROOT: &str = "manifest.json";
/// The publisher's own list of files that go when nobody can be reading them any more.
pub const RETIRED: &str = "retired.json";

/// Files by the names that they are published under.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The kinds of files that are named by their SHA-256 and therefore never change.
const KINDS: [&str; 8] = ["delta", "edition", "exports", "findings", "index", "shard", "shards", "updated"];
/// The kind of a root that stays readable when another one has taken its place.
const EDITION: &str = "edition";

/// Puts a file among the others under a name that holds its SHA-256.
pub fn add(files: &mut Files, kind: &str, bytes: Vec<u8>) -> FileRef {
    let sha256 = Sha256Hex::of(&bytes);
    let path = format!("{kind}-{sha256}.json");
    let reference = FileRef { path: path.clone(), bytes: size(&bytes), sha256: sha256.to_string() };
    files.insert(path, bytes);
    reference
}

/// The name of the signature of a root with these bytes.
pub fn signature_of(root: &[u8]) -> String {
    format!("root-{}.minisig", Sha256Hex::of(root))
}

/// Puts a root among the files of its edition, so that it can still be read when `manifest.json` is the next one.
pub fn add_copy(files: &mut Files, root: &[u8]) {
    files.insert(copy_of(&Sha256Hex::of(root)), root.to_vec());
}

/// The name under which a root with this SHA-256 stays readable.
pub fn copy_of(root: &Sha256Hex) -> String {
    format!("{EDITION}-{root}.json")
}

/// The SHA-256 of the root that stays readable under this name; none where it is the name of anything else.
pub fn root_in(name: &str) -> Option<Sha256Hex> {
    let digest = name.strip_prefix(EDITION)?.strip_prefix('-')?.strip_suffix(".json")?;
    digest_in(name).and_then(|_| Sha256Hex::parse(digest).ok())
}

/// The SHA-256 that a name of ours promises of the file; none for a file whose content may change.
pub fn digest_in(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    let (kind, digest) = stem.rsplit_once('-')?;
    let is_digest = digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (extension == "json" && is_digest && KINDS.contains(&kind)).then_some(digest)
}

/// Whether a file of this name is one that only we write, named by a digest.
pub fn is_ours(name: &str) -> bool {
    let is_signature = name.strip_prefix("root-").and_then(|rest| rest.strip_suffix(".minisig"));
    digest_in(name).is_some() || is_signature.is_some_and(|digest| Sha256Hex::parse(digest).is_ok())
}

/// Whether a file of this name never changes: one of ours, or one of another format whose name ends in its digest.
pub fn is_immutable(name: &str) -> bool {
    let stem = name.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(stem, _)| stem);
    let digest = stem.rsplit(['-', '_']).next().unwrap_or_default();
    let is_digest = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    is_ours(name) || (is_digest && digest.len() < stem.len())
}

/// What `Cache-Control` should say of a file of this name (RFC 9111, RFC 8246).
pub fn cache_control(name: &str) -> &'static str {
    if is_immutable(name) { "public, max-age=31536000, immutable" } else { "public, max-age=60" }
}

/// The size of a file in bytes.
pub fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The media type of a file by its extension (IANA, else `application/octet-stream`).
pub fn media_type(name: &str) -> &'static str {
    match RepoPath::new(name).extension().to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "avif" => "image/avif",
        "md" | "markdown" => "text/markdown",
        "txt" | "minisig" => "text/plain",
        "csv" => "text/csv",
        "html" => "text/html",
        "json" => "application/json",
        "yaml" | "yml" => "application/yaml",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "blend" => "application/x-blender",
        "glb" => "model/gltf-binary",
        "gltf" => "model/gltf+json",
        "obj" => "model/obj",
        "stl" => "model/stl",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_promises_a_digest_or_none() {
        let digest = Sha256Hex::of(b"x");
        assert_eq!(digest_in(&format!("shard-{digest}.json")), Some(digest.as_str()));
        for name in ["manifest.json", "shard-abc.json", &format!("photo-{digest}.json"), &format!("shard-{digest}.js")]
        {
            assert_eq!(digest_in(name), None, "{name}");
            assert!(!is_ours(name), "{name}");
        }
        let signature = signature_of(b"x");
        assert!(digest_in(&signature).is_none() && is_ours(&signature));
        let copy = copy_of(&digest);
        assert!(
            root_in(&copy) == Some(digest.clone()) && is_ours(&copy) && cache_control(&copy).ends_with("immutable")
        );
        for name in [signature.clone(), format!("shard-{digest}.json"), copy.to_uppercase(), format!("x/{copy}")] {
            assert_eq!(root_in(&name), None, "{name}");
        }
        assert!(is_immutable(&format!("_v1/assets-{digest}.json")) && !is_immutable("_v1/asset-index.json"));
        assert!(cache_control(&signature).ends_with("immutable") && !cache_control(ROOT).contains("immutable"));
    }
}
