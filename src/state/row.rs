//! A state as rows: what every store keeps, checks when it reads, and hands over when a state moves.
//!
//! A row has one canonical form, from which its check sum and its part in the digest of its table come. Both are the same in
//! every store, so that two of them can be compared without comparing their rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Delivered, HistoryEntry, Intent, Run, RunEnd, Serial, TargetState, Timestamp, Withheld};
use crate::ids::{AssetKey, BlobId, ChunkId, CommitId, RepoPath, RunId, Sha256Hex, TargetName};

/// The tables of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// What is known of each target.
    Targets,
    /// What each target has.
    Assets,
    /// The runs that have begun.
    Runs,
    /// How they ended.
    RunEnds,
    /// One line for each change.
    History,
    /// The digests of files, by their blobs.
    Files,
    /// What the vector index may hold.
    Chunks,
}

impl Table {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Targets, Self::Assets, Self::Runs, Self::RunEnds, Self::History, Self::Files, Self::Chunks];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Targets => "targets",
            Self::Assets => "assets",
            Self::Runs => "runs",
            Self::RunEnds => "run_ends",
            Self::History => "history",
            Self::Files => "files",
            Self::Chunks => "chunks",
        }
    }
}

/// A row of some table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Of [`Table::Targets`].
    Target(TargetRow),
    /// Of [`Table::Assets`].
    Asset(AssetRow),
    /// Of [`Table::Runs`].
    Run(Run),
    /// Of [`Table::RunEnds`].
    RunEnd(RunEnd),
    /// Of [`Table::History`].
    History(HistoryEntry),
    /// Of [`Table::Files`].
    File(FileRow),
    /// Of [`Table::Chunks`].
    Chunk(ChunkRow),
}

/// What is known of a target, without the assets that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRow {
    /// The target.
    pub name: TargetName,
    /// Why the last try failed.
    pub failure: Option<String>,
    /// What is under way.
    pub intent: Option<Intent>,
    /// The digest, the commit and the time of what was last delivered.
    pub delivered: Option<(Sha256Hex, Option<CommitId>, Timestamp)>,
    /// What is not delivered again by itself.
    pub withheld: Option<Withheld>,
    /// The check sums of its assets' rows, added up: an asset that has got lost is missed.
    pub assets: i64,
}

/// An asset that a target has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetRow {
    /// The target.
    pub target: TargetName,
    /// The asset.
    pub key: AssetKey,
    /// What it means.
    pub digest: Sha256Hex,
}

/// What is known of the bytes of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// The blob.
    pub blob: BlobId,
    /// The SHA-256 of the file that it stands for.
    pub sha256: Sha256Hex,
    /// The size of that file.
    pub bytes: u64,
    /// Its width and height, where it is an image.
    pub image: Option<(u32, u32)>,
}

/// A chunk that the vector index may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRow {
    /// The generation of the index.
    pub namespace: String,
    /// The chunk.
    pub id: ChunkId,
    /// Whose text it is.
    pub asset: AssetKey,
    /// The file it stood in when it was stored.
    pub path: RepoPath,
    /// Its place among the asset's chunks when it was stored.
    pub index: u32,
    /// The digest of its text.
    pub hash: Sha256Hex,
    /// Whether it is certain that the index holds it: recorded after it was stored. What is about to be stored may be there.
    pub stored: bool,
}

/// A change of what the vector index may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkChange {
    /// These rows, in place of those with the same namespace and id.
    Put(Vec<ChunkRow>),
    /// These chunks of the namespace are gone.
    Gone {
        /// The generation.
        namespace: String,
        /// The chunks.
        ids: Vec<ChunkId>,
    },
    /// The namespace is gone.
    Dropped {
        /// The generation.
        namespace: String,
    },
    /// Nothing that was known is true: the index is another one.
    Forget,
    /// From now on the rows are those of the index with this mark.
    Mark(IndexMark),
}

