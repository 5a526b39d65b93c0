//! What a move of the state says: `state migrate check | run | validate | cleanup`.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::log_text::for_people;
use crate::finding::words::count;
use crate::state::Kind;
use crate::state::row::{SetDigest, Table};

/// From where to where a state moves.
#[derive(Debug, Clone)]
pub struct Route {
    /// The kind and the place that it comes from.
    pub from: (Kind, String),
    /// The kind and the place that it goes to.
    pub to: (Kind, String),
    /// The kind that stockroom.yml says is in use.
    pub configured: Kind,
}

/// The rows of each table.
pub type Rows = [(Table, u64)];

/// What a look at a move has shown.
#[derive(Debug, Clone)]
pub struct Outlook<'a> {
    /// The library.
    pub library: &'a str,
    /// How many changes the state has seen.
    pub serial: u64,
    /// The rows of each table.
    pub rows: &'a Rows,
    /// What they will take, about.
    pub bytes: u64,
    /// What is at the destination.
    pub ground: Ground,
    /// Whose lock is in the way.
    pub locked_by: Option<&'a str>,
}

/// What is at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Nothing.
    Empty,
    /// So many rows of a copy that was begun.
    Partial(u64),
    /// An earlier copy of the same state, which is replaced.
    Outdated,
    /// All of it.
    Done,
}

/// A table on both sides.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// The table.
    pub table: Table,
    /// What is at the source.
    pub from: SetDigest,
    /// What is at the destination.
    pub to: SetDigest,
    /// Whether a difference counts.
    pub counts: bool,
}

fn list(rows: &Rows) -> String {
    let mut out = String::new();
    for (table, rows) in rows {
        let _ = writeln!(out, "  {:<9} {rows:>10}", table.as_str());
    }
    out
}

fn total(rows: &Rows) -> String {
    count(rows.iter().map(|(_, rows)| rows).sum::<u64>(), "row")
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => "less than 1 MB".to_owned(),
        _ => format!("about {} MB", bytes.div_ceil(1_000_000)),
    }
}

/// The outlook for a person.
pub fn check(route: &Route, outlook: &Outlook<'_>) -> String {
    let (from, to) = (for_people(&route.from.1), for_people(&route.to.1));
    let mut out = format!(
        "from  {from}\nto    {to}\n      {}\nstate {}, {}\n{}",
        match outlook.ground {
            Ground::Empty => "nothing is there yet".to_owned(),
            Ground::Partial(rows) => format!("a copy was begun there: {} will be gone on with", count(rows, "row")),
            Ground::Outdated => "an earlier copy of the same state is there and will be replaced".to_owned(),
            Ground::Done => "the whole state is there already".to_owned(),
        },
        for_people(outlook.library),
        count(outlook.serial, "change"),
        list(outlook.rows),
    );
    let _ = writeln!(out, "{}, {} there", total(outlook.rows), megabytes(outlook.bytes));
    if let Some(holder) = outlook.locked_by {
        let _ = writeln!(out, "The state is locked by {}: the move has to wait for it", for_people(holder));
    }
    if outlook.ground != Ground::Done {
        let _ = writeln!(out, "`stockroom state migrate run --to {}` moves it", route.to.0.as_str());
    }
    out
}

/// What a move has done, for a person.
pub fn run(route: &Route, rows: &Rows, resumed: u64) -> String {
    let to = route.to.0.as_str();
    let mut out = format!("{} are at {} now\n", total(rows), for_people(&route.to.1));
    if resumed > 0 {
        let _ = writeln!(out, "({} had been copied before)", count(resumed, "row"));
    }
    if route.configured != route.to.0 {
        let _ = writeln!(
            out,
            "Write `state: {{ kind: {to} }}` into stockroom.yml: with what stands there, a sync is refused"
        );
    }
    let _ = writeln!(
        out,
        "The state at {} is marked as moved and is not used any more. `stockroom state migrate validate --to {to}` compares \
         both, `stockroom state migrate cleanup --to {to}` deletes the old one; `stockroom state migrate run --to {}` brings \
         it back",
        for_people(&route.from.1),
        route.from.0.as_str()
    );
    out
}

/// A comparison for a person.
pub fn validate(route: &Route, tables: &[Compared], changes_since: u64) -> String {
    let mut out = String::new();
    for Compared { table, from, to, counts } in tables {
        let verdict = match (from == to, counts) {
            (true, _) => "equal",
            (false, true) => "DIFFERENT",
            (false, false) => "changed since",
        };
        let _ = writeln!(out, "  {:<9} {:>10} {:>10}  {verdict}", table.as_str(), from.rows(), to.rows());
    }
    let (from, to) = (for_people(&route.from.1), for_people(&route.to.1));
    if changes_since > 0 {
        let _ = writeln!(
            out,
            "{to} has seen {} since; what is only added to was compared as far as it stood then",
            count(changes_since, "change")
        );
    }
    if is_equal(tables) {
        let _ = writeln!(out, "Everything at {from} has arrived at {to}");
    } else {
        let _ = writeln!(
            out,
            "What is at {to} is not what is at {from}. Nothing was deleted: `stockroom state migrate run --to {}` brings the \
             state back once the one there is deleted",
            route.from.0.as_str()
        );
    }
    out
}

