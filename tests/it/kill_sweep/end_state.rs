//! What a library's targets have in the end, read from where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use stockroom::adapters::state_store::{
    ChunkRows as _, SqliteState, StateHistory as _, StateLock as _, StateStore as _,
};
use stockroom::adapters::vector_store::{Embedded, VectorStore as _};
use stockroom::ids::TargetName;
use stockroom::state::row::ChunkRow;
use stockroom::state::{Lock, RunResult, State};

use crate::program::Library;
use crate::published;

/// The asset that an event names: its collection and its id.
pub type Asset = (String, String);

/// Everything that is to be the same after a kill as without one.
#[derive(Debug, Clone, PartialEq)]
pub struct EndState {
    /// `manifest.json` without what depends on the editions before it, and on the commit that it was built from: one that
    /// changes no asset is not published anew.
    pub root: Value,
    /// That commit.
    pub built_from: String,
    /// The files that stand for the library, whatever was published before.
    pub shards: BTreeMap<String, Vec<u8>>,
    /// The assets, each with the digest of what it means.
    pub published: BTreeMap<Asset, String>,
    /// What else is in the manifest's folder, which keeps the files of the last manifests for whoever still reads them.
    pub others: BTreeSet<String>,
    /// The rows of the vector index, whole.
    pub vectors: BTreeSet<String>,
    /// The state.
    pub state: State,
    /// What the state knows of the vector index; nothing where a run was killed as it began with the index, and none has written
    /// to it since: then the index itself is asked.
    pub chunks: Option<Vec<ChunkRow>>,
    /// Whose the lock is.
    pub lock: Option<Lock>,
    /// The runs, with how each ended; one that was killed did not.
    pub runs: Vec<Option<RunResult>>,
}

impl EndState {
    /// Reads it. Nothing may be running on the library.
    pub fn of(library: &Library) -> Self {
        let folder = library.path(".stockroom/manifest");
        let mut files: BTreeMap<String, Vec<u8>> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect();
        let mut root: Value = serde_json::from_slice(&files.remove("manifest.json").unwrap()).unwrap();
        let built_from = root["source"]["commit"].take().as_str().unwrap().to_owned();
        leads_here(&folder);
        for of_the_past in ["source", "seq", "prev", "delta", "updated"] {
            root.as_object_mut().unwrap().remove(of_the_past);
        }
        let digest = |asset: Value| asset["digest"].as_str().unwrap().to_owned();
        let published = published::assets(&folder).into_iter().map(|(key, asset)| (key, digest(asset))).collect();
        let named: BTreeSet<String> = published::names(&folder).into_iter().collect();
        let (shards, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            files.into_iter().partition(|(name, _)| named.contains(name));
        let is_past = |name: &String| {
            ["delta-", "edition-", "updated-", "retired.json"].iter().any(|kind| name.starts_with(kind))
        };
        let others = others.into_keys().filter(|name| !is_past(name)).collect();
        let vectors = vectors(library);
        let store = SqliteState::new(library.path(".git/stockroom/state.sqlite"), "org/library:");
        let index = Embedded::at(library.path(".git/stockroom/vectors.sqlite"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mark = index.mark().await.unwrap().expect("the index is marked");
            let mut chunks = store.chunks(&mark).await.unwrap();
            chunks.iter_mut().for_each(|rows| rows.sort_by(|a, b| (&a.namespace, &a.id).cmp(&(&b.namespace, &b.id))));
            let runs = store.runs(usize::MAX).await.unwrap();
            let runs = runs.into_iter().map(|(_, end)| end.map(|end| end.result)).collect();
            let (state, lock) = (store.load().await.unwrap(), store.locked().await.unwrap());
            Self { root, built_from, shards, published, others, vectors, state, chunks, lock, runs }
        })
    }

    /// The assets of these collections, each with the digest of what it means.
    pub fn assets(&self, collections: &[&str]) -> BTreeMap<Asset, String> {
        let all = self.published.iter().filter(|((collection, _), _)| collections.contains(&collection.as_str()));
        all.map(|(key, digest)| (key.clone(), digest.clone())).collect()
    }

    /// Asserts that this is where `quiet` runs to the last commit lead, where a target may still name another commit that it
    /// already had the same content from.
    ///
    /// `killed` runs may have no end in the history.
    pub fn is_that_of(&self, quiet: &Self, commits: &[&str], remains: &BTreeSet<String>, killed: usize) {
        assert_eq!(self.root, quiet.root, "the manifest's root");
        assert!(commits.contains(&self.built_from.as_str()), "the manifest is of {}", self.built_from);
        assert_eq!(self.shards, quiet.shards, "the manifest's shards");
        let rubbish: Vec<_> = self.others.difference(remains).collect();
        assert!(rubbish.is_empty(), "left in the manifest's folder: {rubbish:?}");
        let differing: Vec<_> = self.vectors.symmetric_difference(&quiet.vectors).collect();
        assert!(differing.is_empty(), "rows of the vector index that only one of both has: {differing:#?}");
        let chunks = self.chunks.as_ref().expect("the state knows the index");
        assert_eq!(Some(chunks), quiet.chunks.as_ref(), "what the state knows of the vector index");
        assert!(chunks.iter().all(|chunk| chunk.stored), "chunks are in doubt");
        assert_eq!(self.lock, None, "whose the lock is");
        assert_eq!(self.state.run, None, "a run is at work");
        let unended = self.runs.iter().filter(|end| end.is_none()).count();
        let all_done = self.runs.iter().flatten().all(|end| *end == RunResult::Done);
        assert!(all_done && unended <= killed, "the runs ended so: {:?}", self.runs);
        let names = |state: &State| state.targets.keys().cloned().collect::<Vec<TargetName>>();
        assert_eq!(names(&self.state), names(&quiet.state), "the targets in the state");
        for (name, target) in &self.state.targets {
            assert!(target.intent.is_none() && target.failure.is_none(), "{name} is not settled: {target:?}");
            let (has, wanted) = (target.delivered.as_ref(), quiet.state.target(name).delivered);
            let (has, wanted) = (has.expect("a delivery"), wanted.expect("a delivery"));
            assert_eq!((&has.digest, &has.assets), (&wanted.digest, &wanted.assets), "what {name} is known to have");
            let commit = has.commit.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(commits.contains(&commit.as_str()), "{name} is known to be at {commit}");
        }
    }
}

/// The delta of the root, where it has one, leads to what it says; what it names is whole.
fn leads_here(folder: &Path) {
    let root = published::root(folder);
    published::json(folder, &root["updated"]);
    if root["delta"].is_object() {
        let delta = published::json(folder, &root["delta"]);
        assert_eq!(
            (&delta["to"], &delta["from"]),
            (&root["digest"], &root["delta"]["from"]),
            "the delta leads elsewhere"
        );
    }
}

fn vectors(library: &Library) -> BTreeSet<String> {
    let index = Connection::open(library.path(".git/stockroom/vectors.sqlite")).unwrap();
    let columns = "namespace, id, collection, asset, path, position, hash, hex(vector), text";
    let lines = format!("SELECT concat_ws(' ', {columns}) FROM chunks");
    let mut statement = index.prepare(&lines).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
