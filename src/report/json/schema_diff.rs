//! `schema diff --format json`, version 1.

use schemars::JsonSchema;
use serde::Serialize;

use super::check::FindingV1;
use crate::report::schema_diff::{Change, Kind, LeftBehind, Records, SchemaDiff, Side, Verdict};

/// What `stockroom schema diff` found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom schema diff, version 1")]
struct SchemaDiffV1<'a> {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u8,
    /// The schema that records follow now.
    old: SideV1<'a>,
    /// The schema that they shall follow.
    new: SideV1<'a>,
    /// Whether records that follow the old schema follow the new one.
    verdict: VerdictV1,
    /// What the verdict rests on, and what else was tried, in sentences.
    reasons: &'a [String],
    /// What the verdict takes for granted, in sentences.
    assumptions: &'a [String],
    /// The part of the version that the change must move: `major`, `minor`, `patch` or `none`; null where it is unknown.
    bump: Option<&'a str>,
    /// The part that did move, in the same words; null where a version is not known or the new one is the older.
    moved: Option<&'a str>,
    /// What changed, rule by rule.
    changes: Vec<ChangeV1<'a>>,
    /// What the records say; null where there were none to ask.
    records: Option<RecordsV1<'a>>,
    /// What is wrong with the schemas and their versions.
    findings: Vec<FindingV1<'a>>,
    /// The downstreams that cannot read what follows the new schema.
    downstreams: Vec<LeftBehindV1<'a>>,
}

/// A downstream whose range of versions the new schema leaves.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LeftBehind")]
struct LeftBehindV1<'a> {
    /// Its name.
    name: &'a str,
    /// The versions that it accepts, as stockroom.yml has them.
    accepts: &'a str,
}

/// One of the two schemas.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Side")]
struct SideV1<'a> {
    /// As it was asked for.
    label: &'a str,
    /// Its file.
    path: &'a str,
    /// Its name in the registry; null where it is not there.
    name: Option<&'a str>,
    /// Its version; null where it has none.
    version: Option<&'a str>,
}

/// Whether records that follow the old schema follow the new one.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Verdict")]
enum VerdictV1 {
    Compatible,
    Breaking,
    Unknown,
}

/// One change of one rule.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Change")]
struct ChangeV1<'a> {
    /// What it does to records: `breaking`, `unclear`, `compatible` or `neutral`.
    effect: &'a str,
    /// Which rule: `required`, `type`, `enum`.
    rule: &'a str,
    /// The JSON Pointer of its place in the new schema, or in the old one for what is gone.
    pointer: &'a str,
    /// The values that are concerned: a JSON Pointer with `*` for any key or index.
    at: &'a str,
    /// What changed, in a sentence.
    message: &'a str,
}

/// What the records say.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Records")]
struct RecordsV1<'a> {
    /// The revision that they are of, or `the work tree`.
    moment: &'a str,
    /// How many there are in the collections that use the schema.
    records: usize,
    /// How many of them follow the old schema.
    followed: usize,
    /// How many of those break the new one.
    broken: usize,
    /// In which ways they break it, the most frequent first.
    kinds: Vec<KindV1<'a>>,
    /// The first of them, with what is wrong.
    findings: Vec<FindingV1<'a>>,
}

/// A way in which records break the new schema.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Kind")]
struct KindV1<'a> {
    /// The finding's code.
    code: &'a str,
    /// The values: a JSON Pointer with `*` for any index.
    at: &'a str,
    /// What the first of the records is told.
    message: &'a str,
    /// How many records.
    records: usize,
}

impl<'a> From<&'a Side> for SideV1<'a> {
    fn from(Side { label, path, name, version }: &'a Side) -> Self {
        Self { label, path, name: name.as_deref(), version: version.as_deref() }
    }
}

impl From<Verdict> for VerdictV1 {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Compatible => Self::Compatible,
            Verdict::Breaking => Self::Breaking,
            Verdict::Unknown => Self::Unknown,
        }
    }
}

impl<'a> From<&'a Change> for ChangeV1<'a> {
    fn from(Change { effect, rule, pointer, at, message }: &'a Change) -> Self {
        Self { effect, rule, pointer, at, message }
    }
}

impl<'a> From<&'a Records> for RecordsV1<'a> {
    fn from(Records { moment, records, followed, broken, kinds, findings }: &'a Records) -> Self {
        let kind = |Kind { code, at, message, records }: &'a Kind| KindV1 { code, at, message, records: *records };
        Self {
            moment,
            records: *records,
            followed: *followed,
            broken: *broken,
            kinds: kinds.iter().map(kind).collect(),
            findings: findings.iter().map(FindingV1::from).collect(),
        }
    }
}

impl<'a> From<&'a LeftBehind> for LeftBehindV1<'a> {
    fn from(LeftBehind { name, accepts }: &'a LeftBehind) -> Self {
        Self { name, accepts }
    }
}

/// The document, indented, ending in a line break.
pub fn render(diff: &SchemaDiff) -> String {
    super::pretty(&SchemaDiffV1 {
        version: 1,
        old: (&diff.old).into(),
        new: (&diff.new).into(),
        verdict: diff.verdict.into(),
        reasons: &diff.reasons,
        assumptions: &diff.assumptions,
        bump: diff.bump.as_deref(),
        moved: diff.moved.as_deref(),
        changes: diff.changes.iter().map(ChangeV1::from).collect(),
        records: diff.records.as_ref().map(RecordsV1::from),
        findings: diff.findings.iter().map(FindingV1::from).collect(),
        downstreams: diff.downstreams.iter().map(LeftBehindV1::from).collect(),
    })
}

/// The JSON Schema of the document.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(SchemaDiffV1<'static>).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema_diff::tests::diff;

    #[test]
    fn the_document_validates_against_its_schema() {
        let validator = jsonschema::options().offline().build(&schema()).unwrap();
        for diff in [diff(), SchemaDiff::default()] {
            let document = serde_json::from_str(&render(&diff)).unwrap();
            assert_eq!(validator.iter_errors(&document).map(|e| e.to_string()).collect::<Vec<_>>(), [""; 0]);
        }
    }

    #[test]
    fn the_shape_is_frozen() {
        let document: serde_json::Value = serde_json::from_str(&render(&diff())).unwrap();
        let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
        let wanted = [
            "assumptions",
            "bump",
            "changes",
            "downstreams",
            "findings",
            "moved",
            "new",
            "old",
            "reasons",
            "records",
            "verdict",
            "version",
        ];
        assert_eq!(keys, wanted);
        assert_eq!(document["records"]["kinds"][0]["records"], 2);
        assert_eq!((&document["verdict"], &document["new"]["version"]), (&"breaking".into(), &"1.1.0".into()));
    }
}
