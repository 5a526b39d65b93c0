//! JSON by serde_json, with unique keys and one depth limit.

use std::cell::Cell;
use std::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::super::place::Lines;
use super::{MAX_DEPTH, Problem, SYNTAX, TOO_DEEP, TOO_MANY_VALUES, duplicate_keys, is_exact, json_places};

const DUPLICATE: &str = "stockroom: a key stands twice";
const DEEP: &str = "stockroom: too deep";
const MANY: &str = "stockroom: too many values";

/// Reads a text; says also whether all its integers are exact.
pub(super) fn read(text: &str, most: usize) -> Result<(Value, bool), Vec<Problem>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let (values, exact) = (Cell::new(0), Cell::new(true));
    let seed = Unique { depth: 0, values: &values, most, exact: &exact };
    let error = match seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value)) {
        Ok(value) => return Ok((value, exact.get())),
        Err(error) => error,
    };
    let words = error.to_string();
    if words.starts_with(DUPLICATE) {
        // A syntax error further down outranks it, since no place after it can be trusted.
        let mut plain = serde_json::Deserializer::from_str(text);
        return match serde::de::IgnoredAny::deserialize(&mut plain).and_then(|_| plain.end()) {
            Ok(()) => Err(duplicate_keys(&json_places::places(text))),
            Err(error) => Err(vec![syntax(text, most, &error)]),
        };
    }
    Err(vec![syntax(text, most, &error)])
}

fn syntax(text: &str, most: usize, error: &serde_json::Error) -> Problem {
    let lines = Lines::new(text);
    // serde_json counts lines by LF alone and columns in bytes.
    let line_start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    let offset = line_start + error.column().saturating_sub(1);
    let width = text.get(offset..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let span = lines.span(offset..offset + width);
    let words = error.to_string();
    let words = words.rsplit_once(" at line ").map_or(words.as_str(), |(words, _)| words);
    if words.starts_with(DEEP) || words.starts_with("recursion limit") {
        return Problem::new(&TOO_DEEP, span, format!("lists and groups stand more than {MAX_DEPTH} deep"));
    }
    if words.starts_with(MANY) {
        return Problem::new(&TOO_MANY_VALUES, span, format!("the file holds more than {most} values"));
    }
    let problem = Problem::new(&SYNTAX, span, format!("not valid JSON: {words}"));
    match advice(words) {
        Some(help) => problem.help(help),
        None => problem,
    }
}

fn advice(words: &str) -> Option<&'static str> {
    let table = [
        ("trailing comma", "take away the comma before the closing bracket"),
        ("key must be a string", "write every key in double quotes; a comma after the last member must go"),
        ("expected `,`", "a comma is missing between this and what stands before it"),
        ("expected `:`", "a colon is missing between the key and its value"),
        ("EOF", "the file ends too early: a bracket or a quote is not closed"),
        ("control character", "a line break or tab inside a string is written \\n or \\t"),
        ("invalid escape", "a backslash in a string is written \\\\"),
        ("trailing characters", "something stands after the record's closing bracket"),
        ("number out of range", "the number is too large to be stored"),
        ("expected value", "a value is missing or is not in double quotes"),
        ("expected ident", "only true, false and null stand without quotes"),
    ];
    table.iter().find(|(part, _)| words.contains(part)).map(|(_, help)| *help)
}

/// Builds a value whose objects have each key once.
#[derive(Clone, Copy)]
struct Unique<'c> {
    depth: usize,
    values: &'c Cell<usize>,
    most: usize,
    exact: &'c Cell<bool>,
}

impl Unique<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH { Err(E::custom(DEEP)) } else { Ok(Self { depth: self.depth + 1, ..self }) }
    }

    fn looked_at(self, number: Number) -> Number {
        self.exact.set(self.exact.get() && is_exact(&number));
        number
    }

    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > self.most { Err(E::custom(MANY)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(self.looked_at(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(self.looked_at(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, |number| Value::Number(self.looked_at(number))))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            self.count()?;
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.count()?;
            let value = members.next_value_seed(inner)?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(object))
    }
}
