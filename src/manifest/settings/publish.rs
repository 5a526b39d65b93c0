//! The places that a manifest is published to.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bucket::BucketAddress;
use super::web_address_problem;
use crate::manifest::files::ROOT;

/// A place for the manifest: one of `folder`, `branch`, `release`, `object_store`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// A folder, relative to the library's root; with `branch`, a folder of that branch.
    pub folder: Option<String>,
    /// A branch of `origin`, such as `gh-pages`. Files of others in it are left alone.
    pub branch: Option<String>,
    /// What becomes of the earlier commits of `branch`: `append` puts one commit on top of them for each edition, `orphan`
    /// leaves one commit without a past.
    pub history: Option<History>,
    /// The release that the workflow runs for: its assets. Only a run for a release publishes there.
    pub release: Option<Release>,
    /// A bucket and a prefix in it: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`. The environment holds
    /// what opens it.
    pub object_store: Option<String>,
    /// The address of the bucket's server, for what speaks S3 elsewhere (R2, MinIO); else AWS_ENDPOINT_URL, else the cloud's own.
    pub endpoint: Option<String>,
    /// The bucket's region; else AWS_REGION.
    pub region: Option<String>,
    /// Publish where the store cannot replace a file on the condition that nobody else has. Then only one workflow may publish
    /// there: of two at once the later one would win, and the edition of the other would be lost.
    pub last_writer_wins: Option<bool>,
    /// The address at which what is published there can be fetched, without the name of the file; downstreams are told it.
    pub url: Option<String>,
}

/// What becomes of a branch's earlier commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum History {
    /// Each edition is a commit on top of them.
    #[default]
    Append,
    /// Each edition is one commit without parents in their place.
    Orphan,
}

/// The assets of a release. There is nothing to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {}

/// The one place that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A folder, relative to the library's root.
    Folder(&'a str),
    /// A folder of a branch of origin; empty for its top.
    Branch {
        /// The branch's name.
        branch: &'a str,
        /// The folder, without slashes at its ends.
        folder: &'a str,
        /// What becomes of its earlier commits.
        history: History,
    },
    /// The release that a run is for.
    Release,
    /// A part of a bucket.
    ObjectStore(Bucket<'a>),
}

/// A part of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket<'a> {
    /// Its address, see [`BucketAddress`].
    pub address: &'a str,
    /// The address of its server, where it is given.
    pub endpoint: Option<&'a str>,
    /// Its region, where it is given.
    pub region: Option<&'a str>,
    /// Whether the root is replaced without the store's watching over it.
    pub last_writer_wins: bool,
}

impl Place<'_> {
    /// What tells it from the others, for people and in the state.
    pub fn name(&self) -> String {
        match self {
            Self::Folder(folder) => (*folder).to_owned(),
            Self::Branch { branch, folder: "", .. } => format!("branch:{branch}"),
            // No repository has both a branch `a` and a branch `a/b`.
            Self::Branch { branch, folder, .. } => format!("branch:{branch}/{folder}"),
            Self::Release => "release".to_owned(),
            Self::ObjectStore(bucket) => bucket.address.trim_end_matches('/').to_owned(),
        }
    }
}

impl Place<'_> {
    /// Its name, however its folder is written.
    fn identity(&self) -> String {
        match self {
            Self::Folder(folder) => {
                let parts: Vec<_> = folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
                format!("folder:{}", parts.join("/"))
            }
            other => other.name(),
        }
    }
}

impl Publish {
    /// A folder.
    pub fn folder(folder: impl Into<String>) -> Self {
        Self { folder: Some(folder.into()), ..Self::default() }
    }

