//! `plan --format json` and `sync --format json`, version 1.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::Plan;
use crate::report::course::{Course, Requests};
use crate::report::targets::{EmbeddingNumbers, Kind, Row, Sync, rows};

/// What `stockroom sync` would do.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom plan, version 1")]
struct PlanV1 {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u8,
    /// The commit that the library was read at; null in a repository without one.
    commit: Option<String>,
    /// Whether files differ from that commit.
    dirty: bool,
    /// The newer commit that was served already, so that nothing is done for this one; else null.
    superseded: Option<String>,
    /// Why `sync` refuses to apply it, in a sentence; else null.
    refusal: Option<String>,
    /// Every target, in the order in which they are served.
    targets: Vec<TargetV1>,
}

/// One target.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Target")]
struct TargetV1 {
    /// Its name: `manifest` (`manifest/FOLDER` when there are several), `downstream/NAME`, `outbox/NAME` for a downstream
    /// without a token, `embedding`, or `embedding/OWNER/NAME` for a source of the index.
    name: String,
    /// `manifest`, `downstream` or `embedding`.
    kind: &'static str,
    /// `none`, `publish`, `deliver`, `resolve`, `restore`, `withhold`, `embed`, `refuse`, or `unread` for a source of the index
    /// that was not read.
    action: &'static str,
    /// Why, in a sentence.
    why: String,
    /// How much: `assets`, `added`, `changed`, `removed`; or `embed`, `reuse`, `upsert`, `delete`, `unchanged`, `tokens`.
    #[serde(flatten)]
    counts: BTreeMap<&'static str, u64>,
}

/// What `stockroom sync` did: its plan, and what came of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom sync, version 1")]
struct SyncV1 {
    /// The plan.
    #[serde(flatten)]
    plan: PlanV1,
    /// What became of each target.
    results: Vec<ResultV1>,
    /// What the servers of the downstreams were asked.
    requests: Requests,
    /// What the vector index took.
    embedding: EmbeddingV1,
    /// The signal that asked the run to stop, such as `SIGTERM`; else null.
    stopped: Option<String>,
}

/// What became of a target.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Result")]
struct ResultV1 {
    /// The target's name.
    name: String,
    /// `done`, `unchanged`, `superseded`, `skipped` or `failed`.
    outcome: &'static str,
    /// What was done, or why not.
    message: String,
    /// What a delivery led to, as far as it was followed; null for other targets, and where nothing was delivered.
    delivery: Option<DeliveryV1>,
}

/// What a delivery led to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeliveryCourse")]
struct DeliveryV1 {
    /// The id that went with it; null where nothing was sent.
    correlation_id: Option<String>,
    /// Where the run that it began can be looked at, or what else names that run; null where it is not known.
    run: Option<String>,
    /// How that run ended, in its receiver's word, such as `success`; null where that was not waited for, or not known.
    conclusion: Option<String>,
    /// How many seconds it was waited for; null where it was not.
    waited_seconds: Option<u64>,
    /// What the health gate said; null where there is none, or where it was not come to.
    health: Option<HealthV1>,
    /// Whose failure brought the downstream back to what it had before; null where it was not brought back.
    rolled_back: Option<String>,
}

/// What the health gate said.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeliveryHealth")]
struct HealthV1 {
    /// Whether all was well in the end.
    well: bool,
    /// What was seen last, in a sentence.
    said: String,
    /// How many seconds that was waited for.
    waited_seconds: u64,
}

/// What the vector index took.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Embedding")]
struct EmbeddingV1 {
    /// Texts that went to the model.
    embedded: usize,
    /// Chunks whose vector was known.
    reused: usize,
    /// Chunks written.
    upserted: usize,
    /// Chunks taken away.
    deleted: usize,
    /// Tokens that the model counted.
    tokens: u64,
}

/// A plan as pretty JSON with a final line break.
pub fn plan(plan: &Plan) -> String {
    super::pretty(&plan_v1(plan))
}

/// A run as pretty JSON with a final line break.
pub fn sync(sync: &Sync) -> String {
    let EmbeddingNumbers { embedded, reused, upserted, deleted, tokens } = sync.embedding;
    let result = |result: &crate::report::targets::TargetResult| ResultV1 {
        name: result.name.to_string(),
        outcome: result.outcome.as_str(),
        message: result.message.clone(),
        delivery: sync.courses.get(&result.name).map(delivery),
    };
    let document = SyncV1 {
        plan: plan_v1(&sync.plan),
        results: sync.results.iter().map(result).collect(),
        requests: sync.requests,
        embedding: EmbeddingV1 { embedded, reused, upserted, deleted, tokens },
        stopped: sync.stopped.clone(),
    };
    super::pretty(&document)
}

