//! What has to be done so that a store holds the chunks that it should.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chunk::Chunk;
use super::settings::{ChunkSettings, Unit};
use crate::ids::{AssetKey, ChunkId, RepoPath, RepoSlug, Sha256Hex};

/// Counts the ways in which texts were cut: raised when the same settings cut the same text differently.
const CHUNKER: u32 = 1;

/// A generation of the index: vectors of one model over chunks of one cut. Another model or cut is another generation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Namespace(String);

impl Namespace {
    /// The generation of this model (its fingerprint has its dimension in it or beside it) and this cut.
    pub fn of(model: &str, dimension: usize, chunk: &ChunkSettings) -> Self {
        let unit = if chunk.unit == Unit::Tokens { "t" } else { "" };
        Self(format!("{model}/{dimension}/c{CHUNKER}-{unit}{}-{}", chunk.max, chunk.overlap))
    }

    /// Takes back a name that a store returns.
    pub fn from_store(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same generation for the texts of another repository.
    #[must_use]
    pub fn of_source(&self, repository: &RepoSlug) -> Self {
        Self(format!("{repository}@{}", self.generation()))
    }

    /// The repository whose texts it holds, where that is not the library's own.
    pub fn source(&self) -> Option<&str> {
        self.0.split_once('@').map(|(source, _)| source)
    }

    fn generation(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(_, generation)| generation)
    }

    /// The model and dimension: vectors of namespaces with the same one can stand for each other.
    pub fn model(&self) -> &str {
        let generation = self.generation();
        generation.rsplit_once('/').map_or(generation, |(model, _)| model)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A chunk as it should be in the store, without its text: that is read again when it is embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Follows from the asset and the text alone.
    pub id: ChunkId,
    /// Whose text it is.
    pub asset: Arc<AssetKey>,
    /// The file it stands in.
    pub path: Arc<RepoPath>,
    /// Its place among the asset's chunks, from 0.
    pub index: u32,
    /// The digest of its text.
    pub hash: Sha256Hex,
    /// How many tokens the model will count in it, at most.
    pub tokens: u32,
}

/// An asset's chunks without their texts.
pub fn wanted(chunks: &[Chunk], tokens: impl Fn(&str) -> u64) -> Vec<Wanted> {
    let Some(first) = chunks.first() else { return Vec::new() };
    let (asset, mut path) = (Arc::new(first.asset.clone()), Arc::new(first.path.clone()));
    let mut one = |chunk: &Chunk| {
        if *path != chunk.path {
            path = Arc::new(chunk.path.clone());
        }
        Wanted {
            id: chunk.id.clone(),
            asset: if *asset == chunk.asset { Arc::clone(&asset) } else { Arc::new(chunk.asset.clone()) },
            path: Arc::clone(&path),
            index: chunk.index,
            hash: chunk.hash.clone(),
            tokens: u32::try_from(tokens(&chunk.text)).unwrap_or(u32::MAX),
        }
    };
    chunks.iter().map(&mut one).collect()
}

/// A chunk as a store has it, without its text and vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose text it is.
    pub asset: AssetKey,
    /// The file it stood in when it was stored.
    pub path: RepoPath,
    /// Its place among the asset's chunks when it was stored.
    pub index: u32,
    /// The digest of its text.
    pub hash: Sha256Hex,
    /// Whether it is there. What was about to be stored when a run was killed may be there or not.
    pub certain: bool,
}

/// All that a store holds, by namespace.
pub type Actual = BTreeMap<Namespace, BTreeMap<ChunkId, Held>>;

/// What has to be done, as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The generation that is brought up to date.
    pub namespace: Namespace,
    /// Chunks whose text has to go to the model; one for each distinct text.
    pub embed: Vec<ChunkId>,
    /// Chunks to be stored with a vector that is known, or comes with `embed`: moved, renamed or repeated texts.
    pub reuse: Vec<ChunkId>,
    /// Chunks in the store that no asset has any more.
    pub delete: Vec<ChunkId>,
    /// How many chunks are as they should be.
    pub unchanged: usize,
    /// How many tokens `embed` will have at most, as the model counts them or would.
    pub tokens: u64,
    /// What they cost at most, in millionths of a US dollar; none where the model is free or its price is not known.
    pub cost: Option<u64>,
    /// Older generations, dropped when this one is complete.
    pub obsolete: Vec<Namespace>,
    /// Why it must not be applied, if so.
    pub refusal: Option<MassDelete>,
}

impl Plan {
    /// How many chunks will be written.
    pub fn upserts(&self) -> usize {
        self.embed.len() + self.reuse.len()
    }

