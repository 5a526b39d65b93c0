//! The manifest's files as TypeScript types, from the same schemas as `dist/schemas`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// The declarations of all types that these schemas speak of, each once, in the order of their names.
pub fn declarations<'s>(schemas: impl Iterator<Item = &'s Value>) -> String {
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    for schema in schemas {
        all.insert(schema["title"].as_str().unwrap().to_owned(), schema.clone());
        for (name, of) in schema["$defs"].as_object().into_iter().flatten() {
            all.insert(name.clone(), of.clone());
        }
    }
    let mut text = "// The manifest, version 1. Generated from the program's own types; fields may be added, so ignore what you do not know.\n"
        .to_owned();
    for (name, of) in &all {
        write!(text, "\n{}export interface {name} {{\n", comment(of, "")).unwrap();
        let required = of["required"].as_array().cloned().unwrap_or_default();
        for (field, of) in of["properties"].as_object().unwrap() {
            let mark = if required.contains(&Value::from(field.as_str())) { "" } else { "?" };
            writeln!(text, "{}  {field}{mark}: {};", comment(of, "  "), type_of(of)).unwrap();
        }
        text.push_str("}\n");
    }
    text
}

/// What is absent is left out in a manifest, and nothing in it is null.
fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.trim_start_matches("#/$defs/").to_owned();
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let kinds = any.iter().filter(|one| one["type"] != "null").map(type_of);
        return kinds.collect::<Vec<_>>().join(" | ");
    }
    let kinds = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    match kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null") {
        Some("string") => "string".to_owned(),
        Some("integer" | "number") => "number".to_owned(),
        Some("boolean") => "boolean".to_owned(),
        Some("array") => format!("{}[]", type_of(&schema["items"])),
        Some("object") => format!("Record<string, {}>", type_of(&schema["additionalProperties"])),
        _ => "unknown".to_owned(),
    }
}

fn comment(schema: &Value, indent: &str) -> String {
    match schema["description"].as_str() {
        None => String::new(),
        Some(said) => format!("{indent}/** {} */\n", said.replace('\n', " ").replace("*/", "* /")),
    }
}
