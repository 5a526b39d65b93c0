//! Runs against the store in memory and a model that counts.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::adapters::model::Limits;
use crate::adapters::model::deterministic::Deterministic;
use crate::adapters::model::local::Local;
use crate::adapters::stop::Signal;
use crate::adapters::vector_store::{Embedded, Memory};
use crate::commands::texts::AtHand;
use crate::embedding::{ChunkSettings, Text, Unit, chunks, plan, wanted};
use crate::ids::{AssetId, AssetKey, CollectionName, RepoPath};
use crate::state::row::IndexMark;

const CUT: ChunkSettings = ChunkSettings { max: 60, overlap: 0, unit: Unit::Characters };

fn model() -> Deterministic {
    Deterministic::new(64).with_batch_size(4)
}

fn namespace(model: &dyn EmbeddingModel, cut: &ChunkSettings) -> Namespace {
    Namespace::of(&model.fingerprint(), model.dimension(), cut)
}

fn asset_cut(id: &str, texts: &[&str], cut: &ChunkSettings) -> Vec<Chunk> {
    let key = AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) };
    let path = RepoPath::new(format!("{id}/a.md"));
    let texts: Vec<Text> = texts.iter().filter_map(|text| Text::new(&path, text)).collect();
    chunks(&key, &texts, cut)
}

fn asset(id: &str, texts: &[&str]) -> Vec<Chunk> {
    asset_cut(id, texts, &CUT)
}

/// Ten assets of three chunks each, all different.
fn library() -> Vec<Chunk> {
    let one =
        |n: usize| asset(&format!("a{n}"), &[&format!("first {n}"), &format!("second {n}"), &format!("third {n}")]);
    (0..10).flat_map(one).collect()
}

fn outlines(chunks: &[Chunk]) -> Vec<Wanted> {
    chunks.iter().flat_map(|chunk| wanted(std::slice::from_ref(chunk), |text| text.len().div_ceil(4) as u64)).collect()
}

fn plan_of(name: &Namespace, desired: &[Chunk], held: &Actual) -> Plan {
    plan(name, &outlines(desired), held, &BTreeSet::new(), false)
}

async fn plan_now(desired: &[Chunk], model: &dyn EmbeddingModel, store: &dyn VectorStore) -> Plan {
    plan_of(&namespace(model, &CUT), desired, &store.held().await.unwrap())
}

/// Applies a plan to the chunks, with what the store holds now.
async fn apply_to(
    plan: &Plan,
    chunks: &[Chunk],
    (model, store): (&dyn EmbeddingModel, &dyn VectorStore),
    stop: &Stop,
    progress: &mut (dyn FnMut(&Outcome) + Send),
) -> Result<Outcome, ApplyError> {
    let (held, texts) = (store.held().await.unwrap(), AtHand::new(chunks.to_vec()));
    let means = Means { model, store, cache: None, held: &held, texts: texts.as_ref(), stop };
    apply(plan, &outlines(chunks), &means, progress).await
}

async fn run(desired: &[Chunk], model: &dyn EmbeddingModel, store: &dyn VectorStore) -> Result<Outcome, ApplyError> {
    apply_to(&plan_now(desired, model, store).await, desired, (model, store), &Stop::default(), &mut |_| {}).await
}

#[tokio::test]
async fn a_second_run_asks_no_model() {
    let (model, store, library) = (model(), Memory::default(), library());
    let first = run(&library, &model, &store).await.unwrap();
    assert_eq!(first, Outcome { embedded: 30, upserted: 30, tokens: 60, ..Outcome::default() });
    assert_eq!((model.calls(), model.texts()), (8, 30));
    assert!(plan_now(&library, &model, &store).await.is_empty());
    assert_eq!(run(&library, &model, &store).await.unwrap(), Outcome::default());
    assert_eq!(model.calls(), 8);
}

