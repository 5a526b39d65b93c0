//! Values of the wrong kind, and values that are none of those allowed.

use jsonschema::error::TypeKind;
use jsonschema::{JsonType, ValidationError};
use serde_json::{Map, Value};

use super::super::spelling::Spelling;
use super::words::{choice, nearest, shown, subject};
use super::{CONST, ENUM, Explanation, Reading, TYPE, about, origin};
use crate::catalog::place::segments;
use crate::catalog::read::number_text::{Meant, is_number, meant};
use crate::finding::words::quoted;

/// A value is of another kind than the schema wants.
pub(super) fn wrong(error: &ValidationError<'_>, kind: &TypeKind, reading: &Reading<'_>) -> Explanation {
    let wanted: Vec<JsonType> = match kind {
        TypeKind::Single(kind) => vec![*kind],
        TypeKind::Multiple(kinds) => kinds.iter().collect(),
    };
    wrong_kind(error, &wanted, reading)
}

/// The same, for the kinds that several branches want.
pub(super) fn wrong_kind(error: &ValidationError<'_>, wanted: &[JsonType], reading: &Reading<'_>) -> Explanation {
    let value = error.instance().as_ref();
    let names: Vec<String> = wanted.iter().map(|kind| name(*kind).to_owned()).collect();
    let message = format!("{} stands where {} is wanted", subject(value), choice(&names));
    let explanation = about(error, &TYPE, message);
    let written = (reading.written)(error.instance_path().as_str());
    let is_required = is_required(error, reading);
    let advice = Advice { wanted, value, written, spelling: reading.spelling, is_required };
    let fields = || advice.fields(origin::holder(reading.schema, error)?, reading.schema);
    match advice.give().or_else(fields) {
        Some(help) => explanation.help(help),
        None => explanation,
    }
}

/// Whether any part of the schema requires a field of this name, so that to take it away might not do.
fn is_required(error: &ValidationError<'_>, reading: &Reading<'_>) -> bool {
    let Some(name) = segments(error.instance_path().as_str()).last() else { return true };
    let mut rest = vec![reading.schema];
    while let Some(part) = rest.pop() {
        if !error.instance().is_null() || !reading.spend(1) {
            return true;
        }
        match part {
            Value::Object(members) => {
                let names = members.get("required").and_then(Value::as_array);
                if names.is_some_and(|names| names.iter().any(|one| one == name.as_str())) {
                    return true;
                }
                rest.extend(members.values());
            }
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    false
}

fn name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "an empty value (null)",
        JsonType::Number => "a number",
        JsonType::Object => "a group of fields",
        JsonType::String => "text",
    }
}

struct Advice<'a> {
    wanted: &'a [JsonType],
    value: &'a Value,
    written: Option<String>,
    spelling: Spelling,
    /// Whether the schema may require the field.
    is_required: bool,
}

