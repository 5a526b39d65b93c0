//! `schema diff`: one schema against another, by proof and by the records that there are.

use std::sync::Arc;

use rayon::prelude::*;
use serde_json::Value;

use super::open::{Moment, Opened, Place};
use super::proving::prove;
use crate::catalog::pointer::PointerPattern;
use crate::catalog::record::{Candidate, Record, candidates};
use crate::catalog::tree::Contents;
use crate::downstream::Acceptance;
use crate::finding::{Finding, Severity};
use crate::report::schema_diff::{self as report, LeftBehind, Records, SchemaDiff};
use crate::schema::compile::Compiled;
use crate::schema::diff::bump::Bump;
use crate::schema::diff::changes::{Change, Changes, Effect, changes};
use crate::schema::diff::proof::Proof;
use crate::schema::diff::release::SCHEMA_BUMP;
use crate::schema::diff::trial::witness;
use crate::schema::diff::{Evidence, Verdict, bump, side, verdict, without_version_rule};
use crate::schema::settings::Policy;
use crate::schema::validate::{Original, check};

mod desk;

use desk::{Chosen, Desk};

/// Of how many records that break all findings are told.
const MOST_TOLD: usize = 10;
/// How many objections to one of them.
const MOST_OBJECTIONS: usize = 3;

/// Compares two schemas: `old` and `new` are NAME@VERSION, a file, or REV:PATH; `records` says which records are asked.
///
/// Files can be compared without a `library`, too.
pub fn diff(
    place: &Place,
    library: anyhow::Result<Opened>,
    old: &str,
    new: &str,
    records: &Moment,
) -> anyhow::Result<SchemaDiff> {
    let desk = Desk { place, library: library.as_ref().ok() };
    let (old, new) = match (desk.side(old), desk.side(new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(error), _) | (_, Err(error)) => {
            // Without a library half of the ways to name a schema lead nowhere: that is what is to be told.
            return Err(library.err().map_or(error, |why| why.context(error_words(old, new))));
        }
    };
    let mut result = SchemaDiff { old: old.told(), new: new.told(), ..SchemaDiff::default() };
    let policy = desk.policy();
    let (before, after) = (old.compile(policy), new.compile(policy));
    result.findings = objections(&old, &before).into_iter().chain(objections(&new, &after)).collect();
    let (Ok(before), Ok(after)) = (before, after) else {
        result.reasons.push("one of the schemas is broken, so nothing can be said".to_owned());
        return Ok(result);
    };
    let mut pair = Comparison { old, new, before, after, policy, version_field: None, evidence: Evidence::default() };
    result.downstreams = library.as_ref().map(|library| left_behind(library, &pair.new)).unwrap_or_default();
    match library.and_then(|library| library.at(records)) {
        Ok(library) => pair.ask_records(&library, records, &mut result),
        Err(why) => result.reasons.push(format!("no records were asked: {why:#}")),
    }
    pair.conclude(&mut result);
    Ok(result)
}

/// The downstreams whose range of versions the new schema leaves.
fn left_behind(library: &Opened, new: &Chosen) -> Vec<LeftBehind> {
    let (Some(name), Some(version)) = (&new.name, &new.version) else { return Vec::new() };
    let config = &library.config;
    let acceptance = Acceptance::of(&config.settings.downstreams);
    let told = acceptance.of_version(name, version, &config.users(name));
    let left = told.into_iter().filter(|(_, _, is_accepted)| !is_accepted);
    left.map(|(name, accepts, _)| LeftBehind { name: name.to_string(), accepts: accepts.to_owned() }).collect()
}

fn error_words(old: &str, new: &str) -> String {
    format!("{old} and {new} cannot be compared")
}

fn objections(side: &Chosen, compiled: &Result<Compiled, Vec<Finding>>) -> Vec<Finding> {
    match compiled {
        Ok(compiled) => compiled.suspicions.clone(),
        Err(findings) => findings.clone(),
    }
    .into_iter()
    .filter(|finding| !side.is_past || finding.is_error())
    .collect()
}

/// Two schemas that are being compared.
struct Comparison {
    old: Chosen,
    new: Chosen,
    before: Compiled,
    after: Compiled,
    policy: Policy,
    /// Where records name the version that they follow, if they do.
    version_field: Option<PointerPattern>,
    evidence: Evidence,
}