#[tokio::test]
async fn an_edit_pays_for_its_own_chunks_alone() {
    let (model, store, mut library) = (model(), Memory::default(), library());
    run(&library, &model, &store).await.unwrap();
    library.splice(6..9, asset("a2", &["first 2", "another second", "third 2"]));
    let outcome = run(&library, &model, &store).await.unwrap();
    assert_eq!(outcome, Outcome { embedded: 1, upserted: 1, deleted: 1, tokens: 2, ..Outcome::default() });
    assert_eq!(model.texts(), 31);
}

#[tokio::test]
async fn what_is_gone_is_deleted() {
    let (model, store, mut library) = (model(), Memory::default(), library());
    run(&library, &model, &store).await.unwrap();
    library.drain(0..3);
    let outcome = run(&library, &model, &store).await.unwrap();
    assert_eq!(outcome, Outcome { deleted: 3, ..Outcome::default() });
    assert_eq!((model.calls(), store.held().await.unwrap()[&namespace(&model, &CUT)].len()), (8, 27));
}

#[tokio::test]
async fn a_renamed_asset_pays_nothing() {
    let (model, store, mut library) = (model(), Memory::default(), library());
    run(&library, &model, &store).await.unwrap();
    library.splice(0..3, asset("renamed", &["first 0", "second 0", "third 0"]));
    let outcome = run(&library, &model, &store).await.unwrap();
    assert_eq!(outcome, Outcome { reused: 3, upserted: 3, deleted: 3, ..Outcome::default() });
    assert_eq!(model.calls(), 8);
    assert!(plan_now(&library, &model, &store).await.is_empty());
}

#[tokio::test]
async fn a_text_that_many_assets_share_is_embedded_once() {
    let (model, store) = (model(), Memory::default());
    let library: Vec<Chunk> =
        (0..20).flat_map(|n| asset(&format!("a{n}"), &["the licence", &format!("own {n}")])).collect();
    let outcome = run(&library, &model, &store).await.unwrap();
    assert_eq!((outcome.embedded, outcome.reused, outcome.upserted, model.texts()), (21, 19, 40, 21));
    assert!(plan_now(&library, &model, &store).await.is_empty());
}

#[tokio::test]
async fn a_failing_model_keeps_what_was_done_and_deletes_nothing() {
    let (store, mut library) = (Memory::default(), library());
    run(&library[..3], &model(), &store).await.unwrap();
    library.drain(0..3);
    let failing = model().failing_at(3);
    let error = run(&library, &failing, &store).await.unwrap_err();
    let ApplyError::Model { done, total, .. } = &error else { panic!("{error}") };
    assert_eq!((done.embedded, done.deleted, *total), (8, 0, 27));
    assert!(error.to_string().contains("8 of 27 chunks"), "{error}");
    assert_eq!(store.held().await.unwrap()[&namespace(&failing, &CUT)].len(), 3 + 8);
    let next = model();
    let outcome = run(&library, &next, &store).await.unwrap();
    assert_eq!((outcome.embedded, outcome.deleted, next.texts()), (19, 3, 19));
    assert!(plan_now(&library, &next, &store).await.is_empty());
}

#[tokio::test]
async fn another_cut_builds_a_new_generation_and_drops_the_old_one_last() {
    let (model, store) = (model(), Memory::default());
    run(&library(), &model, &store).await.unwrap();
    let cut = ChunkSettings { max: 80, ..CUT };
    let library = [asset_cut("a0", &["first 0", "new"], &cut), asset_cut("a1", &["first 1"], &cut)].concat();
    let name = namespace(&model, &cut);
    let planned = plan_of(&name, &library, &store.held().await.unwrap());
    let failing = self::model().failing_at(1);
    apply_to(&planned, &library, (&failing, &store), &Stop::default(), &mut |_| {}).await.unwrap_err();
    assert_eq!(store.held().await.unwrap()[&namespace(&model, &CUT)].len(), 30, "the old one still answers");
    let planned = plan_of(&name, &library, &store.held().await.unwrap());
    let outcome = apply_to(&planned, &library, (&model, &store), &Stop::default(), &mut |_| {}).await.unwrap();
    assert_eq!((outcome.embedded, outcome.upserted, planned.unchanged), (1, 1, 2));
    assert_eq!(store.held().await.unwrap().keys().collect::<Vec<_>>(), [&name]);
}

