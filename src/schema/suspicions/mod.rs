//! What a schema says and its author most likely did not mean: it compiles, and lets through what it should refuse.

mod open;
mod pattern;

pub(super) use open::accepts_everything;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::explain::{Aim, Explanation};
use super::keyword::{KEYWORDS, Keyword, Role, Takes, is_foreign, keyword, subschemas};
use super::settings::{DraftName, FormatPolicy, Policy};
use super::validate::locate;
use crate::catalog::place::child_pointer;
use crate::catalog::read::Document;
use crate::finding::words::{QUOTED, cut, quoted};
use crate::finding::{Code, Finding, Severity, codes};
use crate::ids::RepoPath;

/// How many suspicions about one schema are told.
const MOST: usize = 50;

codes! {
    SCHEMA_KEYWORD "schema-keyword"
        "A keyword of a schema is misspelt, so it does nothing and records are not held to it. Correct it."
    SCHEMA_DRAFT "schema-draft"
        "A keyword of a schema belongs to another draft than the one that is in force, so it does nothing. Name its \
         draft in `$schema`, or write it in the words of the draft."
    SCHEMA_IGNORED "schema-ignored"
        "Up to draft-07 what stands beside a `$ref` does not count. Put both into an `allOf`, or name a later draft \
         in `$schema`."
    SCHEMA_DIALECT "schema-dialect"
        "A schema's `$schema` names no draft that Stockroom knows, so it is read as draft 2020-12."
    SCHEMA_OPEN "schema-open"
        "A schema accepts every record, so its records are not checked at all."
    SCHEMA_REGEX "schema-regex"
        "A `pattern` is written for another engine than JSON Schema's (ECMA-262), or takes exponential time on some \
         texts."
    SCHEMA_NEVER "schema-never"
        "A schema contradicts itself, such as a `minimum` above the `maximum`: no value can follow it."
    SCHEMA_ENUM "schema-enum"
        "An `enum` lists a value twice. Most often one of the two was meant to be another."
    SCHEMA_FORMAT "schema-format"
        "A schema names a `format` that is not checked, because it is misspelt or the draft does not have it."
}

/// All that is suspicious about a schema, in the order of [`crate::finding::sort`], as warnings on their places.
pub fn findings(path: &RepoPath, document: &Document, policy: Policy) -> Vec<Finding> {
    let suspicions = suspicions(&document.value, policy);
    if suspicions.is_empty() {
        return Vec::new();
    }
    locate(suspicions, path, Severity::Warning, &document.places())
}

/// All that is suspicious about a schema.
pub fn suspicions(root: &Value, policy: Policy) -> Vec<Explanation> {
    let mut all = Suspicions { draft: policy.draft_of(root), formats: policy.format, found: Vec::new() };
    all.dialect(root);
    if accepts_everything(root, root) {
        let message = "this schema accepts every record: nothing in it is a rule".to_owned();
        all.tell(&SCHEMA_OPEN, String::new(), Aim::Value, message, Some("add `properties` and `required`".to_owned()));
    }
    for (pointer, schema) in subschemas(root) {
        if let Some(schema) = schema.as_object() {
            all.schema(&pointer, schema);
        }
        if all.found.len() >= MOST {
            break;
        }
    }
    all.found
}

struct Suspicions {
    draft: DraftName,
    formats: FormatPolicy,
    found: Vec<Explanation>,
}

type Members = Map<String, Value>;

impl Suspicions {
    fn tell(&mut self, code: &'static Code, pointer: String, aim: Aim, message: String, help: Option<String>) {
        let explanation = Explanation::new(code, pointer, message).aim(aim);
        self.found.push(match help {
            Some(help) => explanation.help(help),
            None => explanation,
        });
    }