impl Comparison {
    /// Asks every record of the collections that use the schema.
    fn ask_records(&mut self, library: &Opened, moment: &Moment, result: &mut SchemaDiff) {
        let Some(name) = self.new.name.clone().or_else(|| self.old.name.clone()) else {
            result.reasons.push("no records were asked: no collection uses these schemas".to_owned());
            return;
        };
        let uses = |candidate: &Candidate<'_>| candidate.collection.settings.schema.as_deref() == Some(name.as_str());
        let (mut found, _) = candidates(&library.tree, &library.config.collections);
        found.retain(uses);
        self.version_field = found.iter().find_map(|candidate| candidate.collection.version_field.clone());
        let contents = Arc::clone(&library.contents);
        let asked: Vec<Asked> = found.par_iter().map(|candidate| self.ask(candidate, contents.as_ref())).collect();
        let broken = || asked.iter().filter(|asked| !asked.objections.is_empty());
        let moment = match moment {
            Moment::Now => "the work tree".to_owned(),
            Moment::At(revision) => revision.clone(),
        };
        let told = broken().take(MOST_TOLD).flat_map(|asked| asked.objections.iter().take(MOST_OBJECTIONS)).cloned();
        let records = Records {
            moment,
            records: asked.len(),
            followed: asked.iter().filter(|asked| asked.followed).count(),
            broken: broken().count(),
            kinds: report::kinds(broken().map(|asked| asked.objections.as_slice())),
            findings: told.collect(),
        };
        (self.evidence.records, self.evidence.broken) = (records.followed, records.broken);
        result.records = Some(records);
        if self.evidence.broken == 0 {
            self.try_out(&found, &asked, contents.as_ref(), result);
        }
    }

    fn ask(&self, candidate: &Candidate<'_>, contents: &dyn Contents) -> Asked {
        let Some(record) = candidate.load(contents).0 else { return Asked::default() };
        if !self.before.validator.is_valid(&record.document.value) {
            return Asked::default();
        }
        let (moved, most) = (self.moved(&record.document.value), candidate.collection.limits.findings);
        let objections = check(&moved, &self.after, &Original::of(&record), most, || record.document.places());
        let objections = objections.into_iter().filter(Finding::is_error).collect();
        Asked { followed: true, objections }
    }

    /// The record as it would stand under the new schema: it would name that one's version.
    fn moved(&self, value: &Value) -> Value {
        let mut value = value.clone();
        if let (Some(field), Some(old), Some(new)) = (&self.version_field, &self.old.version, &self.new.version)
            && let Some(named) = value.pointer_mut(&field.exact())
            && named.as_str().and_then(crate::schema::version::parse).as_ref() == Some(old)
        {
            *named = Value::String(new.to_string());
        }
        value
    }

