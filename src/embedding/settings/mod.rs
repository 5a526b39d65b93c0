//! The `embed` part of stockroom.yml.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text_rules::TextRule;
use crate::catalog::pointer::PointerPattern;
use crate::secret::Endpoint;

mod model;
mod source;
mod store;

pub use model::{LimitSettings, ModelSettings, Provider};
pub use source::SourceSettings;
pub use store::{StoreKind, StoreSettings};

/// The vector index: which texts of an asset can be searched by meaning, and how they are cut and embedded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What is embedded, in this order. An entry that begins with `/` is a JSON Pointer into the record, where `*` stands for
    /// any element or key (`/title`, `/variants/*/name`). Any other entry is the name of files beside the record, with `*`,
    /// `?`, `[…]` and `{a,b}`; `{stem}` stands for the record's file name without its extension, `{dir}` for its folder's name
    /// (`*_desc.md`, `{stem}.txt`). Neighbouring pointers make one text, each file is a text of its own.
    pub text: Vec<String>,
    /// A JSON Pointer into the record whose value stands before each chunk of the asset, such as `/title`: so the third chunk of
    /// a description says what it describes.
    #[schemars(regex(pattern = "^/"))]
    pub context: Option<String>,
    /// How long texts are cut.
    pub chunk: ChunkSettings,
    /// What turns a text into a vector.
    pub model: ModelSettings,
    /// Where the vectors are kept.
    pub store: StoreSettings,
    /// Repositories beyond this one whose texts are embedded too, each in a namespace of its own.
    pub sources: Vec<SourceSettings>,
}

/// How long texts are cut: at paragraphs where possible, else at sentences, else at words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChunkSettings {
    /// The greatest length of a chunk.
    #[schemars(range(min = 20, max = 20_000))]
    pub max: u32,
    /// How much of the end of a chunk the next one may repeat; less than `max`.
    pub overlap: u32,
    /// What the two are counted in: `characters`, or `tokens` of the model at hand.
    pub unit: Unit,
}

/// What the length of a text is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ChunkUnit")]
pub enum Unit {
    /// Characters, as Unicode counts them.
    #[default]
    Characters,
    /// Tokens of the model at hand; of a model elsewhere, about as many.
    Tokens,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            text: ["/title", "/description", "*_desc.md"].map(str::to_owned).to_vec(),
            context: None,
            chunk: ChunkSettings::default(),
            model: ModelSettings::default(),
            store: StoreSettings::default(),
            sources: Vec::new(),
        }
    }
}

impl Default for ChunkSettings {
    fn default() -> Self {
        Self { max: 1000, overlap: 200, unit: Unit::Characters }
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
        if let Some(bad) = self.context.as_ref().filter(|pointer| PointerPattern::parse(pointer).is_none()) {
            problems
                .push(("/context".to_owned(), format!("`{bad}` is not a JSON Pointer; write one such as `/title`")));
        }
        let under = |part: &'static str| move |(key, why): (&str, String)| (format!("/{part}/{key}"), why);
        problems.extend(self.model.problems().into_iter().map(under("model")));
        problems.extend(self.store.problems().into_iter().map(under("store")));
        for (index, source) in self.sources.iter().enumerate() {
            let under = |(key, why): (String, String)| (format!("/sources/{index}{key}"), why);
            problems.extend(source.problems().into_iter().map(under));
        }
        problems
    }
}

