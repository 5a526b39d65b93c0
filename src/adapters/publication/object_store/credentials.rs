//! What opens a bucket, as the variables of the clouds' own programs hold it.

use std::collections::BTreeMap;

use crate::manifest::settings::bucket::Cloud;
use crate::secret::Secret;

/// The variables that are read, and whether what they hold is secret.
const VARIABLES: [(&str, bool); 20] = [
    ("AWS_ACCESS_KEY_ID", false),
    ("AWS_SECRET_ACCESS_KEY", true),
    ("AWS_SESSION_TOKEN", true),
    ("AWS_REGION", false),
    ("AWS_DEFAULT_REGION", false),
    ("AWS_ENDPOINT_URL_S3", false),
    ("AWS_ENDPOINT_URL", false),
    ("GOOGLE_SERVICE_ACCOUNT", false),
    ("GOOGLE_SERVICE_ACCOUNT_PATH", false),
    ("GOOGLE_SERVICE_ACCOUNT_KEY", true),
    ("GOOGLE_APPLICATION_CREDENTIALS", false),
    ("AZURE_STORAGE_ACCOUNT_NAME", false),
    ("AZURE_STORAGE_ACCOUNT_KEY", true),
    ("AZURE_STORAGE_SAS_KEY", true),
    ("AZURE_STORAGE_CLIENT_ID", false),
    ("AZURE_STORAGE_CLIENT_SECRET", true),
    ("AZURE_STORAGE_TENANT_ID", false),
    ("AZURE_STORAGE_ENDPOINT", false),
    ("AZURE_STORAGE_AUTHORITY_HOST", false),
    ("AZURE_STORAGE_TOKEN", true),
];

/// Each of these opens Google's buckets by itself.
const GOOGLE: [&str; 4] = [
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
];

/// Keys, tokens and places of servers for all clouds, as far as they are given.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    values: BTreeMap<&'static str, Secret>,
}

impl Credentials {
    /// What `variable` gives for the names that the clouds' own programs read.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value =
            |(name, _): &(&'static str, bool)| Some((*name, Secret::new(variable(name).filter(|v| !v.is_empty())?)));
        Self { values: VARIABLES.iter().filter_map(value).collect() }
    }

    /// Everything that must not be shown: what is secret, and the parts of it that could be shown apart.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets = Vec::new();
        for (name, _) in VARIABLES.iter().filter(|(_, is_secret)| *is_secret) {
            let Some(secret) = self.values.get(name) else { continue };
            let parsed: Option<serde_json::Value> = serde_json::from_str(secret.reveal()).ok();
            let inner = parsed.as_ref().and_then(|key| Some([key.get("private_key")?, key.get("private_key_id")?]));
            secrets.extend(inner.into_iter().flatten().filter_map(|part| part.as_str()).map(Secret::new));
            secrets.extend(secret.reveal().lines().filter(|line| line.len() > 8).map(Secret::new));
            secrets.push(secret.clone());
        }
        secrets
    }

    /// The first of these variables that is set.
    pub(super) fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.values.get::<str>(name)).map(Secret::reveal)
    }

    /// Whether there is enough to sign a request to this cloud.
    pub(super) fn opens(&self, cloud: Cloud) -> bool {
        let has = |names: &[&str]| names.iter().all(|name| self.values.contains_key::<str>(name));
        match cloud {
            Cloud::S3 => has(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
            Cloud::Google => self.get(&GOOGLE).is_some(),
            Cloud::Azure => {
                has(&["AZURE_STORAGE_ACCOUNT_KEY"])
                    || has(&["AZURE_STORAGE_SAS_KEY"])
                    || has(&["AZURE_STORAGE_TOKEN"])
                    || has(&["AZURE_STORAGE_CLIENT_ID", "AZURE_STORAGE_CLIENT_SECRET", "AZURE_STORAGE_TENANT_ID"])
            }
        }
    }
}

/// The variables to set where there is not enough.
pub(super) fn wanted(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::S3 => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        Cloud::Google => "GOOGLE_SERVICE_ACCOUNT_KEY (the key's JSON) or GOOGLE_SERVICE_ACCOUNT (its file)",
        Cloud::Azure => "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (or AZURE_STORAGE_SAS_KEY)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Credentials {
        let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
        Credentials::of(|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn secrets_are_told_from_what_may_be_shown_and_come_in_parts() {
        let key = "{\"private_key\": \"-----BEGIN\\nabc\", \"private_key_id\": \"id-1\"}";
        let given = of(&[
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "canary-1"),
            ("GOOGLE_SERVICE_ACCOUNT_KEY", key),
            ("PATH", "/bin"),
        ]);
        let secrets: Vec<String> = given.secrets().iter().map(|secret| secret.reveal().to_owned()).collect();
        for expected in ["canary-1", key, "-----BEGIN\nabc", "id-1"] {
            assert!(secrets.iter().any(|secret| secret == expected), "{expected}");
        }
        assert!(!secrets.iter().any(|secret| ["AKIA", "/bin"].contains(&secret.as_str())));
        assert!(!format!("{given:?}").contains("canary"), "{given:?}");
    }

    #[test]
    fn half_of_a_key_opens_nothing() {
        assert!(!of(&[("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "")]).opens(Cloud::S3));
        assert!(of(&[("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y")]).opens(Cloud::S3));
        assert!(of(&[("GOOGLE_APPLICATION_CREDENTIALS", "x")]).opens(Cloud::Google));
        assert!(!of(&[("AWS_ACCESS_KEY_ID", "x")]).opens(Cloud::Google));
        assert!(!of(&[("AZURE_STORAGE_ACCOUNT_NAME", "x")]).opens(Cloud::Azure));
        assert!(of(&[("AZURE_STORAGE_SAS_KEY", "x")]).opens(Cloud::Azure));
    }
}
