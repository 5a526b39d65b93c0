//! The keywords of JSON Schema: in which drafts each counts, what it takes, and where schemas stand in it.

use serde_json::Value;

use super::settings::DraftName::{self, Draft4, Draft6, Draft7, Draft201909, Draft202012};
use crate::catalog::place::child_pointer;

/// A keyword and the drafts that know it.
#[derive(Debug, PartialEq, Eq)]
pub struct Keyword {
    /// As schemas write it.
    pub name: &'static str,
    /// The first draft that knows it.
    pub since: DraftName,
    /// The last draft that knows it.
    pub until: DraftName,
    /// What stands behind it.
    pub takes: Takes,
    /// What it is for.
    pub role: Role,
}

/// What stands behind a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Any value.
    Any,
    /// A number.
    Number,
    /// A text.
    Text,
    /// True or false.
    Boolean,
    /// A list of values.
    List,
    /// The name of a type, or several.
    Types,
    /// An object that holds no schemas.
    Object,
    /// A schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// A schema, or a list of them.
    SchemaOrSchemas,
    /// Schemas by name.
    Map,
    /// Schemas or lists of texts, by name.
    Dependencies,
}

/// What a keyword is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Names schemas or leads to them.
    Core,
    /// Decides whether a value is valid.
    Rule,
    /// Tells people or programs something.
    Note,
}

macro_rules! keywords {
    ($($name:literal $since:ident $until:ident $takes:ident $role:ident)*) => {
        /// Every keyword of every draft.
        pub static KEYWORDS: &[Keyword] = &[
            $(Keyword { name: $name, since: $since, until: $until, takes: Takes::$takes, role: Role::$role }),*
        ];
    };
}

keywords! {
    "$schema" Draft4 Draft202012 Text Core
    "$id" Draft6 Draft202012 Text Core
    "id" Draft4 Draft4 Text Core
    "$ref" Draft4 Draft202012 Text Core
    "$anchor" Draft201909 Draft202012 Text Core
    "$dynamicRef" Draft202012 Draft202012 Text Core
    "$dynamicAnchor" Draft202012 Draft202012 Text Core
    "$recursiveRef" Draft201909 Draft201909 Text Core
    "$recursiveAnchor" Draft201909 Draft201909 Boolean Core
    "$vocabulary" Draft201909 Draft202012 Object Core
    "$defs" Draft201909 Draft202012 Map Core
    // Not in the later drafts, but their meta-schemas keep a place for it.
    "definitions" Draft4 Draft202012 Map Core
    "allOf" Draft4 Draft202012 Schemas Rule
    "anyOf" Draft4 Draft202012 Schemas Rule
    "oneOf" Draft4 Draft202012 Schemas Rule
    "not" Draft4 Draft202012 Schema Rule
    "if" Draft7 Draft202012 Schema Rule
    "then" Draft7 Draft202012 Schema Rule
    "else" Draft7 Draft202012 Schema Rule
    "properties" Draft4 Draft202012 Map Rule
    "patternProperties" Draft4 Draft202012 Map Rule
    "additionalProperties" Draft4 Draft202012 Schema Rule
    "unevaluatedProperties" Draft201909 Draft202012 Schema Rule
    "propertyNames" Draft6 Draft202012 Schema Rule
    // Kept by the validator in all drafts, as in the meta-schemas of the later ones.
    "dependencies" Draft4 Draft202012 Dependencies Rule
    "dependentSchemas" Draft201909 Draft202012 Map Rule
    "dependentRequired" Draft201909 Draft202012 Object Rule
    "items" Draft4 Draft202012 SchemaOrSchemas Rule
    "prefixItems" Draft202012 Draft202012 Schemas Rule
    "additionalItems" Draft4 Draft201909 Schema Rule
    "unevaluatedItems" Draft201909 Draft202012 Schema Rule
    "contains" Draft6 Draft202012 Schema Rule
    "minContains" Draft201909 Draft202012 Number Rule
    "maxContains" Draft201909 Draft202012 Number Rule
    "type" Draft4 Draft202012 Types Rule
    "enum" Draft4 Draft202012 List Rule
    "const" Draft6 Draft202012 Any Rule
    "multipleOf" Draft4 Draft202012 Number Rule
    "minimum" Draft4 Draft202012 Number Rule
    "maximum" Draft4 Draft202012 Number Rule
    "exclusiveMinimum" Draft4 Draft202012 Number Rule
    "exclusiveMaximum" Draft4 Draft202012 Number Rule
    "minLength" Draft4 Draft202012 Number Rule
    "maxLength" Draft4 Draft202012 Number Rule
    "pattern" Draft4 Draft202012 Text Rule
    "format" Draft4 Draft202012 Text Rule
    "minItems" Draft4 Draft202012 Number Rule
    "maxItems" Draft4 Draft202012 Number Rule
    "uniqueItems" Draft4 Draft202012 Boolean Rule
    "required" Draft4 Draft202012 List Rule
    "minProperties" Draft4 Draft202012 Number Rule
    "maxProperties" Draft4 Draft202012 Number Rule
    "contentSchema" Draft201909 Draft202012 Schema Note
    "contentEncoding" Draft4 Draft202012 Text Note
    "contentMediaType" Draft4 Draft202012 Text Note
    "title" Draft4 Draft202012 Text Note
    "description" Draft4 Draft202012 Text Note
    "default" Draft4 Draft202012 Any Note
    "examples" Draft4 Draft202012 List Note
    "$comment" Draft4 Draft202012 Text Note
    "deprecated" Draft4 Draft202012 Boolean Note
    "readOnly" Draft4 Draft202012 Boolean Note
    "writeOnly" Draft4 Draft202012 Boolean Note
}