impl Advice<'_> {
    fn wants(&self, kind: JsonType) -> bool {
        self.wanted.contains(&kind)
    }

    fn give(&self) -> Option<String> {
        match self.value {
            Value::String(text) => self.instead_of_text(text),
            Value::Number(number) if self.wants(JsonType::Boolean) && matches!(number.as_u64(), Some(0 | 1)) => {
                Some(format!("write {}", number.as_u64() == Some(1)))
            }
            Value::Number(_) | Value::Bool(_) if self.wants(JsonType::String) => {
                let written = self.written.clone().unwrap_or_else(|| self.value.to_string());
                Some(format!("write it in quotes: \"{written}\""))
            }
            Value::Number(number) if self.wants(JsonType::Integer) => {
                let rounded = number.as_f64().map(f64::round).filter(|n| n.abs() < 1e15)?;
                Some(format!("write it without a fraction, such as {rounded}"))
            }
            Value::Number(_) if self.wants(JsonType::Array) => Some(self.list()),
            Value::Object(_) if self.wants(JsonType::Array) => Some(match self.spelling {
                Spelling::Yaml => "begin it with \"- \", as the first of a list".to_owned(),
                Spelling::Json => "put it into [ and ], as the first of a list".to_owned(),
                Spelling::Toml => "put it into [ and ], or write its header as [[name]]".to_owned(),
            }),
            Value::Array(items) => match items.as_slice() {
                [only] if self.fits(only) => {
                    Some(format!("write it without the brackets: {}", self.spelling.value(only)))
                }
                _ if self.wants(JsonType::String) => Some("write one text instead of a list".to_owned()),
                _ => None,
            },
            Value::Null => Some(self.empty()),
            _ => None,
        }
    }

    fn instead_of_text(&self, text: &str) -> Option<String> {
        if self.wants(JsonType::Null) && matches!(text, "" | "null" | "~") {
            return Some("write null without quotes".to_owned());
        }
        self.number(text)
            .or_else(|| self.truth(text).filter(|_| self.wants(JsonType::Boolean)))
            .or_else(|| self.wants(JsonType::Array).then(|| self.list()))
    }

    /// How a number is written that stands in a text; no digit is ever left out.
    fn number(&self, text: &str) -> Option<String> {
        if !self.wants(JsonType::Number) && !self.wants(JsonType::Integer) {
            return None;
        }
        let text = text.trim();
        let fits = |text: &str| self.wants(JsonType::Number) || integer(text).as_deref() == Some(text);
        if is_number(text) && fits(text) {
            return Some(match meant(text) {
                Some(Meant::Either(thousands, _)) => {
                    format!("write it without quotes: {text}, or {thousands} if the point stands between thousands")
                }
                _ => format!("write it without quotes: {text}"),
            });
        }
        let only_integers = !self.wants(JsonType::Number);
        let whole = |number: &str| if only_integers { integer(number) } else { Some(number.to_owned()) };
        if is_number(text) {
            return Some(match whole(text) {
                Some(integer) => format!("write it without quotes, and with digits alone: {integer}"),
                None => "write a whole number, without quotes".to_owned(),
            });
        }
        let help = match meant(text) {
            Some(Meant::Comma(number)) => {
                whole(&number).map(|number| format!("write it with a point and without quotes: {number}"))
            }
            Some(Meant::Thousands(number)) => whole(&number)
                .map(|number| format!("a number has no thousands separators and no quotes: write {number}")),
            Some(Meant::Either(number, fraction)) => Some(match whole(&fraction) {
                Some(fraction) => format!(
                    "a number has no thousands separators and no quotes: write {number}, or {fraction} if a decimal \
                     comma was meant"
                ),
                None => format!("a number has no thousands separators and no quotes: write {number}"),
            }),
            Some(Meant::Unit(number, unit)) => whole(&number).map(|number| {
                format!("{} is no part of a number: write the number alone, without quotes: {number}", quoted(&unit))
            }),
            None => {
                let odd = text.chars().find(|c| !c.is_ascii_digit() && !matches!(c, '.' | '-'));
                let odd = odd.filter(|_| text.starts_with(|c: char| c.is_ascii_digit() || c == '-'))?;
                return Some(format!("{odd:?} is no part of a number: write digits, and no quotes"));
            }
        };
        Some(help.unwrap_or_else(|| "write a whole number, without quotes".to_owned()))
    }

    fn truth(&self, text: &str) -> Option<String> {
        let meant = match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "1" => true,
            "false" | "no" | "off" | "n" | "0" => false,
            _ => return None,
        };
        Some(if matches!(text, "true" | "false") {
            format!("write it without quotes: {meant}")
        } else {
            format!("write {meant}, without quotes")
        })
    }

    fn list(&self) -> String {
        if let (Spelling::Yaml, Value::String(text)) = (self.spelling, self.value)
            && text.starts_with('-')
            && text.contains(char::is_alphabetic)
            && self.written.as_deref().is_none_or(|written| written.starts_with('-'))
        {
            return "write a space behind the - of each item: \"- a\" and not \"-a\"".to_owned();
        }
        let items: Vec<Value> = match self.value {
            Value::String(text) if text.contains(',') => {
                text.split(',').map(str::trim).filter(|part| !part.is_empty()).take(5).map(Value::from).collect()
            }
            value => vec![value.clone()],
        };
        let written = self.spelling.value(&Value::Array(items));
        if written.len() > 120 {
            "write a list: put [ and ] around it".to_owned()
        } else {
            format!("write a list: {written}")
        }
    }

    fn fits(&self, value: &Value) -> bool {
        match value {
            Value::String(_) => self.wants(JsonType::String),
            Value::Number(_) => self.wants(JsonType::Number),
            Value::Bool(_) => self.wants(JsonType::Boolean),
            Value::Object(_) => self.wants(JsonType::Object),
            _ => false,
        }
    }

    fn empty(&self) -> String {
        let is_blank = self.written.as_deref().is_none_or(|written| written.trim().is_empty());
        let instead = if self.is_required { "" } else { ", or take the field away" };
        if self.spelling == Spelling::Yaml && is_blank {
            format!("nothing stands behind the colon: write a value there{instead}")
        } else {
            format!("write a value there{instead}")
        }
    }

    /// How the group of fields is written that is wanted.
    fn fields(&self, holder: &Map<String, Value>, schema: &Value) -> Option<String> {
        if !self.wants(JsonType::Object) {
            return None;
        }
        let required = holder.get("required").and_then(Value::as_array);
        let mut names: Vec<&str> = required.into_iter().flatten().filter_map(Value::as_str).take(3).collect();
        if names.is_empty() {
            names = origin::properties(holder).take(2).collect();
        }
        let value = |name: &&str| origin::field(schema, holder, name).map(|field| origin::example(schema, field));
        let members: Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), value(name).unwrap_or_else(|| "…".into()))).collect();
        if members.is_empty() {
            return None;
        }
        Some(format!("write its fields, as in {}", self.spelling.value(&Value::Object(members))))
    }
}

