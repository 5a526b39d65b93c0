//! The validator's errors in sentences for people who do not know JSON Schema.
//!
//! One file per noun: [`kinds`] of value, [`limits`], [`fields`], text [`formats`] and [`patterns`], and the [`branches`]
//! among which a schema lets a value choose. [`settle`] makes one sentence of what is said twice.

mod branches;
mod conditions;
mod discriminators;
mod fields;
mod formats;
mod kinds;
mod limits;
mod origin;
mod patterns;
mod settle;
mod words;

use std::cell::Cell;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::spelling::Spelling;
use crate::finding::{Code, codes};

pub use words::nearest;

codes! {
    REQUIRED "required"
        "A field that the schema requires is missing. Add it."
    UNKNOWN_PROPERTY "unknown-property"
        "The schema knows no field of this name and allows no others. Often a misspelling."
    TYPE "type"
        "The value is of another type than the schema wants, such as a text where a number belongs."
    ENUM "enum"
        "The value is none of those that the schema lists."
    CONST "const"
        "The value is not the one that the schema names."
    FORMAT "format"
        "The text does not have the format that the schema names, such as an address or a date."
    PATTERN "pattern"
        "The text does not match the schema's regular expression."
    RANGE "range"
        "The number is too small, too large, or not a multiple of what the schema names."
    LENGTH "length"
        "The text, list or group of fields has too few or too many characters, items or fields."
    UNIQUE_ITEMS "unique-items"
        "Two items of a list are equal where the schema wants each once."
    SHAPE "shape"
        "The value fits none (or more than one) of the forms among which the schema lets it choose."
    NOT_ALLOWED "not-allowed"
        "The schema allows nothing here."
    PATTERN_GAVE_UP "pattern-gave-up"
        "A regular expression took too many steps on this text, so the text counts as wrong."
    SCHEMA_OTHER "schema"
        "The schema objects in a way that has no code of its own; the message says how."
}

/// Where in the record an explanation points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// At the value.
    Value,
    /// At the key that names it.
    Key,
    /// At the key, or else at the value's first character: what is wrong is not in the value.
    Opening,
}

/// What an explanation is about, as far as another one could be about the same.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    /// Nothing that needs comparing beyond the pointer.
    Value,
    /// The object at the pointer lacks this field.
    Missing(String),
    /// The pointer names a field that nothing allows.
    Unknown,
    /// The pointer names a field that the schema knows, but not beside what else stands there.
    Unevaluated,
}

/// One objection of a schema, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What kind of objection.
    pub code: &'static Code,
    /// The JSON Pointer of what it is about.
    pub pointer: String,
    /// Whether the key or the value is at fault.
    pub aim: Aim,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    subject: Subject,
    /// The name that stands where another is missing, if it is a misspelling of that.
    misspelt: Option<String>,
}

impl Explanation {
    /// An objection at a value.
    pub fn new(code: &'static Code, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let (pointer, message) = (pointer.into(), message.into());
        Self { code, pointer, aim: Aim::Value, message, help: None, subject: Subject::Value, misspelt: None }
    }

    /// The same, with advice.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same, with another aim.
    #[must_use]
    pub fn aim(self, aim: Aim) -> Self {
        Self { aim, ..self }
    }
}

/// The record and the schema that objects to it.
pub struct Reading<'a> {
    /// The whole schema.
    pub schema: &'a Value,
    /// The whole record.
    pub record: &'a Value,
    /// How the record is written.
    pub spelling: Spelling,
    /// What stands at a pointer, as it is written: `1.10` where the value is 1.1.
    pub written: &'a dyn Fn(&str) -> Option<String>,
    /// How many more parts of the schema may be looked at.
    pub budget: Cell<usize>,
}

impl Reading<'_> {
    /// Whether there is still budget for so many steps, which are then spent.
    fn spend(&self, steps: usize) -> bool {
        let left = self.budget.get().checked_sub(steps);
        self.budget.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// How many parts of a schema are looked at for one record; a hostile schema could ask for more than a lifetime.
pub const BUDGET: usize = 300_000;

/// Explains errors: one sentence for each thing that is wrong, `most` at most.
pub fn explain<'e>(
    errors: impl Iterator<Item = ValidationError<'e>>,
    reading: &Reading<'_>,
    most: usize,
) -> Vec<Explanation> {
    let all: Vec<_> = errors.flat_map(|error| objections(&error, reading)).take(most).collect();
    let mut settled = settle::settle(all);
    settle::stand_on_misspelt(&mut settled);
    settled
}

/// What one error says.
fn objections(error: &ValidationError<'_>, reading: &Reading<'_>) -> Vec<Explanation> {
    if !reading.spend(1) {
        return vec![about(error, &SCHEMA_OTHER, "the schema objects to this, and is too large to say why")];
    }
    let mut explanations = match error.kind() {
        Kind::OneOfNotValid { context } | Kind::AnyOf { context } => return branches::none(error, context, reading),
        Kind::AdditionalProperties { unexpected } => fields::unknown(error, unexpected, reading),
        Kind::UnevaluatedProperties { unexpected } => fields::unevaluated(error, unexpected, reading),
        Kind::PropertyNames { error: inner } => vec![fields::name(error, inner, reading)],
        Kind::Required { property } => vec![fields::required(error, property, reading)],
        Kind::OneOfMultipleValid { context } => vec![branches::several(error, context, reading)],
        Kind::FalseSchema => vec![fields::forbidden(error)],
        Kind::Not { schema } => vec![conditions::not(error, schema)],
        Kind::Contains => vec![conditions::contains(error, reading)],
        Kind::Type { kind } => vec![kinds::wrong(error, kind, reading)],
        Kind::Enum { options } => vec![kinds::not_listed(error, options, reading)],
        Kind::Constant { expected_value } => vec![kinds::not_const(error, expected_value, reading)],
        Kind::Format { format } => vec![formats::broken(error, format)],
        Kind::Pattern { pattern } => vec![patterns::unmatched(error, pattern)],
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            let message = "the schema's pattern takes too many steps on this text";
            let help = "shorten the text, or ask who looks after the schema for a simpler pattern";
            vec![about(error, &PATTERN_GAVE_UP, message).help(help)]
        }
        other => vec![limits::passed(error, other)],
    };
    if let Some(why) = conditions::reason(error, reading) {
        for explanation in &mut explanations {
            explanation.message.push_str(&why);
        }
    }
    explanations
}

/// An explanation of an error, at its value.
fn about(error: &ValidationError<'_>, code: &'static Code, message: impl Into<String>) -> Explanation {
    Explanation::new(code, error.instance_path().as_str(), message)
}

#[cfg(test)]
mod tests;
