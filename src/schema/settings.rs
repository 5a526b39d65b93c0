//! What stockroom.yml says about schemas.

use jsonschema::Draft;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Where the schemas are and how strictly they are applied.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The registry: a folder of this repository, such as `./schemas`.
    pub source: String,
    /// What the keyword `format` does; `assert` when this is left out.
    pub format: FormatPolicy,
    /// The draft of a schema that names none in its `$schema`; `2020-12` when this is left out.
    pub draft: DraftName,
}

impl Default for Settings {
    fn default() -> Self {
        Self { source: "./schemas".to_owned(), format: FormatPolicy::Assert, draft: DraftName::Draft202012 }
    }
}

impl Settings {
    /// What decides verdicts beside the schemas themselves.
    pub fn policy(&self) -> Policy {
        Policy { format: self.format, draft: self.draft }
    }

    /// The registry's folder as a path of the library, or a sentence about what is wrong with it.
    pub fn folder(&self) -> Result<String, String> {
        if self.source.contains(':') {
            return Err(format!("{:?} is not a folder; this version reads schemas from a folder only", self.source));
        }
        let parts: Vec<_> = self.source.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if self.source.starts_with('/') || parts.contains(&"..") {
            return Err(format!("{:?} leaves the library; name a folder in it", self.source));
        }
        Ok(parts.join("/"))
    }
}

/// What the keyword `format` does: it decides hundreds of verdicts, so it is said and not guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FormatPolicy {
    /// A value that breaks its format is an error.
    Assert,
    /// A value that breaks its format is a warning.
    Annotate,
    /// Formats are not looked at.
    Off,
}

impl FormatPolicy {
    /// As stockroom.yml has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assert => "assert",
            Self::Annotate => "annotate",
            Self::Off => "off",
        }
    }
}

/// A draft of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
pub enum DraftName {
    /// Draft 4, of 2013.
    #[serde(rename = "draft-04")]
    Draft4,
    /// Draft 6, of 2017.
    #[serde(rename = "draft-06")]
    Draft6,
    /// Draft 7, of 2018.
    #[serde(rename = "draft-07")]
    Draft7,
    /// Draft 2019-09.
    #[serde(rename = "2019-09")]
    Draft201909,
    /// Draft 2020-12, the newest.
    #[serde(rename = "2020-12")]
    Draft202012,
}

impl DraftName {
    /// As stockroom.yml has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft4 => "draft-04",
            Self::Draft6 => "draft-06",
            Self::Draft7 => "draft-07",
            Self::Draft201909 => "2019-09",
            Self::Draft202012 => "2020-12",
        }
    }

    /// The draft that a schema names; none where it names one that nobody knows.
    pub fn of_uri(uri: &str) -> Option<Self> {
        match Draft::from_schema_uri(uri) {
            Draft::Draft4 => Some(Self::Draft4),
            Draft::Draft6 => Some(Self::Draft6),
            Draft::Draft7 => Some(Self::Draft7),
            Draft::Draft201909 => Some(Self::Draft201909),
            Draft::Draft202012 => Some(Self::Draft202012),
            _ => None,
        }
    }

    /// The same, as the validator calls it.
    pub fn draft(self) -> Draft {
        match self {
            Self::Draft4 => Draft::Draft4,
            Self::Draft6 => Draft::Draft6,
            Self::Draft7 => Draft::Draft7,
            Self::Draft201909 => Draft::Draft201909,
            Self::Draft202012 => Draft::Draft202012,
        }
    }
}

/// What decides verdicts beside the schemas themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What the keyword `format` does.
    pub format: FormatPolicy,
    /// The draft of a schema that names none.
    pub draft: DraftName,
}

impl Policy {
    /// The draft that is in force in a schema: the one that it names, else this policy's.
    ///
    /// A `$schema` that no draft has is a dialect, most often of the newest one.
    pub fn draft_of(&self, schema: &Value) -> DraftName {
        match schema.get("$schema").and_then(Value::as_str) {
            None => self.draft,
            Some(uri) => DraftName::of_uri(uri).unwrap_or(DraftName::Draft202012),
        }
    }
}
