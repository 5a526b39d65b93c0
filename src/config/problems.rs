//! All that is wrong with a configuration: first its shape, then what each room makes of its part.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{SETTING, advice, json_schema};
use crate::catalog::asset::UsedSchema;
use crate::catalog::collection::Collection;
use crate::catalog::place::{Places, child_pointer};
use crate::catalog::pointer::PointerPattern;
use crate::finding::Finding;
use crate::ids::{CollectionName, DownstreamName, RepoPath, SchemaName, Sha256Hex};
use crate::schema::compile::Compiled;
use crate::schema::load::Loads;
use crate::schema::settings::DraftName;
use crate::schema::spelling::Spelling;
use crate::schema::validate::{Original, check};
use crate::schema::version::Wanted;
use crate::secret::NotAReference;
use crate::{catalog, downstream, embedding, manifest, schema, state};

/// How many objections of the JSON Schema are told.
const MOST: usize = 1_000;

/// What the generated JSON Schema objects to.
pub(super) fn of_shape(path: &RepoPath, text: &str, value: &Value, places: &Places) -> Vec<Finding> {
    let schema = json_schema();
    let validator = match jsonschema::options().offline().build(&schema) {
        Ok(validator) => validator,
        Err(error) => {
            return vec![Finding::error(&SETTING, path.clone(), format!("the schema of stockroom.yml: {error}"))];
        }
    };
    let name = SchemaName::new("stockroom.yml");
    let used = UsedSchema { name, version: None, sha256: Sha256Hex::of(b"") };
    let draft = DraftName::Draft202012;
    let loads = Loads::default();
    let compiled = Compiled { used, schema, validator, formats: None, weight: 1, loads, draft, suspicions: Vec::new() };
    let mut findings =
        check(value, &compiled, &Original { path, spelling: Spelling::Yaml, text }, MOST, || places.clone());
    for finding in &mut findings {
        if let Some(secret) = advice::secret(&finding.pointer) {
            // What stands there may be a secret, so it is not repeated.
            finding.message = format!("{secret} is not a reference");
            finding.help = Some(NotAReference.to_string());
        } else if let Some(help) = value.pointer(&finding.pointer).and_then(|at| advice::instead(&finding.pointer, at))
        {
            finding.help = Some(help);
        }
        if finding.pointer == "/version" && value.get("version").and_then(Value::as_u64).is_some_and(|v| v > 1) {
            finding.help = Some("this file was written for a newer Stockroom: update it".to_owned());
        }
    }
    findings
}

/// What the rooms object to in the parts that they can read, and the collections that are ready.
pub(super) fn of_rooms(
    path: &RepoPath,
    value: &Value,
    places: &Places,
    known: &[Finding],
) -> (Vec<Collection>, Vec<Finding>) {
    // What the shape forbids is told already; without it a part may still be readable, with its defaults.
    let mut value = value.clone();
    for finding in known.iter().filter(|finding| !finding.pointer.is_empty()) {
        PointerPattern::new(&finding.pointer).remove(&mut value);
    }
    let mut told = Told { path, places, known, findings: Vec::new() };
    let mut collections = Vec::new();
    let names = members(&value, "collections").map(|(name, _)| name.as_str()).collect();
    for (name, part) in members(&value, "collections") {
        let at = child_pointer("/collections", name);
        if let Some(why) = bad_name(name) {
            told.tell(at.clone(), why);
        }
        let Some(settings) = told.part::<catalog::settings::Settings>(part, &at) else { continue };
        if let Some(text) = settings.default_version.as_deref().filter(|text| Wanted::parse(text).is_none()) {
            let why = format!("{text:?} is no version: write `1.2.0`, a range such as `^1.0`, or `latest`");
            told.tell(format!("{at}/default_version"), why);
        }
        told.all(&at, catalog::links::problems(&settings.links, &names));
        match Collection::new(CollectionName::new(name), &settings) {
            Ok(collection) => collections.push(collection),
            Err(problems) => told.all(&at, problems),
        }
    }
    if let Some(settings) =
        value.get("schemas").and_then(|part| told.part::<schema::settings::Settings>(part, "/schemas"))
    {
        told.all("/schemas", settings.problems());
    }
    if let Some(settings) =
        value.get("manifest").and_then(|part| told.part::<manifest::settings::Settings>(part, "/manifest"))
    {
        told.all("/manifest", settings.problems());
        let names: Vec<_> = members(&value, "collections").map(|(name, _)| name.as_str()).collect();
        told.all("/manifest", super::named::problems(&settings, &names));
    }
    if let Some(settings) = value.get("embed").and_then(|part| told.part::<embedding::Settings>(part, "/embed")) {
        told.all("/embed", settings.problems());
    }
    if let Some(settings) = value.get("state").and_then(|part| told.part::<state::Settings>(part, "/state")) {
        told.all("/state", settings.problems());
    }
    told.downstreams(&value);
    collections.sort_by(|a, b| a.name.cmp(&b.name));
    (collections, told.findings)
}

struct Told<'a> {
    path: &'a RepoPath,
    places: &'a Places,
    known: &'a [Finding],
    findings: Vec<Finding>,
}

impl Told<'_> {
    fn tell(&mut self, pointer: String, message: String) {
        let place = self.places.nearest(&pointer);
        self.findings.push(Finding::error(&SETTING, self.path.clone(), message).at(place).about(pointer));
    }

    fn all(&mut self, at: &str, problems: Vec<(String, String)>) {
        for (pointer, message) in problems {
            self.tell(format!("{at}{pointer}"), message);
        }
    }

    /// Reads a part; when the schema has not said already why it cannot be read, that is said here.
    fn part<T: DeserializeOwned>(&mut self, value: &Value, at: &str) -> Option<T> {
        match T::deserialize(value) {
            Ok(part) => Some(part),
            Err(_) if self.known.iter().any(|finding| finding.pointer.starts_with(at)) => None,
            Err(error) => {
                self.tell(at.to_owned(), error.to_string());
                None
            }
        }
    }

    fn downstreams(&mut self, value: &Value) {
        let schema = |part: &Value| part.get("schema").and_then(Value::as_str).map(SchemaName::new);
        let collections: BTreeMap<_, _> =
            members(value, "collections").map(|(name, part)| (CollectionName::new(name), schema(part))).collect();
        let mut all = BTreeMap::new();
        for (name, part) in members(value, "downstreams") {
            let settings = self.part::<downstream::Settings>(part, &child_pointer("/downstreams", name));
            // One that cannot be read must not look unknown to those that need it, and its other parts count.
            let stand_in = || {
                let mut kept = Map::from_iter([("repo".to_owned(), Value::from("stand/in"))]);
                let others =
                    part.as_object()?.iter().filter(|(key, _)| matches!(key.as_str(), "needs" | "when" | "accepts"));
                kept.extend(others.map(|(key, value)| (key.clone(), value.clone())));
                serde_json::from_value(Value::Object(kept)).ok()
            };
            if let Some(settings) = settings.or_else(stand_in) {
                all.insert(DownstreamName::new(name), settings);
            }
        }
        self.all("/downstreams", downstream::problems(&all, &collections));
    }
}

fn members<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn bad_name(name: &str) -> Option<String> {
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) && !name.is_empty();
    (!fits || name.len() > 64)
        .then(|| format!("{name:?} is no name for a collection: use letters, digits, `-` and `_`, 64 at most"))
}
