//! What is fetched of sources, and what is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::{Known, Source, Sources, look};
use crate::adapters::model::EmbeddingModel;
use crate::adapters::model::deterministic::Deterministic;
use crate::adapters::repositories::MemoryRepositories;
use crate::embedding::plan::{Actual, Held, digest};
use crate::embedding::{ChunkSettings, Namespace, Settings};
use crate::ids::{AssetKey, RepoSlug};
use crate::state::{Change, Delivered, State, Timestamp};

/// A hub with its sources, its state and its index.
struct Hub {
    repositories: Arc<MemoryRepositories>,
    sources: Vec<Source>,
    state: State,
    held: Actual,
    own: RepoSlug,
    model: &'static str,
}

fn slug(text: &str) -> RepoSlug {
    RepoSlug::parse(text).unwrap()
}

impl Hub {
    fn new(sources: &serde_json::Value) -> Self {
        let settings: Settings = serde_json::from_value(json!({"sources": sources})).unwrap();
        let repositories = Arc::new(MemoryRepositories::default());
        let source = |settings: &crate::embedding::SourceSettings| Source {
            settings: settings.clone(),
            repositories: Arc::clone(&repositories) as Arc<dyn crate::adapters::repositories::Repositories>,
        };
        let sources = settings.sources.iter().map(source).collect();
        let state = State::new("acme/hub:", "line");
        Self { repositories, sources, state, held: Actual::new(), own: slug("acme/hub"), model: "m" }
    }

    fn publish(&self, repo: &str, files: &[(&str, &str)]) {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
        self.repositories.publish(&slug(repo), "main", &files).unwrap();
    }

    async fn look(&self) -> Sources {
        let namespace = Namespace::of(self.model, 8, &ChunkSettings::default());
        let model: Arc<dyn EmbeddingModel> = Arc::new(Deterministic::new(8));
        let known = Known {
            settings: &Settings::default(),
            namespace: &namespace,
            state: &self.state,
            held: &self.held,
            own: Some(&self.own),
            model: &model,
        };
        look(&self.sources, known).await
    }

    /// Looks, and makes index and state what they would be after a sync; gives what was fetched of a repository.
    async fn sync(&mut self, repo: &str) -> usize {
        let found = self.look().await;
        for index in found.indexes {
            let held = index.wanted.iter().map(|wanted| {
                let held = Held {
                    asset: (*wanted.asset).clone(),
                    path: (*wanted.path).clone(),
                    index: wanted.index,
                    hash: wanted.hash.clone(),
                    certain: true,
                };
                (wanted.id.clone(), held)
            });
            let held: BTreeMap<_, _> = held.collect();
            self.held.retain(|namespace, _| namespace.source() != index.namespace.source());
            let digest = digest(&index.namespace, &index.wanted);
            if !held.is_empty() {
                self.held.insert(index.namespace, held);
            }
            let (commit, assets) = (index.commit, index.assets);
            let delivered = Delivered { commit, digest, assets, at: Timestamp(0) };
            self.state.apply(&Change::Deliver { target: index.target, delivered });
        }
        self.repositories.take_fetched(&slug(repo)).len()
    }

    fn texts(&self) -> BTreeSet<String> {
        self.held.values().flat_map(BTreeMap::values).map(|held| held.asset.to_string()).collect()
    }
}

#[tokio::test]
async fn what_has_not_changed_is_not_fetched_and_what_has_is() {
    let mut hub = Hub::new(&json!([{"repo": "acme/docs"}]));
    hub.publish("acme/docs", &[("a.md", "one"), ("b/c.md", "two"), ("d.png", "picture"), ("e.txt", "three")]);
    assert_eq!(hub.sync("acme/docs").await, 3);
    assert_eq!(hub.texts().into_iter().collect::<Vec<_>>(), ["acme/docs/a.md", "acme/docs/b/c.md", "acme/docs/e.txt"]);
    assert_eq!(hub.sync("acme/docs").await, 0);
    hub.publish("acme/docs", &[("a.md", "one"), ("b/c.md", "two again"), ("f.md", "three")]);
    assert_eq!(hub.sync("acme/docs").await, 2, "the edited one and the renamed one");
    assert_eq!(hub.texts().into_iter().collect::<Vec<_>>(), ["acme/docs/a.md", "acme/docs/b/c.md", "acme/docs/f.md"]);
}

#[tokio::test]
async fn a_file_that_is_edited_without_other_text_is_fetched_once() {
    let mut hub = Hub::new(&json!([{"repo": "acme/docs"}]));
    hub.publish("acme/docs", &[("a.md", "one two")]);
    assert_eq!(hub.sync("acme/docs").await, 1);
    hub.publish("acme/docs", &[("a.md", "one **two**")]);
    assert_eq!((hub.sync("acme/docs").await, hub.sync("acme/docs").await), (1, 0));
}

