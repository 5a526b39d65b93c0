//! Other repositories whose texts are embedded too: looked at, compared with what is known of them, and fetched as far as they
//! have changed. One that cannot be read keeps what it has in the index, and holds no other one up.

mod one;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt as _;

use super::plan::Index;
use crate::adapters::model::EmbeddingModel;
use crate::adapters::repositories::Repositories;
use crate::embedding::plan::Actual;
use crate::embedding::{Namespace, Settings, SourceSettings};
use crate::ids::{CommitId, RepoSlug, TargetName};
use crate::plan::{Unread, source_target};
use crate::state::State;

/// How many sources are looked at side by side.
const AT_ONCE: usize = 8;

/// An entry of `embed.sources`, with the way to its server.
#[derive(Clone)]
pub struct Source {
    /// What it says.
    pub settings: SourceSettings,
    /// Where it is.
    pub repositories: Arc<dyn Repositories>,
}

/// What sources are held against.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// How texts are cut.
    pub settings: &'a Settings,
    /// The generation of the library's own texts.
    pub namespace: &'a Namespace,
    /// What has been done so far.
    pub state: &'a State,
    /// What the index holds.
    pub held: &'a Actual,
    /// The library's own repository, which is no source of itself.
    pub own: Option<&'a RepoSlug>,
    /// The model that embeds them, which says what its tokens are.
    pub model: &'a Arc<dyn EmbeddingModel>,
}

/// What became of all sources.
#[derive(Default)]
pub struct Sources {
    /// What the index should hold of each that could be read, and nothing of those that are sources no more.
    pub indexes: Vec<Index>,
    /// Those that could not be read.
    pub unread: Vec<Unread>,
}

/// What is said of all sources where none is asked.
pub fn left_out(settings: &Settings) -> Sources {
    let target = |source: &SourceSettings| match (&source.repo, &source.org) {
        (Some(repo), _) => source_target(repo),
        (None, org) => TargetName::new(format!("embedding/{}", org.as_deref().unwrap_or_default())),
    };
    let why = "a pull request reads no source, as it has no secret to read one with".to_owned();
    let one = |source| Unread { target: target(source), why: why.clone(), is_trouble: false };
    Sources { indexes: Vec::new(), unread: settings.sources.iter().map(one).collect() }
}

/// A repository to be read.
struct Meant<'a> {
    repo: RepoSlug,
    source: &'a Source,
}

/// Looks at all sources.
pub async fn look(sources: &[Source], known: Known<'_>) -> Sources {
    let mut found = Sources::default();
    let (meant, dark) = meant(sources, known.own, &mut found.unread).await;
    let looks = meant.iter().map(|meant| async move {
        let target = source_target(&meant.repo);
        one::look(&meant.repo, meant.source, known).await.map_err(|why| Unread { target, why, is_trouble: true })
    });
    let looked: Vec<Result<Index, Unread>> = futures_util::stream::iter(looks).buffered(AT_ONCE).collect().await;
    for one in looked {
        match one {
            Ok(index) => found.indexes.push(index),
            Err(unread) => found.unread.push(unread),
        }
    }
    let meant: BTreeSet<String> = meant.iter().map(|meant| folded(meant.repo.as_str())).collect();
    let is_gone = |repo: &RepoSlug| !meant.contains(&folded(repo.as_str())) && !dark.contains(&folded(repo.owner()));
    found.indexes.extend(held_sources(known.held).into_iter().filter(is_gone).map(|repo| nothing_of(&repo, known)));
    found
}

/// The repositories that the entries mean, each once, and the owners whose repositories could not be listed.
async fn meant<'a>(
    sources: &'a [Source],
    own: Option<&RepoSlug>,
    unread: &mut Vec<Unread>,
) -> (Vec<Meant<'a>>, BTreeSet<String>) {
    let (mut all, mut dark) = (Vec::new(), BTreeSet::new());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for source in sources {
        let SourceSettings { repo, org, keyword, .. } = &source.settings;
        let repos = match (repo, org) {
            (Some(repo), _) => vec![repo.clone()],
            (None, Some(org)) => match source.repositories.of(org, keyword.as_deref()).await {
                // The library's own texts are in the index already.
                Ok(repos) => repos.into_iter().filter(|repo| !own.is_some_and(|own| is_same(own, repo))).collect(),
                Err(error) => {
                    dark.insert(folded(org));
                    let target = TargetName::new(format!("embedding/{org}"));
                    unread.push(Unread { target, why: error.to_string(), is_trouble: true });
                    Vec::new()
                }
            },
            (None, None) => Vec::new(),
        };
        let new = repos.into_iter().filter(|repo| seen.insert(folded(repo.as_str())));
        all.extend(new.map(|repo| Meant { repo, source }));
    }
    (all, dark)
}

fn is_same(one: &RepoSlug, other: &RepoSlug) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

/// GitHub's names are the same in any letters.
fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The repositories of which the index holds anything.
fn held_sources(held: &Actual) -> BTreeSet<RepoSlug> {
    held.keys().filter_map(|namespace| RepoSlug::parse(namespace.source()?).ok()).collect()
}

/// What the index should hold of a repository that is no source any more.
fn nothing_of(repo: &RepoSlug, known: Known<'_>) -> Index {
    index(repo, known, Vec::new(), texts::SourceTexts::none(), None, BTreeMap::new())
}

fn index(
    repo: &RepoSlug,
    known: Known<'_>,
    wanted: Vec<crate::embedding::Wanted>,
    texts: texts::SourceTexts,
    commit: Option<CommitId>,
    assets: BTreeMap<crate::ids::AssetKey, crate::ids::Sha256Hex>,
) -> Index {
    Index {
        target: source_target(repo),
        namespace: known.namespace.of_source(repo),
        wanted,
        texts: Some(Arc::new(texts)),
        commit,
        assets,
    }
}
