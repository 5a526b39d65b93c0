//! A record against its schema, as findings with their places.

use std::cell::{Cell, OnceCell};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::choose::choose;
use super::compile::Compiled;
use super::explain::{Aim, BUDGET, Explanation, Reading, explain};
use super::registry::Registry;
use super::spelling::Spelling;
use crate::catalog::asset::UsedSchema;
use crate::catalog::collection::Collection;
use crate::catalog::limits::more;
use crate::catalog::place::{Lines, Places};
use crate::catalog::record::Record;
use crate::finding::{Finding, Severity, Span, codes};
use crate::ids::RepoPath;

/// Up to which product of a schema's weight and a record's values every objection is worked out.
///
/// The validator keeps what each branch of a `oneOf` objects to, for every value: beyond this it would take gigabytes.
const EXPLAINED: usize = 50_000_000;
/// How many bytes all objections to a record may take; the validator works out every one before it tells the first.
const MOST_BYTES: usize = 64 << 20;
/// What one objection takes besides the pointer of its place.
const OBJECTION: usize = 450;
/// From how many bytes on records are explained one after the other.
const HEAVY: usize = 4 << 20;
static HEAVY_ONE: Mutex<()> = Mutex::new(());

codes! {
    TOO_LARGE_TO_EXPLAIN "too-large-to-explain"
        "The record breaks its schema, and record and schema together are too large to work out all that is wrong. \
         Check a part of the record, or make the schema's alternatives fewer."
}

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
    let most = collection.limits.findings;
    findings.extend(check(&record.document.value, compiled, &Original::of(record), most, || record.document.places()));
    (Some(compiled.used.clone()), findings)
}

/// The text that a value was read from.
#[derive(Debug, Clone, Copy)]
pub struct Original<'a> {
    /// Its file.
    pub path: &'a RepoPath,
    /// How it is written.
    pub spelling: Spelling,
    /// What the file says.
    pub text: &'a str,
}

impl<'a> Original<'a> {
    /// The text of a record.
    pub fn of(record: &'a Record) -> Self {
        let text = &record.document.text;
        Self { path: &record.path, spelling: Spelling::of(record.document.notation, text), text }
    }
}

/// What a schema objects to in a value, at most so much and a finding that says so where there is more; `places` is asked only
/// when there is something.
pub fn check(
    value: &Value,
    compiled: &Compiled,
    original: &Original<'_>,
    most: usize,
    places: impl FnOnce() -> Places,
) -> Vec<Finding> {
    let valid = compiled.validator.is_valid(value);
    let formats = compiled.formats.as_ref().filter(|formats| valid && !formats.is_valid(value));
    if valid && formats.is_none() {
        return Vec::new();
    }
    let severity = if valid { Severity::Warning } else { Severity::Error };
    let validator = formats.unwrap_or(&compiled.validator);
    let size = Size::of(value);
    let bytes = compiled.loads.of(&compiled.schema, size.depth).saturating_mul(size.places);
    let too_large = bytes > MOST_BYTES || compiled.weight.saturating_mul(size.values) > EXPLAINED;
    let has_first = !too_large || raises_one_by_one(&compiled.schema);
    let _alone = (bytes > HEAVY).then(|| HEAVY_ONE.lock().unwrap_or_else(PoisonError::into_inner));
    let mut errors: Box<dyn Iterator<Item = _>> = match (too_large, has_first) {
        (false, _) => Box::new(validator.iter_errors(value)),
        (true, true) => Box::new(validator.validate(value).err().into_iter()),
        (true, false) => Box::new(std::iter::empty()),
    };
    let (places, lines) = (places(), OnceCell::new());
    let written = |pointer: &str| {
        let (line, bytes) = lines.get_or_init(|| Lines::new(original.text)).line_with(places.value(pointer)?.span)?;
        line.get(bytes).map(str::to_owned)
    };
    let reading = Reading {
        schema: &compiled.schema,
        record: value,
        spelling: original.spelling,
        written: &written,
        budget: Cell::new(BUDGET),
    };
    // Several objections may be one explanation, and one objection several.
    let explanations = explain(errors.by_ref().take(most), &reading, most.saturating_mul(4));
    let mut findings = locate(explanations, original.path, severity, &places);
    if too_large {
        let message = match has_first {
            true => "more may be wrong; the record and its schema together are too large to say what",
            false => "the record breaks its schema; both together are too large to say where",
        };
        findings.push(Finding { severity, ..Finding::error(&TOO_LARGE_TO_EXPLAIN, original.path.clone(), message) });
    } else if errors.next().is_some() {
        findings.push(more(original.path, severity));
    }
    findings
}

/// Whether the validator can tell the first objection alone: to say that no alternative fits, it works out all of them.
fn raises_one_by_one(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().all(raises_one_by_one),
        Value::Object(members) => members.iter().all(|(key, value)| match key.as_str() {
            "anyOf" | "oneOf" | "$dynamicRef" | "$recursiveRef" => false,
            "$ref" => value.as_str().is_none_or(|target| target.starts_with('#')),
            _ => raises_one_by_one(value),
        }),
        _ => true,
    }
}

/// How large a record is.
#[derive(Debug, Default)]
struct Size {
    values: usize,
    /// What one objection to each of its values would take, in bytes.
    places: usize,
    depth: usize,
}

impl Size {
    fn of(value: &Value) -> Self {
        let mut size = Self::default();
        size.add(value, 0, 0);
        size
    }

    fn add(&mut self, value: &Value, depth: usize, pointer: usize) {
        self.values += 1;
        self.places = self.places.saturating_add(OBJECTION + 2 * pointer);
        self.depth = self.depth.max(depth);
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add(item, depth + 1, pointer + 6)),
            Value::Object(members) => {
                members.iter().for_each(|(key, value)| self.add(value, depth + 1, pointer + 1 + key.len()));
            }
            _ => {}
        }
    }
}

/// Gives each explanation its place in the text.
pub fn locate(explanations: Vec<Explanation>, path: &RepoPath, severity: Severity, places: &Places) -> Vec<Finding> {
    let place = |explanation: &Explanation| match explanation.aim {
        Aim::Key => places.key(&explanation.pointer),
        Aim::Opening => {
            let opening = places.nearest(&explanation.pointer);
            Some(places.key(&explanation.pointer).unwrap_or_else(|| Span::at(opening.line, opening.column)))
        }
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
mod places;
#[cfg(test)]
mod tests;
