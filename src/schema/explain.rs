//! The validator's errors in sentences for people who do not know JSON Schema.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use crate::catalog::place::child_pointer;
use crate::catalog::read::kind_of;
use crate::finding::Code;

macro_rules! codes {
    ($($name:ident $id:literal $meaning:literal)*) => {
        $(#[doc = $meaning] pub static $name: Code = Code { id: $id, meaning: $meaning };)*
        /// The codes of what a schema can object to.
        pub static CODES: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    REQUIRED "required" "A member that the schema requires is missing. Add it."
    UNKNOWN_PROPERTY "unknown-property" "The schema knows no member of this name and allows no others. Often a misspelling."
    TYPE "type" "The value is of another type than the schema wants, such as a text where a number belongs."
    ENUM "enum" "The value is none of those that the schema lists."
    CONST "const" "The value is not the one that the schema names."
    FORMAT "format" "The text does not have the format that the schema names, such as an address or a date."
    PATTERN "pattern" "The text does not match the schema's regular expression."
    RANGE "range" "The number is too small, too large, or not a multiple of what the schema names."
    LENGTH "length" "The text, list or object has too few or too many characters, items or members."
    UNIQUE_ITEMS "unique-items" "Two items of a list are equal where the schema wants each once."
    SHAPE "shape" "The value fits none (or more than one) of the shapes among which the schema lets it choose."
    NOT_ALLOWED "not-allowed" "The schema allows nothing here."
    PATTERN_GAVE_UP "pattern-gave-up" "A regular expression took too many steps on this text, so the text counts as wrong."
    SCHEMA_OTHER "schema" "The schema objects in a way that has no code of its own; the message says how."
}

/// Where in the record an explanation points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// At the value.
    Value,
    /// At the key that names it.
    Key,
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
}

/// Explains an error; `schema` is the whole schema that raised it.
pub fn explain(error: &ValidationError<'_>, schema: &Value) -> Vec<Explanation> {
    let pointer = error.instance_path().as_str();
    let value = error.instance().as_ref();
    let one = |code, message: String, help: Option<String>| {
        vec![Explanation { code, pointer: pointer.to_owned(), aim: Aim::Value, message, help }]
    };
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unknown_properties(unexpected, pointer, &known_properties(error, schema))
        }
        Kind::Required { property } => {
            one(&REQUIRED, format!("{} is missing", shown(property)), misspelt(property, value))
        }
        Kind::Type { kind } => one(&TYPE, type_message(kind, value), type_help(kind, value)),
        Kind::Enum { options } => {
            let help = Some(enum_help(value, options));
            one(&ENUM, format!("{} is not one of the values allowed here", shown(value)), help)
        }
        Kind::Constant { expected_value } => {
            one(&CONST, format!("{} is not {}", shown(value), shown(expected_value)), None)
        }
        Kind::Format { format } => one(&FORMAT, format!("{} is no valid {format}", shown(value)), format_help(format)),
        Kind::Pattern { pattern } => {
            let message = format!("{} does not match the pattern {}", shown(value), cut(pattern, 120));
            one(&PATTERN, message, None)
        }
        Kind::OneOfNotValid { context } | Kind::AnyOf { context } => no_branch(context, schema, pointer, value),
        Kind::OneOfMultipleValid { .. } => {
            one(&SHAPE, format!("{} fits more than one of the shapes that exclude each other", kind_of(value)), None)
        }
        Kind::PropertyNames { error } => {
            let key = error.instance().as_ref();
            let why = explain(error, schema).into_iter().next().map(|e| e.message).unwrap_or_default();
            let name = key.as_str().unwrap_or_default();
            vec![Explanation {
                code: &UNKNOWN_PROPERTY,
                pointer: child_pointer(pointer, name),
                aim: Aim::Key,
                message: format!("the name {} is not allowed: {why}", shown(key)),
                help: None,
            }]
        }
        other => {
            let (code, message) = plain(other, value, error);
            one(code, message, None)
        }
    }
}

