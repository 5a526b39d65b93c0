//! `stockroom.lock`: the registry as it was when somebody last agreed to it, to the byte.
//!
//! The format is a promise: JSON, version 1, sorted keys, one line for each schema, so that a diff shows what has moved.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::registry::is_release;
use crate::finding::codes;
use crate::ids::{CommitId, Sha256Hex};

/// Where it lies, relative to the library's root.
pub const LOCK: &str = "stockroom.lock";
/// How large it may be, in bytes.
pub const MAX_LOCK_BYTES: u64 = 1024 * 1024;

codes! {
    SCHEMA_EDITED "schema-edited"
        "A released version of a schema is not what stockroom.lock says. Records and add-ons name that version and \
         trust that it stays: release the change as a new version, or run `stockroom schema lock` if nobody uses it \
         yet."
    SCHEMA_SOURCE_PROPOSED "schema-source-proposed"
        "A pull request names another registry than the branch that it would be merged into. Nothing is fetched from \
         there before the merge; until then the records are checked with the registry of that branch."
}

/// What a registry was resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The source, as stockroom.yml names it.
    pub source: String,
    /// The commit that it was, where it is a repository.
    pub commit: Option<CommitId>,
    /// The SHA-256 of each schema file, by its path below the registry's folder.
    pub schemas: BTreeMap<String, Sha256Hex>,
}

/// The file's format.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "stockroom.lock")]
struct LockFile {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u32,
    /// The source, as stockroom.yml names it.
    source: String,
    /// The commit that the source was, where it is a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// The digest of each schema file, by its path below the registry's folder.
    schemas: BTreeMap<String, String>,
}

impl Lock {
    /// Reads the file; the error is a sentence.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let cure = "`stockroom schema lock` writes it anew";
        let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON ({error}); {cure}"))?;
        if value.get("version").and_then(Value::as_u64).is_some_and(|version| version > 1) {
            return Err("it was written by a newer Stockroom; update this one".to_owned());
        }
        let file = LockFile::deserialize(&value).map_err(|error| format!("{error}; {cure}"))?;
        let wrong = |error: crate::ids::InvalidId| format!("{error}; {cure}");
        let commit = file.commit.map(|text| CommitId::parse(&text).map_err(wrong)).transpose()?;
        let digest = |(path, text): (String, String)| {
            let hex = text.strip_prefix("sha256:").unwrap_or_default();
            Ok((path, Sha256Hex::parse(hex).map_err(wrong)?))
        };
        let schemas = file.schemas.into_iter().map(digest).collect::<Result<_, String>>()?;
        Ok(Self { source: file.source, commit, schemas })
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let file = LockFile {
            version: 1,
            source: self.source.clone(),
            commit: self.commit.as_ref().map(ToString::to_string),
            schemas: self.schemas.iter().map(|(path, digest)| (path.clone(), format!("sha256:{digest}"))).collect(),
        };
        // A map of texts always has a text.
        let text = serde_json::to_string_pretty(&file).unwrap_or_default();
        format!("{text}\n")
    }

    /// Whether it speaks of this source.
    pub fn is_of(&self, source: &str) -> bool {
        self.source == source
    }

    /// The first of these files, by path, whose digest is another one than the lock's.
    pub fn contradicted<'f>(&self, files: &'f BTreeMap<String, Sha256Hex>) -> Option<&'f str> {
        let differs =
            |(path, digest): &(&String, &Sha256Hex)| self.schemas.get(*path).is_some_and(|held| held != *digest);
        files.iter().find(differs).map(|(path, _)| path.as_str())
    }

    /// The first of these files, by path, that the lock does not know.
    pub fn unknown<'f>(&self, files: &'f BTreeMap<String, Sha256Hex>) -> Option<&'f str> {
        files.keys().find(|path| !self.schemas.contains_key(*path)).map(String::as_str)
    }
}

/// The JSON Schema (draft 2020-12) of stockroom.lock.
pub fn json_schema() -> Value {
    schemars::schema_for!(LockFile).to_value()
}

