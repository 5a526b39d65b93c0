//! How a value is written in the notation of a record, for advice that can be copied.

use serde_json::Value;

use crate::catalog::read::Notation;

/// How the fields of a record are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `"title": "Bolt"`.
    Json,
    /// `title: "Bolt"`.
    Yaml,
    /// `title = "Bolt"`.
    Toml,
}

impl Spelling {
    /// That of a file; front matter between `+++` is TOML, between `---` YAML.
    pub fn of(notation: Notation, text: &str) -> Self {
        match notation {
            Notation::Json => Self::Json,
            Notation::Toml => Self::Toml,
            Notation::Markdown if text.starts_with("+++") => Self::Toml,
            Notation::Yaml | Notation::Markdown => Self::Yaml,
        }
    }

    /// A value on one line.
    pub fn value(self, value: &Value) -> String {
        match (self, value) {
            (Self::Toml, Value::Object(members)) => {
                let members: Vec<String> = members.iter().map(|(name, value)| self.member(name, value)).collect();
                if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
            }
            (Self::Yaml, Value::Object(members)) if !members.is_empty() => {
                let members: Vec<String> = members.iter().map(|(name, value)| self.member(name, value)).collect();
                format!("{{{}}}", members.join(", "))
            }
            (Self::Toml | Self::Yaml, Value::Array(items)) => {
                let items: Vec<String> = items.iter().map(|item| self.value(item)).collect();
                format!("[{}]", items.join(", "))
            }
            (Self::Json, Value::Array(items)) => {
                let items: Vec<String> = items.iter().map(|item| self.value(item)).collect();
                format!("[{}]", items.join(", "))
            }
            // What JSON writes is YAML too, and TOML for everything that TOML knows.
            _ => value.to_string(),
        }
    }

    /// A field with its value.
    pub fn member(self, name: &str, value: &Value) -> String {
        let value = self.value(value);
        match self {
            Self::Json => format!("{}: {value}", Value::from(name)),
            Self::Yaml => format!("{}: {value}", bare(name)),
            Self::Toml => format!("{} = {value}", bare(name)),
        }
    }
}

/// A name as it may stand without quotes where it can.
fn bare(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        && !matches!(name.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if is_plain { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_is_written_as_its_file_would_have_it() {
        let written = |spelling: Spelling| spelling.member("size", &json!({"w": [1, "a b"], "no": true}));
        assert_eq!(written(Spelling::Json), r#""size": {"no":true,"w":[1,"a b"]}"#);
        assert_eq!(written(Spelling::Yaml), r#"size: {"no": true, w: [1, "a b"]}"#);
        assert_eq!(written(Spelling::Toml), r#"size = { "no" = true, w = [1, "a b"] }"#);
        assert_eq!(Spelling::of(Notation::Markdown, "+++\n"), Spelling::Toml);
    }
}