    fn dialect(&mut self, root: &Value) {
        let Some(uri) = root.get("$schema").and_then(Value::as_str) else { return };
        if DraftName::of_uri(uri).is_none() {
            let message = format!("`$schema` is {}, which is no draft of JSON Schema", quoted(uri));
            let help = "it is read as draft 2020-12, https://json-schema.org/draft/2020-12/schema".to_owned();
            self.tell(&SCHEMA_DIALECT, "/$schema".to_owned(), Aim::Value, message, Some(help));
        }
    }

    fn schema(&mut self, at: &str, schema: &Members) {
        for (name, value) in schema {
            let pointer = child_pointer(at, name);
            match keyword(name) {
                Some(keyword) => self.known(keyword, pointer, value, schema),
                None => self.unknown(name, pointer, value),
            }
        }
        self.beside_ref(at, schema);
        self.bounds(at, schema);
        self.impossible(at, schema);
        self.repeated(at, schema);
        self.patterns(at, schema);
        self.format(at, schema);
    }

    /// A keyword that another draft knows, and this one passes over.
    fn known(&mut self, keyword: &Keyword, pointer: String, value: &Value, schema: &Members) {
        let draft = self.draft;
        if !keyword.is_in(draft) {
            let (verb, other) =
                if draft < keyword.since { ("came with", keyword.since) } else { ("ended with", keyword.until) };
            let message =
                format!("`{}` {verb} draft {} and does nothing in draft {}", keyword.name, short(other), short(draft));
            let cure = cure(keyword.name, draft, schema);
            self.tell(&SCHEMA_DRAFT, pointer, Aim::Key, message, Some(cure));
        } else if keyword.name == "items" && value.is_array() && draft == DraftName::Draft202012 {
            let message = "`items` as a list does not count in draft 2020-12".to_owned();
            self.tell(&SCHEMA_DRAFT, pointer, Aim::Key, message, Some("it is called `prefixItems` there".to_owned()));
        }
    }

    /// A word that no draft knows: a slip, if it is close to one that takes such a value.
    fn unknown(&mut self, name: &str, pointer: String, value: &Value) {
        if is_foreign(name) {
            return;
        }
        if let Some(meant) = meant(name, value) {
            let message = format!("{} is no keyword of JSON Schema, so it does nothing", quoted(name));
            self.tell(&SCHEMA_KEYWORD, pointer, Aim::Key, message, Some(format!("did you mean {meant:?}?")));
        }
    }

    fn beside_ref(&mut self, at: &str, schema: &Members) {
        if self.draft > DraftName::Draft7 || !schema.get("$ref").is_some_and(Value::is_string) {
            return;
        }
        let counts = |name: &&String| keyword(name).is_some_and(|keyword| keyword.role == Role::Rule);
        let ignored: Vec<&String> = schema.keys().filter(counts).collect();
        let Some(first) = ignored.first() else { return };
        let names = ignored.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message = format!("{names} beside `$ref` does not count in draft {}", short(self.draft));
        let help = "write \"allOf\": [{\"$ref\": …}] beside it, or name draft 2019-09 or later in `$schema`".to_owned();
        self.tell(&SCHEMA_IGNORED, child_pointer(at, first), Aim::Key, message, Some(help));
    }

    fn bounds(&mut self, at: &str, schema: &Members) {
        const PAIRS: [(&str, &str, bool); 8] = [
            ("minimum", "maximum", false),
            ("minimum", "exclusiveMaximum", true),
            ("exclusiveMinimum", "maximum", true),
            ("exclusiveMinimum", "exclusiveMaximum", true),
            ("minLength", "maxLength", false),
            ("minItems", "maxItems", false),
            ("minProperties", "maxProperties", false),
            ("minContains", "maxContains", false),
        ];
        for (low, high, is_strict) in PAIRS {
            let number = |name: &str| schema.get(name).and_then(Value::as_f64);
            let (Some(least), Some(most)) = (number(low), number(high)) else { continue };
            if least > most || (is_strict && least >= most) {
                let message = format!("no value can follow `{low}` {least} and `{high}` {most}");
                let help = format!("make `{low}` less than `{high}`");
                self.tell(&SCHEMA_NEVER, child_pointer(at, low), Aim::Key, message, Some(help));
            }
        }
    }