    /// Alters records that follow both schemas, to find one that shows a change.
    fn try_out(&mut self, found: &[Candidate<'_>], asked: &[Asked], contents: &dyn Contents, result: &mut SchemaDiff) {
        let changes = self.changes();
        if changes.are_harmless() {
            return;
        }
        let fit = found.iter().zip(asked).filter(|(_, asked)| asked.followed).take(20);
        let records: Vec<Record> = fit.filter_map(|(candidate, _)| candidate.load(contents).0).collect();
        let values: Vec<&Value> = records.iter().map(|record| &record.document.value).collect();
        let old = |value: &Value| self.before.validator.is_valid(value);
        let new = |value: &Value| self.after.validator.is_valid(&self.moved(value));
        self.evidence.witness = witness(&changes.list, &values, &old, &new);
        if let Some(witness) = &self.evidence.witness
            && let Some(record) = records.get(witness.record)
        {
            let path = &record.path;
            let what = &witness.alteration;
            result.reasons.push(format!("{path} {what} would follow the old schema and break the new one"));
        }
    }

    /// Both schemas as they are compared.
    fn schemas(&self) -> (Value, Value) {
        let (mut old, mut new) = (self.before.schema.clone(), self.after.schema.clone());
        let differs = self.old.version.is_some() && self.new.version.is_some() && self.old.version != self.new.version;
        if let Some(field) = self.version_field.as_ref().filter(|_| differs) {
            without_version_rule(&mut old, &mut new, &field.exact());
        }
        (old, new)
    }

    fn changes(&self) -> Changes {
        let (old, new) = self.schemas();
        changes(&old, &new, self.policy)
    }

    /// Comes to a verdict, and says what follows for the version.
    fn conclude(mut self, result: &mut SchemaDiff) {
        let changes = self.changes();
        if self.evidence.broken == 0 && !changes.are_harmless() {
            let (old, new) = self.schemas();
            let old = side(old, &self.old.path, &self.old.files);
            let new = side(new, &self.new.path, &self.new.files);
            self.evidence.proof = Some(prove(&old, &new, &changes.introduced, self.policy));
        }
        let found = verdict(&changes, &self.evidence);
        result.verdict = match found {
            Verdict::Compatible => report::Verdict::Compatible,
            Verdict::Breaking => report::Verdict::Breaking,
            Verdict::Unknown => report::Verdict::Unknown,
        };
        self.say_why(&changes, found, result);
        let needed = bump(found, &changes);
        result.bump = needed.map(|bump| bump.as_str().to_owned());
        let versions = self.old.version.as_ref().zip(self.new.version.as_ref());
        let moved = versions.filter(|_| self.old.name == self.new.name).and_then(|(old, new)| Bump::between(old, new));
        result.moved = moved.map(|bump| bump.as_str().to_owned());
        if found == Verdict::Breaking {
            result.findings.extend(self.bump_finding(moved));
        }
        crate::finding::sort(&mut result.findings);
        result.changes = changes.list.into_iter().map(told).collect();
    }

    fn say_why(&self, changes: &Changes, found: Verdict, result: &mut SchemaDiff) {
        let Evidence { records, broken, proof, witness } = &self.evidence;
        let mut reasons = Vec::new();
        if *broken > 0 {
            reasons.push(format!("{broken} of {records} records that follow the old schema break the new one"));
        }
        match proof {
            Some(Proof::Breaks) => {
                reasons.push("proved: some value follows the old schema and not the new one".to_owned());
            }
            Some(Proof::Covers) => {
                reasons.push("proved: every value that follows the old schema follows the new one".to_owned());
            }
            Some(Proof::Unknown(why)) => reasons.push(format!("a proof was tried: {why}")),
            None if changes.are_harmless() && changes.list.is_empty() => {
                reasons.push("both say the same".to_owned());
            }
            None if changes.are_harmless() => {
                reasons.push("every single change lets pass what passed before".to_owned());
            }
            None => {}
        }
        if found == Verdict::Unknown {
            if *records > 0 {
                reasons.push(format!("none of the {records} records that follow the old schema breaks the new one"));
            }
            if witness.is_none() && *records > 0 {
                reasons.push("no record could be altered so that it shows a difference".to_owned());
            }
        }
        if found == Verdict::Compatible && !changes.introduced.is_empty() {
            let names: Vec<&str> = changes.introduced.iter().map(|one| one.at.as_str()).take(5).collect();
            let more = if changes.introduced.len() > names.len() { " and others" } else { "" };
            let verb = if changes.introduced.len() == 1 {
                "was free before and has rules"
            } else {
                "were free before and have rules"
            };
            let asked = match *records {
                0 => "a record that has one by chance may break".to_owned(),
                records => format!("a record that has one by chance may break, and none of the {records} does"),
            };
            result.assumptions.push(format!("{}{more} {verb} now: {asked}", names.join(", ")));
        }
        reasons.append(&mut result.reasons);
        result.reasons = reasons;
    }

    /// A change that breaks records, and no version that says so.
    fn bump_finding(&self, moved: Option<Bump>) -> Option<Finding> {
        let Chosen { path, version, label, .. } = &self.new;
        let finding = |severity, message: String, help: String| {
            Some(Finding { severity, ..Finding::error(&SCHEMA_BUMP, path.clone(), message) }.help(help))
        };
        match (moved, &self.old.version, version) {
            (Some(Bump::Major), ..) | (None, Some(_), Some(_)) => None,
            (Some(_), Some(old), Some(new)) => {
                let next = Bump::Major.of(old);
                let message = if old == new {
                    format!("{label} breaks records that follow {}, and has the same version", self.old.label)
                } else {
                    format!("{new} breaks records that follow {old}, and is no major version after it")
                };
                finding(Severity::Error, message, format!("call it {next}, or take back what breaks them"))
            }
            _ => {
                let message = format!("{label} breaks records that follow {}", self.old.label);
                let help = "no version says so: mend the records in the same change, or give schemas versions (NAME/v1.0.0.json)";
                finding(Severity::Warning, message, help.to_owned())
            }
        }
    }
}

/// What a record says.
#[derive(Default)]
struct Asked {
    followed: bool,
    objections: Vec<Finding>,
}

fn told(change: Change) -> report::Change {
    report::Change {
        effect: match change.effect {
            Effect::Breaking => "breaking",
            Effect::Unclear => "unclear",
            Effect::Compatible => "compatible",
            Effect::Neutral => "neutral",
        },
        rule: change.rule,
        pointer: change.pointer,
        at: change.at,
        message: change.message,
    }
}
