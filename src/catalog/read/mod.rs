//! Texts into values: JSON, YAML, TOML and Markdown front matter, each with the places of what it holds.
//!
//! A value is what the rest of the program works with. Places are found by a second, slower pass and only for the files
//! that need them, so a library without findings never pays for positions.

mod front_matter;
mod json;
mod json_places;
mod json_slips;
pub mod number_text;
mod slips;
mod toml;
mod yaml;
mod yaml_node;
mod yaml_scalar;
mod yaml_slips;

use serde_json::Value;

use super::place::{Inside, Lines, Places, child_pointer};
use crate::finding::words::{QUOTED, cut};
use crate::finding::{Code, Finding, Span, codes};
use crate::ids::RepoPath;

/// How deep arrays and objects may stand in each other, in every notation.
pub const MAX_DEPTH: usize = 64;
/// How many values one record may hold after YAML aliases are expanded.
pub const MAX_VALUES: usize = 500_000;
/// How many findings of one kind are told of one file.
const MOST_OF_A_KIND: usize = 100;
/// How large a record's file may be, in bytes.
pub const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

/// How many bytes the pointers of all values of a file may take together.
const MOST_NAMES: usize = 64 << 20;

codes! {
    SYNTAX "syntax"
        "The file is not valid JSON, YAML or TOML. The message says what the parser met and where."
    DUPLICATE_KEY "duplicate-key"
        "A key stands twice in one object. Programs disagree on which one counts: keep one."
    CONFLICT_MARKERS "conflict-markers"
        "Git could not merge two versions of the file and left both in it, between lines `<<<<<<<` and `>>>>>>>`. \
         Keep what is right and take the lines away."
    NOT_UTF8 "not-utf8"
        "The file has bytes that are not UTF-8 text. Save it with the encoding UTF-8."
    BYTE_ORDER_MARK "byte-order-mark"
        "The file begins with a byte order mark, which many programs refuse. Save it as UTF-8 without BOM."
    TOO_DEEP "too-deep"
        "Lists and groups stand in each other more than 64 deep. Make it flatter."
    TOO_MANY_VALUES "too-many-values"
        "The record holds more values than `limits.values` in stockroom.yml lets it (500,000 at most), or its YAML \
         aliases expand to that many; or names of fields are so long that the paths of all values take more than 64 MiB."
    NO_JSON_VALUE "no-json-value"
        "The file uses something that JSON cannot say: NaN, infinity, a custom YAML tag, a key that is a list, a \
         merge key, or several documents in one file."
    NOT_AN_OBJECT "not-an-object"
        "A record is a group of fields at its top (an object, a mapping), not a list or a single value."
    IMPRECISE "imprecise-number"
        "An integer beyond 9,007,199,254,740,992 (2 to the 53rd) becomes another number in most programs that read \
         JSON, and in the manifest. Write it as a text."
    NO_FRONT_MATTER "no-front-matter"
        "A Markdown record begins with front matter between two lines `---` (YAML) or `+++` (TOML)."
}

/// The notation of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// RFC 8259.
    Json,
    /// YAML 1.2, core schema.
    Yaml,
    /// TOML 1.0.
    Toml,
    /// YAML or TOML front matter of a Markdown file.
    Markdown,
}

impl Notation {
    /// The notation that the file's extension names.
    pub fn of(path: &RepoPath) -> Option<Self> {
        Some(match path.extension().to_ascii_lowercase().as_str() {
            "json" => Self::Json,
            "yaml" | "yml" => Self::Yaml,
            "toml" => Self::Toml,
            "md" | "markdown" => Self::Markdown,
            _ => return None,
        })
    }
}

