//! What stockroom.yml says about schemas.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where the schemas are and how strictly they are applied.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The registry: a folder of this repository, such as `./schemas`.
    pub source: String,
    /// What the keyword `format` does; `assert` when this is left out.
    pub format: FormatPolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Self { source: "./schemas".to_owned(), format: FormatPolicy::Assert }
    }
}

impl Settings {
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
