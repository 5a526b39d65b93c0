//! The reference of stockroom.yml, from its JSON Schema.

use serde_json::Value;

use super::blocks::table;

/// A section for each key at the top, with a row for each key below it.
pub fn reference(schema: &Value) -> String {
    let mut out = String::new();
    let required: Vec<&str> = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().unwrap() {
        let walk = Walk { schema, rows: Vec::new() }.from(property, "");
        let need = if required.contains(&name.as_str()) { " (required)" } else { "" };
        out.push_str(&format!("## `{name}`{need}\n\n{}\n\n", description(schema, property)));
        if walk.is_empty() {
            out.push_str(&format!("Type: {}.\n\n", kind(schema, property)));
        } else {
            out.push_str(&table(&["key", "type", "default", "meaning"], walk));
            out.push('\n');
        }
    }
    out
}

struct Walk<'a> {
    schema: &'a Value,
    rows: Vec<[String; 4]>,
}

impl Walk<'_> {
    fn from(mut self, property: &Value, prefix: &str) -> Vec<[String; 4]> {
        self.below(property, prefix);
        self.rows
    }

    /// The rows for what is inside a value.
    fn below(&mut self, value: &Value, prefix: &str) {
        let value = resolved(self.schema, value);
        let required: Vec<&str> =
            value["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, property) in value["properties"].as_object().into_iter().flatten() {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            let default = match &property["default"] {
                _ if required.contains(&key.as_str()) => "required".to_owned(),
                Value::Null => String::new(),
                Value::Object(_) if !resolved(self.schema, property)["properties"].is_null() => String::new(),
                default => format!("`{default}`"),
            };
            let row = [format!("`{path}`"), kind(self.schema, property), default, description(self.schema, property)];
            self.rows.push(row);
            self.below(property, &path);
        }
        if value["additionalProperties"].is_object() {
            let path = if prefix.is_empty() { "NAME".to_owned() } else { format!("{prefix}.NAME") };
            self.below(&value["additionalProperties"], &path);
        }
        if value["items"].is_object() {
            self.below(&value["items"], &format!("{prefix}[]").replace("NAME[]", "NAME"));
        }
    }
}

/// The definition behind a reference; of an optional value, the value.
fn resolved<'a>(schema: &'a Value, value: &'a Value) -> &'a Value {
    if let Some(name) = value["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/")) {
        return resolved(schema, &schema["$defs"][name]);
    }
    let not_null = |part: &&Value| part["type"] != "null";
    match value["anyOf"].as_array() {
        Some(parts) if parts.iter().filter(not_null).count() == 1 => {
            parts.iter().find(not_null).map_or(value, |part| resolved(schema, part))
        }
        _ => value,
    }
}

fn kind(schema: &Value, property: &Value) -> String {
    let value = resolved(schema, property);
    if let Some(one) = value.get("const") {
        return format!("`{one}`");
    }
    let variants = |key: &str| value[key].as_array().cloned();
    if let Some(of) = variants("oneOf") {
        return of
            .iter()
            .map(|one| format!("`{}`", one["const"].as_str().unwrap_or("?")))
            .collect::<Vec<_>>()
            .join(" or ");
    }
    if let Some(of) = variants("enum") {
        return of.iter().map(|one| format!("`{}`", one.as_str().unwrap_or("?"))).collect::<Vec<_>>().join(" or ");
    }
    if let Some(of) = variants("anyOf") {
        return of.iter().map(|one| kind(schema, one)).collect::<Vec<_>>().join(" or ");
    }
    let types = match &value["type"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        one => one.as_str(),
    };
    match types {
        Some("array") => format!("list of {}", plural(&kind(schema, &value["items"]))),
        Some("object") if value["additionalProperties"].is_object() => "mapping by name".to_owned(),
        Some("object") => "mapping".to_owned(),
        Some("integer") => match (&value["minimum"], &value["maximum"]) {
            (Value::Number(least), Value::Number(most)) => format!("integer, {least} to {most}"),
            _ => "integer".to_owned(),
        },
        Some("number") => "number".to_owned(),
        Some("string") => "text".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        other => panic!("the reference knows no name for the type {other:?}: {value}"),
    }
}

fn plural(kind: &str) -> String {
    if kind == "text" || kind == "mapping" { format!("{kind}s") } else { kind.to_owned() }
}

/// What a value means; where it is one of a few words, what each of them means.
fn description(schema: &Value, property: &Value) -> String {
    let value = resolved(schema, property);
    let own = property["description"].as_str().or_else(|| value["description"].as_str()).unwrap_or_default();
    let variants = value["oneOf"].as_array().into_iter().flatten();
    let each =
        variants.filter_map(|one| Some(format!(" `{}`: {}", one["const"].as_str()?, one["description"].as_str()?)));
    let inner = match value["type"].as_str() {
        // What holds for the values inside stands on the type that they share.
        Some("object") if value["description"] != property["description"] => value["description"].as_str(),
        _ => None,
    };
    let inner = inner.filter(|inner| *inner != own && inner.contains('{')).map(|inner| format!(" {inner}"));
    format!("{own}{}{}", each.collect::<String>(), inner.unwrap_or_default()).replace("\n\n", " ").replace('\n', " ")
}
