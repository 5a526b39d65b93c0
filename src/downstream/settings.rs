//! One entry of `downstreams` in stockroom.yml, and what can be wrong with all of them together.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::ids::{CollectionName, DownstreamName, RepoSlug};
use crate::secret::SecretRef;

/// A repository that builds on this library and wants to hear when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Downstream")]
pub struct Settings {
    /// The repository on GitHub, as `owner/name`.
    #[schemars(with = "String", regex(pattern = r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$"))]
    pub repo: RepoSlug,
    /// The type of the `repository_dispatch` event that is sent to it, 1 to 100 characters.
    #[serde(default = "default_event")]
    #[schemars(length(min = 1, max = 100))]
    pub event: String,
    /// Which changes concern it; all of them when this is left out.
    #[serde(default)]
    pub when: When,
    /// The downstreams that must have theirs before this one is told.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub needs: Vec<DownstreamName>,
    /// The token for that repository: it needs `contents: write` there. The job's own `GITHUB_TOKEN` cannot reach it.
    #[serde(default = "default_token")]
    pub token: SecretRef,
}

/// Which changes concern a downstream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DownstreamWhen")]
pub struct When {
    /// The collections that it reads; all of them when this is left out.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>", length(min = 1))]
    pub collections: Option<Vec<CollectionName>>,
}

/// A JSON Pointer into `downstreams`, and a sentence on what is wrong there.
pub type Problem = (String, String);

fn default_event() -> String {
    "asset-updated".to_owned()
}

fn default_token() -> SecretRef {
    SecretRef::to_variable("STOCKROOM_TOKEN")
}

/// Everything that is wrong with the downstreams, in the order of their names; pointers are relative to `downstreams`.
pub fn problems(all: &BTreeMap<DownstreamName, Settings>, known: &BTreeSet<CollectionName>) -> Vec<Problem> {
    let mut found = Vec::new();
    for (name, settings) in all {
        let at = format!("/{}", name.as_str().replace('~', "~0").replace('/', "~1"));
        if let Some(sentence) = bad_name(name.as_str()) {
            found.push((at.clone(), sentence));
        }
        if RepoSlug::parse(settings.repo.as_str()).is_err() {
            let sentence = format!("{:?} is not a repository; write it as `owner/name`", settings.repo.as_str());
            found.push((format!("{at}/repo"), sentence));
        }
        if let Some(sentence) = bad_event(&settings.event) {
            found.push((format!("{at}/event"), sentence));
        }
        found.extend(unknown_collections(&at, &settings.when, known));
        found.extend(unknown_needs(&at, &settings.needs, all));
    }
    found.extend(cycles(all));
    found
}

fn bad_name(name: &str) -> Option<String> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if plain && !name.is_empty() && !name.starts_with('.') && name.len() <= 64 {
        return None;
    }
    Some(format!("{name:?} cannot name a downstream; use at most 64 letters, digits, `-`, `_` and `.`, no `.` first"))
}

fn bad_event(event: &str) -> Option<String> {
    let length = event.chars().count();
    if length == 0 || length > 100 {
        return Some(format!("an event type has 1 to 100 characters, this one has {length}"));
    }
    event.chars().any(char::is_control).then(|| "an event type holds no control characters".to_owned())
}

fn unknown_collections(at: &str, when: &When, known: &BTreeSet<CollectionName>) -> Vec<Problem> {
    let Some(collections) = &when.collections else { return Vec::new() };
    if collections.is_empty() {
        let sentence = "no collection is named, so nothing would ever be sent; leave `when` out for all of them";
        return vec![(format!("{at}/when/collections"), sentence.to_owned())];
    }
    let unknown = collections.iter().enumerate().filter(|(_, collection)| !known.contains(*collection));
    unknown
        .map(|(i, collection)| {
            let sentence =
                format!("there is no collection {:?}; {}", collection.as_str(), listed("collections", known));
            (format!("{at}/when/collections/{i}"), sentence)
        })
        .collect()
}

fn unknown_needs(at: &str, needs: &[DownstreamName], all: &BTreeMap<DownstreamName, Settings>) -> Vec<Problem> {
    let unknown = needs.iter().enumerate().filter(|(_, name)| !all.contains_key(*name));
    unknown
        .map(|(i, name)| {
            let sentence = format!("there is no downstream {:?}; {}", name.as_str(), listed("downstreams", all.keys()));
            (format!("{at}/needs/{i}"), sentence)
        })
        .collect()
}