fn is_equal(tables: &[Compared]) -> bool {
    tables.iter().all(|table| table.from == table.to || !table.counts)
}

/// What was deleted, or would be, for a person.
pub fn cleanup(route: &Route, rows: &Rows, is_deleted: bool) -> String {
    let (what, from) = (total(rows), for_people(&route.from.1));
    if is_deleted {
        return format!("{what} were deleted at {from}\n");
    }
    format!("{what} at {from} would be deleted; with --yes they are. They are all at {}\n", for_people(&route.to.1))
}

/// A step of a move.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom state migrate, version 1")]
struct MigrateV1<'a> {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u8,
    /// `check`, `run`, `validate` or `cleanup`.
    step: &'static str,
    /// Where the state comes from.
    from: PlaceV1<'a>,
    /// Where it goes.
    to: PlaceV1<'a>,
    /// The tables.
    tables: Vec<TableV1>,
    /// What is at the destination, for `check`: `empty`, `partial`, `outdated` or `done`.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<&'static str>,
    /// What the rows will take at the destination, as an estimate, for `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_bytes: Option<u64>,
    /// Whose lock is in the way, for `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_by: Option<&'a str>,
    /// How many rows an earlier run had copied, for `check` and `run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<u64>,
    /// How many changes the destination has seen since, for `validate` and `cleanup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes_since: Option<u64>,
    /// Whether everything has arrived, for `validate` and `cleanup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    equal: Option<bool>,
    /// Whether the state was deleted where it was, for `cleanup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<bool>,
}

/// A store.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Place")]
struct PlaceV1<'a> {
    /// `sqlite` or `postgres`.
    kind: &'static str,
    /// Where it is, for people; no user and no password.
    place: &'a str,
}

/// A table.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TableOfState")]
struct TableV1 {
    /// Its name.
    table: &'static str,
    /// How many rows there are at the source.
    rows: u64,
    /// How many there are at the destination, where both were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_there: Option<u64>,
    /// `equal`, `different`, or `changed` where the destination has been changed since, where both were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    /// The digest of the rows at the source, where both were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// The digest of the rows at the destination, where both were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest_there: Option<String>,
}

impl TableV1 {
    fn counted((table, rows): &(Table, u64)) -> Self {
        let table = table.as_str();
        Self { table, rows: *rows, rows_there: None, verdict: None, digest: None, digest_there: None }
    }

    fn compared(compared: &Compared) -> Self {
        let Compared { table, from, to, counts } = compared;
        let verdict = match (from == to, counts) {
            (true, _) => "equal",
            (false, true) => "different",
            (false, false) => "changed",
        };
        Self {
            table: table.as_str(),
            rows: from.rows(),
            rows_there: Some(to.rows()),
            verdict: Some(verdict),
            digest: Some(from.to_hex()),
            digest_there: Some(to.to_hex()),
        }
    }
}

fn document<'a>(step: &'static str, route: &'a Route, tables: Vec<TableV1>) -> MigrateV1<'a> {
    let place = |(kind, place): &'a (Kind, String)| PlaceV1 { kind: kind.as_str(), place };
    MigrateV1 {
        version: 1,
        step,
        from: place(&route.from),
        to: place(&route.to),
        tables,
        destination: None,
        expected_bytes: None,
        locked_by: None,
        resumed: None,
        changes_since: None,
        equal: None,
        deleted: None,
    }
}

/// The outlook for a program.
pub fn check_json(route: &Route, outlook: &Outlook<'_>) -> String {
    let (destination, resumed) = match outlook.ground {
        Ground::Empty => ("empty", 0),
        Ground::Partial(rows) => ("partial", rows),
        Ground::Outdated => ("outdated", 0),
        Ground::Done => ("done", 0),
    };
    super::json::pretty(&MigrateV1 {
        destination: Some(destination),
        expected_bytes: Some(outlook.bytes),
        locked_by: outlook.locked_by,
        resumed: Some(resumed),
        ..document("check", route, outlook.rows.iter().map(TableV1::counted).collect())
    })
}

/// What a move has done, for a program.
pub fn run_json(route: &Route, rows: &Rows, resumed: u64) -> String {
    let document = document("run", route, rows.iter().map(TableV1::counted).collect());
    super::json::pretty(&MigrateV1 { resumed: Some(resumed), ..document })
}

/// A comparison for a program.
pub fn validate_json(route: &Route, tables: &[Compared], changes_since: u64) -> String {
    let document = document("validate", route, tables.iter().map(TableV1::compared).collect());
    super::json::pretty(&MigrateV1 { changes_since: Some(changes_since), equal: Some(is_equal(tables)), ..document })
}

/// What was deleted, or would be, for a program.
pub fn cleanup_json(route: &Route, tables: &[Compared], changes_since: u64, is_deleted: bool) -> String {
    let document = document("cleanup", route, tables.iter().map(TableV1::compared).collect());
    super::json::pretty(&MigrateV1 {
        changes_since: Some(changes_since),
        equal: Some(is_equal(tables)),
        deleted: Some(is_deleted),
        ..document
    })
}

/// The JSON Schema of what each step prints.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(MigrateV1<'static>).to_value()
}