/// What has moved from one lock to the next: a line for each, for a person to read before a commit.
pub fn moves(old: Option<&Lock>, new: &Lock) -> Vec<String> {
    let Some(old) = old else { return Vec::new() };
    let mut lines = Vec::new();
    if old.source != new.source {
        lines.push(format!("source: {} (was {})", new.source, old.source));
    }
    if let (Some(now), Some(then)) = (&new.commit, &old.commit)
        && now != then
    {
        lines.push(format!("commit: {} (was {})", now.short(), then.short()));
    }
    for (path, digest) in &new.schemas {
        match old.schemas.get(path) {
            None => lines.push(format!("new: {path}")),
            Some(then) if then != digest && is_release(path) => {
                lines.push(format!("changed: {path}, a released version that should have stayed as it was"));
            }
            Some(then) if then != digest => lines.push(format!("changed: {path}")),
            Some(_) => {}
        }
    }
    lines
        .extend(old.schemas.keys().filter(|path| !new.schemas.contains_key(*path)).map(|path| format!("gone: {path}")));
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lock(commit: Option<char>, schemas: &[(&str, &str)]) -> Lock {
        Lock {
            source: "github:org/schemas@v1".to_owned(),
            commit: commit.map(|digit| CommitId::parse(&digit.to_string().repeat(40)).unwrap()),
            schemas: schemas.iter().map(|(path, text)| ((*path).to_owned(), Sha256Hex::of(text.as_bytes()))).collect(),
        }
    }

    #[test]
    fn the_format_is_a_promise() {
        insta::assert_snapshot!(lock(Some('a'), &[("product/v1.0.0.json", "x"), ("icon.schema.json", "")]).render(), @r#"
        {
          "version": 1,
          "source": "github:org/schemas@v1",
          "commit": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          "schemas": {
            "icon.schema.json": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "product/v1.0.0.json": "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
          }
        }
        "#);
    }

    #[test]
    fn a_lock_that_cannot_be_trusted_is_refused_in_a_sentence() {
        let table = [
            ("<<<<<<< HEAD", "it is no JSON"),
            (r#"{"version": 2}"#, "a newer Stockroom"),
            (r#"{"version": 1, "source": "./schemas"}"#, "missing field"),
            (r#"{"version": 1, "source": "x", "commit": "main", "schemas": {}}"#, "not a commit id"),
            (r#"{"version": 1, "source": "x", "schemas": {"a.json": "abc"}}"#, "not a SHA-256"),
            (r#"{"version": 1, "source": "x", "schemas": {}, "extra": 1}"#, "unknown field"),
        ];
        for (text, wanted) in table {
            let said = Lock::parse(text.as_bytes()).unwrap_err();
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }

    #[test]
    fn what_has_moved_is_told_line_by_line() {
        let old = lock(Some('a'), &[("p/v1.0.0.json", "1"), ("p/latest.json", "1"), ("q.json", "1")]);
        let new = lock(Some('b'), &[("p/v1.0.0.json", "2"), ("p/latest.json", "2"), ("p/v1.1.0.json", "2")]);
        assert_eq!(moves(Some(&old), &old), [""; 0]);
        assert_eq!(
            moves(Some(&old), &new),
            [
                "commit: bbbbbbb (was aaaaaaa)",
                "changed: p/latest.json",
                "changed: p/v1.0.0.json, a released version that should have stayed as it was",
                "new: p/v1.1.0.json",
                "gone: q.json",
            ]
        );
    }

    proptest! {
        #[test]
        fn a_lock_reads_back_as_it_was_written(
            source in "\\PC{0,20}", commit in proptest::option::of("[0-9a-f]{40}"), paths in proptest::collection::vec("\\PC{1,9}", 0..4)
        ) {
            let schemas = paths.into_iter().map(|path| (path.clone(), Sha256Hex::of(path.as_bytes()))).collect();
            let lock = Lock { source, commit: commit.map(|text| CommitId::parse(&text).unwrap()), schemas };
            prop_assert_eq!(Lock::parse(lock.render().as_bytes()), Ok(lock));
        }
    }
}
