//! TOML 1.0 by the toml crate, with its byte spans.

use std::cell::Cell;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::place::{Inside, Lines, Member, Places};
use super::{MAX_DEPTH, NO_JSON_VALUE, Problem, SYNTAX, TOO_DEEP, TOO_MANY_VALUES};

pub(super) fn read(text: &str, most: usize) -> Result<(Value, Places), Problem> {
    let lines = Lines::new(text);
    let table = DeTable::parse(text).map_err(|error| {
        let span = lines.span(error.span().unwrap_or(0..0));
        // The parser's own limit is for the stack; it says so in words alone.
        if error.message().contains("recurs") {
            return Problem::new(&TOO_DEEP, span, format!("lists and groups stand more than {MAX_DEPTH} deep"));
        }
        Problem::new(&SYNTAX, span, format!("not valid TOML: {}", error.message()))
    })?;
    let span = table.span();
    Reader { lines, values: Cell::new(0), most }.table(table.get_ref(), span, 0)
}

struct Reader<'a> {
    lines: Lines<'a>,
    values: Cell<usize>,
    most: usize,
}

impl Reader<'_> {
    fn table(
        &self,
        table: &DeTable<'_>,
        span: std::ops::Range<usize>,
        depth: usize,
    ) -> Result<(Value, Places), Problem> {
        let (mut object, mut members) = (Map::new(), Vec::new());
        for (key, value) in table {
            let (value, places) = self.value(value, depth + 1)?;
            let name = key.get_ref().to_string();
            members.push(Member { key: name.clone(), key_span: self.lines.span(key.span()), value: places });
            object.insert(name, value);
        }
        Ok((Value::Object(object), Places { span: self.lines.span(span), inside: Inside::Members(members) }))
    }

    fn value(&self, spanned: &Spanned<DeValue<'_>>, depth: usize) -> Result<(Value, Places), Problem> {
        let span = self.lines.span(spanned.span());
        if depth > MAX_DEPTH {
            return Err(Problem::new(&TOO_DEEP, span, format!("lists and groups stand more than {MAX_DEPTH} deep")));
        }
        self.values.set(self.values.get() + 1);
        if self.values.get() > self.most {
            return Err(Problem::new(&TOO_MANY_VALUES, span, format!("the file holds more than {} values", self.most)));
        }
        let refuse = |what: String| Problem::new(&NO_JSON_VALUE, span, what);
        let value = match spanned.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(time) => Value::String(time.to_string()),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix());
                Value::Number(number.map_err(|_| refuse(format!("the integer {integer} is too large")))?.into())
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse::<f64>().ok().and_then(Number::from_f64);
                Value::Number(number.ok_or_else(|| refuse(format!("JSON has no number {float}")))?)
            }
            DeValue::Array(array) => {
                let nodes = array.iter().map(|item| self.value(item, depth + 1)).collect::<Result<Vec<_>, _>>()?;
                let (values, items) = nodes.into_iter().unzip();
                return Ok((Value::Array(values), Places { span, inside: Inside::Items(items) }));
            }
            DeValue::Table(table) => return self.table(table, spanned.span(), depth),
        };
        Ok((value, Places::scalar(span)))
    }
}
