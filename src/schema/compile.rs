//! A schema file into a validator that reads nothing but the registry.

use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::load::Loads;
use super::registry::{SchemaFiles, Slot};
use super::settings::{DraftName, FormatPolicy, Policy};
use super::shelf::{Shelf, Shelved};
use super::suspicions;
use super::weight::{MAX_WEIGHT, weigh};
use crate::catalog::asset::UsedSchema;
use crate::catalog::place::{child_pointer, segments};
use crate::catalog::read::{self, Notation};
use crate::finding::words::{cut, quoted};
use crate::finding::{Finding, codes};
use crate::ids::{RepoPath, Sha256Hex};

/// How many steps a `pattern` may go back before the record counts as wrong.
pub(super) const BACKTRACK_LIMIT: usize = 10_000;
/// How large a compiled `pattern` may get, in bytes.
pub(super) const PATTERN_SIZE_LIMIT: usize = 4 * 1024 * 1024;
/// The scheme of schemas that name no `$id`: their path in the library follows.
pub(super) const BASE: &str = "stockroom:///";

codes! {
    SCHEMA_BROKEN "schema-broken"
        "A schema of the registry cannot be used: it is no valid JSON Schema, or a `$ref` leads out of the registry. \
         It is said once; its records are not checked until it is mended."
    SCHEMA_TOO_LARGE "schema-too-large"
        "A schema that is written short stands for more than 200,000 subschemas once its references are followed, so \
         that one record could take hours. Its records are not checked until it is mended."
}

/// A schema that is ready to check records.
pub struct Compiled {
    /// What a report calls it.
    pub used: UsedSchema,
    /// The schema itself, for explanations.
    pub schema: Value,
    /// Decides the verdict.
    pub validator: Validator,
    /// Looks at formats too, where breaking one is a warning.
    pub formats: Option<Validator>,
    /// How many subschemas it stands for.
    pub weight: usize,
    /// How many objections it may raise to one value.
    pub loads: Loads,
    /// The draft that is in force in it.
    pub draft: DraftName,
    /// What it says and most likely does not mean.
    pub suspicions: Vec<Finding>,
}

/// Compiles the schema in a slot, or says what is wrong with it.
pub(super) fn compile(files: &Arc<dyn SchemaFiles>, slot: &Slot, policy: Policy) -> Result<Compiled, Vec<Finding>> {
    let broken = |message: String| Finding::error(&SCHEMA_BROKEN, slot.path.clone(), message);
    let bytes = files.read(&slot.path).map_err(|why| vec![broken(format!("the schema cannot be read: {why}"))])?;
    let sha256 = Sha256Hex::of(&bytes);
    let notation = Notation::of(&slot.path).unwrap_or(Notation::Json);
    let (document, findings) = read::read(&slot.path, notation, bytes);
    let Some(document) = document else { return Err(findings) };
    let weight = weigh(&document.value);
    if weight > MAX_WEIGHT {
        let message = "the schema stands for more than 200,000 subschemas once its references are followed";
        let finding = Finding::error(&SCHEMA_TOO_LARGE, slot.path.clone(), message);
        return Err(vec![finding.help("refer to each definition from fewer places")]);
    }
    let shelf = Arc::new(Shelf::new(files, &slot.path, &document.value));
    let draft = policy.draft_of(&document.value);
    let build = |assert_formats: bool| {
        jsonschema::options()
            .offline()
            .with_draft(draft.draft())
            .with_base_uri(base_of(&slot.path))
            .with_retriever(Shelved(Arc::clone(&shelf)))
            .with_pattern_options(
                PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_LIMIT).size_limit(PATTERN_SIZE_LIMIT),
            )
            .should_validate_formats(assert_formats)
            .build(&document.value)
            .map_err(|error| {
                let words = error.to_string();
                let (pointer, message) = match lost_reference(&document.value, "", &words, &slot.path) {
                    Some((pointer, target)) => {
                        (pointer, format!("the schema is broken: {target:?} leads to nothing in the registry"))
                    }
                    None => {
                        let pointer = error.instance_path().as_str().to_owned();
                        if let Some(finding) = no_type(&document, &pointer, &slot.path) {
                            return vec![finding];
                        }
                        (pointer, format!("the schema is broken: {}", cut(&words, 300)))
                    }
                };
                let place = document.places().nearest(&pointer);
                let finding = broken(message).at(place).about(pointer);
                vec![finding.help("mend the schema; until then the records that use it are not checked")]
            })
    };
    let validator = build(policy.format == FormatPolicy::Assert)?;
    let formats = match policy.format {
        FormatPolicy::Annotate => Some(build(true)?),
        FormatPolicy::Assert | FormatPolicy::Off => None,
    };
    let used = UsedSchema { name: slot.name.clone(), version: slot.version.clone(), sha256 };
    let suspicions = suspicions::findings(&slot.path, &document, policy);
    Ok(Compiled {
        used,
        validator,
        formats,
        schema: document.value,
        weight,
        loads: Loads::default(),
        draft,
        suspicions,
    })
}