/// What an index was last marked with: which change of which state began to write to it.
///
/// By it a state knows the index that its chunk rows speak of, and an index betrays a state that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexMark {
    /// The state's lineage.
    pub lineage: String,
    /// The serial that the state had then.
    pub serial: Serial,
}

impl IndexMark {
    /// The mark as an index keeps it.
    pub fn to_text(&self) -> String {
        format!("{} {}", self.serial.0, self.lineage)
    }

    /// Takes back what [`Self::to_text`] gave.
    pub fn parse(text: &str) -> Option<Self> {
        let (serial, lineage) = text.split_once(' ')?;
        Some(Self { lineage: lineage.to_owned(), serial: Serial(serial.parse().ok()?) })
    }
}

impl Row {
    /// Its table.
    pub fn table(&self) -> Table {
        match self {
            Self::Target(_) => Table::Targets,
            Self::Asset(_) => Table::Assets,
            Self::Run(_) => Table::Runs,
            Self::RunEnd(_) => Table::RunEnds,
            Self::History(_) => Table::History,
            Self::File(_) => Table::Files,
            Self::Chunk(_) => Table::Chunks,
        }
    }

    /// The SHA-256 of its canonical form.
    pub fn digest(&self) -> [u8; 32] {
        match self {
            Self::Target(row) => row.digest(),
            Self::Asset(row) => row.digest(),
            Self::Run(row) => run_digest(row),
            Self::RunEnd(row) => run_end_digest(row),
            Self::History(row) => history_digest(row),
            Self::File(row) => row.digest(),
            Self::Chunk(row) => row.digest(),
        }
    }

    /// The check sum that is stored beside it.
    pub fn check_sum(&self) -> i64 {
        check_sum(self.digest())
    }
}

/// The first eight bytes of a digest as a number: what is stored beside a row, so that a flipped bit is found.
pub fn check_sum(digest: [u8; 32]) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = digest;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl TargetRow {
    /// The SHA-256 of its canonical form.
    pub fn digest(&self) -> [u8; 32] {
        let intent = self.intent.as_ref();
        let delivered = self.delivered.as_ref();
        let form = Canonical::of(Table::Targets)
            .text(self.name.as_str())
            .maybe(self.failure.as_deref())
            .maybe(intent.map(|intent| intent.correlation.as_str()))
            .maybe(intent.map(|intent| intent.digest.as_str()))
            .number(intent.map_or(0, |intent| intent.at.0))
            .maybe(delivered.map(|(digest, _, _)| digest.as_str()))
            .maybe(delivered.and_then(|(_, commit, _)| commit.as_ref()).map(CommitId::as_str))
            .number(delivered.map_or(0, |(_, _, at)| at.0))
            .number(self.assets);
        let (arrived, withheld) = (intent.and_then(|intent| intent.arrived.as_deref()), self.withheld.as_ref());
        // A row that says neither has the sum that it had before rows could say so: no state has to be written anew.
        if arrived.is_none() && withheld.is_none() {
            return form.digest();
        }
        form.maybe(arrived)
            .maybe(withheld.map(|withheld| withheld.digest.as_str()))
            .maybe(withheld.map(|withheld| withheld.why.as_str()))
            .number(withheld.map_or(0, |withheld| withheld.at.0))
            .digest()
    }

    /// The row of a target of which this is known; `assets` is the sum of its assets' rows.
    pub fn new(name: TargetName, known: TargetState, assets: i64) -> Self {
        let TargetState { delivered, intent, failure, withheld } = known;
        let delivered = delivered.map(|d| (d.digest, d.commit, d.at));
        Self { name, failure, intent, delivered, withheld, assets }
    }

    /// What is known of the target, which has these assets.
    pub fn with_assets(self, assets: BTreeMap<AssetKey, Sha256Hex>) -> (TargetName, TargetState) {
        let Self { name, failure, intent, delivered, withheld, .. } = self;
        let delivered = delivered.map(|(digest, commit, at)| Delivered { commit, digest, assets, at });
        (name, TargetState { delivered, intent, failure, withheld })
    }
}

