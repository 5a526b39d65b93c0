//! What Slack takes as a message, restated from its reference of blocks; for tests.

use serde_json::Value;

/// Why Slack would refuse the message; nothing where it would not.
pub(crate) fn complaints(message: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if message.get("text").and_then(Value::as_str).is_none_or(str::is_empty) {
        found.push("no_text".to_owned());
    }
    let Some(blocks) = message.get("blocks") else { return found };
    let Some(blocks) = blocks.as_array() else { return vec!["blocks are no list".to_owned()] };
    if blocks.len() > 50 {
        found.push(format!("{} blocks", blocks.len()));
    }
    for (at, block) in blocks.iter().enumerate() {
        found.extend(block_complaints(block).into_iter().map(|why| format!("block {at}: {why}")));
    }
    found
}

fn block_complaints(block: &Value) -> Vec<String> {
    match block.get("type").and_then(Value::as_str) {
        Some("header") => text_complaints(block.get("text"), &["plain_text"], 150),
        Some("divider") => Vec::new(),
        Some("section") => {
            let mut found = Vec::new();
            let (text, fields) = (block.get("text"), block.get("fields"));
            if text.is_none() && fields.is_none() {
                found.push("a section needs text or fields".to_owned());
            }
            if text.is_some() {
                found.extend(text_complaints(text, &["mrkdwn", "plain_text"], 3_000));
            }
            let fields = fields.map(|fields| fields.as_array().cloned().unwrap_or_default());
            if fields.as_ref().is_some_and(|fields| !(1..=10).contains(&fields.len())) {
                found.push("a section has 1 to 10 fields".to_owned());
            }
            for field in fields.iter().flatten() {
                found.extend(text_complaints(Some(field), &["mrkdwn", "plain_text"], 2_000));
            }
            found
        }
        Some("context") => {
            let elements = block.get("elements").and_then(Value::as_array).cloned().unwrap_or_default();
            let mut found: Vec<String> = elements
                .iter()
                .flat_map(|element| text_complaints(Some(element), &["mrkdwn", "plain_text"], 3_000))
                .collect();
            if !(1..=10).contains(&elements.len()) {
                found.push("a context has 1 to 10 elements".to_owned());
            }
            found
        }
        other => vec![format!("the type {other:?} is not one of ours")],
    }
}

fn text_complaints(text: Option<&Value>, kinds: &[&str], most: usize) -> Vec<String> {
    let mut found = Vec::new();
    let kind = text.and_then(|text| text.get("type")).and_then(Value::as_str).unwrap_or_default();
    let words = text.and_then(|text| text.get("text")).and_then(Value::as_str).unwrap_or_default();
    if !kinds.contains(&kind) {
        found.push(format!("the kind of text {kind:?}"));
    }
    let length = words.encode_utf16().count();
    if length == 0 || length > most {
        found.push(format!("{length} characters, where 1 to {most} may be"));
    }
    let allowed = ["type", "text", if kind == "mrkdwn" { "verbatim" } else { "emoji" }];
    for key in text.and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key) {
        if !allowed.contains(&key.as_str()) {
            found.push(format!("the key {key:?}"));
        }
    }
    found
}

/// What Slack would turn into something other than text: links, mentions, channels. Each as it stands between `<` and `>`.
pub(crate) fn specials(message: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match message {
        Value::String(text) => {
            found.extend(text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default().to_owned()));
        }
        Value::Array(items) => found.extend(items.iter().flat_map(specials)),
        Value::Object(members) => found.extend(members.values().flat_map(specials)),
        _ => {}
    }
    found
}
