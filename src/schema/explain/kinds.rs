//! Values of the wrong kind, and values that are none of those allowed.

use jsonschema::error::TypeKind;
use jsonschema::{JsonType, ValidationError};
use serde_json::{Map, Value};

use super::super::spelling::Spelling;
use super::words::{choice, nearest, shown, subject};
use super::{CONST, ENUM, Explanation, Reading, TYPE, about, origin};

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
    let advice = Advice { wanted, value, written, spelling: reading.spelling };
    let fields = || advice.fields(origin::holder(reading.schema, error)?, reading.schema);
    match advice.give().or_else(fields) {
        Some(help) => explanation.help(help),
        None => explanation,
    }
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

    fn number(&self, text: &str) -> Option<String> {
        if !self.wants(JsonType::Number) && !self.wants(JsonType::Integer) {
            return None;
        }
        let text = text.trim();
        let is_wanted = |text: &str| {
            let is_number = serde_json::from_str::<serde_json::Number>(text).is_ok();
            is_number && (self.wants(JsonType::Number) || text.parse::<i64>().is_ok())
        };
        if is_wanted(text) {
            return Some(format!("write it without quotes: {text}"));
        }
        let with_point = text.replace(',', ".");
        if is_wanted(&with_point) {
            return Some(format!("write it with a point and without quotes: {with_point}"));
        }
        let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-')).unwrap_or(text.len());
        let alone = text.get(..end).unwrap_or_default();
        is_wanted(alone).then(|| format!("write the number alone, without quotes: {alone}"))
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
        if self.spelling == Spelling::Yaml && is_blank {
            "nothing stands behind the colon: write a value there, or take the field away".to_owned()
        } else {
            "write a value there, or take the field away".to_owned()
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