    /// The same with what it costs, at so many US dollars for a million tokens.
    #[must_use]
    pub fn priced(self, price: Option<f64>) -> Self {
        // A million tokens for a dollar are a millionth of a dollar for each.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let cost = price.map(|price| (self.tokens as f64 * price).ceil() as u64);
        Self { cost, ..self }
    }

    /// Whether the store is in step.
    pub fn is_empty(&self) -> bool {
        self.upserts() == 0 && self.delete.is_empty() && self.obsolete.is_empty()
    }
}

/// More assets would vanish from the index than a run may take away unasked: an empty checkout looks like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[error(
    "{lost} of the {held} assets in the index have no text any more, and at most {limit} may vanish in one run. \
     Look whether the checkout and `embed.text` are as you want them; if so, run again with --allow-mass-delete"
)]
pub struct MassDelete {
    /// How many assets would vanish.
    pub lost: usize,
    /// How many assets the store holds.
    pub held: usize,
    /// How many may vanish.
    pub limit: usize,
}

/// Compares the chunks that should be with those that are.
///
/// Deletions are judged by assets, not by chunks: an edited asset loses chunks and is none the worse. An asset is lost when
/// it has no chunk left in any generation that is kept, unless all its texts live on under other assets: then it was renamed.
/// More than ten, and more than a fifth of all, is refused unless `allow_mass_delete`. The chunks of other sources are left
/// alone, and lend their vectors; `cached` are texts whose vectors are at hand elsewhere.
pub fn plan(
    namespace: &Namespace,
    desired: &[Wanted],
    actual: &Actual,
    cached: &BTreeSet<Sha256Hex>,
    allow_mass_delete: bool,
) -> Plan {
    let nothing = BTreeMap::new();
    let held = actual.get(namespace).unwrap_or(&nothing);
    let own = || actual.iter().filter(|(name, _)| name.source() == namespace.source());
    let same_model = actual.iter().filter(|(name, _)| name.model() == namespace.model());
    let mut known: BTreeSet<&Sha256Hex> =
        same_model.flat_map(|(_, held)| held.values().filter(|h| h.certain).map(|h| &h.hash)).collect();
    known.extend(cached);
    let mut plan = Plan {
        namespace: namespace.clone(),
        embed: Vec::new(),
        reuse: Vec::new(),
        delete: Vec::new(),
        unchanged: 0,
        tokens: 0,
        cost: None,
        obsolete: own().map(|(name, _)| name).filter(|name| *name != namespace).cloned().collect(),
        refusal: if allow_mass_delete { None } else { mass_delete(desired, || own().map(|(_, held)| held)) },
    };
    let mut ids = BTreeSet::new();
    for chunk in desired.iter().filter(|chunk| ids.insert(&chunk.id)) {
        match held.get(&chunk.id) {
            Some(held) if held.certain && held.path == *chunk.path && held.index == chunk.index => plan.unchanged += 1,
            _ if !known.insert(&chunk.hash) => plan.reuse.push(chunk.id.clone()),
            _ => {
                plan.tokens += u64::from(chunk.tokens);
                plan.embed.push(chunk.id.clone());
            }
        }
    }
    plan.delete = held.keys().filter(|id| !ids.contains(id)).cloned().collect();
    plan
}

fn mass_delete<'a, A>(desired: &[Wanted], actual: impl Fn() -> A) -> Option<MassDelete>
where
    A: Iterator<Item = &'a BTreeMap<ChunkId, Held>>,
{
    let kept: BTreeSet<&AssetKey> = desired.iter().map(|chunk| &*chunk.asset).collect();
    let texts: BTreeSet<&Sha256Hex> = desired.iter().map(|chunk| &chunk.hash).collect();
    let all = || actual().flat_map(BTreeMap::values);
    let held = all().map(|h| &h.asset).collect::<BTreeSet<_>>().len();
    let gone = all().filter(|h| !kept.contains(&h.asset) && !texts.contains(&h.hash));
    let lost = gone.map(|h| &h.asset).collect::<BTreeSet<_>>().len();
    let limit = (held / 5).max(10);
    (lost > limit).then_some(MassDelete { lost, held, limit })
}