#[tokio::test]
async fn other_globs_another_model_and_lost_chunks_are_seen_though_the_commit_is_the_same() {
    let mut hub = Hub::new(&json!([{"repo": "acme/docs"}]));
    hub.publish("acme/docs", &[("a.md", "one"), ("b.rs", "two")]);
    assert_eq!(hub.sync("acme/docs").await, 1);
    hub.sources[0].settings.files.push("**/*.rs".to_owned());
    assert_eq!((hub.sync("acme/docs").await, hub.sync("acme/docs").await), (1, 0), "only what is new");
    hub.model = "another";
    assert_eq!((hub.sync("acme/docs").await, hub.sync("acme/docs").await), (2, 0));
    hub.held.values_mut().next().unwrap().pop_first();
    assert_eq!((hub.sync("acme/docs").await, hub.sync("acme/docs").await), (1, 0));
}

#[tokio::test]
async fn a_lost_state_is_rebuilt_from_what_the_index_holds() {
    let mut hub = Hub::new(&json!([{"repo": "acme/docs"}]));
    hub.publish("acme/docs", &[("a.md", "one"), ("b.md", "two")]);
    hub.sync("acme/docs").await;
    hub.state = State::new("acme/hub:", "another line");
    let found = hub.look().await;
    let held: Vec<_> = hub.held.values().flat_map(BTreeMap::keys).collect();
    let ids: BTreeSet<_> = found.indexes[0].wanted.iter().map(|wanted| &wanted.id).collect();
    assert_eq!(held, ids.into_iter().collect::<Vec<_>>(), "all of it is fetched, and nothing has to be embedded");
    hub.repositories.take_fetched(&slug("acme/docs"));
    assert_eq!((hub.sync("acme/docs").await, hub.sync("acme/docs").await), (2, 0));
}

#[tokio::test]
async fn an_organisation_is_its_repositories_but_for_the_hub_itself_and_each_once() {
    let mut hub = Hub::new(&json!([{"repo": "acme/docs", "files": ["a.md"]}, {"org": "acme", "keyword": "docs"}]));
    for repo in ["acme/docs", "acme/more-docs", "acme/hub", "acme/website"] {
        hub.publish(repo, &[("a.md", repo), ("b.md", repo)]);
        hub.repositories.describe(&slug(repo), if repo == "acme/hub" { "docs" } else { "" }, &[]);
    }
    hub.sync("acme/docs").await;
    let texts: Vec<_> = hub.texts().into_iter().collect();
    assert_eq!(texts, ["acme/docs/a.md", "acme/more-docs/a.md", "acme/more-docs/b.md"]);
}

#[tokio::test]
async fn a_source_that_is_away_keeps_what_it_has_and_the_others_go_on() {
    let mut hub = Hub::new(&json!([{"repo": "acme/docs"}, {"repo": "acme/more"}]));
    hub.publish("acme/docs", &[("a.md", "one")]);
    hub.publish("acme/more", &[("a.md", "one")]);
    hub.sync("acme/docs").await;
    hub.repositories.set_away(&slug("acme/docs"), true);
    hub.publish("acme/more", &[("a.md", "two")]);
    let found = hub.look().await;
    assert_eq!(found.unread.len(), 1);
    assert_eq!((found.unread[0].target.as_str(), found.indexes.len()), ("embedding/acme/docs", 1));
    assert!(found.unread[0].why.contains("acme/docs cannot be asked for"), "{}", found.unread[0].why);
    hub.sync("acme/more").await;
    assert!(hub.texts().contains("acme/docs/a.md"));
}

#[tokio::test]
async fn an_organisation_that_is_away_loses_none_of_its_repositories() {
    let mut hub = Hub::new(&json!([{"org": "acme", "keyword": "docs"}]));
    hub.publish("acme/docs", &[("a.md", "one")]);
    hub.sync("acme/docs").await;
    hub.sources[0].repositories = Arc::new(MemoryRepositories::default());
    let found = hub.look().await;
    assert_eq!((found.unread.len(), found.indexes.len()), (1, 0));
    assert_eq!(found.unread[0].target.as_str(), "embedding/acme");
}

#[tokio::test]
async fn what_is_no_source_any_more_is_to_hold_nothing() {
    let mut hub = Hub::new(&json!([{"repo": "acme/docs"}, {"repo": "acme/more"}]));
    hub.publish("acme/docs", &[("a.md", "one")]);
    hub.publish("acme/more", &[("a.md", "one")]);
    hub.sync("acme/docs").await;
    hub.sources.pop();
    let found = hub.look().await;
    let wanted: Vec<_> = found.indexes.iter().map(|index| (index.target.as_str(), index.wanted.len())).collect();
    assert_eq!(wanted, [("embedding/acme/docs", 1), ("embedding/acme/more", 0)]);
    hub.sync("acme/docs").await;
    assert_eq!(hub.look().await.indexes.len(), 1, "and then it is forgotten");
}

#[tokio::test]
async fn texts_that_were_fetched_can_be_read_again() {
    let hub = Hub::new(&json!([{"repo": "acme/docs"}]));
    hub.publish("acme/docs", &[("a.md", "# One\n\ntext"), ("b.md", "")]);
    let found = hub.look().await;
    let keys: BTreeSet<&AssetKey> = found.indexes[0].wanted.iter().map(|wanted| &*wanted.asset).collect();
    let read = found.indexes[0].texts.as_ref().unwrap().read(&keys).unwrap();
    assert_eq!(read.iter().map(|chunk| chunk.text.as_str()).collect::<Vec<_>>(), ["One\n\ntext"]);
    assert_eq!(read[0].id, found.indexes[0].wanted[0].id);
}