    /// The place; none where there is not exactly one, which [`Self::problems`] tells.
    pub fn place(&self) -> Option<Place<'_>> {
        let folder = self.folder.as_deref();
        let branch = self.branch.as_deref().map(|branch| Place::Branch {
            branch,
            folder: folder.unwrap_or_default().trim_matches('/'),
            history: self.history.unwrap_or_default(),
        });
        let bucket = self.object_store.as_deref().map(|address| {
            let (endpoint, region) = (self.endpoint.as_deref(), self.region.as_deref());
            let last_writer_wins = self.last_writer_wins.unwrap_or_default();
            Place::ObjectStore(Bucket { address, endpoint, region, last_writer_wins })
        });
        let folder = folder.filter(|_| branch.is_none()).map(Place::Folder);
        let places = [folder, branch, self.release.map(|_| Place::Release), bucket];
        let mut places = places.into_iter().flatten();
        places.next().filter(|_| places.next().is_none())
    }

    /// The address of the root, where the settings say how the place is reached.
    pub fn root_address(&self) -> Option<String> {
        self.url.as_ref().map(|url| format!("{}/{ROOT}", url.trim_end_matches('/')))
    }

    /// What is wrong with it, as JSON Pointers within it and sentences.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        match self.place() {
            None => problems
                .push((String::new(), "a place is one of `folder`, `branch`, `release`, `object_store`".to_owned())),
            Some(Place::Folder(folder)) => {
                let parts = folder.split('/').filter(|part| !part.is_empty() && *part != ".").count();
                if is_outside(folder) || parts == 0 {
                    problems.push(("/folder".to_owned(), format!("{folder:?} is not a folder inside the library")));
                }
            }
            Some(Place::Branch { branch, folder, .. }) => {
                if !is_branch(branch) {
                    problems.push(("/branch".to_owned(), format!("{branch:?} is not a name that git gives a branch")));
                }
                let is_plain = folder.split('/').all(|part| !part.is_empty() && part != ".");
                if is_outside(folder) || !(folder.is_empty() || is_plain) || folder.contains(['\\', '\0']) {
                    problems.push(("/folder".to_owned(), format!("{folder:?} is not a folder inside the branch")));
                }
            }
            Some(Place::Release) => {}
            Some(Place::ObjectStore(bucket)) => {
                problems
                    .extend(BucketAddress::parse(bucket.address).err().map(|why| ("/object_store".to_owned(), why)));
            }
        }
        let of_buckets = [
            ("endpoint", self.endpoint.is_some()),
            ("region", self.region.is_some()),
            ("last_writer_wins", self.last_writer_wins.is_some()),
        ];
        for (key, _) in of_buckets.into_iter().filter(|(_, is_set)| *is_set && self.object_store.is_none()) {
            problems.push((format!("/{key}"), format!("`{key}` is about an `object_store`, and none is named")));
        }
        if self.history.is_some() && self.branch.is_none() {
            problems.push(("/history".to_owned(), "`history` is about a `branch`, and none is named".to_owned()));
        }
        for (at, address) in [("/url", &self.url), ("/endpoint", &self.endpoint)] {
            let problem = address.as_deref().and_then(web_address_problem);
            problems.extend(problem.map(|why| (at.to_owned(), why)));
        }
        problems
    }
}

/// What is wrong with places beside each other, as JSON Pointers within the list and sentences.
pub(super) fn problems_between(places: &[Publish]) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    let mut seen: Vec<Place<'_>> = Vec::new();
    for (index, place) in places.iter().enumerate().filter_map(|(index, publish)| Some((index, publish.place()?))) {
        if seen.iter().any(|other| other.identity() == place.identity()) {
            let message = format!("{} is named already: take one of the two away", place.name());
            problems.push((format!("/{index}"), message));
        } else if let Place::Branch { branch, history, .. } = place
            && seen.iter().any(
                |other| matches!(other, Place::Branch { branch: b, history: h, .. } if *b == branch && *h != history),
            )
        {
            let message =
                format!("another place on the branch {branch} has another `history`, and a branch has one alone");
            problems.push((format!("/{index}/history"), message));
        }
        seen.push(place);
    }
    problems
}

fn is_outside(folder: &str) -> bool {
    let is_git = folder.split('/').any(|part| part.eq_ignore_ascii_case(".git"));
    folder.starts_with('/') || folder.split('/').any(|part| part == "..") || is_git
}

