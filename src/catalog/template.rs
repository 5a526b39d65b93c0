//! Names of files and ids made from a record: `{stem}`, `{dir}` and `{/pointer}`.

use serde_json::Value;

use super::pointer::PointerPattern;
use crate::ids::RepoPath;

/// A text with places to fill from a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Stem,
    Dir,
    Pointer(PointerPattern),
}

impl Template {
    /// Reads a template; the error is a sentence about what stands in the braces.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err(format!("{text:?} has a `{{` without its `}}`"));
            };
            parts.push(Part::Text(before.to_owned()));
            parts.push(match name {
                "stem" => Part::Stem,
                "dir" => Part::Dir,
                pointer if pointer.starts_with('/') => Part::Pointer(PointerPattern::new(pointer)),
                _ => return Err(format!("{text:?} has {{{name}}}; known are {{stem}}, {{dir}} and {{/pointer}}")),
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self { parts })
    }

    /// Whether it is the same for every record.
    pub fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Fills it; each filled value goes through `quote`. `Err` is the pointer that the record lacks.
    pub fn fill(&self, path: &RepoPath, record: &Value, quote: fn(&str) -> String) -> Result<String, String> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Stem => filled.push_str(&quote(path.stem())),
                Part::Dir => filled.push_str(&quote(path.folder().rsplit('/').next().unwrap_or_default())),
                Part::Pointer(pointer) => match pointer.get(record) {
                    Some(Value::String(text)) => filled.push_str(&quote(text)),
                    Some(Value::Number(number)) => filled.push_str(&quote(&number.to_string())),
                    _ => return Err(pointer.exact()),
                },
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fill(template: &str) -> Result<String, String> {
        let path = RepoPath::new("a/Hex Bolt v2/bolt.json");
        Template::parse(template)?.fill(&path, &json!({"handle": "hex", "n": 3}), str::to_owned)
    }

    #[test]
    fn a_template_is_filled_from_the_path_and_the_record() {
        assert_eq!(fill("icon_{stem}.png"), Ok("icon_bolt.png".into()));
        assert_eq!(fill("{dir}-{/handle}-{/n}"), Ok("Hex Bolt v2-hex-3".into()));
        assert_eq!(fill("{/missing}.png"), Err("/missing".into()));
    }

    #[test]
    fn an_unknown_name_in_braces_is_refused() {
        for bad in ["{stm}", "{stem", "x{}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
