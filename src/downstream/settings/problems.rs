//! What can be wrong with all downstreams together.

use std::collections::{BTreeMap, BTreeSet};

use super::{Health, Settings, When, concern};
use crate::downstream::{Receiver, payload};
use crate::ids::{CollectionName, DownstreamName, RepoSlug, SchemaName};
use crate::secret::Endpoint;

/// A JSON Pointer into `downstreams`, and a sentence on what is wrong there.
pub type Problem = (String, String);

/// Everything that is wrong with the downstreams, in the order of their names; pointers are relative to `downstreams`.
///
/// `known` are the collections and the schemas that they have.
pub fn problems(
    all: &BTreeMap<DownstreamName, Settings>,
    known: &BTreeMap<CollectionName, Option<SchemaName>>,
) -> Vec<Problem> {
    let mut found = Vec::new();
    let schemas: BTreeSet<SchemaName> = known.values().flatten().cloned().collect();
    let known: BTreeSet<CollectionName> = known.keys().cloned().collect();
    for (name, settings) in all {
        let at = format!("/{}", name.as_str().replace('~', "~0").replace('/', "~1"));
        if let Some(sentence) = bad_name(name.as_str()) {
            found.push((at.clone(), sentence));
        }
        found.extend(bad_receiver(&at, &settings.receiver));
        let api = settings.api.iter().map(|url| ("api", url));
        let addresses = api.chain(settings.health.iter().map(|health| ("health/url", &health.url)));
        for (key, url) in addresses {
            found.extend(bad_address(url).map(|sentence| (format!("{at}/{key}"), sentence)));
        }
        if let Some(Health { pointer: Some(pointer), .. }) = &settings.health
            && !pointer.is_empty()
            && !pointer.starts_with('/')
        {
            let sentence = format!("{pointer:?} is no JSON Pointer; it begins with `/`, such as `/manifest/digest`");
            found.push((format!("{at}/health/pointer"), sentence));
        }
        let payload = payload::problems(&settings.payload, &settings.receiver).into_iter();
        found.extend(payload.map(|(place, sentence)| (format!("{at}/payload{place}"), sentence)));
        if settings.wait.is_some() && matches!(settings.receiver, Receiver::Webhook { .. }) {
            let sentence = "a webhook begins no run that could be waited for; take `wait` away, and look at `health`";
            found.push((format!("{at}/wait"), sentence.to_owned()));
        }
        found.extend(unknown_collections(&at, &settings.when, &known));
        found.extend(concern::of_when(&at, &settings.when));
        found.extend(settings.accepts.iter().flat_map(|accepts| concern::of_accepts(&at, accepts, &schemas)));
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

/// What is wrong with what takes the deliveries.
fn bad_receiver(at: &str, receiver: &Receiver) -> Vec<Problem> {
    let mut found = Vec::new();
    if let Some(repo) = receiver.repo().filter(|repo| RepoSlug::parse(repo.as_str()).is_err()) {
        let sentence = format!("{:?} is not a repository; write it as `owner/name`", repo.as_str());
        found.push((format!("{at}/repo"), sentence));
    }
    let more = match receiver {
        Receiver::Event { event, .. } => bad_event(event).map(|why| ("event", why)),
        Receiver::Workflow { workflow, .. } => bad_workflow(workflow).map(|why| ("workflow", why)),
        Receiver::Webhook { url: Endpoint::Open(url), .. } => bad_address(url).map(|why| ("webhook/url", why)),
        Receiver::Webhook { url: Endpoint::Secret(_), .. } => None,
        Receiver::Pipeline(project) => bad_address(&project.server).map(|why| ("gitlab/server", why)),
    };
    found.extend(more.map(|(key, sentence)| (format!("{at}/{key}"), sentence)));
    found
}

fn bad_workflow(workflow: &str) -> Option<String> {
    let plain = workflow.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let named = workflow.ends_with(".yml") || workflow.ends_with(".yaml");
    (!plain || !named || workflow.starts_with('.')).then(|| {
        format!("{workflow:?} is no workflow's file; write its name below .github/workflows, such as `rebuild.yml`")
    })
}

/// Addresses are https; http reaches this machine alone.
fn bad_address(text: &str) -> Option<String> {
    let parsed = url::Url::parse(text).ok();
    let is_good = parsed.is_some_and(|url| {
        let is_here = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let has_login = !url.username().is_empty() || url.password().is_some();
        (url.scheme() == "https" || (url.scheme() == "http" && is_here)) && !has_login
    });
    (!is_good)
        .then(|| "this must be an address that begins with `https://`, with no user and no password in it".to_owned())
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
        // The same names once more, as a long path is looked at for each need.
        let mut on_path = BTreeSet::from([start]);
        while let Some((name, next)) = path.last_mut() {
            let needed = all.get(*name).and_then(|settings| settings.needs.get(*next));
            *next += 1;
            let Some(needed) = needed else {
                settled.insert(*name);
                on_path.remove(*name);
                path.pop();
                continue;
            };
            if on_path.contains(needed) {
                let ring = path.iter().map(|(name, _)| *name).skip_while(|name| *name != needed);
                found.push(cycle(ring));
            } else if all.contains_key(needed) && !settled.contains(needed) {
                path.push((needed, 0));
                on_path.insert(needed);
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