/// Whether git takes it for a branch's name (git-check-ref-format), and no program for one of its options.
fn is_branch(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let is_char = |c: char| !c.is_control() && !" ~^:?*[\\\u{7f}".contains(c);
    name.split('/').all(is_part)
        && name.chars().all(is_char)
        && !name.starts_with('-')
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && !matches!(name, "@" | "HEAD")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: serde_json::Value) -> Vec<String> {
        let publish: Publish = serde_json::from_value(yaml).unwrap();
        publish.problems().into_iter().map(|(at, why)| format!("{at}: {why}")).collect()
    }

    #[test]
    fn a_place_is_exactly_one() {
        use serde_json::json;
        for good in [
            json!({"folder": "public"}),
            json!({"branch": "gh-pages"}),
            json!({"branch": "site/pages", "folder": "catalogue/v1", "history": "orphan"}),
            json!({"release": {}}),
            json!({"object_store": "s3://bucket/assets", "region": "eu-central-1", "url": "https://cdn.example.org/"}),
        ] {
            assert_eq!(problems(good.clone()), Vec::<String>::new(), "{good}");
        }
        for bad in [
            json!({}),
            json!({"branch": "b", "release": {}}),
            json!({"folder": "public", "release": {}}),
            json!({"folder": "public", "history": "orphan"}),
            json!({"branch": "b", "folder": "../x"}),
            json!({"branch": "b", "folder": "x/.git/y"}),
            json!({"branch": "b", "folder": "x//y"}),
            json!({"object_store": "s3://bucket", "folder": "x"}),
            json!({"object_store": "https://bucket.s3.amazonaws.com"}),
            json!({"folder": "x", "endpoint": "https://minio.example.org"}),
        ] {
            assert_eq!(problems(bad.clone()).len(), 1, "{bad}");
        }
        let release: Result<Publish, _> = serde_json::from_value(json!({"release": {"tag": "v1"}}));
        assert!(release.is_err());
    }

    #[test]
    fn a_place_stands_once_and_a_branch_has_one_history() {
        use serde_json::json;
        let problems = |places: serde_json::Value| {
            let places: Vec<Publish> = serde_json::from_value(places).unwrap();
            problems_between(&places).into_iter().map(|(at, _)| at).collect::<Vec<_>>()
        };
        for twice in [
            json!([{"folder": "public"}, {"folder": "./public/"}]),
            json!([{"branch": "pages"}, {"branch": "pages"}]),
            json!([{"branch": "pages", "folder": "a"}, {"branch": "pages", "folder": "/a/", "history": "orphan"}]),
            json!([{"object_store": "s3://bucket/a"}, {"object_store": "s3://bucket/a/"}]),
            json!([{"release": {}}, {"release": {}}]),
        ] {
            assert_eq!(problems(twice.clone()), ["/1"], "{twice}");
        }
        let histories = json!([{"branch": "b", "folder": "a"}, {"folder": "a"}, {"branch": "b", "history": "orphan"}]);
        assert_eq!(problems(histories), ["/2/history"]);
        let others = json!([
            {"branch": "b", "folder": "a"}, {"branch": "b", "history": "append"}, {"branch": "c", "history": "orphan"},
            {"folder": "a"}, {"folder": "b"}, {"release": {}}, {"object_store": "s3://b"}, {"object_store": "gs://b"},
        ]);
        assert_eq!(problems(others), Vec::<String>::new());
    }

    #[test]
    fn a_branch_has_a_name_that_git_takes() {
        for good in ["gh-pages", "a/b", "ü", "v1.0"] {
            assert!(is_branch(good), "{good}");
        }
        for bad in [
            "", "-x", "a..b", "a b", "a:b", "a/", "/a", "a//b", ".a", "a.lock", "a~1", "@", "HEAD", "a@{1}", "a\\b",
            "a.",
        ] {
            assert!(!is_branch(bad), "{bad}");
        }
    }

    #[test]
    fn each_place_has_a_name_of_its_own() {
        let name = |publish: Publish| publish.place().map(|place| place.name()).unwrap_or_default();
        let branch = Publish { branch: Some("gh-pages".into()), ..Publish::default() };
        let below = Publish { folder: Some("/a/b/".into()), ..branch.clone() };
        let names = [name(Publish::folder("public")), name(branch), name(below)];
        assert_eq!(names, ["public", "branch:gh-pages", "branch:gh-pages/a/b"]);
    }
}