/// The digits of a number that has no fraction, however it is written.
fn integer(number: &str) -> Option<String> {
    if number.parse::<i64>().is_ok() {
        return Some(number.to_owned());
    }
    let float: f64 = number.parse().ok()?;
    (float.fract() == 0.0 && float.abs() < 1e15).then(|| format!("{float}"))
}

/// A value is none of those that the schema lists.
pub(super) fn not_listed(error: &ValidationError<'_>, options: &Value, reading: &Reading<'_>) -> Explanation {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    none_of(about(error, &ENUM, ""), error.instance(), options, reading)
}

/// Says which values are allowed instead of this one.
pub(super) fn none_of(
    explanation: Explanation,
    value: &Value,
    options: &[Value],
    reading: &Reading<'_>,
) -> Explanation {
    let message = format!("{} is not one of the values allowed here", shown(value));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let spelt = text(value);
    // The same letters as another kind of value: 5 and "5".
    let alike = options.iter().find(|option| text(option) == spelt && *option != value);
    let named: Vec<String> = options.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let near = value
        .as_str()
        .and_then(|text| nearest(text, named.iter().map(String::as_str)).or_else(|| longer(text, &named)));
    let help = match (alike, near) {
        (Some(Value::String(text)), _) => format!("write it in quotes: {}", shown(&text.as_str().into())),
        (Some(other), _) => format!("write it without quotes: {other}"),
        (None, Some(near)) => format!("did you mean {}?", shown(&near.into())),
        (None, None) => {
            let options: Vec<String> = options.iter().map(|option| reading.spelling.value(option)).collect();
            format!("write {}", choice(&options))
        }
    };
    Explanation { message, ..explanation }.help(help)
}

/// The only name that begins like this text.
fn longer<'n>(text: &str, names: &'n [String]) -> Option<&'n str> {
    let text = text.to_lowercase();
    let mut alike = names.iter().filter(|name| text.len() > 2 && name.to_lowercase().starts_with(&text));
    alike.next().filter(|_| alike.next().is_none()).map(String::as_str)
}

/// A value is not the only one that is allowed.
pub(super) fn not_const(error: &ValidationError<'_>, expected: &Value, reading: &Reading<'_>) -> Explanation {
    let message = format!("{} is not {}, the only value allowed here", shown(error.instance()), shown(expected));
    let written = reading.spelling.value(expected);
    let explanation = about(error, &CONST, message);
    if written.len() > 200 { explanation } else { explanation.help(format!("write {written}")) }
}
