//! What a row of each table looks like in the database, and which key it has there.

use sha2::{Digest as _, Sha256};
use tokio_postgres::Row as Found;
use tokio_postgres::types::{ToSql, Type};

use super::fault::Fault;
use crate::adapters::postgres::{escaped, unescaped};
use crate::ids::{
    AssetId, AssetKey, BlobId, ChunkId, CollectionName, CommitId, CorrelationId, RepoPath, RunId, Sha256Hex, TargetName,
};
use crate::state::row::{AssetRow, ChunkRow, FileRow, Row, Table, TargetRow};
use crate::state::{HistoryEntry, Intent, Run, RunEnd, RunResult, Serial, Timestamp, Withheld};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bytes,
    Flag,
}

/// The columns of a table, without those that all of them have: library, key and check sum.
pub(super) fn columns(table: Table) -> &'static [(&'static str, Kind)] {
    use Kind::{Bytes, Flag, Number, Text};
    match table {
        Table::Targets => &[
            ("name", Text),
            ("failure", Text),
            ("intent_correlation", Text),
            ("intent_digest", Text),
            ("intent_at", Number),
            ("delivered_commit", Text),
            ("delivered_digest", Text),
            ("delivered_at", Number),
            ("assets", Number),
            ("intent_arrived", Text),
            ("withheld_digest", Text),
            ("withheld_why", Text),
            ("withheld_at", Number),
        ],
        Table::Assets => &[("target", Text), ("collection", Text), ("asset", Text), ("digest", Text)],
        Table::Runs => &[
            ("run", Text),
            ("who", Text),
            ("event", Text),
            ("command", Text),
            ("at_commit", Text),
            ("link", Text),
            ("at", Number),
        ],
        Table::RunEnds => &[("run", Text), ("result", Text), ("detail", Text), ("at", Number)],
        Table::History => {
            &[("serial", Number), ("at", Number), ("run", Text), ("target", Text), ("kind", Text), ("detail", Text)]
        }
        Table::Files => &[("blob", Text), ("sha256", Text), ("bytes", Number), ("width", Number), ("height", Number)],
        Table::Chunks => &[
            ("namespace", Text),
            ("chunk", Bytes),
            ("collection", Text),
            ("asset", Text),
            ("path", Text),
            ("position", Number),
            ("hash", Bytes),
            ("stored", Flag),
        ],
    }
}

/// Whether a row that is there may be replaced; what has happened may not.
pub(super) fn is_replaceable(table: Table) -> bool {
    match table {
        Table::Targets | Table::Assets | Table::Files | Table::Chunks => true,
        Table::Runs | Table::RunEnds | Table::History => false,
    }
}

/// Sixteen bytes that stand for these names, whatever their length.
fn short(names: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for name in names {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
    }
    hash.finalize().into_iter().take(16).collect()
}

/// The key of a target.
pub(super) fn target_key(name: &TargetName) -> Vec<u8> {
    short(&[name.as_str()])
}

/// The key of an asset of a target; those of one target begin with its key.
pub(super) fn asset_key(target: &TargetName, key: &AssetKey) -> Vec<u8> {
    [target_key(target), short(&[key.collection.as_str(), key.id.as_str()])].concat()
}

/// The key of a blob.
pub(super) fn file_key(blob: &BlobId) -> Vec<u8> {
    hex::decode(blob.as_str()).unwrap_or_default()
}

/// The beginning of the keys of a namespace's chunks.
pub(super) fn namespace_key(namespace: &str) -> Vec<u8> {
    short(&[namespace])
}

/// The key of a chunk.
pub(super) fn chunk_key(namespace: &str, id: &ChunkId) -> Result<Vec<u8>, Fault> {
    Ok([namespace_key(namespace), packed(id.as_str())?].concat())
}

fn packed(text: &str) -> Result<Vec<u8>, Fault> {
    hex::decode(text).map_err(|_| Fault::Damaged(format!("{text:?} is no id of a chunk")))
}

/// The last key that begins with these bytes.
pub(super) fn last_with(prefix: &[u8]) -> Vec<u8> {
    [prefix, &[0xff; 64]].concat()
}