    /// A member that must be there and may not.
    fn impossible(&mut self, at: &str, schema: &Members) {
        let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        if !is_closed || schema.contains_key("patternProperties") {
            return;
        }
        let known = schema.get("properties").and_then(Value::as_object);
        for (index, name) in required(schema) {
            if known.is_some_and(|known| known.contains_key(name)) {
                continue;
            }
            let pointer = format!("{at}/required/{index}");
            let message =
                format!("{} is required, but `properties` does not have it and no other is allowed", quoted(name));
            let near = super::explain::nearest(name, known.into_iter().flat_map(Members::keys).map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean {near:?}?"),
                None => "add it to `properties`".to_owned(),
            };
            self.tell(&SCHEMA_NEVER, pointer, Aim::Value, message, Some(help));
        }
    }

    fn repeated(&mut self, at: &str, schema: &Members) {
        let Some(Value::Array(values)) = schema.get("enum") else { return };
        let mut seen = BTreeSet::new();
        for (index, value) in values.iter().enumerate() {
            let text = value.to_string();
            if seen.contains(&text) {
                let message = format!("{} stands twice in this `enum`", cut(&text, QUOTED));
                self.tell(&SCHEMA_ENUM, format!("{at}/enum/{index}"), Aim::Value, message, None);
            }
            seen.insert(text);
        }
    }

    fn patterns(&mut self, at: &str, schema: &Members) {
        let own =
            schema.get("pattern").and_then(Value::as_str).map(|text| (child_pointer(at, "pattern"), text, Aim::Value));
        let keys = schema.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Members::keys);
        let below = child_pointer(at, "patternProperties");
        let keys = keys.map(|text| (child_pointer(&below, text), text.as_str(), Aim::Key));
        for (pointer, text, aim) in own.into_iter().chain(keys) {
            if let Some(what) = pattern::foreign(text) {
                let message =
                    format!("the pattern has {what}, which is not of ECMA-262, the language of JSON Schema's patterns");
                let help = "other programs read it in another way or refuse it".to_owned();
                self.tell(&SCHEMA_REGEX, pointer, aim, message, Some(help));
            } else if pattern::is_explosive(text) {
                let message =
                    "the pattern repeats a group that repeats itself: on some texts it takes exponential time"
                        .to_owned();
                self.tell(&SCHEMA_REGEX, pointer, aim, message, Some("(a+)+ says no more than a+".to_owned()));
            }
        }
    }

    fn format(&mut self, at: &str, schema: &Members) {
        let Some(name) = schema.get("format").and_then(Value::as_str) else { return };
        if self.formats == FormatPolicy::Off || is_note_of_openapi(name) {
            return;
        }
        let pointer = child_pointer(at, "format");
        match FORMATS.iter().find(|(known, _)| *known == name) {
            Some((_, since)) if self.draft >= *since => {}
            Some((_, since)) => {
                let message = format!(
                    "the format {name:?} came with draft {} and is not checked in draft {}",
                    short(*since),
                    short(self.draft)
                );
                self.tell(
                    &SCHEMA_FORMAT,
                    pointer,
                    Aim::Value,
                    message,
                    Some("name a later draft in `$schema`".to_owned()),
                );
            }
            None => {
                let message = format!("the format {} is not checked: Stockroom does not know it", quoted(name));
                let near = super::explain::nearest(name, FORMATS.iter().map(|(known, _)| *known));
                let help = match near {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "a `pattern` beside it would be checked".to_owned(),
                };
                self.tell(&SCHEMA_FORMAT, pointer, Aim::Value, message, Some(help));
            }
        }
    }
}