fn listed<T: ToString>(kind: &str, names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{}`", name.to_string())).collect();
    if names.is_empty() { format!("no {kind} are configured") } else { format!("known {kind}: {}", names.join(", ")) }
}

/// Each cycle once, told from its alphabetically first member.
fn cycles(all: &BTreeMap<DownstreamName, Settings>) -> Vec<Problem> {
    let mut settled = BTreeSet::new();
    let mut found = Vec::new();
    for start in all.keys() {
        if settled.contains(start) {
            continue;
        }
        let mut path = vec![(start, 0)];
        while let Some((name, next)) = path.last_mut() {
            let needed = all.get(*name).and_then(|settings| settings.needs.get(*next));
            *next += 1;
            let Some(needed) = needed else {
                settled.insert(*name);
                path.pop();
                continue;
            };
            if let Some(from) = path.iter().position(|(on_path, _)| *on_path == needed) {
                found.push(cycle(path.iter().skip(from).map(|(name, _)| *name)));
            } else if all.contains_key(needed) && !settled.contains(needed) {
                path.push((needed, 0));
            }
        }
    }
    found
}

fn cycle<'a>(members: impl Iterator<Item = &'a DownstreamName>) -> Problem {
    let mut names: Vec<&str> = members.map(DownstreamName::as_str).collect();
    let first = names.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(i, _)| i);
    names.rotate_left(first);
    let head = names.first().copied().unwrap_or_default();
    let told = names.iter().chain([&head]).copied().collect::<Vec<_>>().join(" -> ");
    let at = format!("/{}/needs", head.replace('~', "~0").replace('/', "~1"));
    (at, format!("these downstreams wait for each other: {told}; take one `needs` away"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(yaml: &str) -> Settings {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn all(entries: &[(&str, &str)]) -> BTreeMap<DownstreamName, Settings> {
        entries.iter().map(|(name, yaml)| (DownstreamName::new(*name), settings(yaml))).collect()
    }

    fn known() -> BTreeSet<CollectionName> {
        [CollectionName::new("products")].into()
    }

    #[test]
    fn a_repository_is_all_that_must_be_said() {
        let website = settings("repo: org/website");
        assert_eq!((website.event.as_str(), website.token.variable()), ("asset-updated", "STOCKROOM_TOKEN"));
        assert_eq!((website.when.collections, website.needs), (None, vec![]));
    }

    #[test]
    fn an_unknown_key_and_a_literal_token_are_refused() {
        assert!(serde_yaml::from_str::<Settings>("{repo: o/w, evnet: x}").is_err());
        let refused = serde_yaml::from_str::<Settings>("{repo: o/w, token: ghp_canary}").unwrap_err();
        assert!(refused.to_string().contains("references, never values"), "{refused}");
    }

    #[test]
    fn every_problem_is_named_at_its_place() {
        let all = all(&[
            ("../up", "repo: org/up"),
            ("addon", "{repo: nowhere, needs: [website, webstie]}"),
            ("website", "{repo: org/website, event: '', when: {collections: [prodcts]}}"),
            ("zip", "{repo: org/zip, when: {collections: []}}"),
        ]);
        insta::assert_debug_snapshot!(problems(&all, &known()), @r#"
        [
            (
                "/..~1up",
                "\"../up\" cannot name a downstream; use at most 64 letters, digits, `-`, `_` and `.`, no `.` first",
            ),
            (
                "/addon/repo",
                "\"nowhere\" is not a repository; write it as `owner/name`",
            ),
            (
                "/addon/needs/1",
                "there is no downstream \"webstie\"; known downstreams: `../up`, `addon`, `website`, `zip`",
            ),
            (
                "/website/event",
                "an event type has 1 to 100 characters, this one has 0",
            ),
            (
                "/website/when/collections/0",
                "there is no collection \"prodcts\"; known collections: `products`",
            ),
            (
                "/zip/when/collections",
                "no collection is named, so nothing would ever be sent; leave `when` out for all of them",
            ),
        ]
        "#);
    }

    #[test]
    fn a_cycle_is_told_once_from_its_first_member() {
        let all = all(&[
            ("website", "{repo: o/w, needs: [addon]}"),
            ("addon", "{repo: o/a, needs: [docs]}"),
            ("docs", "{repo: o/d, needs: [website, self]}"),
            ("self", "{repo: o/s, needs: [self]}"),
        ]);
        insta::assert_debug_snapshot!(problems(&all, &known()), @r#"
        [
            (
                "/addon/needs",
                "these downstreams wait for each other: addon -> docs -> website -> addon; take one `needs` away",
            ),
            (
                "/self/needs",
                "these downstreams wait for each other: self -> self; take one `needs` away",
            ),
        ]
        "#);
    }

    #[test]
    fn a_shared_need_is_no_cycle() {
        let all = all(&[
            ("a", "{repo: o/a}"),
            ("b", "{repo: o/b, needs: [a]}"),
            ("c", "{repo: o/c, needs: [a]}"),
            ("d", "{repo: o/d, needs: [b, c]}"),
        ]);
        assert_eq!(problems(&all, &known()), []);
    }

    #[test]
    fn the_schema_has_a_sentence_for_every_key() {
        let schema = serde_json::to_value(schemars::schema_for!(Settings)).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.len(), 5);
        for (key, property) in properties {
            assert!(property.to_string().contains("\"description\""), "{key}: {property}");
        }
        let validator = jsonschema::validator_for(&schema).unwrap();
        let valid = |json| validator.is_valid(&json);
        assert!(valid(serde_json::json!({"repo": "o/w", "token": "${{ env.T }}", "when": {"collections": ["a"]}})));
        assert!(!valid(serde_json::json!({"repo": "o"})));
        assert!(!valid(serde_json::json!({"repo": "o/w", "token": "ghp_x"})));
    }
}