fn plain(kind: &Kind, value: &Value, error: &ValidationError<'_>) -> (&'static Code, String) {
    let shown = shown(value);
    match kind {
        Kind::Minimum { limit } => (&RANGE, format!("{shown} is less than {limit}, the least allowed")),
        Kind::ExclusiveMinimum { limit } => (&RANGE, format!("{shown} is not greater than {limit}")),
        Kind::Maximum { limit } => (&RANGE, format!("{shown} is more than {limit}, the most allowed")),
        Kind::ExclusiveMaximum { limit } => (&RANGE, format!("{shown} is not less than {limit}")),
        Kind::MultipleOf { multiple_of } => (&RANGE, format!("{shown} is not a multiple of {multiple_of}")),
        Kind::MinLength { limit: 1 } => (&LENGTH, "the text is empty".to_owned()),
        Kind::MinLength { limit } => (&LENGTH, format!("{shown} is shorter than {limit} characters")),
        Kind::MaxLength { limit } => {
            let length = value.as_str().map_or(0, |text| text.chars().count());
            (&LENGTH, format!("the text has {length} characters; {limit} are allowed"))
        }
        Kind::MinItems { limit } => (&LENGTH, format!("the list has {}; at least {limit} are wanted", size(value))),
        Kind::MaxItems { limit } => (&LENGTH, format!("the list has {}; at most {limit} are allowed", size(value))),
        Kind::MinProperties { limit } => {
            (&LENGTH, format!("the object has {}; at least {limit} are wanted", size(value)))
        }
        Kind::MaxProperties { limit } => {
            (&LENGTH, format!("the object has {}; at most {limit} are allowed", size(value)))
        }
        Kind::AdditionalItems { limit } => (&LENGTH, format!("the list has {}; {limit} are allowed", size(value))),
        Kind::UniqueItems => (&UNIQUE_ITEMS, "two items of the list are equal; each may stand once".to_owned()),
        Kind::Contains => (&SHAPE, "no item of the list is of the kind that the schema wants at least once".to_owned()),
        Kind::Not { .. } => (&SHAPE, format!("{shown} is of a shape that the schema excludes")),
        Kind::FalseSchema => (&NOT_ALLOWED, "nothing is allowed here".to_owned()),
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            (&PATTERN_GAVE_UP, "the schema's pattern takes too many steps on this text".to_owned())
        }
        _ => (&SCHEMA_OTHER, cut(&error.masked().to_string(), 300)),
    }
}

fn size(value: &Value) -> String {
    match value {
        Value::Array(items) => items.len().to_string(),
        Value::Object(members) => members.len().to_string(),
        _ => "none".to_owned(),
    }
}

fn unknown_properties(unexpected: &[String], parent: &str, known: &[&str]) -> Vec<Explanation> {
    let explanation = |name: &String| Explanation {
        code: &UNKNOWN_PROPERTY,
        pointer: child_pointer(parent, name),
        aim: Aim::Key,
        message: format!("unknown field {}", quoted(name)),
        help: match nearest(name, known.iter().copied()) {
            Some(near) => Some(format!("did you mean {near:?}?")),
            None if known.is_empty() => None,
            None => Some(format!("allowed here: {}", list(known.iter().map(|name| (*name).to_owned())))),
        },
    };
    unexpected.iter().map(explanation).collect()
}

