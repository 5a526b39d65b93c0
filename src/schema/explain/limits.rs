//! Numbers, texts and lists that are too small or too large, and what has no words of its own.

use std::collections::BTreeMap;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::words::shown;
use super::{Explanation, LENGTH, RANGE, SCHEMA_OTHER, UNIQUE_ITEMS, about};
use crate::finding::words::{count, cut};

/// What is beyond a limit.
pub(super) fn passed(error: &ValidationError<'_>, kind: &Kind) -> Explanation {
    let value = error.instance().as_ref();
    number(error, kind, value)
        .or_else(|| text(error, kind, value))
        .or_else(|| size(error, kind, value))
        .unwrap_or_else(|| about(error, &SCHEMA_OTHER, cut(&error.masked().to_string(), 300)))
}

fn number(error: &ValidationError<'_>, kind: &Kind, value: &Value) -> Option<Explanation> {
    let shown = shown(value);
    let (message, help) = match kind {
        Kind::Minimum { limit } => {
            (format!("{shown} is less than {limit}, the least allowed"), format!("write {limit} or more"))
        }
        Kind::ExclusiveMinimum { limit } => {
            (format!("{shown} is not greater than {limit}"), format!("write a number greater than {limit}"))
        }
        Kind::Maximum { limit } => {
            (format!("{shown} is more than {limit}, the most allowed"), format!("write {limit} or less"))
        }
        Kind::ExclusiveMaximum { limit } => {
            (format!("{shown} is not less than {limit}"), format!("write a number less than {limit}"))
        }
        Kind::MultipleOf { multiple_of } => {
            let message = format!("{shown} is not a multiple of {multiple_of}");
            let near = value.as_f64().map(|value| (value / multiple_of).round());
            // A step such as 0.01 has no exact neighbours to offer.
            let near = near.filter(|steps| multiple_of.fract() == 0.0 && steps.abs() < 1e9);
            let help = near.map_or_else(
                || format!("write a multiple of {multiple_of}"),
                |steps| format!("the nearest is {}", steps * multiple_of),
            );
            (message, help)
        }
        _ => return None,
    };
    Some(about(error, &RANGE, message).help(help))
}

fn text(error: &ValidationError<'_>, kind: &Kind, value: &Value) -> Option<Explanation> {
    let length = u64::try_from(value.as_str().map_or(0, |text| text.chars().count())).unwrap_or(u64::MAX);
    match kind {
        Kind::MinLength { .. } if length == 0 => {
            Some(about(error, &LENGTH, "the text is empty").help("write something between the quotes"))
        }
        Kind::MinLength { limit } => {
            let message = format!("{} has {}; at least {limit} are wanted", shown(value), count(length, "character"));
            Some(about(error, &LENGTH, message).help(format!("write {} more", limit.saturating_sub(length))))
        }
        Kind::MaxLength { limit } => {
            let message = format!("the text has {}; at most {limit} are allowed", count(length, "character"));
            Some(about(error, &LENGTH, message).help(format!("shorten it by {}", length.saturating_sub(*limit))))
        }
        Kind::ContentEncoding { content_encoding } => {
            Some(about(error, &SCHEMA_OTHER, format!("the text is not encoded as {content_encoding}")))
        }
        Kind::ContentMediaType { content_media_type } => {
            Some(about(error, &SCHEMA_OTHER, format!("the text does not hold {content_media_type}")))
        }
        _ => None,
    }
}

fn size(error: &ValidationError<'_>, kind: &Kind, value: &Value) -> Option<Explanation> {
    let (holder, size, noun) = match value {
        Value::Array(items) => ("list", items.len(), "item"),
        Value::Object(members) => ("group", members.len(), "field"),
        _ => return None,
    };
    let has =
        if size == 0 { format!("the {holder} is empty") } else { format!("the {holder} has {}", count(size, noun)) };
    let few = |limit: &u64| {
        let help = format!("add {} more", limit.saturating_sub(u64::try_from(size).unwrap_or(u64::MAX)));
        about(error, &LENGTH, format!("{has}; at least {} wanted", are(*limit, noun))).help(help)
    };
    let many = |limit: u64| {
        let help = format!("take {} away", u64::try_from(size).unwrap_or(u64::MAX).saturating_sub(limit));
        about(error, &LENGTH, format!("{has}; at most {} allowed", are(limit, noun))).help(help)
    };
    Some(match kind {
        Kind::MinItems { limit } | Kind::MinProperties { limit } => few(limit),
        Kind::MaxItems { limit } | Kind::MaxProperties { limit } => many(*limit),
        Kind::AdditionalItems { limit } => many(u64::try_from(*limit).unwrap_or(u64::MAX)),
        Kind::UnevaluatedItems { unexpected } => {
            let first = unexpected.first().map(|item| cut(item, 80)).unwrap_or_default();
            let message = match unexpected.len() {
                1 => format!("the item {first} of the list is not allowed"),
                n => format!("{n} items of the list are not allowed, the first is {first}"),
            };
            about(error, &LENGTH, message).help("take away what does not belong into the list")
        }
        Kind::UniqueItems => twice(error, value),
        _ => return None,
    })
}

fn are(limit: u64, noun: &str) -> String {
    if limit == 1 { format!("1 {noun} is") } else { format!("{limit} {noun}s are") }
}

/// Points at the first item that another one equals.
fn twice(error: &ValidationError<'_>, list: &Value) -> Explanation {
    let help = "take one of the two away";
    let mut seen = BTreeMap::new();
    for (index, item) in list.as_array().into_iter().flatten().enumerate() {
        let Some(first) = seen.insert(spelling(item), index) else { continue };
        let what = if item.is_array() || item.is_object() { "the same".to_owned() } else { shown(item) };
        let message = format!("{what} stands twice in the list, as item {} and item {}", first + 1, index + 1);
        return Explanation::new(&UNIQUE_ITEMS, format!("{}/{index}", error.instance_path().as_str()), message)
            .help(help);
    }
    about(error, &UNIQUE_ITEMS, "two items of the list are equal; each may stand once").help(help)
}

/// Equal for equal values: the order of fields does not count, and 1.0 is 1.
fn spelling(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |n| n.to_string()),
        Value::Array(items) => format!("[{}]", items.iter().map(spelling).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.iter().map(|(key, value)| format!("{key:?}:{}", spelling(value))).collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