#[tokio::test]
async fn a_refused_plan_does_nothing() {
    let (model, store) = (model(), Memory::default());
    let library: Vec<Chunk> = (0..20).flat_map(|n| asset(&format!("a{n}"), &[&format!("own {n}")])).collect();
    run(&library, &model, &store).await.unwrap();
    let error = run(&[], &model, &store).await.unwrap_err();
    assert!(error.to_string().contains("20 of the 20 assets"), "{error}");
    assert!(error.is_certain());
    assert_eq!(store.held().await.unwrap()[&namespace(&model, &CUT)].len(), 20);
}

#[tokio::test]
async fn a_plan_for_other_chunks_is_refused() {
    let (model, store, library) = (model(), Memory::default(), library());
    let planned = plan_now(&library, &model, &store).await;
    let error = apply_to(&planned, &library[1..], (&model, &store), &Stop::default(), &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, ApplyError::Foreign { .. }) && error.is_certain(), "{error}");
    assert_eq!(model.calls(), 0);
}

/// A store from which another run takes every vector after some questions.
struct Robbed {
    store: Memory,
    answers: AtomicUsize,
}

#[async_trait]
impl VectorStore for Robbed {
    fn place(&self) -> String {
        self.store.place()
    }

    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError> {
        self.store.mark().await
    }

    async fn set_mark(&self, mark: &IndexMark) -> Result<(), VectorStoreError> {
        self.store.set_mark(mark).await
    }

    async fn held(&self) -> Result<Actual, VectorStoreError> {
        self.store.held().await
    }

    async fn vectors(
        &self,
        namespace: &Namespace,
        ids: &[ChunkId],
    ) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError> {
        let left = self.answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() {
            return Ok(BTreeMap::new());
        }
        self.store.vectors(namespace, ids).await
    }

    async fn upsert(&self, namespace: &Namespace, points: &[Point]) -> Result<(), VectorStoreError> {
        self.store.upsert(namespace, points).await
    }