/// Why an address that everybody may know is none.
fn bad_address(endpoint: &Endpoint, schemes: &[&str]) -> Option<String> {
    let Endpoint::Open(text) = endpoint else { return None };
    let cure = format!("it begins with `{}://`", schemes.join("://` or `"));
    match url::Url::parse(text) {
        Err(why) => Some(format!("`{text}` is no address ({why}); {cure}")),
        Ok(url) if !schemes.contains(&url.scheme()) || !url.has_host() => {
            Some(format!("`{text}` is no address of a server; {cure}"))
        }
        Ok(url) if url.password().is_some() || !url.username().is_empty() || url.query().is_some() => {
            Some("an address with a name, a password or a query in it is a secret; write `${{ env.NAME }}`".to_owned())
        }
        Ok(_) => None,
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
        assert_eq!(
            parse(json!({"chunk": {"max": 500}})).unwrap().chunk,
            ChunkSettings { max: 500, ..ChunkSettings::default() }
        );
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
            json!({"model": {"api_key": "x"}}),
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
            chunk: ChunkSettings { max: 100, overlap: 100, unit: Unit::Characters },
            ..Settings::default()
        };
        let problems = settings.problems();
        let places: Vec<_> = problems.iter().map(|(place, _)| place.as_str()).collect();
        let text = ["/text/0", "/text/2", "/text/3", "/text/4", "/text/5", "/text/6", "/text/7"];
        assert_eq!(places, [&text[..], &["/chunk/overlap"]].concat());
        assert!(problems[0].1.contains("write `/title`"), "{}", problems[0].1);
    }

    #[test]
    fn a_provider_has_the_settings_of_its_kind() {
        let problems = |model: serde_json::Value, store: serde_json::Value| {
            parse(json!({"model": model, "store": store})).unwrap().problems()
        };
        let places = |found: &[(String, String)]| found.iter().map(|(place, _)| place.clone()).collect::<Vec<_>>();
        for model in [
            json!({"dimensions": 64}),
            json!({"provider": "openai", "name": "text-embedding-3-small", "key": "${{ env.KEY }}"}),
            json!({"provider": "openai", "name": "nomic-embed-text", "url": "http://localhost:11434/v1", "dimensions": 768}),
            json!({"provider": "azure", "url": "https://a.openai.azure.com", "deployment": "d", "key": "${{ env.KEY }}",
                   "dimensions": 1536}),
            json!({"provider": "azure", "url": "${{ env.URL }}", "name": "text-embedding-3-large", "token": "${{ env.TOKEN }}"}),
            json!({"provider": "onnx", "path": "models/minilm"}),
        ] {
            assert_eq!(problems(model.clone(), json!({})), [], "{model}");
        }
        for (model, place) in [
            (json!({"dimensions": 100}), "/model/dimensions"),
            (json!({"name": "x"}), "/model/name"),
            (json!({"provider": "openai"}), "/model/provider"),
            (json!({"provider": "openai", "name": "m", "dimensions": 3, "url": "ftp://x"}), "/model/url"),
            (json!({"provider": "openai", "name": "m", "dimensions": 3, "url": "https://u:p@x"}), "/model/url"),
            (json!({"provider": "openai", "name": "m", "dimensions": 3, "deployment": "d"}), "/model/deployment"),
            (json!({"provider": "azure", "url": "https://a", "deployment": "d", "dimensions": 3}), "/model/provider"),
            (json!({"provider": "openai", "name": "nomic-embed-text"}), "/model/provider"),
            (json!({"provider": "openai", "name": "text-embedding-3-small", "dimensions": 3072}), "/model/dimensions"),
            (json!({"provider": "openai", "name": "text-embedding-ada-002", "dimensions": 512}), "/model/dimensions"),
            (json!({"provider": "onnx"}), "/model/provider"),
            (json!({"provider": "onnx", "path": "m", "url": "https://a/m.onnx"}), "/model/url"),
        ] {
            assert_eq!(places(&problems(model.clone(), json!({}))), [place], "{model}");
        }
        for (store, place) in [
            (json!({"url": "http://x"}), "/store/url"),
            (json!({"kind": "qdrant"}), "/store/kind"),
            (json!({"kind": "pinecone"}), "/store/kind"),
            (json!({"kind": "pgvector", "url": "postgres://u:p@x"}), "/store/url"),
            (json!({"kind": "chroma", "url": "localhost"}), "/store/url"),
        ] {
            assert_eq!(places(&problems(json!({}), store.clone())), [place], "{store}");
        }
    }

    #[test]
    fn a_source_is_a_repository_or_what_an_organisation_has() {
        let of = |source: serde_json::Value| parse(json!({"sources": [source]})).unwrap().problems();
        assert_eq!(of(json!({"repo": "a/b"})), []);
        assert_eq!(of(json!({"org": "a", "keyword": "assets", "files": ["docs/**/*.md"]})), []);
        for (bad, place) in [
            (json!({}), "/sources/0"),
            (json!({"repo": "a/b", "org": "a"}), "/sources/0/org"),
            (json!({"repo": "a/b", "keyword": "k"}), "/sources/0/keyword"),
            (json!({"repo": "a/b", "exclude": ["["]}), "/sources/0/exclude/0"),
        ] {
            assert_eq!(of(bad.clone())[0].0, place, "{bad}");
        }
    }

    #[test]
    fn the_schema_describes_every_setting() {
        let schema = schemars::schema_for!(Settings).to_value();
        let text = schema.to_string();
        assert!(text.contains("JSON Pointer into the record") && text.contains("\"maximum\":20000"), "{text}");
        assert_eq!(schema["additionalProperties"], json!(false));
    }
}
