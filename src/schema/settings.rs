//! What stockroom.yml says about schemas.

use jsonschema::Draft;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::source::{self, Source};
use crate::secret::SecretRef;

/// Where the schemas are and how strictly they are applied.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The registry: a folder of this repository, such as `./schemas`; `github:owner/repo@ref:path`, where `ref` is a tag, a
    /// branch or a commit; or `https://…` of a `.tar.gz` or of one `NAME.schema.json`, with a `digest`.
    pub source: String,
    /// The token for a registry on GitHub that is not public: it needs `contents: read` there.
    pub token: Option<SecretRef>,
    /// The SHA-256 of a registry on a web server, as `sha256:…`: nothing else is taken from there.
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// `match`: in a pull request the branch of the same name is tried first in the registry's repository.
    pub branch: Option<BranchPolicy>,
    /// What the keyword `format` does; `assert` when this is left out.
    pub format: FormatPolicy,
    /// The draft of a schema that names none in its `$schema`; `2020-12` when this is left out.
    pub draft: DraftName,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            source: "./schemas".to_owned(),
            token: None,
            digest: None,
            branch: None,
            format: FormatPolicy::Assert,
            draft: DraftName::Draft202012,
        }
    }
}

impl Settings {
    /// What decides verdicts beside the schemas themselves.
    pub fn policy(&self) -> Policy {
        Policy { format: self.format, draft: self.draft }
    }

    /// The registry's folder as a path of the library, empty where the registry lies elsewhere or its source is wrong.
    pub fn folder(&self) -> String {
        match Source::parse(&self.source) {
            Ok(Source::Folder(folder)) => folder,
            _ => String::new(),
        }
    }

    /// Whether the registry is no folder of the library, so that it has to be brought first.
    pub fn is_elsewhere(&self) -> bool {
        matches!(Source::parse(&self.source), Ok(Source::GitHub(_) | Source::Web(_)))
    }

    /// Whether these ask for something only where `trusted` would: the same repository, or the very same file.
    ///
    /// Another ref of a repository is no other place: what is there may be read by whoever may read the repository.
    pub fn ask_where(&self, trusted: &Self) -> bool {
        let place = |settings: &Self| Source::parse(&settings.source).ok().and_then(|source| source.place());
        place(self).is_some_and(|here| place(trusted) == Some(here))
    }

    /// Everything that is wrong with them: a JSON Pointer relative to `schemas`, and a sentence.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut tell = |pointer: &str, why: String| found.push((pointer.to_owned(), why));
        if let Some(Err(why)) = self.digest.as_deref().map(source::digest) {
            tell("/digest", why);
        }
        let source = match Source::parse(&self.source) {
            Ok(source) => source,
            Err(why) => {
                tell("/source", why);
                return found;
            }
        };
        let is_github = matches!(source, Source::GitHub(_));
        let only = |what: &str| format!("{what}; take it away, or correct `source`");
        if self.token.is_some() && !is_github {
            tell("/token", only("a token is for a registry on GitHub alone"));
        }
        if self.branch.is_some() && !is_github {
            tell("/branch", only("branches are those of a registry on GitHub"));
        }
        if self.digest.is_some() && !matches!(source, Source::Web(_)) {
            tell(
                "/digest",
                only("a digest is for a registry on a web server; `stockroom schema lock` pins the others"),
            );
        }
        found
    }
}

/// Which branch of the registry's repository counts in a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BranchPolicy {
    /// The one of the same name, where there is one.
    Match,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: &str) -> Vec<String> {
        let settings: Settings = serde_yaml::from_str(yaml).unwrap();
        settings.problems().into_iter().map(|(pointer, _)| pointer).collect()
    }

    #[test]
    fn each_setting_belongs_to_a_kind_of_source() {
        let digest = format!("sha256:{}", "0".repeat(64));
        assert_eq!(problems("source: ./schemas"), [""; 0]);
        assert_eq!(problems("{source: 'github:o/r@v1', token: '${{ env.T }}', branch: match}"), [""; 0]);
        assert_eq!(problems(&format!("{{source: 'https://e.com/r.tar.gz', digest: '{digest}'}}")), [""; 0]);
        assert_eq!(
            problems(&format!("{{token: '${{T}}', branch: match, digest: '{digest}'}}")),
            ["/token", "/branch", "/digest"]
        );
        assert_eq!(problems("{source: 'github:o', digest: 'md5:0'}"), ["/digest", "/source"]);
    }

    #[test]
    fn only_a_folder_is_a_folder() {
        let folder = |source: &str| Settings { source: source.to_owned(), ..Settings::default() }.folder();
        assert_eq!(
            (folder("./a//b/"), folder("."), folder("github:o/r:a")),
            ("a/b".into(), String::new(), String::new())
        );
    }
}