/// The check sums of the rows of these assets of a target, added up.
pub fn assets_sum(target: &TargetName, assets: &BTreeMap<AssetKey, Sha256Hex>) -> i64 {
    let sum = |(key, digest): (&AssetKey, &Sha256Hex)| {
        check_sum(AssetRow { target: target.clone(), key: key.clone(), digest: digest.clone() }.digest())
    };
    assets.iter().map(sum).fold(0, i64::wrapping_add)
}

impl AssetRow {
    /// The SHA-256 of its canonical form.
    pub fn digest(&self) -> [u8; 32] {
        Canonical::of(Table::Assets)
            .text(self.target.as_str())
            .text(self.key.collection.as_str())
            .text(self.key.id.as_str())
            .text(self.digest.as_str())
            .digest()
    }
}

impl FileRow {
    /// The SHA-256 of its canonical form.
    pub fn digest(&self) -> [u8; 32] {
        Canonical::of(Table::Files)
            .text(self.blob.as_str())
            .text(self.sha256.as_str())
            .number(self.bytes.cast_signed())
            .number(self.image.map_or(0, |(width, _)| width.into()))
            .number(self.image.map_or(0, |(_, height)| height.into()))
            .digest()
    }
}

impl ChunkRow {
    /// The SHA-256 of its canonical form.
    pub fn digest(&self) -> [u8; 32] {
        Canonical::of(Table::Chunks)
            .text(&self.namespace)
            .text(self.id.as_str())
            .text(self.asset.collection.as_str())
            .text(self.asset.id.as_str())
            .text(self.path.as_str())
            .number(i64::from(self.index))
            .text(self.hash.as_str())
            .number(i64::from(self.stored))
            .digest()
    }
}

fn run_digest(run: &Run) -> [u8; 32] {
    Canonical::of(Table::Runs)
        .text(run.id.as_str())
        .text(&run.who)
        .maybe(run.event.as_deref())
        .text(&run.command)
        .maybe(run.commit.as_ref().map(CommitId::as_str))
        .maybe(run.link.as_deref())
        .number(run.at.0)
        .digest()
}

fn run_end_digest(end: &RunEnd) -> [u8; 32] {
    Canonical::of(Table::RunEnds)
        .text(end.run.as_str())
        .text(end.result.as_str())
        .text(&end.detail)
        .number(end.at.0)
        .digest()
}

fn history_digest(entry: &HistoryEntry) -> [u8; 32] {
    Canonical::of(Table::History)
        .number(entry.serial.0.cast_signed())
        .number(entry.at.0)
        .maybe(entry.run.as_ref().map(RunId::as_str))
        .maybe(entry.target.as_ref().map(TargetName::as_str))
        .text(&entry.kind)
        .text(&entry.detail)
        .digest()
}

/// The canonical form of a row on its way into a digest: the table's name, then each field with its kind and length, so that
/// no two rows have the same bytes.
pub struct Canonical(Sha256);

impl Canonical {
    /// The form of a row of this table.
    pub fn of(table: Table) -> Self {
        Self::named(table.as_str())
    }

    /// The form of what has this name.
    pub fn named(name: &str) -> Self {
        Self(Sha256::new()).text(name)
    }