/// A `type` that is none, told as such.
fn no_type(document: &read::Document, pointer: &str, path: &RepoPath) -> Option<Finding> {
    const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
    let way: Vec<String> = segments(pointer).collect();
    let is_type = match way.as_slice() {
        [.., last] if last == "type" => true,
        [.., before, _] => before == "type",
        _ => false,
    };
    let name = document.value.pointer(pointer)?.as_str().filter(|name| is_type && !TYPES.contains(name))?;
    let other = match name.to_ascii_lowercase().as_str() {
        "str" | "text" => Some("string"),
        "int" | "long" => Some("integer"),
        "float" | "double" | "decimal" => Some("number"),
        "bool" => Some("boolean"),
        "list" => Some("array"),
        "dict" | "map" | "mapping" => Some("object"),
        "none" => Some("null"),
        lower => TYPES.into_iter().find(|known| *known == lower),
    };
    let near = other.or_else(|| super::explain::nearest(name, TYPES.into_iter()));
    let message = format!("the schema is broken: there is no type {}", quoted(name));
    let meant = near.map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
    let help = format!("{meant}the types are array, boolean, integer, null, number, object and string");
    let place = document.places().nearest(pointer);
    Some(Finding::error(&SCHEMA_BROKEN, path.clone(), message).at(place).about(pointer).help(help))
}

/// What the relative references of a schema without `$id` are relative to.
pub(super) fn base_of(path: &RepoPath) -> String {
    format!("{BASE}{}", path.percent_encoded())
}

/// The reference that an error complains of, with its place: the error has only words, in which the target stands resolved.
fn lost_reference<'s>(schema: &'s Value, at: &str, words: &str, from: &RepoPath) -> Option<(String, &'s str)> {
    let is_named = |target: &str| {
        let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
        let resolved = resolve_path(from, file).map(|path| format!("{BASE}{}", path.percent_encoded()));
        let spellings = [Some(if file.is_empty() { fragment.to_owned() } else { file.to_owned() }), resolved];
        spellings.into_iter().flatten().any(|spelling| words.contains(&format!("'{spelling}'")))
    };
    match schema {
        Value::Object(members) => members.iter().find_map(|(key, value)| {
            let below = child_pointer(at, key);
            match value.as_str() {
                Some(target) if matches!(key.as_str(), "$ref" | "$dynamicRef") && is_named(target) => {
                    Some((below, target))
                }
                _ => lost_reference(value, &below, words, from),
            }
        }),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(index, item)| lost_reference(item, &child_pointer(at, &index.to_string()), words, from))
        }
        _ => None,
    }
}

/// The path of another file, from the folder of this one.
pub(super) fn resolve_path(from: &RepoPath, relative: &str) -> Option<RepoPath> {
    let mut parts: Vec<&str> = from.folder().split('/').collect();
    parts.retain(|_| !from.folder().is_empty());
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(RepoPath::new(parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_none_is_told_with_the_seven_that_are() {
        let told = |written: &str| {
            let path = RepoPath::new("a.json");
            let text = format!("{{\"properties\": {{\"a\": {{\"type\": {written}}}}}}}");
            let document = read::read(&path, Notation::Json, text.into_bytes()).0.unwrap();
            let finding = ["/properties/a/type", "/properties/a/type/0"]
                .into_iter()
                .find_map(|pointer| no_type(&document, pointer, &path));
            finding.map(|finding| (finding.message, finding.help.unwrap_or_default()))
        };
        for (written, message, meant) in [
            ("\"String\"", "\"String\"", "did you mean \"string\"? "),
            ("\"int\"", "\"int\"", "did you mean \"integer\"? "),
            ("[\"nubmer\"]", "\"nubmer\"", "did you mean \"number\"? "),
            ("\"colour\"", "\"colour\"", ""),
        ] {
            let types = "the types are array, boolean, integer, null, number, object and string";
            let wanted = (format!("the schema is broken: there is no type {message}"), format!("{meant}{types}"));
            assert_eq!(told(written), Some(wanted), "{written}");
        }
        assert_eq!(told("5"), None);
        assert_eq!(told("\"string\""), None);
    }
}
