//! What stockroom.yml says about a collection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// JSON Pointers whose values must be files beside the record, as paths from its folder; `*` stands for any key or
    /// index. These files belong to the asset. Null names none.
    #[serde(default)]
    pub references: Vec<String>,
    /// Where records say how large a file is and what its SHA-256 is; both are compared with the file.
    #[serde(default)]
    pub declared: Vec<Declared>,
    /// What the images beside the record must be.
    #[serde(default)]
    pub images: Vec<Images>,
    /// JSON Pointers whose values stand only once in the collection; `*` stands for any key or index. Written as
    /// `{pointer: /sku, across: skus}`, the value stands only once among all entries with that `across`, of any collection.
    #[serde(default)]
    pub unique: Vec<Unique>,
    /// Values that must be the id of a record.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// Where a record speaks of the size and the digest of a file beside it.
///
/// The `*` of `bytes` and `sha256` stand for what those of `file` stand for, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// The JSON Pointer of the file's path from the record's folder; it counts as one of `references`.
    pub file: String,
    /// The JSON Pointer of its size in bytes.
    pub bytes: Option<String>,
    /// The JSON Pointer of its SHA-256 in hex digits.
    pub sha256: Option<String>,
}

/// What some of the images beside a record must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// Their names relative to the record's folder, as in `files`.
    pub files: String,
    /// Their width in pixels.
    pub width: Option<u32>,
    /// Their height in pixels.
    pub height: Option<u32>,
    /// Whether they must be as high as they are wide.
    #[serde(default)]
    pub square: bool,
    /// How many bytes each may have.
    pub max_bytes: Option<u64>,
}

/// A value that stands only once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Unique {
    /// The JSON Pointer of a value that stands only once in the collection.
    Within(String),
    /// The same among all entries with one name.
    Across(UniqueAcross),
}

/// A value that stands only once among collections.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniqueAcross {
    /// The JSON Pointer of the value.
    pub pointer: String,
    /// A name that you choose: among all entries of all collections with this name, a value stands only once.
    pub across: String,
}

/// A value that names another record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The JSON Pointer of the value; `*` stands for any key or index. Null names none.
    pub pointer: String,
    /// The collection whose record it names, or several of which one must have it.
    pub to: OneOrMany,
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
            references: Vec::new(),
            declared: Vec::new(),
            images: Vec::new(),
            unique: Vec::new(),
            links: Vec::new(),
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
    /// Files that must not be there.
    #[serde(default)]
    pub forbidden: Vec<String>,
    /// What is said of any other file in the record's folder or below it, up to folders with records of their own.
    /// `allow` when this is left out.
    #[serde(default)]
    pub others: Others,
}

/// What is said of files beside a record that nothing names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Others {
    /// Nothing.
    #[default]
    Allow,
    /// A warning.
    Warn,
    /// An error.
    Forbid,
}

/// One text or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
