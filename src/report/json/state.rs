//! `state show --format json` and `state history --format json`, version 1.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::history::{History, PastRun};
use crate::report::moments::exact;
use crate::report::state::{Facts, Held};
use crate::state::HistoryEntry;

/// What the state of a library is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom state, version 1")]
struct StateV1 {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u8,
    /// Where it is kept.
    place: String,
    /// Why it is not in use there, and where it is: it was moved away, or has not come whole. Null where it is in use.
    problem: Option<String>,
    /// The library that it belongs to; null where it is not in use there.
    library: Option<String>,
    /// The id that it was given when it was made; null where nothing was ever recorded.
    lineage: Option<String>,
    /// How many changes it has seen; null where it is not in use there.
    serial: Option<u64>,
    /// The targets that were ever tried.
    targets: Vec<String>,
    /// The number of rows in each of its tables; empty where the store does not count them.
    rows: BTreeMap<&'static str, u64>,
    /// What it takes on the disk; null where that is not known.
    bytes: Option<u64>,
    /// The run that has begun and not ended; else null.
    run: Option<String>,
    /// Its lock; null where it is free.
    lock: Option<LockV1>,
}

/// Who has the lock.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Lock")]
pub(super) struct LockV1 {
    /// Whose it is, in words.
    holder: String,
    /// When it was taken or renewed, in UTC (RFC 3339).
    at: String,
    /// From when on anybody may take it.
    expires: String,
    /// `here`: its holder is at work in this clone; `elsewhere`: it may be at work; `gone`: it is not.
    held: &'static str,
    /// By which `state unlock` takes it away.
    token: String,
}

/// The runs that have changed a state.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom state history, version 1")]
struct HistoryV1 {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u8,
    /// The runs, oldest first.
    runs: Vec<RunV1>,
}

/// One run.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Run")]
struct RunV1 {
    /// Its id.
    id: String,
    /// Who started it.
    who: String,
    /// The event that started it, such as `push`; null outside of a workflow.
    event: Option<String>,
    /// What it was asked to do.
    command: String,
    /// The commit that it served; else null.
    commit: Option<String>,
    /// Where its log is; else null.
    link: Option<String>,
    /// When it began, in UTC (RFC 3339).
    began_at: String,
    /// When it ended; null where it did not say.
    ended_at: Option<String>,
    /// `done`, `partial`, `superseded`, `interrupted` (it was asked to stop), `running`, or `killed` (it did not say).
    result: &'static str,
    /// The targets and what became of each.
    detail: String,
    /// What it changed in the state, oldest first.
    changes: Vec<ChangeV1>,
}

/// One change.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Change")]
struct ChangeV1 {
    /// The serial that the state had after it.
    serial: u64,
    /// When.
    at: String,
    /// The target that it was about.
    target: Option<String>,
    /// `begin`, `intend`, `arrive`, `deliver`, `fail`, `withhold` or `end`.
    kind: String,
    /// What else there is to say.
    detail: String,
}

/// The facts as pretty JSON with a final line break.
pub fn show(facts: &Facts) -> String {
    let state = facts.state.as_ref().ok();
    super::pretty(&StateV1 {
        version: 1,
        place: facts.place.clone(),
        problem: facts.state.as_ref().err().cloned(),
        library: state.map(|state| state.library.clone()),
        lineage: state.filter(|state| state.serial.0 > 0).map(|state| state.lineage.clone()),
        serial: state.map(|state| state.serial.0),
        targets: state.into_iter().flat_map(|state| state.targets.keys()).map(ToString::to_string).collect(),
        rows: facts.survey.rows.iter().map(|(table, rows)| (table.as_str(), *rows)).collect(),
        bytes: facts.survey.bytes,
        run: state.and_then(|state| state.run.as_ref()).map(ToString::to_string),
        lock: facts.lock.as_ref().map(lock),
    })
}

/// The history as pretty JSON with a final line break.
pub fn history(history: &History) -> String {
    super::pretty(&HistoryV1 { version: 1, runs: history.runs.iter().map(run).collect() })
}

/// The JSON Schema of [`show`].
pub fn show_schema() -> serde_json::Value {
    schemars::schema_for!(StateV1).to_value()
}

/// The JSON Schema of [`history`].
pub fn history_schema() -> serde_json::Value {
    schemars::schema_for!(HistoryV1).to_value()
}

pub(super) fn lock(held: &Held) -> LockV1 {
    LockV1 {
        holder: held.lock.holder.clone(),
        at: exact(held.lock.at),
        expires: exact(held.lock.expires),
        held: held.grip.as_str(),
        token: held.lock.token.to_string(),
    }
}

fn run(past: &PastRun) -> RunV1 {
    let run = &past.run;
    RunV1 {
        id: run.id.to_string(),
        who: run.who.clone(),
        event: run.event.clone(),
        command: run.command.clone(),
        commit: run.commit.as_ref().map(ToString::to_string),
        link: run.link.clone(),
        began_at: exact(run.at),
        ended_at: past.end.as_ref().map(|end| exact(end.at)),
        result: past.result(),
        detail: past.end.as_ref().map(|end| end.detail.clone()).unwrap_or_default(),
        changes: past.changes.iter().map(change).collect(),
    }
}

fn change(entry: &HistoryEntry) -> ChangeV1 {
    ChangeV1 {
        serial: entry.serial.0,
        at: exact(entry.at),
        target: entry.target.as_ref().map(ToString::to_string),
        kind: entry.kind.clone(),
        detail: entry.detail.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{history::tests as past, state::tests::facts};

    fn follows(text: &str, schema: &serde_json::Value) -> serde_json::Value {
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        let validator = jsonschema::options().offline().build(schema).unwrap();
        assert!(validator.is_valid(&document) && !validator.is_valid(&serde_json::json!({ "version": 1 })));
        document
    }

    #[test]
    fn the_documents_follow_their_schemas() {
        let shown = follows(&show(&facts()), &show_schema());
        assert_eq!((&shown["rows"]["run_ends"], &shown["lock"]["held"]), (&12.into(), &"elsewhere".into()));
        let told = follows(&super::history(&past::history(None)), &history_schema());
        assert_eq!((&told["runs"][0]["result"], &told["runs"][1]["result"]), (&"done".into(), &"killed".into()));
        assert_eq!(told["runs"][0]["changes"][1]["kind"], "deliver");
        assert_eq!(told["runs"][0]["ended_at"], "2026-11-20T12:01:00Z");
    }
}