/// Words of editors, generators and OpenAPI that look like misspelt keywords and are none.
static FOREIGN: &[&str] = &[
    "example",
    "discriminator",
    "nullable",
    "xml",
    "externalDocs",
    "markdownDescription",
    "markdownEnumDescriptions",
    "enumDescriptions",
    "enumNames",
    "enumTitles",
    "enumDeprecated",
    "deprecationMessage",
    "errorMessage",
    "patternErrorMessage",
    "defaultSnippets",
    "doNotSuggest",
    "suggestSortText",
    "allowComments",
    "allowTrailingCommas",
    "propertyOrder",
    "propertyOrdering",
    "tsType",
    "tsEnumNames",
    "javaType",
    "options",
    "version",
    "note",
    "notes",
];

/// The keyword of this name.
pub fn keyword(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// Whether somebody else than JSON Schema gives this word its meaning.
pub fn is_foreign(name: &str) -> bool {
    FOREIGN.contains(&name) || name.starts_with("x-") || name.starts_with(['_', '@', '/']) || name.contains(':')
}

impl Keyword {
    /// Whether this draft knows it.
    pub fn is_in(&self, draft: DraftName) -> bool {
        (self.since..=self.until).contains(&draft)
    }

    /// Whether this value is of the kind that the keyword takes.
    pub fn fits(&self, value: &Value) -> bool {
        match self.takes {
            Takes::Any => true,
            Takes::Number => value.is_number(),
            Takes::Text => value.is_string(),
            Takes::Boolean => value.is_boolean(),
            Takes::List | Takes::Schemas => value.is_array(),
            Takes::Types => is_types(value),
            Takes::Object | Takes::Map | Takes::Dependencies => value.is_object(),
            Takes::Schema => value.is_object() || value.is_boolean(),
            Takes::SchemaOrSchemas => value.is_object() || value.is_boolean() || value.is_array(),
        }
    }

    /// The schemas that stand behind it, each with its pointer below `at`, the keyword's own.
    fn schemas<'v>(&self, value: &'v Value, at: &str) -> Vec<(String, &'v Value)> {
        let is_schema = |value: &Value| value.is_object() || value.is_boolean();
        let members = || match value {
            Value::Object(members) => members.iter().map(|(name, v)| (child_pointer(at, name), v)).collect(),
            _ => Vec::new(),
        };
        let items = || match value {
            Value::Array(items) => {
                items.iter().enumerate().map(|(n, v)| (child_pointer(at, &n.to_string()), v)).collect()
            }
            _ => Vec::new(),
        };
        let mut found: Vec<(String, &Value)> = match self.takes {
            Takes::Schema => vec![(at.to_owned(), value)],
            Takes::Schemas => items(),
            Takes::SchemaOrSchemas if value.is_array() => items(),
            Takes::SchemaOrSchemas => vec![(at.to_owned(), value)],
            Takes::Map | Takes::Dependencies => members(),
            _ => Vec::new(),
        };
        found.retain(|(_, value)| is_schema(value));
        found
    }
}

fn is_types(value: &Value) -> bool {
    const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
    let is_type = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    is_type(value) || value.as_array().is_some_and(|names| names.iter().all(is_type))
}

/// Every schema in a document, the document itself first, each with its pointer: never what only looks like one, such as
/// a property that is called `required` or an example.
pub fn subschemas(root: &Value) -> Vec<(String, &Value)> {
    let mut found = vec![(String::new(), root)];
    let mut at = 0;
    while let Some((pointer, schema)) = found.get(at).cloned() {
        for (name, value) in schema.as_object().into_iter().flatten() {
            if let Some(keyword) = keyword(name) {
                found.extend(keyword.schemas(value, &child_pointer(&pointer, name)));
            }
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_a_schema_is_walked() {
        let schema = json!({
            "properties": {"required": {"type": "string"}, "enum": {"items": [{"minimum": 1}, true]}},
            "enum": [{"properties": {}}], "const": {"items": {}}, "default": {"allOf": [{}]}, "examples": [{"not": {}}],
            "dependencies": {"a": ["b"], "c": {"type": "object"}},
            "allOf": [{"if": true}], "x-other": {"properties": {"a": {}}}, "$defs": {"d/e": {}},
        });
        let mut pointers: Vec<String> = subschemas(&schema).into_iter().map(|(pointer, _)| pointer).collect();
        pointers.sort();
        let wanted = [
            "",
            "/$defs/d~1e",
            "/allOf/0",
            "/allOf/0/if",
            "/dependencies/c",
            "/properties/enum",
            "/properties/enum/items/0",
            "/properties/enum/items/1",
            "/properties/required",
        ];
        assert_eq!(pointers, wanted);
    }

    #[test]
    fn each_keyword_stands_once_and_a_draft_knows_its_own() {
        let mut names: Vec<&str> = KEYWORDS.iter().map(|keyword| keyword.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYWORDS.len());
        let knows = |name, draft| keyword(name).is_some_and(|keyword| keyword.is_in(draft));
        assert!(knows("prefixItems", Draft202012) && !knows("prefixItems", Draft201909));
        assert!(knows("id", Draft4) && !knows("id", Draft7) && knows("definitions", Draft202012));
    }
}
