//! A record against its schema, as findings with their places.

use serde_json::Value;

use super::choose::choose;
use super::compile::Compiled;
use super::explain::{Aim, Explanation, TYPE, explain};
use super::registry::Registry;
use crate::catalog::asset::UsedSchema;
use crate::catalog::collection::Collection;
use crate::catalog::place::Places;
use crate::catalog::record::Record;
use crate::finding::{Code, Finding, Severity};
use crate::ids::RepoPath;

/// How many objections to one record are told.
const MOST_ERRORS: usize = 100;

/// Up to which product of a schema's weight and a record's values every objection is worked out.
///
/// The validator keeps what each branch of a `oneOf` objects to, for every value: beyond this it would take gigabytes.
const EXPLAINED: usize = 50_000_000;

/// A record breaks its schema and is too large to say where.
pub static TOO_LARGE_TO_EXPLAIN: Code = Code {
    id: "too-large-to-explain",
    meaning: "The record breaks its schema, and record and schema together are too large to work out where. Check a part \
              of the record, or make the schema's alternatives fewer.",
};

/// Chooses the record's schema and checks the record with it.
///
/// The schema is nothing when the collection has none or when it cannot be used.
pub fn validate(record: &Record, collection: &Collection, registry: &Registry) -> (Option<UsedSchema>, Vec<Finding>) {
    let (slot, guessed) = match choose(record, collection, registry) {
        Ok(Some(choice)) => choice,
        Ok(None) => return (None, Vec::new()),
        Err(finding) => return (None, vec![*finding]),
    };
    let mut findings: Vec<Finding> = guessed.into_iter().collect();
    let Ok(compiled) = registry.compiled(slot) else { return (None, findings) };
    let mut objections = check(&record.document.value, compiled, &record.path, || record.document.places());
    objections.iter_mut().for_each(|finding| quote_as_written(finding, record));
    findings.extend(objections);
    (Some(compiled.used.clone()), findings)
}

/// A number that should be a text is to be quoted as it stands in the file: 12.00 and not 12.0.
fn quote_as_written(finding: &mut Finding, record: &Record) {
    let is_number = record.document.value.pointer(&finding.pointer).is_some_and(Value::is_number);
    let is_quoted = finding.help.as_deref().is_some_and(|help| help.starts_with("write it in quotes"));
    if finding.code == &TYPE
        && is_number
        && is_quoted
        && let Some(written) = record.as_written(finding.span)
    {
        finding.help = Some(format!("write it in quotes: \"{written}\""));
    }
}

/// All that a schema objects to in a value; `places` is asked only when there is something.
pub fn check(value: &Value, compiled: &Compiled, path: &RepoPath, places: impl FnOnce() -> Places) -> Vec<Finding> {
    let valid = compiled.validator.is_valid(value);
    let formats = compiled.formats.as_ref().filter(|formats| valid && !formats.is_valid(value));
    if valid && formats.is_none() {
        return Vec::new();
    }
    if compiled.weight.saturating_mul(values(value)) > EXPLAINED {
        let message = "the record breaks its schema; both together are too large to say where";
        return vec![Finding::error(&TOO_LARGE_TO_EXPLAIN, path.clone(), message)];
    }
    let severity = if valid { Severity::Warning } else { Severity::Error };
    let errors = formats.unwrap_or(&compiled.validator).iter_errors(value).take(MOST_ERRORS);
    let explanations: Vec<_> = errors.flat_map(|error| explain(&error, &compiled.schema)).take(MOST_ERRORS).collect();
    locate(explanations, path, severity, &places())
}

fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(values).sum::<usize>() + 1,
        Value::Object(members) => members.values().map(values).sum::<usize>() + 1,
        _ => 1,
    }
}

/// Gives each explanation its place in the text.
pub fn locate(explanations: Vec<Explanation>, path: &RepoPath, severity: Severity, places: &Places) -> Vec<Finding> {
    let place = |explanation: &Explanation| match explanation.aim {
        Aim::Key => places.key(&explanation.pointer),
        Aim::Value => None,
    };
    let finding = |explanation: Explanation| {
        let span = place(&explanation).unwrap_or_else(|| places.nearest(&explanation.pointer));
        Finding {
            code: explanation.code,
            severity,
            path: path.clone(),
            span,
            pointer: explanation.pointer,
            message: explanation.message,
            help: explanation.help,
            related: Vec::new(),
        }
    };
    explanations.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests;