/// What is wrong with a text, before anybody knows which file it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: &'static Code,
    pub(super) span: Span,
    pub(super) pointer: String,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Problem {
    fn new(code: &'static Code, span: Span, message: impl Into<String>) -> Self {
        Self { code, span, pointer: String::new(), message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    fn into_finding(self, path: &RepoPath) -> Finding {
        let finding = Finding::error(self.code, path.clone(), self.message).at(self.span).about(self.pointer);
        Finding { help: self.help, ..finding }
    }
}

/// A text that has become a value.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its notation.
    pub notation: Notation,
    /// Its text, without a byte order mark.
    pub text: String,
    /// Its value; object keys are unique.
    pub value: Value,
}

impl Document {
    /// Where everything stands; reads the text once more.
    pub fn places(&self) -> Places {
        let places = match self.notation {
            Notation::Json => Ok(json_places::places(&self.text)),
            Notation::Yaml => yaml::read(&self.text, MAX_VALUES).map(|(_, places)| places),
            Notation::Toml => {
                toml::read(&self.text, MAX_VALUES).map(|(_, places)| places).map_err(|problem| vec![problem])
            }
            Notation::Markdown => front_matter::read(&self.text, MAX_VALUES).map(|(_, places)| places),
        };
        // The text was accepted once; were it refused now, the file as a whole is the best place there is.
        places.unwrap_or_else(|_| Places::scalar(Span::start()))
    }
}

/// Reads a record or a configuration: either a document, perhaps with warnings, or the findings that say why not.
pub fn read(path: &RepoPath, notation: Notation, bytes: Vec<u8>) -> (Option<Document>, Vec<Finding>) {
    read_within(path, notation, bytes, MAX_VALUES)
}

/// Reads a text that may hold at most this many values, and never more than [`MAX_VALUES`].
pub fn read_within(
    path: &RepoPath,
    notation: Notation,
    bytes: Vec<u8>,
    most_values: usize,
) -> (Option<Document>, Vec<Finding>) {
    let most_values = most_values.min(MAX_VALUES);
    let mut findings = Vec::new();
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return (None, vec![not_utf8(path, &error)]),
    };
    if text.starts_with('\u{feff}') {
        findings.push(
            Finding::warning(&BYTE_ORDER_MARK, path.clone(), "the file begins with a byte order mark (BOM)")
                .help("save it as UTF-8 without BOM"),
        );
        text.drain(..'\u{feff}'.len_utf8());
    }
    let value = match notation {
        Notation::Json => json::read(&text, most_values),
        Notation::Yaml => yaml::value(&text, most_values).map(looked_at),
        Notation::Toml => {
            toml::read(&text, most_values).map(|(value, _)| looked_at(value)).map_err(|problem| vec![problem])
        }
        Notation::Markdown => front_matter::value(&text, most_values).map(looked_at),
    };
    match value {
        Ok((value, is_exact)) if value.is_object() => {
            if names(&value, 0) > MOST_NAMES {
                let message = "the names of its fields are too long for the many values that stand below them";
                let help = "shorten the longest names, or make several files of it";
                findings.push(Finding::error(&TOO_MANY_VALUES, path.clone(), message).help(help));
                return (None, findings);
            }
            let document = Document { notation, text, value };
            // Almost every record is: to see that takes no pointers and no places.
            if !is_exact {
                findings.extend(imprecise(path, &document));
            }
            (Some(document), findings)
        }
        Ok((value, _)) => {
            let message = match &value {
                Value::Null if holds_only_comments(notation, &text) => "the file holds only comments".to_owned(),
                Value::Null => "the file is empty".to_owned(),
                value => format!("the file holds {} where a group of fields is wanted", kind_of(value)),
            };
            let help = match notation {
                Notation::Json => "write the record's fields as \"key\": value between { and }",
                _ => "write the record's fields as key: value, each on its line, with a space behind the colon",
            };
            findings.push(Finding::error(&NOT_AN_OBJECT, path.clone(), message).help(help));
            (None, findings)
        }
        Err(problems) => {
            let problems = slips::recognise(notation, &text, problems);
            findings.extend(problems.into_iter().map(|problem| problem.into_finding(path)));
            (None, findings)
        }
    }
}

/// How many bytes the pointers of all values take together: rules that look at each of them keep as many.
fn names(value: &Value, above: usize) -> usize {
    match value {
        Value::Array(items) => {
            let own = above.saturating_add(6);
            items.iter().map(|item| names(item, own)).fold(own, usize::saturating_add)
        }
        Value::Object(members) => {
            let inner = members.iter().map(|(key, value)| names(value, above.saturating_add(key.len() + 1)));
            inner.fold(above, usize::saturating_add)
        }
        _ => above,
    }
}

fn holds_only_comments(notation: Notation, text: &str) -> bool {
    let matter = if notation == Notation::Markdown {
        front_matter::split(text).map_or(text, |(matter, _)| matter)
    } else {
        text
    };
    matter.lines().any(|line| line.trim_start().starts_with('#'))
}

/// A value's kind in words, with its article.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "an empty value (null)",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "a whole number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a group of fields",
    }
}

