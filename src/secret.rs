//! Secrets: where to find one, and one that cannot be printed.
//!
//! The config holds only a [`SecretRef`]; the command line, which alone reads the environment, turns it into a [`Secret`].

pub mod tokens;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const FORM: &str = r"^(\$\{\{\s*env\.[A-Za-z_][A-Za-z0-9_]*\s*\}\}|\$\{[A-Za-z_][A-Za-z0-9_]*\})$";

/// The name of the environment variable that holds a secret, written `${{ env.NAME }}` or `${NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretRef(String);

/// An address that may itself be a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Endpoint {
    /// Everybody may know it.
    Open(String),
    /// It stands in a variable.
    Secret(SecretRef),
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.starts_with("${") {
            true => SecretRef::parse(&text).map(Self::Secret).map_err(|why| why.to_string()),
            false => Ok(Self::Open(text)),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(url) => f.write_str(url),
            Self::Secret(reference) => write!(f, "{reference}"),
        }
    }
}

/// A text that is no reference to a secret. It may be the secret itself, so the text is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "secrets are references, never values: write `${{{{ env.NAME }}}}` and set NAME in the environment. \
     If a real secret stood here, revoke it"
)]
pub struct NotAReference;

impl SecretRef {
    /// Takes `${{ env.NAME }}` or `${NAME}`; anything else may be a secret and is refused without being repeated.
    pub fn parse(text: &str) -> Result<Self, NotAReference> {
        let inner = |open: &str, close: &str| text.strip_prefix(open)?.strip_suffix(close);
        let name = match inner("${{", "}}") {
            Some(words) => words.trim().strip_prefix("env."),
            None => inner("${", "}"),
        };
        name.filter(|name| is_variable(name)).map(|name| Self(name.to_owned())).ok_or(NotAReference)
    }

    /// The reference to this variable. Only for names that stand in the program; others go through `parse`.
    pub fn to_variable(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The variable's name.
    pub fn variable(&self) -> &str {
        &self.0
    }
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{{{ env.{} }}}}", self.0)
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Whatever stands here is taken, numbers and lists too, so that no deserializer quotes it in a type error.
        struct Anything;
        impl<'de> serde::de::Visitor<'de> for Anything {
            type Value = Result<SecretRef, NotAReference>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reference such as `${{ env.NAME }}`")
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(SecretRef::parse(text))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Err(NotAReference))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Err(NotAReference))
            }
            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Err(NotAReference))
            }
            fn visit_i128<E>(self, _: i128) -> Result<Self::Value, E> {
                Ok(Err(NotAReference))
            }
            fn visit_u128<E>(self, _: u128) -> Result<Self::Value, E> {
                Ok(Err(NotAReference))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Err(NotAReference))
            }
            fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
                Ok(Err(NotAReference))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Err(NotAReference))
            }
        }
        deserializer.deserialize_any(Anything)?.map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": FORM,
            "description": "Where a secret is found: `${{ env.NAME }}` or `${NAME}`. Never the secret itself."
        })
    }
}

/// A secret's value. It prints as `***`; only [`Secret::reveal`] gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the value, without the line end that a file or a pasted secret often carries.
    pub fn new(value: impl Into<String>) -> Self {
        let value: String = value.into();
        Self(value.trim().to_owned())
    }

    /// The value itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it, as in an environment where the secret is not set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_a_reference_name_the_variable() {
        for text in ["${{ env.MY_TOKEN }}", "${{env.MY_TOKEN}}", "${MY_TOKEN}"] {
            assert_eq!(SecretRef::parse(text).as_ref().map(SecretRef::variable), Ok("MY_TOKEN"), "{text}");
        }
    }

    #[test]
    fn a_value_is_refused_and_never_repeated() {
        for text in
            ["ghp_canary", "${{ secrets.canary }}", "${canary", "${ca-nary}", "$canary", "x${canary}", "${1canary}"]
        {
            let refused = serde_json::from_value::<SecretRef>(serde_json::json!(text)).unwrap_err().to_string();
            assert!(refused.starts_with("secrets are references, never values"), "{refused}");
            assert!(!refused.contains("canary"), "{refused}");
        }
        let number = serde_json::from_value::<SecretRef>(serde_json::json!(987_654_321)).unwrap_err().to_string();
        assert!(!number.contains("987"), "{number}");
        let yaml = serde_yaml::from_str::<SecretRef>("ghp_canary").unwrap_err();
        assert!(yaml.to_string().contains("secrets are references"), "{yaml}");
    }

    #[test]
    fn the_schema_of_a_reference_agrees_with_its_parser() {
        let schema = serde_json::to_value(schemars::schema_for!(SecretRef)).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for text in ["${{ env.A }}", "${A_1}", "ghp_x", "${}", "${{ env. }}", "${{ env.A }", "${1}"] {
            assert_eq!(validator.is_valid(&serde_json::json!(text)), SecretRef::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_secret_prints_as_stars() {
        let secret = Secret::new("ghp_canary\n");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.reveal(), "ghp_canary");
    }
}
