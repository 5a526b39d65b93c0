//! Texts with expressions in double braces, such as `{{ delta.counts.added }} new`.
//!
//! What is filled in comes from the asset repository, and is never read as a template again. What the template itself holds
//! may be a stranger's too (in a pull request), so nothing is taken in by which a small one could become huge: no statements,
//! no multiplication, no filter that repeats its argument without end.

use std::collections::BTreeSet;
use std::io;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, filters};

use super::{MAX_EXTRA_BYTES, MAX_TEMPLATE};

/// Steps that one template may take; the longest that makes sense takes a few hundred.
const FUEL: u64 = 20_000;

/// The most digits that a number in an expression has.
const MOST_DIGITS: usize = 9;

/// Fills in what is known.
pub(super) struct Expressions<'a> {
    environment: Environment<'static>,
    known: &'a serde_json::Value,
    values: Value,
}

impl<'a> Expressions<'a> {
    pub(super) fn new(known: &'a serde_json::Value) -> Self {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(written);
        environment.add_filter("join", join);
        environment.add_filter("length", filters::length);
        environment.add_filter("first", filters::first);
        environment.add_filter("last", filters::last);
        environment.add_filter("upper", filters::upper);
        environment.add_filter("lower", filters::lower);
        environment.add_filter("map", filters::map);
        Self { environment, known, values: Value::from_serialize(known) }
    }

    /// The text with its expressions filled in; else what is wrong with it, to follow the place where it stands.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        self.filled(text)?.map_err(|error| told(&error))
    }

    /// Whether the text could be filled in. Which schemas there are in the library is not known here.
    pub(super) fn try_out(&self, text: &str) -> Result<(), String> {
        match self.filled(text)? {
            Err(error)
                if text.contains("schemas")
                    && matches!(error.kind(), ErrorKind::UndefinedError | ErrorKind::InvalidOperation) =>
            {
                Ok(())
            }
            outcome => outcome.map(drop).map_err(|error| told(&error)),
        }
    }

    fn filled(&self, text: &str) -> Result<Result<String, Error>, String> {
        if !["{{", "{%", "{#"].iter().any(|open| text.contains(open)) {
            return Ok(Ok(text.to_owned()));
        }
        safe(text)?;
        let template = self.environment.template_from_str(text).map_err(|error| told(&error))?;
        if let Some(unknown) = self.unknown(template.undeclared_variables(true).into_iter().collect()) {
            return Err(unknown);
        }
        let mut out = Bounded(Vec::new());
        let rendered = template.render_captured_to(&self.values, &mut out).map(drop);
        let text = String::from_utf8(out.0).map_err(|_| "becomes no text".to_owned())?;
        Ok(rendered.map(|()| text))
    }

    /// A name that means nothing, in a sentence.
    fn unknown(&self, names: BTreeSet<String>) -> Option<String> {
        for name in names {
            let mut at = self.known;
            for part in name.split('.') {
                // The names of schemas are the library's own, and what is null, a list or a number has no fields that count.
                let Some(fields) = at.as_object().filter(|_| !name.starts_with("schemas.")) else { break };
                let Some(next) = fields.get(part) else {
                    let all: Vec<_> = fields.keys().map(|key| format!("`{key}`")).collect();
                    return Some(format!(
                        "names `{name}`, which there is not; `{part}` would be one of {}",
                        all.join(", ")
                    ));
                };
                at = next;
            }
        }
        None
    }
}

/// How a value stands in a text: as in JSON, not as in Python.
fn written(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let many = |what: &str| Err(Error::new(ErrorKind::InvalidOperation, what.to_owned()));
    match value.kind() {
        ValueKind::None => Ok(()),
        ValueKind::Bool => Ok(out.write_str(if value.is_true() { "true" } else { "false" })?),
        ValueKind::Seq | ValueKind::Iterable => {
            many("it is a list; join it, as in `| map(attribute='id') | join(', ')`")
        }
        ValueKind::Map => many("it is a group of fields; name one of them"),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// Lists joined by a text, as long as the outcome could be told.
fn join(list: &Value, between: Option<&str>) -> Result<String, Error> {
    let mut joined = String::new();
    for (i, item) in list.try_iter()?.enumerate() {
        if i > 0 {
            joined.push_str(between.unwrap_or_default());
        }
        joined.push_str(&item.to_string());
        if joined.len() > MAX_EXTRA_BYTES {
            return Err(Error::new(ErrorKind::WriteFailure, "too long"));
        }
    }
    Ok(joined)
}

/// Refuses what could make a small text huge, before a parser sees it, which computes constants as it reads.
///
/// Without braces in an expression, and without comments, the next `}}` is its end, for us as for the parser.
fn safe(text: &str) -> Result<(), String> {
    if text.chars().count() > MAX_TEMPLATE {
        return Err(format!("is a template of more than {MAX_TEMPLATE} characters; say less in it"));
    }
    if text.contains("${{") {
        let why = "refers to a variable of the environment; a payload is for everybody to read, and holds no secrets";
        return Err(why.to_owned());
    }
    if text.contains("{%") || text.contains("{#") {
        return Err("holds `{%` or `{#`; only values can be filled in, as in `{{ delta.counts.added }} new`".to_owned());
    }
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((expression, next)) = after.split_once("}}") else {
            return Err("has `{{` without the `}}` that ends it".to_owned());
        };
        // Numbers at the edge of what a machine can count make the parser's own arithmetic overflow.
        if expression.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > MOST_DIGITS) {
            return Err(format!("has a number of more than {MOST_DIGITS} digits"));
        }
        if let Some(sign) = expression.chars().find(|sign| matches!(sign, '{' | '}' | '*' | '\\' | '`')) {
            return Err(format!("holds `{sign}` between `{{{{` and `}}}}`, which has no meaning there"));
        }
        rest = next;
    }
    Ok(())
}

/// What a template fails of, for who wrote it.
fn told(error: &Error) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    match error.kind() {
        ErrorKind::SyntaxError | ErrorKind::BadEscape => {
            format!("is no template{detail}; values are filled in as in `{{{{ delta.counts.added }}}} new`")
        }
        ErrorKind::UndefinedError => "names something that there is not".to_owned(),
        ErrorKind::UnknownFilter => format!(
            "uses a filter that there is not{detail}; there are `first`, `join`, `last`, `length`, `lower`, `map` and `upper`"
        ),
        ErrorKind::OutOfFuel => "takes too many steps; write a simpler one".to_owned(),
        ErrorKind::WriteFailure => format!("becomes longer than {MAX_EXTRA_BYTES} bytes; say less in it"),
        _ => format!("cannot be filled in{detail}"),
    }
}

/// Takes no more than may be told in all.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_EXTRA_BYTES {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