fn delivery(course: &Course) -> DeliveryV1 {
    DeliveryV1 {
        correlation_id: course.correlation.as_ref().map(ToString::to_string),
        run: course.run.clone(),
        conclusion: course.conclusion.clone(),
        waited_seconds: course.waited.map(|waited| waited.as_secs()),
        health: course.health.as_ref().map(|health| HealthV1 {
            well: health.is_well,
            said: health.said.clone(),
            waited_seconds: health.waited.as_secs(),
        }),
        rolled_back: course.rolled_back.clone(),
    }
}

/// The JSON Schema of [`plan`].
pub fn plan_schema() -> serde_json::Value {
    schemars::schema_for!(PlanV1).to_value()
}

/// The JSON Schema of [`sync`].
pub fn sync_schema() -> serde_json::Value {
    schemars::schema_for!(SyncV1).to_value()
}

fn plan_v1(plan: &Plan) -> PlanV1 {
    let target = |row: Row| TargetV1 {
        name: row.name.to_string(),
        kind: match row.kind {
            Kind::Manifest => "manifest",
            Kind::Downstream => "downstream",
            Kind::Embedding => "embedding",
        },
        action: row.action,
        why: row.why,
        counts: row.counts.into_iter().collect(),
    };
    PlanV1 {
        version: 1,
        commit: plan.commit.as_ref().map(ToString::to_string),
        dirty: plan.dirty,
        superseded: plan.superseded.as_ref().map(ToString::to_string),
        refusal: plan.refusal.as_ref().map(ToString::to_string),
        targets: rows(plan).into_iter().map(target).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use std::time::Duration;

    use super::*;
    use crate::ids::CorrelationId;
    use crate::report::course::Healthy;
    use crate::report::targets::Outcome;
    use crate::report::targets::tests::{busy, idle, run};

    fn follows(document: &Value, schema: &Value) -> bool {
        jsonschema::options().offline().build(schema).unwrap().is_valid(document)
    }

    #[test]
    fn a_plan_follows_its_schema() {
        for of in [busy(), idle()] {
            let document = serde_json::from_str(&plan(&of)).unwrap();
            assert!(follows(&document, &plan_schema()), "{document:#}");
        }
        assert!(!follows(&serde_json::json!({ "version": 1 }), &plan_schema()));
    }

    #[test]
    fn the_shape_is_frozen() {
        let outcomes = [(Outcome::Done, "published"), (Outcome::Unchanged, "in step"), (Outcome::Failed, "403")];
        let mut made = run(busy(), &outcomes);
        let course = Course {
            correlation: Some(CorrelationId::new("sr-1")),
            run: Some("https://github.com/org/site/actions/runs/7".to_owned()),
            conclusion: Some("failure".to_owned()),
            waited: Some(Duration::from_secs(480)),
            health: Some(Healthy { is_well: false, said: "503".to_owned(), waited: Duration::from_secs(9) }),
            rolled_back: None,
        };
        made.courses.insert(made.results[2].name.clone(), course);
        let document: Value = serde_json::from_str(&sync(&made)).unwrap();
        assert!(follows(&document, &sync_schema()));
        insta::assert_json_snapshot!(document, @r#"
    {
      "commit": "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
      "dirty": false,
      "embedding": {
        "deleted": 2,
        "embedded": 1,
        "reused": 0,
        "tokens": 7,
        "upserted": 1
      },
      "refusal": null,
      "requests": {
        "limit": null,
        "limited": 0,
        "remaining": null,
        "requests": 0,
        "retries": 0,
        "unchanged": 0,
        "waited_seconds": 0,
        "writes": 0
      },
      "results": [
        {
          "delivery": null,
          "message": "published",
          "name": "manifest",
          "outcome": "done"
        },
        {
          "delivery": null,
          "message": "in step",
          "name": "downstream/addon",
          "outcome": "unchanged"
        },
        {
          "delivery": {
            "conclusion": "failure",
            "correlation_id": "sr-1",
            "health": {
              "said": "503",
              "waited_seconds": 9,
              "well": false
            },
            "rolled_back": null,
            "run": "https://github.com/org/site/actions/runs/7",
            "waited_seconds": 480
          },
          "message": "403",
          "name": "outbox/site",
          "outcome": "failed"
        }
      ],
      "stopped": null,
      "superseded": null,
      "targets": [
        {
          "action": "publish",
          "added": 12,
          "assets": 13,
          "changed": 0,
          "kind": "manifest",
          "name": "manifest",
          "removed": 1,
          "why": "nothing is published there yet"
        },
        {
          "action": "none",
          "added": 0,
          "changed": 0,
          "kind": "downstream",
          "name": "downstream/addon",
          "removed": 0,
          "why": "in step"
        },
        {
          "action": "deliver",
          "added": 0,
          "changed": 2,
          "kind": "downstream",
          "name": "outbox/site",
          "removed": 0,
          "why": "a run died half-way"
        },
        {
          "action": "embed",
          "delete": 0,
          "embed": 1,
          "kind": "embedding",
          "name": "embedding",
          "reuse": 0,
          "tokens": 7,
          "unchanged": 4,
          "upsert": 1,
          "why": "4 unchanged"
        }
      ],
      "version": 1
    }
    "#);
    }
}