/// The names in `properties` beside the keyword that raised the error.
fn known_properties<'s>(error: &ValidationError<'_>, schema: &'s Value) -> Vec<&'s str> {
    let path = error.schema_path().as_str();
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let properties = schema.pointer(parent).and_then(|at| at.get("properties")).and_then(Value::as_object);
    properties.map(|members| members.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// A missing member may be there under a name that is almost right.
fn misspelt(property: &Value, object: &Value) -> Option<String> {
    let wanted = property.as_str()?;
    let near = nearest(wanted, object.as_object()?.keys().map(String::as_str))?;
    Some(format!("there is {near:?}: should it be {wanted:?}?"))
}

fn type_names(kind: &TypeKind) -> Vec<&'static str> {
    use jsonschema::JsonType;
    let name = |kind| match kind {
        JsonType::Array => "an array",
        JsonType::Boolean => "a boolean",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a string",
    };
    match kind {
        TypeKind::Single(kind) => vec![name(*kind)],
        TypeKind::Multiple(kinds) => kinds.iter().map(name).collect(),
    }
}

fn type_message(kind: &TypeKind, value: &Value) -> String {
    let wanted = type_names(kind).join(" or ");
    match value {
        Value::Array(_) | Value::Object(_) | Value::Null => {
            format!("{} stands where {wanted} is wanted", kind_of(value))
        }
        _ => format!("{} is {} where {wanted} is wanted", shown(value), kind_of(value)),
    }
}

fn type_help(kind: &TypeKind, value: &Value) -> Option<String> {
    let wanted = type_names(kind);
    let wants = |name: &str| wanted.contains(&name);
    match value {
        Value::String(text) if wants("an integer") && text.parse::<i64>().is_ok() => {
            Some(format!("write {text} without quotes"))
        }
        Value::String(text) if wants("a number") && text.parse::<f64>().is_ok_and(f64::is_finite) => {
            Some(format!("write {text} without quotes"))
        }
        Value::String(text) if wants("a boolean") && matches!(text.as_str(), "true" | "false") => {
            Some(format!("write {text} without quotes"))
        }
        Value::Number(_) | Value::Bool(_) if wants("a string") => Some(format!("write it in quotes: \"{value}\"")),
        Value::String(_) | Value::Number(_) if wants("an array") => Some(format!("write a list: [{}]", shown(value))),
        _ => None,
    }
}

fn enum_help(value: &Value, options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let near = value.as_str().and_then(|text| nearest(text, options.iter().filter_map(Value::as_str)));
    match near {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("allowed: {}", list(options.iter().map(shown))),
    }
}

fn format_help(format: &str) -> Option<String> {
    let help = match format {
        "date" => "a date reads 2026-11-20",
        "date-time" => "a date with time reads 2026-11-20T09:30:00Z",
        "time" => "a time reads 09:30:00Z",
        "email" => "an address reads name@example.org",
        "uri" => "a URI begins with its scheme, as in https://example.org/",
        "uuid" => "a UUID reads 123e4567-e89b-12d3-a456-426614174000",
        "hostname" => "a host name reads assets.example.org",
        "ipv4" => "an IPv4 address reads 192.0.2.1",
        _ => return None,
    };
    Some(help.to_owned())
}

/// The branch that the record most likely means is the one to explain.
fn no_branch(
    context: &[Vec<ValidationError<'static>>],
    schema: &Value,
    pointer: &str,
    value: &Value,
) -> Vec<Explanation> {
    let one = |code, message: String, help: Option<String>| {
        vec![Explanation { code, pointer: pointer.to_owned(), aim: Aim::Value, message, help }]
    };
    if let Some(options) = listed(context, pointer) {
        let help = enum_help(value, &Value::Array(options));
        return one(&ENUM, format!("{} is not one of the values allowed here", shown(value)), Some(help));
    }
    let meant: Vec<_> = context.iter().filter(|errors| !errors.iter().any(|error| excludes(error, pointer))).collect();
    if let [errors] = meant.as_slice() {
        return errors.iter().flat_map(|error| explain(error, schema)).collect();
    }
    let closest = context.iter().min_by_key(|errors| errors.len()).and_then(|errors| errors.first());
    let closest = closest.and_then(|error| explain(error, schema).into_iter().next());
    let message = format!("{} fits none of the {} shapes allowed here", shown_or_kind(value), context.len());
    one(&SHAPE, message, closest.map(|closest| format!("the closest one says: {}", closest.message)))
}

/// Whether an error says that its branch was never meant: the value is of another type, or its discriminator another.
fn excludes(error: &ValidationError<'_>, pointer: &str) -> bool {
    let Some(below) = error.instance_path().as_str().strip_prefix(pointer) else { return false };
    match error.kind() {
        Kind::Type { .. } => below.is_empty(),
        Kind::Constant { .. } | Kind::Enum { .. } => below.matches('/').count() <= 1,
        _ => false,
    }
}

/// The values that the branches list, when that is all they do.
fn listed(context: &[Vec<ValidationError<'static>>], pointer: &str) -> Option<Vec<Value>> {
    let mut options = Vec::new();
    for errors in context {
        let here = errors.iter().filter(|error| error.instance_path().as_str() == pointer);
        for error in here {
            match error.kind() {
                Kind::Constant { expected_value } => options.push(expected_value.as_ref().clone()),
                Kind::Enum { options: more } => options.extend(more.as_array().into_iter().flatten().cloned()),
                Kind::Type { .. } => {}
                _ => return None,
            }
        }
        if errors.iter().any(|error| error.instance_path().as_str() != pointer) {
            return None;
        }
    }
    (!options.is_empty()).then_some(options)
}

fn shown_or_kind(value: &Value) -> String {
    if value.is_object() || value.is_array() { format!("the {}", &kind_of(value)[3..]) } else { shown(value) }
}

/// The nearest of the names, if one is near enough to be a slip.
pub fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (name.chars().count() / 3).clamp(1, 4);
    let near = names.filter(|other| *other != name).map(|other| {
        let distance = strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
        (distance, other)
    });
    near.filter(|(distance, _)| *distance <= limit).min().map(|(_, other)| other)
}

fn list(names: impl ExactSizeIterator<Item = String>) -> String {
    let count = names.len();
    let mut text = names.take(12).collect::<Vec<_>>().join(", ");
    if count > 12 {
        text.push_str(&format!(" and {} more", count - 12));
    }
    text
}

fn quoted(text: &str) -> String {
    format!("{:?}", cut(text, 80))
}

/// A value as a sentence quotes it: short, and on one line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) => kind_of(value).to_owned(),
        other => cut(&other.to_string(), 80),
    }
}

fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