fn not_utf8(path: &RepoPath, error: &std::string::FromUtf8Error) -> Finding {
    let good = error.utf8_error().valid_up_to();
    let before = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default()).into_owned();
    let span = Lines::new(&before).span(good..good);
    let byte = error.as_bytes().get(good).copied().unwrap_or_default();
    let is_utf16 = matches!(error.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    let message = match char::from(byte) {
        _ if is_utf16 => "the file is saved as UTF-16".to_owned(),
        likely if byte >= 0xa0 => {
            format!("the byte 0x{byte:02x} is not UTF-8 text; in an older encoding it is {likely:?}")
        }
        _ => format!("the byte 0x{byte:02x} is not UTF-8 text"),
    };
    let span = if is_utf16 { Span::start() } else { Span::at(span.line, span.column) };
    Finding::error(&NOT_UTF8, path.clone(), message).at(span).help("save the file with the encoding UTF-8")
}

/// Every key that stands a second time in its object.
fn duplicate_keys(places: &Places) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut rest = vec![(String::new(), places)];
    while let Some((pointer, at)) = rest.pop() {
        match &at.inside {
            Inside::Scalar => {}
            Inside::Items(items) => {
                rest.extend(items.iter().enumerate().map(|(index, item)| (format!("{pointer}/{index}"), item)));
            }
            Inside::Members(members) => {
                let mut seen = std::collections::BTreeMap::new();
                for member in members {
                    let place = child_pointer(&pointer, &member.key);
                    if let Some(first) = seen.insert(&member.key, member.key_span.line) {
                        let message = format!("the key {:?} stands twice, first on line {first}", member.key);
                        let problem =
                            Problem::new(&DUPLICATE_KEY, member.key_span, message).help("keep one of the two");
                        problems.push(Problem { pointer: place.clone(), ..problem });
                    }
                    rest.push((place, &member.value));
                }
            }
        }
    }
    problems.sort_by_key(|problem| problem.span);
    problems.truncate(MOST_OF_A_KIND);
    problems
}

/// Warns of integers that change when they are written as JSON numbers: RFC 8785 and JavaScript know 53 bits of them.
fn imprecise(path: &RepoPath, document: &Document) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut rest = vec![(String::new(), &document.value)];
    while let Some((pointer, value)) = rest.pop() {
        match value {
            Value::Number(number) if !is_exact(number) && found.len() < MOST_OF_A_KIND => found.push((pointer, number)),
            Value::Array(items) => {
                rest.extend(items.iter().enumerate().map(|(index, item)| (format!("{pointer}/{index}"), item)));
            }
            Value::Object(members) => {
                rest.extend(members.iter().map(|(key, value)| (child_pointer(&pointer, key), value)));
            }
            _ => {}
        }
    }
    if found.is_empty() {
        return Vec::new();
    }
    let (places, lines) = (document.places(), Lines::new(&document.text));
    let finding = |(pointer, number): (String, &serde_json::Number)| {
        let span = places.nearest(&pointer);
        let written = lines.line_with(span).and_then(|(line, at)| line.get(at)).unwrap_or_default();
        // A float may be as large as it likes; an integer that was read as one may not.
        let digits = written.trim_start_matches(['-', '+']);
        let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let shown = if number.is_f64() { written.to_owned() } else { number.to_string() };
        let shown = cut(&shown, QUOTED);
        let finding =
            Finding::warning(&IMPRECISE, path.clone(), format!("the integer {shown} is too large to be kept exactly"));
        let finding = finding.at(span).about(pointer).help(format!("write it in quotes: \"{shown}\""));
        (is_integer || !number.is_f64()).then_some(finding)
    };
    found.into_iter().filter_map(finding).collect()
}

/// A value, and whether all its integers are exact for certain.
fn looked_at(value: Value) -> (Value, bool) {
    let is_exact = all_exact(&value);
    (value, is_exact)
}

fn all_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => is_exact(number),
        Value::Array(items) => items.iter().all(all_exact),
        Value::Object(members) => members.values().all(all_exact),
        _ => true,
    }
}

fn is_exact(number: &serde_json::Number) -> bool {
    const EXACT: u64 = 1 << 53;
    match (number.as_i64(), number.as_u64()) {
        (Some(integer), _) => integer.unsigned_abs() <= EXACT,
        (None, Some(integer)) => integer <= EXACT,
        // What does not fit into 64 bits has been read as a float: whether it was an integer shows in the text.
        (None, None) => number.as_f64().is_none_or(|float| float.abs() < 9_223_372_036_854_775_808.0),
    }
}

#[cfg(test)]
mod tests;
