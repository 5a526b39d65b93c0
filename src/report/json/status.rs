//! `status --format json`, version 1.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::state::{LockV1, lock};
use crate::report::moments::exact;
use crate::report::status::{Status, TargetStatus};
use crate::report::targets::Kind;

/// How every target stands.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom status, version 1")]
struct StatusV1 {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u8,
    /// The commit that the library is at, which the targets should have; null in a repository without one.
    commit: Option<String>,
    /// Whether files differ from that commit.
    dirty: bool,
    /// The remote whose commit that is (`--remote`); null where it is that of the clone.
    remote: Option<String>,
    /// The newer commit that was served already, with which the targets are compared then; else null.
    superseded: Option<String>,
    /// Why the targets could be compared by their commits alone, or nothing is known of them; else null.
    problem: Option<String>,
    /// Whether every target is `SYNCED`.
    in_step: bool,
    /// Whose the lock is; null where it is free.
    lock: Option<LockV1>,
    /// Every target, in the order in which they are served.
    targets: Vec<TargetV1>,
}

/// How one target stands.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TargetStatus")]
struct TargetV1 {
    /// Its name, such as `manifest`, `downstream/NAME`, `outbox/NAME` or `embedding`.
    name: String,
    /// `manifest`, `downstream` or `embedding`.
    kind: &'static str,
    /// `SYNCED`: it has what it should have; `OUTDATED`: the next run brings it there; `SYNCING`: a run is at it; `FAILED`:
    /// the last run that tried could not.
    status: &'static str,
    /// The commit that it has, as far as is known; else null.
    commit: Option<String>,
    /// When it got that, in UTC (RFC 3339); else null.
    synced_at: Option<String>,
    /// Why it stands so, in a sentence; empty where there is nothing to say.
    why: String,
    /// What it lacks: `added`, `changed`, `removed`, or `embed`, `delete`; null where that is not known.
    behind: Option<BTreeMap<&'static str, u64>>,
    /// Since when something has been under way whose outcome is not known; else null.
    pending_since: Option<String>,
}

/// The status as pretty JSON with a final line break.
pub fn render(status: &Status) -> String {
    super::pretty(&StatusV1 {
        version: 1,
        commit: status.commit.as_ref().map(ToString::to_string),
        dirty: status.dirty,
        remote: status.remote.clone(),
        superseded: status.superseded.as_ref().map(ToString::to_string),
        problem: status.problem.clone(),
        in_step: status.is_in_step(),
        lock: status.lock.as_ref().map(lock),
        targets: status.targets.iter().map(target).collect(),
    })
}

/// The JSON Schema of [`render`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(StatusV1).to_value()
}

fn target(of: &TargetStatus) -> TargetV1 {
    TargetV1 {
        name: of.name.to_string(),
        kind: match of.kind {
            Kind::Manifest => "manifest",
            Kind::Downstream => "downstream",
            Kind::Embedding => "embedding",
        },
        status: of.level.as_str(),
        commit: of.commit.as_ref().map(ToString::to_string),
        synced_at: of.synced_at.map(exact),
        why: of.why.clone(),
        behind: of.behind.as_ref().map(|counts| counts.iter().copied().collect()),
        pending_since: of.pending.map(exact),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::status::tests::mixed;

    #[test]
    fn the_document_follows_its_schema() {
        let document: serde_json::Value = serde_json::from_str(&render(&mixed())).unwrap();
        let validator = jsonschema::options().offline().build(&schema()).unwrap();
        assert!(validator.is_valid(&document) && !validator.is_valid(&serde_json::json!({ "version": 1 })));
        assert_eq!(document["targets"][0]["status"], "SYNCING");
        assert_eq!(document["targets"][0]["synced_at"], "2026-11-20T12:00:00Z");
        assert_eq!(document["targets"][3]["behind"], serde_json::json!({"embed": 1, "delete": 0}));
        assert_eq!(
            (&document["in_step"], &document["lock"]["holder"]),
            (&false.into(), &"alice on laptop, process 77".into())
        );
    }
}
