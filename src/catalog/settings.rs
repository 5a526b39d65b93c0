//! What stockroom.yml says about a collection.

use schemars::JsonSchema;
use serde::Deserialize;

/// A kind of record that this library holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Globs of the metadata files, relative to the library's root: one match is one record is one asset.
    pub metadata: OneOrMany,
    /// Globs of files that are no records although `metadata` matches them.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// What names the asset: a key or JSON Pointer into the record, or a template of `{stem}`, `{dir}` and `{/pointer}`.
    /// Without it, the path of the record's folder.
    pub id: Option<String>,
    /// The name of the records' schema in the registry. Without it, records are parsed but not validated.
    pub schema: Option<String>,
    /// The key or JSON Pointer of the record's schema version.
    pub version_field: Option<String>,
    /// The version for records that name none: exact, a range such as `^1.0`, or `latest`.
    pub default_version: Option<String>,
    /// Whether a change may let a record name a lower schema version than before. Without it that is an error wherever a
    /// change is looked at: in pull requests, and with `--changed-since`.
    #[serde(default)]
    pub allow_downgrade: bool,
    /// JSON Pointers whose values are no change; `*` stands for any key or index.
    #[serde(default)]
    pub volatile: Vec<String>,
    /// The files beside the record.
    #[serde(default)]
    pub files: FileRules,
    /// JSON Pointers whose values stand only once in the collection; `*` stands for any key or index.
    #[serde(default)]
    pub unique: Vec<String>,
}

impl Settings {
    /// A collection of these files, of which nothing else is said.
    pub fn new(metadata: OneOrMany) -> Self {
        Self {
            metadata,
            exclude: Vec::new(),
            id: None,
            schema: None,
            version_field: None,
            default_version: None,
            allow_downgrade: false,
            volatile: Vec::new(),
            files: FileRules::default(),
            unique: Vec::new(),
        }
    }
}

/// The files that belong to a record, as names relative to its folder.
///
/// `{stem}` is the record's file name without extension, `{dir}` its folder's name, `{/pointer}` a value of the record;
/// `*` and `?` match within a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileRules {
    /// Files that must be there.
    #[serde(default)]
    pub required: Vec<String>,
    /// Files that may be there.
    #[serde(default)]
    pub optional: Vec<String>,
}

/// One text or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// A single one.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many.as_slice(),
        }
        .iter()
        .map(String::as_str)
    }
}
