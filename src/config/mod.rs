//! `stockroom.yml`: what the maintainer wants, checked as a whole before anything is done.
//!
//! Each room owns its settings; here they are put together, and what is wrong with any of them is told at once, each
//! problem on its line. The JSON Schema is generated from the types and published as
//! `dist/schemas/stockroom.schema.json`.

mod advice;
pub mod draft;
mod named;
mod problems;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::catalog::collection::Collection;
use crate::catalog::place::Places;
use crate::catalog::read::{self, Notation};
use crate::finding::words::count;
use crate::finding::{Code, Finding, codes};
use crate::ids::{CollectionName, DownstreamName, RepoPath, SchemaName};
use crate::{catalog, downstream, embedding, manifest, report, schema, state};

/// Where the configuration may be, relative to the library's root; the first that is there counts.
pub const PLACES: [&str; 2] = ["stockroom.yml", ".github/stockroom.yml"];

codes! {
    SETTING "setting"
        "A setting in stockroom.yml cannot work; the message says why."
}

/// Everything that stockroom.yml says.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "stockroom.yml")]
pub struct Settings {
    /// The version of this configuration's format.
    #[schemars(extend("const" = 1))]
    pub version: u32,
    /// The kinds of record that the library holds, by name.
    #[schemars(with = "BTreeMap<String, catalog::settings::Settings>", extend("minProperties" = 1))]
    pub collections: BTreeMap<CollectionName, catalog::settings::Settings>,
    /// Where the schemas are and how strictly they are applied.
    #[serde(default)]
    pub schemas: schema::settings::Settings,
    /// What is published of each asset, and where.
    #[serde(default)]
    pub manifest: manifest::settings::Settings,
    /// The repositories that build on this library, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, downstream::Settings>")]
    pub downstreams: BTreeMap<DownstreamName, downstream::Settings>,
    /// What holds for the deliveries to all of them.
    #[serde(default)]
    pub dispatch: downstream::DispatchSettings,
    /// The vector index of the assets' texts; without it there is none.
    pub embed: Option<embedding::Settings>,
    /// Who is told of a run.
    #[serde(default)]
    pub notify: report::notify::Settings,
    /// How severe findings are that no rule of this file asks for.
    #[serde(default)]
    pub lint: catalog::lint::Settings,
    /// Where Stockroom remembers what it has done.
    #[serde(default)]
    pub state: state::Settings,
    /// What one record may cost before it counts as an attack.
    #[serde(default)]
    pub limits: catalog::limits::Limits,
}

/// A configuration that can be worked with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it was read from.
    pub path: RepoPath,
    /// What it says.
    pub settings: Settings,
    /// Its collections, ready to be used, in the order of their names.
    pub collections: Vec<Collection>,
    /// The registry's folder, empty for the library's root.
    pub schema_folder: String,
    places: Places,
}

/// A configuration that cannot be worked with: every problem with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} has {}", count(.problems.len(), "problem"))]
pub struct ConfigError {
    /// The file.
    pub path: RepoPath,
    /// What is wrong, in the order of the file; never empty.
    pub problems: Vec<Finding>,
    /// What the file says, for whoever shows the lines in question.
    pub text: String,
}

impl Config {
    /// Reads a configuration, or tells all that is wrong with it.
    pub fn read(path: &RepoPath, bytes: Vec<u8>) -> Result<Self, ConfigError> {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let fail = |problems: Vec<Finding>| {
            let mut problems: Vec<_> = problems.into_iter().filter(Finding::is_error).collect();
            problems.sort_by(|a, b| (a.span, &a.message).cmp(&(b.span, &b.message)));
            problems.dedup();
            Err(ConfigError { path: path.clone(), problems, text: text.clone() })
        };
        let (document, findings) = read::read(path, Notation::Yaml, bytes);
        let Some(document) = document else { return fail(findings) };
        let places = document.places();
        let mut problems = problems::of_shape(path, &document.text, &document.value, &places);
        let (mut collections, more) = problems::of_rooms(path, &document.value, &places, &problems);
        problems.extend(more);
        if !problems.is_empty() {
            return fail(problems);
        }
        let settings = match Settings::deserialize(&document.value) {
            Ok(settings) => settings,
            Err(error) => return fail(vec![Finding::error(&SETTING, path.clone(), error.to_string())]),
        };
        // A second parser reads it too. What two of them understand differently (`012`, `1_000`) is no setting to act on.
        if serde_yaml::from_str::<Settings>(&document.text).ok().as_ref() != Some(&settings) {
            let message = "programs read this file differently, by the rules of different versions of YAML";
            let help = "write numbers without leading zeros or underscores, and texts such as yes, no and on in quotes";
            return fail(vec![Finding::error(&SETTING, path.clone(), message).help(help)]);
        }
        let schema_folder = settings.schemas.folder();
        collections.iter_mut().for_each(|collection| collection.limits = settings.limits);
        Ok(Self { path: path.clone(), settings, collections, schema_folder, places })
    }

    /// The names of the schemas that collections ask for.
    pub fn schema_names(&self) -> BTreeSet<SchemaName> {
        self.settings.collections.values().filter_map(|c| c.schema.as_deref()).map(SchemaName::new).collect()
    }

    /// The collections whose records follow this schema.
    pub fn users(&self, schema: &SchemaName) -> Vec<&CollectionName> {
        let collections = self.settings.collections.iter();
        collections.filter(|(_, it)| it.schema.as_deref() == Some(schema.as_str())).map(|(name, _)| name).collect()
    }

    /// A finding at the value at this pointer of the configuration.
    pub fn finding(&self, code: &'static Code, pointer: &str, message: String) -> Finding {
        Finding::error(code, self.path.clone(), message).at(self.places.nearest(pointer)).about(pointer)
    }
}

/// The JSON Schema (draft 2020-12) of stockroom.yml.
pub fn json_schema() -> Value {
    schemars::schema_for!(Settings).to_value()
}

#[cfg(test)]
mod tests;
