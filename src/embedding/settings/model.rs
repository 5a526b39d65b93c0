//! What turns a text into a vector, as it stands in stockroom.yml.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::embedding::known_models::{known_model, known_names};
use crate::secret::{Endpoint, SecretRef};

/// What turns a text into a vector.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSettings {
    /// Who runs the model.
    pub provider: Provider,
    /// How many coordinates a vector has. `local`: 64, 128 or 256, which is the default. `openai` and `azure`: what the model is
    /// asked for, where it can give fewer than it has; needed for a model that Stockroom does not know.
    #[schemars(range(min = 2, max = 16_000))]
    pub dimensions: Option<u32>,
    /// The model's name at its provider, such as `text-embedding-3-small`.
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// Where the provider is. `openai`: what stands before `/embeddings`, `https://api.openai.com/v1` when this is left out.
    /// `azure`: the resource, `https://NAME.openai.azure.com`.
    #[schemars(with = "Option<String>", length(min = 1, max = 2000))]
    pub url: Option<Endpoint>,
    /// The deployment, for `azure`; without it the newer address `/openai/v1/embeddings` is asked for the model of that name.
    #[schemars(length(min = 1, max = 200))]
    pub deployment: Option<String>,
    /// The version of the interface of an `azure` deployment; `2024-10-21` when this is left out.
    #[schemars(length(min = 1, max = 50))]
    pub api_version: Option<String>,
    /// The key: `${{ env.OPENAI_API_KEY }}`. A server of one's own may need none.
    pub key: Option<SecretRef>,
    /// A Microsoft Entra token in the place of a key, for `azure`.
    pub token: Option<SecretRef>,
    /// The folder of an `onnx` model in the library, with `model.onnx` and `tokenizer.json` or `vocab.txt` in it.
    #[schemars(length(min = 1, max = 1000))]
    pub path: Option<String>,
    /// What the provider takes, where that is less than its published limits.
    pub limits: LimitSettings,
    /// US dollars for a million tokens, for plans; known for OpenAI's own models.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub price: Option<f64>,
}

/// Who runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The model in the program itself: no key, no server, no cost.
    #[default]
    Local,
    /// An ONNX model in a file, run by the program.
    Onnx,
    /// OpenAI, or anything that speaks as it does: Ollama, vLLM, LM Studio.
    OpenAi,
    /// Azure OpenAI.
    Azure,
}

impl Provider {
    /// As it stands in stockroom.yml.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Onnx => "onnx",
            Self::OpenAi => "openai",
            Self::Azure => "azure",
        }
    }
}

/// What a provider takes at most.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ModelLimits")]
pub struct LimitSettings {
    /// Texts in one request.
    #[schemars(range(min = 1, max = 100_000))]
    pub texts: Option<u32>,
    /// Tokens in one request.
    #[schemars(range(min = 1))]
    pub tokens: Option<u32>,
    /// Tokens in one text.
    #[schemars(range(min = 1))]
    pub tokens_each: Option<u32>,
    /// Requests at once; 16 when this is left out.
    #[schemars(range(min = 1, max = 256))]
    pub at_once: Option<u32>,
    /// Tokens in a minute. Without it, what the provider says in its answers holds.
    #[schemars(range(min = 1))]
    pub tokens_per_minute: Option<u32>,
    /// Requests in a minute. Without it, what the provider says in its answers holds.
    #[schemars(range(min = 1))]
    pub requests_per_minute: Option<u32>,
}

impl ModelSettings {
    /// What does not fit the provider: the key at fault, and a sentence.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let provider = self.provider;
        let is_remote = matches!(provider, Provider::OpenAi | Provider::Azure);
        let given = [
            ("name", self.name.is_some(), is_remote),
            ("url", self.url.is_some(), is_remote),
            ("deployment", self.deployment.is_some(), provider == Provider::Azure),
            ("api_version", self.api_version.is_some(), provider == Provider::Azure),
            ("key", self.key.is_some(), is_remote),
            ("token", self.token.is_some(), provider == Provider::Azure),
            ("path", self.path.is_some(), provider == Provider::Onnx),
            ("limits", self.limits != LimitSettings::default(), is_remote),
            ("price", self.price.is_some(), is_remote),
            ("dimensions", self.dimensions.is_some(), provider != Provider::Onnx),
        ];
        let strange = given.iter().filter(|(_, is_given, has_meaning)| *is_given && !has_meaning);
        let mut problems: Vec<_> = strange
            .map(|(key, _, _)| {
                let name = provider.as_str();
                (
                    *key,
                    format!(
                        "`{key}` has no meaning for the provider `{name}`; take it away, or name another `provider`"
                    ),
                )
            })
            .collect();
        match provider {
            Provider::Local => problems.extend(
                self.dimensions
                    .filter(|n| ![64, 128, 256].contains(n))
                    .map(|n| ("dimensions", format!("the local model has 64, 128 or 256 dimensions, not {n}"))),
            ),
            Provider::Onnx if self.path.is_none() => {
                problems.push(("provider", "`path` is missing: the folder of the model in the library".to_owned()));
            }
            Provider::Onnx => {}
            Provider::OpenAi if self.name.is_none() => {
                problems
                    .push(("provider", "`name` is missing: the model, such as `text-embedding-3-small`".to_owned()));
            }
            Provider::OpenAi => problems.extend(self.bad_dimensions()),
            Provider::Azure => problems.extend(self.bad_azure().into_iter().chain(self.bad_dimensions())),
        }
        problems.extend(
            self.url.as_ref().and_then(|url| super::bad_address(url, &["http", "https"])).map(|why| ("url", why)),
        );
        problems
    }

    /// How long a vector is must be known before anybody is asked for one.
    fn bad_dimensions(&self) -> Option<(&'static str, String)> {
        let names = [&self.name, &self.deployment];
        let known = names.into_iter().flatten().find_map(|name| known_model(name));
        match (known, self.dimensions) {
            (Some(known), Some(given)) if given > known.dimensions => {
                Some(("dimensions", format!("{} has {} dimensions, not {given}", known.name, known.dimensions)))
            }
            (Some(known), Some(given)) if given < known.dimensions && !known.shortens => Some((
                "dimensions",
                format!("{} always has {} dimensions; take `dimensions` away", known.name, known.dimensions),
            )),
            (None, None) if names.into_iter().any(Option::is_some) => {
                let known: Vec<_> = known_names().map(|name| format!("`{name}`")).collect();
                let sentence = "`dimensions` is missing: how many numbers a vector of this model has, such as 768 for nomic-embed-text or 1024 for bge-m3; its page says so (it is known for ";
                Some(("provider", format!("{sentence}{})", known.join(", "))))
            }
            _ => None,
        }
    }

    fn bad_azure(&self) -> Vec<(&'static str, String)> {
        let wrong = [
            (self.url.is_none(), "`url` is missing: the resource, such as `https://NAME.openai.azure.com`"),
            (
                self.deployment.is_none() && self.name.is_none(),
                "`deployment` is missing, or `name` for the newer address",
            ),
            (self.deployment.is_none() && self.api_version.is_some(), "`api_version` belongs to a `deployment`"),
            (self.key.is_some() == self.token.is_some(), "one of `key` and `token` is wanted, and not both"),
        ];
        wrong.iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, why)| ("provider", (*why).to_owned())).collect()
    }
}