/// A digest of what should be: equal digests mean that nothing has changed since.
pub fn digest(namespace: &Namespace, desired: &[Wanted]) -> Sha256Hex {
    let mut lines: Vec<String> = desired.iter().map(|c| format!("{}\0{}\0{}\n", c.id, c.index, c.path)).collect();
    lines.sort_unstable();
    Sha256Hex::of(format!("{namespace}\n{}", lines.concat()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{plan as plan_of, *};
    use crate::embedding::chunk::chunks;
    use crate::embedding::text::Text;
    use crate::ids::{AssetId, CollectionName};
    use proptest::prelude::*;

    fn outlines(chunks: &[Chunk]) -> Vec<Wanted> {
        chunks
            .iter()
            .flat_map(|chunk| wanted(std::slice::from_ref(chunk), |text| text.len().div_ceil(4) as u64))
            .collect()
    }

    fn plan(namespace: &Namespace, desired: &[Chunk], actual: &Actual, allow_mass_delete: bool) -> Plan {
        plan_of(namespace, &outlines(desired), actual, &BTreeSet::new(), allow_mass_delete)
    }

    fn namespace(max: u32) -> Namespace {
        Namespace::of("model-1", 8, &ChunkSettings { max, overlap: 0, ..ChunkSettings::default() })
    }

    fn asset(id: &str, path: &str, texts: &[&str]) -> Vec<Chunk> {
        let key = AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) };
        let texts: Vec<Text> = texts.iter().filter_map(|text| Text::new(&RepoPath::new(path), text)).collect();
        chunks(&key, &texts, &ChunkSettings::default())
    }

    fn held(chunks: &[Chunk]) -> BTreeMap<ChunkId, Held> {
        let one = |c: &Chunk| {
            let held = Held {
                asset: c.asset.clone(),
                path: c.path.clone(),
                index: c.index,
                hash: c.hash.clone(),
                certain: true,
            };
            (c.id.clone(), held)
        };
        chunks.iter().map(one).collect()
    }

    fn actual(chunks: &[Chunk]) -> Actual {
        Actual::from([(namespace(1000), held(chunks))])
    }

    fn counts(plan: &Plan) -> (usize, usize, usize, usize) {
        (plan.embed.len(), plan.reuse.len(), plan.delete.len(), plan.unchanged)
    }

    #[test]
    fn what_is_new_is_embedded_and_what_is_gone_is_deleted() {
        let old = [asset("a", "a.md", &["one", "two"]), asset("b", "b.md", &["three"])].concat();
        let new = [asset("a", "a.md", &["one", "2222 2222"]), asset("c", "c.md", &["four"])].concat();
        let found = plan(&namespace(1000), &new, &actual(&old), false);
        assert_eq!(counts(&found), (2, 0, 2, 1));
        assert_eq!(found.tokens, 3 + 1);
        assert!(!found.is_empty() && found.refusal.is_none());
    }

    #[test]
    fn a_rename_a_move_and_a_reorder_pay_nothing() {
        let old = asset("a", "a.md", &["one", "two"]);
        for new in [
            asset("b", "a.md", &["one", "two"]),
            asset("a", "b.md", &["one", "two"]),
            asset("a", "a.md", &["two", "one"]),
        ] {
            let found = plan(&namespace(1000), &new, &actual(&old), false);
            assert_eq!((found.embed.len(), found.reuse.len(), found.tokens), (0, 2, 0));
        }
    }

    #[test]
    fn the_same_text_in_two_assets_is_embedded_once() {
        let new = [asset("a", "a.md", &["same"]), asset("b", "b.md", &["same"])].concat();
        assert_eq!(counts(&plan(&namespace(1000), &new, &Actual::new(), false)), (1, 1, 0, 0));
    }

    #[test]
    fn another_cut_is_another_generation_which_takes_over_the_vectors_of_the_same_texts() {
        let chunks = asset("a", "a.md", &["one"]);
        let found = plan(&namespace(500), &chunks, &actual(&chunks), false);
        assert_eq!(counts(&found), (0, 1, 0, 0));
        assert_eq!(found.obsolete, [namespace(1000)]);
        let other = Namespace::of("model-2", 8, &ChunkSettings::default());
        assert_eq!(counts(&plan(&other, &chunks, &actual(&chunks), false)), (1, 0, 0, 0));
    }

    #[test]
    fn an_empty_checkout_does_not_empty_the_index() {
        let many = |n: usize| {
            (0..n).flat_map(|i| asset(&format!("a{i}"), "a.md", &[&format!("text {i}")])).collect::<Vec<_>>()
        };
        let refused = |desired: &[Chunk], held: &[Chunk]| plan(&namespace(1000), desired, &actual(held), false).refusal;
        assert_eq!(refused(&[], &many(100)), Some(MassDelete { lost: 100, held: 100, limit: 20 }));
        assert_eq!(refused(&many(79), &many(100)).map(|r| r.lost), Some(21));
        assert_eq!(refused(&many(80), &many(100)), None);
        assert_eq!(refused(&[], &many(10)), None);
        assert_eq!(refused(&[], &many(11)).map(|r| r.limit), Some(10));
        assert_eq!(plan(&namespace(1000), &[], &actual(&many(100)), true).refusal, None);
        let elsewhere = plan(&namespace(500), &[], &actual(&many(100)), false);
        assert!(elsewhere.refusal.is_some(), "dropping an old generation is a deletion too");
    }

    #[test]
    fn renaming_everything_is_no_mass_deletion() {
        let named = |prefix: &str| {
            (0..50).flat_map(|i| asset(&format!("{prefix}{i}"), "a.md", &[&format!("text {i}")])).collect::<Vec<_>>()
        };
        assert_eq!(plan(&namespace(1000), &named("new"), &actual(&named("old")), false).refusal, None);
    }

    #[test]
    fn the_digest_follows_what_should_be_and_not_its_order() {
        let (a, b) = (asset("a", "a.md", &["one"]), asset("b", "b.md", &["two"]));
        let of = |chunks: &[&[Chunk]]| digest(&namespace(1000), &outlines(&chunks.concat()));
        assert_eq!(of(&[&a, &b]), of(&[&b, &a]));
        assert_ne!(of(&[&a, &b]), of(&[&a]));
        let a = outlines(&a);
        assert_ne!(digest(&namespace(1000), &a), digest(&namespace(500), &a));
    }

    #[test]
    fn what_is_cached_is_not_paid_for_and_what_is_has_a_price() {
        let chunks = outlines(&asset("a", "a.md", &["one two", "three four five"]));
        let cached = BTreeSet::from([chunks[0].hash.clone()]);
        let found = plan_of(&namespace(1000), &chunks, &Actual::new(), &cached, false).priced(Some(0.02));
        assert_eq!((counts(&found), found.tokens, found.cost), ((1, 1, 0, 0), 4, Some(1)));
        assert_eq!(found.priced(None).cost, None);
    }

    #[test]
    fn another_repository_is_left_alone_and_lends_its_vectors() {
        let (chunks, own) = (asset("a", "a.md", &["one"]), namespace(1000));
        let theirs = own.of_source(&RepoSlug::parse("acme/docs").unwrap());
        assert_eq!((theirs.source(), theirs.model(), own.source()), (Some("acme/docs"), own.model(), None));
        let actual = Actual::from([(theirs.clone(), held(&chunks))]);
        let found = plan(&own, &chunks, &actual, false);
        assert_eq!((counts(&found), found.obsolete), ((0, 1, 0, 0), Vec::new()));
        let found = plan(&theirs, &[], &actual, true);
        assert_eq!((counts(&found), found.obsolete.len()), ((0, 0, 1, 0), 0));
    }

    /// What a store holds when a plan has been applied.
    fn applied(plan: &Plan, desired: &[Chunk], actual: &Actual) -> Actual {
        let mut held_now = actual.get(&plan.namespace).cloned().unwrap_or_default();
        held_now.retain(|id, _| !plan.delete.contains(id));
        let written: BTreeSet<&ChunkId> = plan.embed.iter().chain(&plan.reuse).collect();
        let mut ids = BTreeSet::new();
        let chunks: Vec<Chunk> =
            desired.iter().filter(|c| ids.insert(&c.id) && written.contains(&c.id)).cloned().collect();
        held_now.extend(held(&chunks));
        Actual::from([(plan.namespace.clone(), held_now)])
    }

    fn library() -> impl Strategy<Value = Vec<Chunk>> {
        let one = (0..6_u8, "[ab]\\.md", prop::collection::vec("[a-d]{1,2}", 0..4));
        prop::collection::vec(one, 0..8).prop_map(|assets| {
            let of = |(id, path, texts): &(u8, String, Vec<String>)| {
                asset(&id.to_string(), path, &texts.iter().map(String::as_str).collect::<Vec<_>>())
            };
            assets.iter().flat_map(of).collect()
        })
    }

    proptest! {
        #[test]
        fn a_second_plan_is_empty(old in library(), new in library(), recut in any::<bool>()) {
            let actual = applied(&plan(&namespace(1000), &old, &Actual::new(), true), &old, &Actual::new());
            let name = namespace(if recut { 500 } else { 1000 });
            let first = plan(&name, &new, &actual, true);
            let mut after = applied(&first, &new, &actual);
            after.retain(|_, held| !held.is_empty());
            let second = plan(&name, &new, &after, true);
            prop_assert!(second.is_empty(), "{second:?}");
        }

        #[test]
        fn nothing_is_embedded_twice(old in library(), new in library()) {
            let found = plan(&namespace(1000), &new, &actual(&old), true);
            let hash = |id: &ChunkId| new.iter().find(|c| c.id == *id).map(|c| c.hash.clone());
            let hashes: BTreeSet<_> = found.embed.iter().map(hash).collect();
            prop_assert_eq!(hashes.len(), found.embed.len());
            prop_assert!(old.iter().all(|c| !hashes.contains(&Some(c.hash.clone()))));
        }
    }
}
