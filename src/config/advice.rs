//! What to write in place of a value that has not the shape of its setting, where the schema alone cannot know.

use serde_json::Value;

use crate::manifest::settings::bucket::BucketAddress;

/// What the secret is called that is wanted at this pointer of stockroom.yml.
pub(super) fn secret(pointer: &str) -> Option<&'static str> {
    match pointer {
        "/manifest/sign" => Some("the signing key"),
        "/state/url" => Some("the address of the database"),
        "/embed/model/key" => Some("the model's key"),
        "/embed/store/key" => Some("the store's key"),
        _ if pointer.ends_with("/token") => Some("the token"),
        _ if pointer.ends_with("/webhook/secret") => Some("the webhook's secret"),
        _ if pointer.ends_with("/webhook") => Some("the webhook"),
        _ if pointer.ends_with("/gitlab/trigger") => Some("the trigger token"),
        _ if pointer.ends_with("/app/key") => Some("the app's key"),
        _ => None,
    }
}

/// What to write in place of a value at this pointer that is not of the kind that is wanted.
pub(super) fn instead(pointer: &str, value: &Value) -> Option<String> {
    let below = pointer.strip_prefix("/manifest/")?;
    let steps: Vec<&str> = below.split('/').collect();
    match (steps.as_slice(), value) {
        (["publish"], Value::String(text)) => Some(format!("write [{}]", place(text)?)),
        (["publish", _], Value::String(text)) => Some(format!("write {}", place(text)?)),
        (["publish", _, "release"], Value::Bool(true)) => Some("write release: {}".to_owned()),
        (["exports", "blender"], Value::Bool(true)) => Some(
            "write what Blender has to know, as in blender: {name: My library, data_block: /title, id_type: OBJECT, \
             blender_version: \"4.2\"}"
                .to_owned(),
        ),
        (["exports", export @ ("data_package" | "feed" | "sitemap")], Value::Bool(true)) => {
            Some(format!("write {export}: {{}}"))
        }
        (["exports", export @ ("blender" | "data_package" | "feed" | "sitemap")], Value::Bool(false)) => {
            Some(format!("leave `{export}` out"))
        }
        _ => None,
    }
}

/// A place that is named by a text alone, as it is written.
fn place(text: &str) -> Option<String> {
    let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    match text {
        "release" => Some("{release: {}}".to_owned()),
        _ if BucketAddress::parse(text).is_ok() => Some(format!("{{object_store: \"{text}\"}}")),
        _ => is_plain.then(|| format!("{{folder: {text}}}")),
    }
}
