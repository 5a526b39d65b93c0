//! The `embed` part of stockroom.yml.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text_rules::TextRule;

/// The vector index: which texts of an asset can be searched by meaning, and how they are cut and embedded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What is embedded, in this order. An entry that begins with `/` is a JSON Pointer into the record, where `*` stands for
    /// any element or key (`/title`, `/variants/*/name`). Any other entry is the name of files beside the record, with `*`,
    /// `?`, `[…]` and `{a,b}`; `{stem}` stands for the record's file name without its extension, `{dir}` for its folder's name
    /// (`*_desc.md`, `{stem}.txt`). Neighbouring pointers make one text, each file is a text of its own.
    pub text: Vec<String>,
    /// How long texts are cut.
    pub chunk: ChunkSettings,
    /// What turns a text into a vector.
    pub model: ModelSettings,
    /// Where the vectors are kept.
    pub store: StoreSettings,
}

/// How long texts are cut: at paragraphs where possible, else at sentences, else at words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChunkSettings {
    /// The greatest length of a chunk, in characters.
    #[schemars(range(min = 50, max = 20_000))]
    pub max: u32,
    /// How much of the end of a chunk the next one may repeat, in characters; less than `max`.
    pub overlap: u32,
}

/// What turns a text into a vector.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSettings {
    /// Who runs the model.
    pub provider: Provider,
}

/// Who runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The model in the program itself: no key, no server, no cost.
    #[default]
    Local,
}

/// Where the vectors are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The kind of store.
    pub kind: StoreKind,
}

/// The kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// A SQLite file beside the state.
    #[default]
    Embedded,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            text: ["/title", "/description", "*_desc.md"].map(str::to_owned).to_vec(),
            chunk: ChunkSettings::default(),
            model: ModelSettings::default(),
            store: StoreSettings::default(),
        }
    }
}

impl Default for ChunkSettings {
    fn default() -> Self {
        Self { max: 1000, overlap: 200 }
    }
}

impl Settings {
    /// What is wrong beyond the JSON Schema: the JSON Pointer of each setting at fault, and a sentence.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if self.text.is_empty() {
            let sentence =
                "`text` is empty, so nothing would be embedded; name a pointer such as `/title`, or leave it out";
            problems.push(("/text".to_owned(), sentence.to_owned()));
        }
        for (index, entry) in self.text.iter().enumerate() {
            if let Err(why) = TextRule::parse(entry) {
                problems.push((format!("/text/{index}"), why));
            } else if self.text.iter().take(index).any(|earlier| earlier == entry) {
                problems.push((format!("/text/{index}"), format!("`{entry}` stands there twice; take one away")));
            }
        }
        if self.chunk.overlap >= self.chunk.max {
            let (overlap, max) = (self.chunk.overlap, self.chunk.max);
            let sentence =
                format!("`overlap` is {overlap}, which is not less than `max`, {max}; a fifth of `max` is usual");
            problems.push(("/chunk/overlap".to_owned(), sentence));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: serde_json::Value) -> Result<Settings, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn everything_has_a_default_and_the_defaults_are_sound() {
        assert_eq!(parse(json!({})).unwrap(), Settings::default());
        assert_eq!(parse(json!({"chunk": {"max": 500}})).unwrap().chunk, ChunkSettings { max: 500, overlap: 200 });
        let whole = json!({"text": ["/title", "/description", "*_desc.md"], "chunk": {"max": 1000, "overlap": 200},
                           "model": {"provider": "local"}, "store": {"kind": "embedded"}});
        assert_eq!(parse(whole).unwrap(), Settings::default());
        assert_eq!(Settings::default().problems(), []);
    }

    #[test]
    fn unknown_keys_are_refused_at_every_level() {
        for bad in [
            json!({"texts": []}),
            json!({"chunk": {"size": 1}}),
            json!({"model": {"key": "x"}}),
            json!({"store": {"a": 1}}),
        ] {
            assert!(parse(bad).is_err());
        }
    }

    #[test]
    fn all_problems_are_told_at_once_each_with_its_place() {
        let text = ["title", "/ok", "/bad~2", "a[", "../x.md", "{name}.md", "", "/ok", "{stem}_{dir}*.md"];
        let settings = Settings {
            text: text.map(str::to_owned).to_vec(),
            chunk: ChunkSettings { max: 100, overlap: 100 },
            ..Settings::default()
        };
        let problems = settings.problems();
        let places: Vec<_> = problems.iter().map(|(place, _)| place.as_str()).collect();
        let text = ["/text/0", "/text/2", "/text/3", "/text/4", "/text/5", "/text/6", "/text/7"];
        assert_eq!(places, [&text[..], &["/chunk/overlap"]].concat());
        assert!(problems[0].1.contains("write `/title`"), "{}", problems[0].1);
    }

    #[test]
    fn the_schema_describes_every_setting() {
        let schema = schemars::schema_for!(Settings).to_value();
        let text = schema.to_string();
        assert!(text.contains("JSON Pointer into the record") && text.contains("\"maximum\":20000"), "{text}");
        assert_eq!(schema["additionalProperties"], json!(false));
    }
}