/// The values of rows, a list for each column, as `unnest` takes them.
#[derive(Debug)]
enum Column {
    Text(Vec<Option<String>>),
    Number(Vec<Option<i64>>),
    Bytes(Vec<Vec<u8>>),
    Flag(Vec<bool>),
}

/// Rows of one table, column by column: first the key, last the check sum.
#[derive(Debug)]
pub(super) struct Columns(Vec<Column>);

impl Columns {
    /// The columns of these rows.
    pub(super) fn of(table: Table, rows: &[Row]) -> Result<Self, Fault> {
        let empty = |kind: &Kind| match kind {
            Kind::Text => Column::Text(Vec::with_capacity(rows.len())),
            Kind::Number => Column::Number(Vec::with_capacity(rows.len())),
            Kind::Bytes => Column::Bytes(Vec::with_capacity(rows.len())),
            Kind::Flag => Column::Flag(Vec::with_capacity(rows.len())),
        };
        let kinds = columns(table).iter().map(|(_, kind)| kind);
        let mut all = Self([&Kind::Bytes].into_iter().chain(kinds).chain([&Kind::Number]).map(empty).collect());
        for row in rows {
            let mut fields = Fields { columns: all.0.iter_mut() };
            fields.write(row)?;
        }
        Ok(all)
    }

    /// The values with their types.
    pub(super) fn values(&self) -> impl Iterator<Item = (&(dyn ToSql + Sync), Type)> {
        self.0.iter().map(|column| match column {
            Column::Text(values) => (values as &(dyn ToSql + Sync), Type::TEXT_ARRAY),
            Column::Number(values) => (values as _, Type::INT8_ARRAY),
            Column::Bytes(values) => (values as _, Type::BYTEA_ARRAY),
            Column::Flag(values) => (values as _, Type::BOOL_ARRAY),
        })
    }
}

/// The columns that a row is written to, in order.
struct Fields<'a> {
    columns: std::slice::IterMut<'a, Column>,
}

impl Fields<'_> {
    fn maybe(&mut self, text: Option<&str>) -> &mut Self {
        if let Some(Column::Text(values)) = self.columns.next() {
            values.push(text.map(|text| escaped(text).into_owned()));
        }
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.maybe(Some(text))
    }

    fn number(&mut self, number: Option<i64>) -> &mut Self {
        if let Some(Column::Number(values)) = self.columns.next() {
            values.push(number);
        }
        self
    }

    fn bytes(&mut self, bytes: Vec<u8>) -> &mut Self {
        if let Some(Column::Bytes(values)) = self.columns.next() {
            values.push(bytes);
        }
        self
    }

    fn flag(&mut self, flag: bool) -> &mut Self {
        if let Some(Column::Flag(values)) = self.columns.next() {
            values.push(flag);
        }
        self
    }

    fn write(&mut self, row: &Row) -> Result<(), Fault> {
        match row {
            Row::Target(row) => self.target(row),
            Row::Asset(row) => self
                .bytes(asset_key(&row.target, &row.key))
                .text(row.target.as_str())
                .text(row.key.collection.as_str())
                .text(row.key.id.as_str())
                .text(row.digest.as_str()),
            Row::Run(run) => self
                .bytes(short(&[run.id.as_str()]))
                .text(run.id.as_str())
                .text(&run.who)
                .maybe(run.event.as_deref())
                .text(&run.command)
                .maybe(run.commit.as_ref().map(CommitId::as_str))
                .maybe(run.link.as_deref())
                .number(Some(run.at.0)),
            Row::RunEnd(end) => self
                .bytes(short(&[end.run.as_str()]))
                .text(end.run.as_str())
                .text(end.result.as_str())
                .text(&end.detail)
                .number(Some(end.at.0)),
            Row::History(entry) => self
                .bytes(entry.serial.0.to_be_bytes().to_vec())
                .number(Some(signed(entry.serial.0)?))
                .number(Some(entry.at.0))
                .maybe(entry.run.as_ref().map(RunId::as_str))
                .maybe(entry.target.as_ref().map(TargetName::as_str))
                .text(&entry.kind)
                .text(&entry.detail),
            Row::File(row) => self
                .bytes(file_key(&row.blob))
                .text(row.blob.as_str())
                .text(row.sha256.as_str())
                .number(Some(signed(row.bytes)?))
                .number(row.image.map(|(width, _)| width.into()))
                .number(row.image.map(|(_, height)| height.into())),
            Row::Chunk(row) => self
                .bytes(chunk_key(&row.namespace, &row.id)?)
                .text(&row.namespace)
                .bytes(packed(row.id.as_str())?)
                .text(row.asset.collection.as_str())
                .text(row.asset.id.as_str())
                .text(row.path.as_str())
                .number(Some(i64::from(row.index)))
                .bytes(packed(row.hash.as_str())?)
                .flag(row.stored),
        };
        self.number(Some(row.check_sum()));
        Ok(())
    }

    fn target(&mut self, row: &TargetRow) -> &mut Self {
        let (intent, delivered) = (row.intent.as_ref(), row.delivered.as_ref());
        self.bytes(target_key(&row.name))
            .text(row.name.as_str())
            .maybe(row.failure.as_deref())
            .maybe(intent.map(|intent| intent.correlation.as_str()))
            .maybe(intent.map(|intent| intent.digest.as_str()))
            .number(intent.map(|intent| intent.at.0))
            .maybe(delivered.and_then(|(_, commit, _)| commit.as_ref()).map(CommitId::as_str))
            .maybe(delivered.map(|(digest, _, _)| digest.as_str()))
            .number(delivered.map(|(_, _, at)| at.0))
            .number(Some(row.assets))
            .maybe(intent.and_then(|intent| intent.arrived.as_deref()))
            .maybe(row.withheld.as_ref().map(|withheld| withheld.digest.as_str()))
            .maybe(row.withheld.as_ref().map(|withheld| withheld.why.as_str()))
            .number(row.withheld.as_ref().map(|withheld| withheld.at.0))
    }
}