/// The formats that the validator checks, each with the first draft in which it does.
static FORMATS: &[(&str, DraftName)] = &[
    ("date", DraftName::Draft4),
    ("date-time", DraftName::Draft4),
    ("time", DraftName::Draft4),
    ("duration", DraftName::Draft201909),
    ("email", DraftName::Draft4),
    ("hostname", DraftName::Draft4),
    ("ipv4", DraftName::Draft4),
    ("ipv6", DraftName::Draft4),
    ("uri", DraftName::Draft4),
    ("uri-reference", DraftName::Draft6),
    ("uri-template", DraftName::Draft6),
    ("iri", DraftName::Draft7),
    ("iri-reference", DraftName::Draft7),
    ("json-pointer", DraftName::Draft6),
    ("relative-json-pointer", DraftName::Draft7),
    ("regex", DraftName::Draft4),
    ("uuid", DraftName::Draft201909),
];

/// Formats that OpenAPI and editors use as notes for programs and nobody expects to be checked.
fn is_note_of_openapi(name: &str) -> bool {
    let notes = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float double byte binary password color color-hex \
                 markdown html textarea";
    notes.split(' ').any(|note| note == name)
}

fn required(schema: &Members) -> impl Iterator<Item = (usize, &str)> {
    let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    names.enumerate().filter_map(|(index, name)| Some((index, name.as_str()?)))
}

/// The keyword that a word was most likely meant to be.
fn meant(name: &str, value: &Value) -> Option<&'static str> {
    let bare = |name: &str| name.trim_start_matches('$').to_lowercase();
    // No keyword is as long, and to compare takes the product of the lengths.
    if name.len() > 64 {
        return None;
    }
    let wanted = bare(name);
    let candidates = KEYWORDS.iter().filter_map(|keyword| {
        let known = bare(keyword.name);
        let distance = strsim::damerau_levenshtein(&wanted, &known);
        let length = known.chars().count();
        // Short words are close to many others: there the slip is a swap, a letter too many, or a wrong case.
        let is_near = match length {
            0..=4 => distance == 0 || (distance == 1 && wanted.chars().next() == known.chars().next()),
            _ => distance <= (length / 4).clamp(1, 3),
        };
        let is_certain = keyword.takes != Takes::Any || same_letters(&wanted, &known);
        (is_near && is_certain).then_some((distance, keyword))
    });
    let (_, keyword) = candidates.min_by_key(|(distance, keyword)| (*distance, keyword.name))?;
    (keyword.role != Role::Note && keyword.fits(value)).then_some(keyword.name)
}

fn same_letters(a: &str, b: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    sorted(a) == sorted(b)
}

/// What to write instead of a keyword that the draft does not have.
fn cure(name: &str, draft: DraftName, schema: &Members) -> String {
    let later = "or name a later draft in `$schema`";
    match (name, draft) {
        ("$defs", _) => format!("it is called `definitions` there, {later}"),
        ("id", _) => "it is called `$id` there".to_owned(),
        ("$id", _) => "it is called `id` there".to_owned(),
        ("prefixItems", _) => format!("it is `items` with a list there, {later}"),
        ("dependentRequired" | "dependentSchemas", _) => format!("it is called `dependencies` there, {later}"),
        ("const", _) => format!("write `enum` with one value, {later}"),
        ("additionalItems", _) if schema.get("items").is_some_and(Value::is_array) => {
            "write `prefixItems` for `items`, and `items` for it".to_owned()
        }
        ("additionalItems", _) => "leave it out, or write `items` for it beside `prefixItems`".to_owned(),
        ("$recursiveRef", _) => "it is called `$dynamicRef` there".to_owned(),
        ("$recursiveAnchor", _) => "it is called `$dynamicAnchor` there".to_owned(),
        _ => "name the draft that has it in `$schema`".to_owned(),
    }
}

/// A draft as people call it.
fn short(draft: DraftName) -> &'static str {
    draft.as_str().trim_start_matches("draft-0")
}

#[cfg(test)]
mod tests;
