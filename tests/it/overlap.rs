//! Runs that overlap: what a newer one has done is not undone by an older one that planned before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use stockroom::adapters::dispatcher::{Dispatcher, MemoryDispatcher};
use stockroom::adapters::http::SteppedPace;
use stockroom::adapters::model::deterministic::Deterministic;
use stockroom::adapters::publication::FolderTarget;
use stockroom::adapters::state_store::{MemoryState, StateStore as _};
use stockroom::adapters::vector_store::{Memory, VectorStore as _};
use stockroom::commands::gather::{Wanted, gather};
use stockroom::commands::open::{Moment, Place, open};
use stockroom::commands::outside::Outside;
use stockroom::commands::plan::{Desired, Scope, plan};
use stockroom::commands::sync::apply;
use stockroom::ids::{CorrelationId, DownstreamName, TargetName};
use stockroom::manifest::format::Root;
use stockroom::report::targets::{Outcome, Sync};
use stockroom::state::{Change, Intent, State, Timestamp};

use crate::program::Library;

const SETTINGS: &str = "version: 1
collections: {products: {metadata: '*.json'}}
downstreams: {website: {repo: org/website}}
embed: {text: [/title]}
";

/// A library, and every target of it at hand.
struct Scene {
    library: Library,
    state: MemoryState,
    vectors: Arc<Memory>,
    website: Arc<MemoryDispatcher>,
    outside: Outside,
}