/// A number that counts something, as it is stored.
pub(super) fn signed(number: u64) -> Result<i64, Fault> {
    i64::try_from(number).map_err(|_| Fault::Damaged(format!("{number} is more than can be stored")))
}

/// A number that counts something.
pub(super) fn unsigned(number: i64) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|_| Fault::Damaged(format!("{number} where something is counted")))
}

/// A found row on its way back: its columns, in order.
struct Reader<'a> {
    found: &'a Found,
    at: usize,
}

impl<'a> Reader<'a> {
    fn next<T: tokio_postgres::types::FromSql<'a>>(&mut self) -> Result<T, Fault> {
        let value = self.found.try_get(self.at).map_err(|error| Fault::Damaged(error.to_string()))?;
        self.at += 1;
        Ok(value)
    }

    fn text(&mut self) -> Result<String, Fault> {
        Ok(unescaped(self.next()?)?)
    }

    fn maybe(&mut self) -> Result<Option<String>, Fault> {
        Ok(self.next::<Option<&str>>()?.map(unescaped).transpose()?)
    }

    fn time(&mut self) -> Result<Timestamp, Fault> {
        Ok(Timestamp(self.next()?))
    }

    fn pixels(&mut self) -> Result<Option<u32>, Fault> {
        let pixels = self.next::<Option<i64>>()?.map(u32::try_from);
        pixels.transpose().map_err(|error| Fault::Damaged(error.to_string()))
    }

    fn hex(&mut self) -> Result<String, Fault> {
        Ok(hex::encode(self.next::<&[u8]>()?))
    }

    fn asset(&mut self) -> Result<AssetKey, Fault> {
        Ok(AssetKey { collection: CollectionName::new(self.text()?), id: AssetId::new(self.text()?) })
    }

    fn row(&mut self, table: Table) -> Result<Row, Fault> {
        Ok(match table {
            Table::Targets => Row::Target(self.target()?),
            Table::Assets => Row::Asset(AssetRow {
                target: TargetName::new(self.text()?),
                key: self.asset()?,
                digest: Sha256Hex::parse(&self.text()?)?,
            }),
            Table::Runs => Row::Run(Run {
                id: RunId::new(self.text()?),
                who: self.text()?,
                event: self.maybe()?,
                command: self.text()?,
                commit: self.maybe()?.map(|commit| CommitId::parse(&commit)).transpose()?,
                link: self.maybe()?,
                at: self.time()?,
            }),
            Table::RunEnds => Row::RunEnd(self.run_end()?),
            Table::History => Row::History(HistoryEntry {
                serial: Serial(unsigned(self.next()?)?),
                at: self.time()?,
                run: self.maybe()?.map(RunId::new),
                target: self.maybe()?.map(TargetName::new),
                kind: self.text()?,
                detail: self.text()?,
            }),
            Table::Files => Row::File(FileRow {
                blob: BlobId::parse(&self.text()?)?,
                sha256: Sha256Hex::parse(&self.text()?)?,
                bytes: unsigned(self.next()?)?,
                image: self.pixels()?.zip(self.pixels()?),
            }),
            Table::Chunks => Row::Chunk(ChunkRow {
                namespace: self.text()?,
                id: ChunkId::from_store(self.hex()?),
                asset: self.asset()?,
                path: RepoPath::new(self.text()?),
                index: u32::try_from(self.next::<i64>()?).map_err(|error| Fault::Damaged(error.to_string()))?,
                hash: Sha256Hex::parse(&self.hex()?)?,
                stored: self.next()?,
            }),
        })
    }

    fn target(&mut self) -> Result<TargetRow, Fault> {
        let (name, failure) = (TargetName::new(self.text()?), self.maybe()?);
        let (correlation, digest, at) = (self.maybe()?, self.maybe()?, self.next::<Option<i64>>()?);
        let mut intent = match (correlation, digest, at) {
            (None, None, None) => None,
            (Some(correlation), Some(digest), Some(at)) => Some(Intent {
                correlation: CorrelationId::new(correlation),
                digest: Sha256Hex::parse(&digest)?,
                at: Timestamp(at),
                arrived: None,
            }),
            _ => return Err(Fault::Damaged("half of an intent".to_owned())),
        };
        let (commit, digest, at) = (self.maybe()?, self.maybe()?, self.next::<Option<i64>>()?);
        let commit = commit.map(|commit| CommitId::parse(&commit)).transpose()?;
        let delivered = match (digest, at) {
            (None, None) => None,
            (Some(digest), Some(at)) => Some((Sha256Hex::parse(&digest)?, commit, Timestamp(at))),
            _ => return Err(Fault::Damaged("half of a delivery".to_owned())),
        };
        let (assets, arrived) = (self.next()?, self.maybe()?);
        match &mut intent {
            Some(intent) => intent.arrived = arrived,
            None if arrived.is_none() => {}
            None => return Err(Fault::Damaged("an arrival without an intent".to_owned())),
        }
        let withheld = match (self.maybe()?, self.maybe()?, self.next::<Option<i64>>()?) {
            (None, None, None) => None,
            (Some(digest), Some(why), Some(at)) => {
                Some(Withheld { digest: Sha256Hex::parse(&digest)?, why, at: Timestamp(at) })
            }
            _ => return Err(Fault::Damaged("half of what is withheld".to_owned())),
        };
        Ok(TargetRow { name, failure, intent, delivered, withheld, assets })
    }

    fn run_end(&mut self) -> Result<RunEnd, Fault> {
        let (run, result) = (RunId::new(self.text()?), self.text()?);
        let result = RunResult::parse(&result).ok_or_else(|| Fault::Damaged(format!("a run that ended {result:?}")))?;
        Ok(RunEnd { run, result, detail: self.text()?, at: self.time()? })
    }
}

/// The row out of a table's columns, which begin at `at` and end with the check sum; held against that.
pub(super) fn row(table: Table, found: &Found, at: usize) -> Result<Row, Fault> {
    let mut reader = Reader { found, at };
    let row = reader.row(table)?;
    let sum: i64 = reader.next()?;
    if sum == row.check_sum() {
        Ok(row)
    } else {
        Err(Fault::Damaged(format!("a row of {} does not fit its check sum", table.as_str())))
    }
}
