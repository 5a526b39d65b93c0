//! Repositories beyond this one whose texts are embedded too, as they stand in stockroom.yml.

use globset::GlobBuilder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::RepoSlug;
use crate::secret::SecretRef;

/// A repository, or those of an organisation that a keyword finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EmbeddingSource")]
pub struct SourceSettings {
    /// The repository, `owner/name`.
    #[schemars(with = "Option<String>", regex(pattern = "^[^/\\s]+/[^/\\s]+$"))]
    pub repo: Option<RepoSlug>,
    /// The organisation or user whose repositories are looked through, in the place of `repo`.
    #[schemars(length(min = 1, max = 100))]
    pub org: Option<String>,
    /// What the name, the description or a topic of a repository of `org` must hold; without it, all of them are taken.
    #[schemars(length(min = 1, max = 100))]
    pub keyword: Option<String>,
    /// The branch, tag or commit; the default branch when this is left out.
    #[serde(rename = "ref")]
    #[schemars(length(min = 1, max = 255))]
    pub reference: Option<String>,
    /// Globs of the files whose texts are embedded; `**/*.md`, `**/*.mdx`, `**/*.txt` and `**/*.rst` when this is left out.
    #[serde(default = "texts")]
    pub files: Vec<String>,
    /// Globs of files that are left out all the same.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// A token that may read the repository; `${{ env.GITHUB_TOKEN }}` when this is left out.
    pub token: Option<SecretRef>,
    /// The API of a GitHub Enterprise Server, such as `https://ghe.example/api/v3`.
    #[schemars(length(min = 1, max = 2000))]
    pub api: Option<String>,
}

fn texts() -> Vec<String> {
    ["**/*.md", "**/*.mdx", "**/*.txt", "**/*.rst"].map(str::to_owned).to_vec()
}

impl SourceSettings {
    /// What is wrong with it: the key at fault, and a sentence.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        match (&self.repo, &self.org) {
            (None, None) => problems
                .push((String::new(), "a source names a `repo`, or an `org` and perhaps a `keyword`".to_owned())),
            (Some(_), Some(_)) => {
                problems.push(("/org".to_owned(), "`org` has no meaning beside `repo`; take one away".to_owned()))
            }
            (Some(_), None) if self.keyword.is_some() => {
                problems
                    .push(("/keyword".to_owned(), "`keyword` has no meaning beside `repo`; take it away".to_owned()));
            }
            _ => {}
        }
        for (key, globs) in [("files", &self.files), ("exclude", &self.exclude)] {
            for (index, glob) in globs.iter().enumerate() {
                if let Err(why) = GlobBuilder::new(glob).literal_separator(true).build() {
                    problems
                        .push((format!("/{key}/{index}"), format!("`{glob}` is not a file pattern: {}", why.kind())));
                }
            }
        }
        problems
    }
}