impl Scene {
    fn new() -> Self {
        let library = Library::of(&[("stockroom.yml", SETTINGS), ("bolt.json", r#"{"title": "a bolt"}"#)]);
        let state = MemoryState::new("org/library:");
        let (vectors, website) = (Arc::new(Memory::default()), Arc::new(MemoryDispatcher::default()));
        let target = FolderTarget::new(library.path(".stockroom/manifest"), "the folder");
        let dispatchers = [(DownstreamName::new("website"), Arc::clone(&website) as Arc<dyn Dispatcher>)];
        let outside = Outside {
            sign: None,
            state: Arc::new(state.clone()),
            targets: vec![(TargetName::new("manifest"), Arc::new(target))],
            dispatchers: BTreeMap::from(dispatchers),
            probe: None,
            model: Arc::new(Deterministic::new(16)),
            vectors: Arc::clone(&vectors) as Arc<_>,
            sources: None,
            index_place: "vector index".to_owned(),
            cache: None,
            budgets: stockroom::adapters::http::Budgets::new(Arc::new(SteppedPace::default()), None),
            pace: Arc::new(SteppedPace::default()),
            clock: Arc::new(|| Timestamp(7)),
            index_apart: false,
            tip: None,
            repository: None,
        };
        Self { library, state, vectors, website, outside }
    }

    /// The plan for the library with a bolt of this title.
    async fn plan(&self, title: &str, scope: Scope) -> Desired {
        self.library.write("bolt.json", format!(r#"{{"title": "{title}"}}"#));
        let commit = self.library.commit();
        self.plan_at(&commit, scope).await
    }

    fn library_at(&self, commit: &str) -> stockroom::commands::gather::Library {
        let place = Place { folder: self.library.root(), config: None, moment: Moment::At(commit.to_owned()) };
        gather(open(&place).unwrap(), Wanted::Assets).unwrap()
    }

    async fn plan_at(&self, commit: &str, scope: Scope) -> Desired {
        plan(&self.library_at(commit), &self.outside, scope, true).await.unwrap()
    }

    async fn apply(&self, desired: Desired) -> Sync {
        let commit = desired.plan.commit.clone().unwrap();
        apply(desired, &self.library_at(commit.as_str()), &self.outside, &mut |_| {}).await
    }

    async fn state(&self) -> State {
        self.state.load().await.unwrap()
    }

    /// The digest of the published manifest.
    async fn published(&self) -> Option<String> {
        self.outside.targets[0].1.root().await.unwrap().map(|root| {
            let root: Root = serde_json::from_slice(&root.bytes).unwrap();
            root.digest
        })
    }

    /// The digests of the texts in the index.
    async fn indexed(&self) -> Vec<String> {
        let held = self.vectors.held().await.unwrap();
        held.values().flat_map(|chunks| chunks.values()).map(|held| held.hash.to_string()).collect()
    }
}

fn outcomes(sync: &Sync) -> Vec<(&str, Outcome)> {
    sync.results.iter().map(|result| (result.name.as_str(), result.outcome)).collect()
}

#[tokio::test]
async fn an_older_plan_that_is_applied_late_writes_nothing() {
    for first in [false, true] {
        let scene = Scene::new();
        if first {
            let before = scene.plan("a bolt", Scope::default()).await;
            scene.apply(before).await;
        }
        let older = scene.plan("an older bolt", Scope::default()).await;
        let newer = scene.plan("a newer bolt", Scope::default()).await;
        let digest = newer.publishable.manifest.digest.to_string();
        let text = newer.indexes[0].wanted[0].hash.to_string();
        assert!(!scene.apply(newer).await.is_partial());
        let (state, told) = (scene.state().await, scene.website.received().len());

        let late = scene.apply(older).await;
        let superseded = ["manifest", "downstream/website", "embedding"].map(|name| (name, Outcome::Superseded));
        assert_eq!(outcomes(&late), superseded);
        assert!(!late.is_partial(), "it is no failure: {late:?}");
        assert_eq!(scene.published().await, Some(digest));
        assert_eq!(scene.indexed().await, [text]);
        assert_eq!((scene.state().await, scene.website.received().len()), (state, told));
    }
}

#[tokio::test]
async fn a_plan_for_an_older_commit_writes_nothing_not_even_that_a_failure_is_over() {
    let scene = Scene::new();
    let first = scene.plan("a bolt", Scope::default()).await;
    let older = scene.library.git(&["rev-parse", "HEAD"]);
    scene.apply(first).await;
    let newer = scene.plan("a newer bolt", Scope::default()).await;
    scene.apply(newer).await;
    let target = TargetName::new("downstream/website");
    let failed = Change::Fail { target, why: "the disk is full".into(), certain: true, at: Timestamp(8) };
    scene.state.record(scene.state().await.serial, &failed).await.unwrap();
    let before = scene.state().await;

    let late = scene.plan_at(&older, Scope::default()).await;
    let done = scene.apply(late).await;
    assert_eq!(outcomes(&done), ["manifest", "downstream/website"].map(|name| (name, Outcome::Superseded)));
    assert_eq!(scene.state().await, before);
}

#[tokio::test]
async fn nobody_is_told_of_a_manifest_that_is_not_published() {
    let scene = Scene::new();
    let dispatch_alone = Scope { manifest: false, embed: false, ..Scope::default() };
    let desired = scene.plan("a bolt", dispatch_alone.clone()).await;
    let early = scene.apply(desired).await;
    assert_eq!(outcomes(&early), [("downstream/website", Outcome::Skipped)]);
    assert!(early.is_partial() && early.results[0].message.contains("not published"), "{early:?}");
    assert_eq!(scene.website.received(), []);

    let publish_alone = Scope { dispatch: false, embed: false, ..Scope::default() };
    let desired = scene.plan("a bolt", publish_alone).await;
    scene.apply(desired).await;
    let desired = scene.plan("a bolt", dispatch_alone).await;
    assert_eq!(outcomes(&scene.apply(desired).await), [("downstream/website", Outcome::Done)]);
    assert_eq!(scene.website.received().len(), 1);
}

#[tokio::test]
async fn what_a_killed_run_had_done_is_found_and_remembered() {
    let scene = Scene::new();
    let desired = scene.plan("a bolt", Scope::default()).await;
    scene.apply(desired).await;
    let whole = scene.state().await;
    for target in ["manifest", "embedding"].map(TargetName::new) {
        let digest = whole.target(&target).delivered.unwrap().digest;
        let correlation = CorrelationId::new("sr-killed");
        let intent = Intent { correlation, digest, at: Timestamp(8), arrived: None };
        let serial = scene.state().await.serial;
        scene.state.record(serial, &Change::Intend { target, intent }).await.unwrap();
    }
    let again = scene.plan("a bolt", Scope::default()).await;
    assert!(scene.apply(again).await.results.iter().all(|result| result.outcome == Outcome::Unchanged));
    let settled = scene.state().await;
    for (name, target) in &settled.targets {
        assert_eq!((&target.intent, &target.failure), (&None, &None), "{name}");
    }
    let quiet = scene.plan("a bolt", Scope::default()).await;
    scene.apply(quiet).await;
    assert_eq!(scene.state().await, settled, "and only once");
}

#[tokio::test]
async fn a_refused_index_leaves_no_doubt() {
    let scene = Scene::new();
    let names: Vec<String> = (0..20).map(|n| format!("nut{n}.json")).collect();
    for name in &names {
        scene.library.write(name, format!(r#"{{"title": "{name}"}}"#));
    }
    let desired = scene.plan("a bolt", Scope::default()).await;
    assert!(!scene.apply(desired).await.is_partial());
    for name in &names {
        std::fs::remove_file(scene.library.path(name)).unwrap();
    }
    let desired = scene.plan("a bolt", Scope::default()).await;
    let refused = scene.apply(desired).await;
    assert_eq!(outcomes(&refused)[2], ("embedding", Outcome::Failed), "{refused:?}");
    let known = scene.state().await.target(&TargetName::new("embedding"));
    assert!(known.intent.is_none() && known.failure.is_some(), "nothing was begun: {known:?}");
}