    async fn delete(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError> {
        self.store.delete(namespace, ids).await
    }

    async fn drop_namespace(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        self.store.drop_namespace(namespace).await
    }

    async fn search(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError> {
        self.store.search(namespace, query, k).await
    }
}

#[tokio::test]
async fn vectors_that_vanish_meanwhile_are_embedded_again() {
    let texts: Vec<String> = (0..=PAGE).map(|n| format!("text {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (model, store) = (model(), Memory::default());
    run(&asset("old", &texts), &model, &store).await.unwrap();
    // The first of two pages is given.
    let store = Robbed { store, answers: AtomicUsize::new(1) };
    let outcome = run(&asset("new", &texts), &model, &store).await.unwrap();
    assert_eq!((outcome.reused, outcome.embedded, outcome.deleted), (PAGE, 1, PAGE + 1));
}

/// A model that does not take some texts.
struct Choosy {
    model: Deterministic,
    bad: &'static str,
    at_once: usize,
}

#[async_trait]
impl EmbeddingModel for Choosy {
    fn fingerprint(&self) -> String {
        self.model.fingerprint()
    }

    fn dimension(&self) -> usize {
        self.model.dimension()
    }

    fn limits(&self) -> Limits {
        Limits { texts: 8, at_once: self.at_once, ..Limits::default() }
    }

    async fn embed(&self, texts: &[&str]) -> Result<model::Embedded, ModelError> {
        match texts.iter().any(|text| text.contains(self.bad)) {
            true => Err(ModelError::Refused { model: self.fingerprint(), why: "too long".to_owned() }),
            false => self.model.embed(texts).await,
        }
    }
}

#[tokio::test]
async fn a_text_that_is_refused_is_named_and_the_rest_goes_on() {
    for at_once in [1, 16] {
        let (store, mut library) = (Memory::default(), library());
        run(&library[..6], &model(), &store).await.unwrap();
        // The first asset gets a text that is refused, the second loses all.
        library.splice(0..6, asset("a0", &["first 0", "a bad one", "third 0"]));
        let choosy = Choosy { model: self::model(), bad: "bad", at_once };
        let error = run(&library, &choosy, &store).await.unwrap_err();
        let ApplyError::Partly { refusals, done, total } = &error else { panic!("{error}") };
        assert_eq!((refusals.len(), done.embedded, done.deleted, *total), (1, 24, 3, 25), "{error}");
        let said = error.to_string();
        assert!(
            said.contains("1 of 25 chunks were refused: products/a0 (a0/a.md)") && said.contains("too long"),
            "{said}"
        );
        let held = store.held().await.unwrap();
        let of_first = held.values().flat_map(BTreeMap::values).filter(|held| held.asset.id.as_str() == "a0").count();
        assert_eq!(of_first, 3, "the asset keeps what it had");
        let outcome = run(&library, &self::model(), &store).await.unwrap();
        assert_eq!((outcome.embedded, outcome.deleted), (1, 1));
    }
}

#[tokio::test]
async fn a_model_that_refuses_everything_is_given_up() {
    let library: Vec<Chunk> = (0..2_000).flat_map(|n| asset(&format!("a{n}"), &[&format!("own {n}")])).collect();
    let choosy = Choosy { model: model(), bad: "own", at_once: 4 };
    let error = run(&library, &choosy, &Memory::default()).await.unwrap_err();
    assert!(matches!(error, ApplyError::Model { .. }) && error.to_string().contains("embed.model"), "{error}");
}

/// A store that does not take some points, and fails altogether from some call on.
struct Picky {
    store: Memory,
    bad: &'static str,
}

#[async_trait]
impl VectorStore for Picky {
    fn place(&self) -> String {
        self.store.place()
    }

    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError> {
        self.store.mark().await
    }

    async fn set_mark(&self, mark: &IndexMark) -> Result<(), VectorStoreError> {
        self.store.set_mark(mark).await
    }

    async fn held(&self) -> Result<Actual, VectorStoreError> {
        self.store.held().await
    }

    async fn vectors(
        &self,
        namespace: &Namespace,
        ids: &[ChunkId],
    ) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError> {
        self.store.vectors(namespace, ids).await
    }

    async fn upsert(&self, namespace: &Namespace, points: &[Point]) -> Result<(), VectorStoreError> {
        match points.iter().any(|point| point.chunk.text.contains(self.bad)) {
            true => Err(VectorStoreError::Refused { place: self.place(), why: "too large".to_owned() }),
            false => self.store.upsert(namespace, points).await,
        }
    }

    async fn delete(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError> {
        self.store.delete(namespace, ids).await
    }

    async fn drop_namespace(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        self.store.drop_namespace(namespace).await
    }

    async fn search(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError> {
        self.store.search(namespace, query, k).await
    }
}

#[tokio::test]
async fn a_point_that_the_store_refuses_is_named_and_its_vector_is_in_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = VectorCache::at(folder.path().join("cache.sqlite"));
    let (model, library) = (model(), library());
    let store = Picky { store: Memory::default(), bad: "second 3" };
    let name = namespace(&model, &CUT);
    let (texts, held, stop) = (AtHand::new(library.clone()), Actual::new(), Stop::default());
    let means =
        Means { model: &model, store: &store, cache: Some(&cache), held: &held, texts: texts.as_ref(), stop: &stop };
    let planned = plan_of(&name, &library, &held);
    let error = apply(&planned, &outlines(&library), &means, &mut |_| {}).await.unwrap_err();
    let ApplyError::Partly { refusals, done, .. } = &error else { panic!("{error}") };
    assert_eq!((refusals.len(), done.upserted, done.embedded), (1, 29, 29));
    let known = cache.known(name.model(), library.iter().map(|chunk| chunk.hash.clone()).collect()).await;
    assert_eq!(known.len(), 30);
    // The next run, to another store, pays nothing.
    let store = Memory::default();
    let planned = plan(&name, &outlines(&library), &held, &known, false);
    assert_eq!((planned.embed.len(), planned.tokens), (0, 0));
    let outcome = apply(&planned, &outlines(&library), &Means { store: &store, ..means }, &mut |_| {}).await.unwrap();
    assert_eq!((outcome.reused, outcome.embedded, model.texts()), (30, 0, 30));
}

#[tokio::test]
async fn a_vector_that_the_store_has_lost_is_embedded_again() {
    let (model, store, mut library) = (model(), Memory::default(), library());
    run(&library, &model, &store).await.unwrap();
    library.splice(0..3, asset("renamed", &["first 0", "second 0", "third 0"]));
    let planned = plan_now(&library, &model, &store).await;
    store.delete(&planned.namespace, &planned.delete).await.unwrap();
    let outcome = apply_to(&planned, &library, (&model, &store), &Stop::default(), &mut |_| {}).await.unwrap();
    assert_eq!((outcome.embedded, outcome.reused), (3, 0));
}

#[tokio::test]
async fn who_is_asked_to_stop_begins_no_further_batch_and_the_next_run_goes_on() {
    let (model, store, library) = (model(), Memory::default(), library());
    run(&asset("old", &["long gone"]), &model, &store).await.unwrap();
    let (before, stop) = (model.calls(), Stop::default());
    let planned = plan_now(&library, &model, &store).await;
    let mut ask = |_: &Outcome| stop.ask(Signal::Terminate);
    let error = apply_to(&planned, &library, (&model, &store), &stop, &mut ask).await.unwrap_err();
    assert!(matches!(error, ApplyError::Stopped { total: 30, .. }) && !error.is_certain(), "{error}");
    assert_eq!((error.done().upserted, error.done().deleted, model.calls() - before), (4, 0, 1));
    let rest = run(&library, &model, &store).await.unwrap();
    assert_eq!((rest.embedded, rest.deleted), (26, 1));
}

#[tokio::test]
async fn an_index_that_was_not_begun_before_the_stop_is_as_it_was() {
    let (model, store, library) = (model(), Memory::default(), library());
    let (planned, stop) = (plan_now(&library, &model, &store).await, Stop::default());
    stop.ask(Signal::Interrupt);
    let error = apply_to(&planned, &library, (&model, &store), &stop, &mut |_| {}).await.unwrap_err();
    assert!(error.is_certain() && model.calls() == 0, "{error}");
}

#[tokio::test]
async fn progress_is_heard_after_each_batch() {
    let (model, store, library) = (model(), Memory::default(), library());
    let planned = plan_now(&library, &model, &store).await;
    let mut heard = Vec::new();
    apply_to(&planned, &library, (&model, &store), &Stop::default(), &mut |done| heard.push(done.upserted))
        .await
        .unwrap();
    assert_eq!(heard, [4, 8, 12, 16, 20, 24, 28, 30]);
}

#[tokio::test]
async fn the_local_model_and_the_embedded_store_answer_a_question() {
    let folder = tempfile::tempdir().unwrap();
    let (model, store) = (Local::new().unwrap(), Embedded::at(folder.path().join("vectors.db")));
    let library = [
        asset("hex-bolt", &["Hex Bolt. A fastener with a six-sided head for wrenches."]),
        asset("bowl", &["A wooden salad bowl with a wide rim."]),
        asset("gear", &["Spur gear with involute teeth."]),
    ]
    .concat();
    run(&library, &model, &store).await.unwrap();
    let name = namespace(&model, &CUT);
    for (query, expected) in
        [("hex bolt", "hex-bolt"), ("screw", "hex-bolt"), ("kitchen dish", "bowl"), ("gear wheel", "gear")]
    {
        let hits = search(query, 2, &model, &store, &name).await.unwrap();
        assert_eq!((hits.len(), hits[0].asset.id.as_str()), (2, expected), "{query}");
    }
    assert!(matches!(search(" ", 2, &model, &store, &name).await.unwrap_err(), SearchError::Empty));
}

/// `cargo nextest run --run-ignored only --no-capture measure` prints how fast each step is in this build.
#[tokio::test]
#[ignore = "measures, and proves nothing"]
async fn measure_each_step() {
    let folder = tempfile::tempdir().unwrap();
    let (model, store) = (Local::new().unwrap(), Embedded::at(folder.path().join("vectors.db")));
    let cut = ChunkSettings::default();
    let words = ["steel", "parametric", "bolt", "the", "with", "chamfered", "of", "geometry", "nodes.", "and", "x\n\n"];
    let word = |i: usize| if i.is_multiple_of(9) { format!("M{i}") } else { words[i % 11].to_owned() };
    let text = |n: usize| (0..400).map(|i| word((i * 31 + n * 17) ^ (n * i))).collect::<Vec<_>>().join(" ");
    let step = |name: &str, from: std::time::Instant, n: usize| {
        let seconds = from.elapsed().as_secs_f64();
        println!("{name}: {n} in {seconds:.3} s, {:.0} a second", n as f64 / seconds);
    };
    let texts: Vec<String> = (0..3_000).map(text).collect();
    let from = std::time::Instant::now();
    let path = RepoPath::new("a.md");
    let cleaned: Vec<Text> = texts.iter().filter_map(|text| Text::new(&path, text)).collect();
    step("clean (texts)", from, cleaned.len());
    let from = std::time::Instant::now();
    let pieces = cleaned.iter().map(|text| crate::embedding::chunk::cut(&text.text, 1000, 200).len()).sum();
    step("cut alone (chunks)", from, pieces);
    let from = std::time::Instant::now();
    let library: Vec<Chunk> =
        texts.iter().enumerate().flat_map(|(n, text)| asset_cut(&format!("a{n}"), &[text], &cut)).collect();
    step("clean, cut and name (chunks)", from, library.len());
    let all: Vec<&str> = library.iter().map(|chunk| chunk.text.as_str()).collect();
    model.embed(&["warm"]).await.unwrap();
    let from = std::time::Instant::now();
    let tokens = model.embed(&all).await.unwrap().tokens;
    step("embed (chunks)", from, all.len());
    println!("{} tokens, {} characters", tokens, all.iter().map(|t| t.chars().count()).sum::<usize>());
    let name = namespace(&model, &cut);
    let planned = plan_of(&name, &library, &store.held().await.unwrap());
    let from = std::time::Instant::now();
    apply_to(&planned, &library, (&model, &store), &Stop::default(), &mut |_| {}).await.unwrap();
    step("first run (chunks)", from, library.len());
    let from = std::time::Instant::now();
    let again = plan_of(&name, &library, &store.held().await.unwrap());
    step("second plan (chunks)", from, library.len());
    assert!(again.is_empty());
    let from = std::time::Instant::now();
    search("parametric bolt", 10, &model, &store, &name).await.unwrap();
    step("search (chunks)", from, library.len());
}

/// A hundred thousand assets of ten chunks each, made up anew whenever they are asked for.
struct MadeUp;

impl MadeUp {
    fn asset(n: usize) -> Vec<Chunk> {
        let word = |i: usize| ["steel", "bolt", "hex", "oak", "moss", "slate", "rope", "glass"][(i * 7 + n) % 8];
        let text = |k: usize| format!("{n} {k} {}", (0..130).map(|i| word(i ^ k)).collect::<Vec<_>>().join(" "));
        let texts: Vec<String> = (0..10).map(text).collect();
        asset_cut(&format!("a{n}"), &texts.iter().map(String::as_str).collect::<Vec<_>>(), &ChunkSettings::default())
    }
}

impl Texts for MadeUp {
    fn read(&self, assets: &BTreeSet<&AssetKey>) -> anyhow::Result<Vec<Chunk>> {
        let number = |key: &&AssetKey| key.id.as_str()[1..].parse().unwrap();
        Ok(assets.iter().map(number).flat_map(Self::asset).collect())
    }
}

/// Neither knows nor keeps anything.
struct Null;

#[async_trait]
impl EmbeddingModel for Null {
    fn fingerprint(&self) -> String {
        "null".to_owned()
    }

    fn dimension(&self) -> usize {
        256
    }

    fn limits(&self) -> Limits {
        Limits { texts: 2_048, at_once: 16, ..Limits::default() }
    }

    async fn embed(&self, texts: &[&str]) -> Result<model::Embedded, ModelError> {
        Ok(model::Embedded { vectors: vec![vec![1.0 / 16.0; 256]; texts.len()], tokens: 1 })
    }
}

#[async_trait]
impl VectorStore for Null {
    fn place(&self) -> String {
        "nowhere".to_owned()
    }

    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError> {
        Ok(None)
    }

    async fn set_mark(&self, _: &IndexMark) -> Result<(), VectorStoreError> {
        Ok(())
    }

    async fn held(&self) -> Result<Actual, VectorStoreError> {
        Ok(Actual::new())
    }

    async fn vectors(&self, _: &Namespace, _: &[ChunkId]) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError> {
        Ok(BTreeMap::new())
    }

    async fn upsert(&self, _: &Namespace, _: &[Point]) -> Result<(), VectorStoreError> {
        Ok(())
    }

    async fn delete(&self, _: &Namespace, _: &[ChunkId]) -> Result<(), VectorStoreError> {
        Ok(())
    }

    async fn drop_namespace(&self, _: &Namespace) -> Result<(), VectorStoreError> {
        Ok(())
    }

    async fn search(&self, _: &Namespace, _: &Query, _: usize) -> Result<Vec<Hit>, VectorStoreError> {
        Ok(Vec::new())
    }
}

/// `cargo nextest run --lib --run-ignored only --no-capture a_million_chunks` prints how long they take, and how much memory.
#[tokio::test]
#[ignore = "measures, and proves nothing"]
async fn a_million_chunks() {
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        format!("{}, {}", line("VmRSS"), line("VmHWM"))
    };
    let begun = std::time::Instant::now();
    let desired: Vec<Wanted> =
        (0..100_000).flat_map(|n| wanted(&MadeUp::asset(n), |text| text.len().div_ceil(4) as u64)).collect();
    println!("{} chunks cut after {:.0?}; {}", desired.len(), begun.elapsed(), memory());
    let (held, stop) = (Actual::new(), Stop::default());
    let planned = plan(&namespace(&Null, &CUT), &desired, &held, &BTreeSet::new(), false);
    println!("planned after {:.0?}; {}", begun.elapsed(), memory());
    let means = Means { model: &Null, store: &Null, cache: None, held: &held, texts: &MadeUp, stop: &stop };
    let mut told = 0;
    let mut progress = |done: &Outcome| {
        if done.upserted >= told + 250_000 {
            told = done.upserted;
            println!("{told} after {:.0?}; {}", begun.elapsed(), memory());
        }
    };
    apply(&planned, &desired, &means, &mut progress).await.unwrap();
    println!("all after {:.0?}; {}", begun.elapsed(), memory());
}