    /// With a text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.0.update([1]);
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
        self
    }

    /// With a text that may be absent.
    #[must_use]
    pub fn maybe(mut self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => {
                self.0.update([0]);
                self
            }
        }
    }

    /// With a number.
    #[must_use]
    pub fn number(mut self, number: i64) -> Self {
        self.0.update([2]);
        self.0.update(number.to_le_bytes());
        self
    }

    /// The SHA-256 of all of it.
    pub fn digest(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The digest of a set of rows: the sum of theirs, whatever their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetDigest {
    rows: u64,
    lanes: [u64; 4],
}

impl SetDigest {
    /// With one more row.
    pub fn add(&mut self, digest: [u8; 32]) {
        let (words, _) = digest.as_chunks::<8>();
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            *lane = lane.wrapping_add(u64::from_be_bytes(*word));
        }
        self.rows += 1;
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The sum in hex, 64 digits.
    pub fn to_hex(&self) -> String {
        self.lanes.iter().map(|lane| format!("{lane:016x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::CorrelationId;

    /// As release 0.1.0 summed it up.
    const SUM_OF_BEFORE: i64 = -8_098_682_451_061_340_965;

    fn file(digit: char, bytes: u64) -> Row {
        let blob = BlobId::parse(&digit.to_string().repeat(40)).unwrap();
        Row::File(FileRow { blob, sha256: Sha256Hex::of(&[]), bytes, image: None })
    }

    proptest! {
        #[test]
        fn the_digest_of_a_set_does_not_depend_on_its_order(sizes in proptest::collection::vec(any::<u64>(), 0..20)) {
            let sum = |sizes: &mut dyn Iterator<Item = &u64>| {
                let mut sum = SetDigest::default();
                sizes.for_each(|size| sum.add(file('a', *size).digest()));
                sum
            };
            prop_assert_eq!(sum(&mut sizes.iter()), sum(&mut sizes.iter().rev()));
        }

        #[test]
        fn fields_cannot_pass_for_each_other(a in "[ab\0]{0,3}", b in "[ab\0]{0,3}", c in "[ab\0]{0,3}", d in "[ab\0]{0,3}") {
            let digest = |x: &str, y: &str| Canonical::named("t").text(x).text(y).digest();
            prop_assert_eq!(digest(&a, &b) == digest(&c, &d), (&a, &b) == (&c, &d));
        }
    }

    #[test]
    fn whether_it_arrived_and_what_is_withheld_count_in_a_target_s_sum() {
        let sum = |arrived: Option<&str>, withheld: Option<&str>| {
            let (correlation, digest) = (CorrelationId::new("sr-1"), Sha256Hex::of(b"new"));
            let arrived = arrived.map(str::to_owned);
            let intent = Some(Intent { correlation, digest: digest.clone(), at: Timestamp(1), arrived });
            let withheld = withheld.map(|why| Withheld { digest, why: why.to_owned(), at: Timestamp(2) });
            let known = TargetState { intent, withheld, ..TargetState::default() };
            check_sum(TargetRow::new(TargetName::new("downstream/website"), known, 7).digest())
        };
        let sums = [
            sum(None, None),
            sum(Some(""), None),
            sum(Some("7"), None),
            sum(None, Some("")),
            sum(Some("7"), Some("x")),
        ];
        let distinct: std::collections::BTreeSet<i64> = sums.into_iter().collect();
        assert_eq!(distinct.len(), sums.len());
    }

    #[test]
    fn a_row_that_says_nothing_new_has_the_sum_that_states_of_before_have_written() {
        let known = TargetState { failure: Some("why".to_owned()), ..TargetState::default() };
        let row = TargetRow::new(TargetName::new("downstream/website"), known, 7);
        assert_eq!(check_sum(row.digest()), SUM_OF_BEFORE);
    }

    #[test]
    fn every_field_counts() {
        assert_ne!(file('a', 1).check_sum(), file('a', 2).check_sum());
        assert_ne!(file('a', 1).check_sum(), file('b', 1).check_sum());
        assert_ne!(Canonical::named("t").maybe(None).digest(), Canonical::named("t").maybe(Some("")).digest());
    }

    #[test]
    fn a_mark_comes_back_from_its_text() {
        let mark = IndexMark { lineage: "line of a state".to_owned(), serial: Serial(42) };
        assert_eq!(IndexMark::parse(&mark.to_text()), Some(mark));
        assert_eq!(IndexMark::parse("nothing"), None);
    }
}
