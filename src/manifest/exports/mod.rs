//! The catalogue in formats that other programs read as they are.
//!
//! Each export is a pure function of the assets' entries, of when each last changed, and of the settings. What an asset lacks
//! for one of them is a finding, and the asset is left out of that export alone.

pub mod blender;
mod blocks;
pub mod data_package;
pub mod feed;
pub mod lacks;
mod pages;
pub mod sitemap;
mod table;
mod xml;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::BuildError;
use super::format::{AssetEntry, Moment, Source};
use super::listing::Listing;
use super::settings::has_credentials;
use crate::ids::{CollectionName, Sha256Hex};

pub use lacks::{Lacks, findings};

/// The other formats in which the catalogue is published; each is left out where nothing is said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A remote asset library for Blender 5.2 and later: `_asset-library-meta.json`.
    pub blender: Option<blender::Settings>,
    /// A Data Package with tables of the assets and their files: `datapackage.json`.
    pub data_package: Option<data_package::Settings>,
    /// A JSON Feed of the assets that changed last: `feed.json`.
    pub feed: Option<feed::Settings>,
    /// A sitemap of the assets' pages: `sitemap.xml`.
    pub sitemap: Option<sitemap::Settings>,
}

/// What exports are made from beside their settings.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The assets, sorted by collection and id.
    pub assets: &'a [(CollectionName, AssetEntry)],
    /// The commit that they were read from.
    pub source: &'a Source,
    /// The commit that last changed what an asset means, by its collection and id.
    pub updated: &'a dyn Fn(&str, &str) -> Option<&'a Moment>,
    /// The address of the folder in which the exports will be found, where it is known.
    pub base: Option<&'a str>,
}

/// Exports that are ready to be published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// All files by their names. A name that ends in a SHA-256 is never used for other bytes.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The names of each export's files, the first being the one that a reader begins with.
    pub by_export: BTreeMap<String, Vec<String>>,
}

/// Writes the exports that the settings ask for.
pub fn render(settings: &Settings, listing: &Listing, context: &Context<'_>) -> Result<Rendered, BuildError> {
    let mut rendered = Rendered::default();
    if let Some(settings) = &settings.blender {
        rendered.add("blender", blender::render(settings, listing, context)?);
    }
    if let Some(settings) = &settings.data_package {
        rendered.add("data_package", data_package::render(settings, listing, context)?);
    }
    if let Some(settings) = &settings.feed {
        rendered.add("feed", feed::render(settings, listing, context)?);
    }
    if let Some(settings) = &settings.sitemap {
        rendered.add("sitemap", sitemap::render(settings, listing, context));
    }
    Ok(rendered)
}

impl Rendered {
    fn add(&mut self, export: &str, files: Vec<(String, Vec<u8>)>) {
        let names = files.iter().map(|(name, _)| name.clone()).collect();
        self.by_export.insert(export.to_owned(), names);
        self.files.extend(files);
    }
}

impl Settings {
    /// What is wrong with the settings, as JSON Pointers within them and sentences.
    ///
    /// Where the library's files have no addresses (`has_base_url` is false), nothing could be fetched.
    pub fn problems(&self, has_base_url: bool, has_pages: bool) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut all = |at: &str, found: Vec<(String, String)>| {
            problems.extend(found.into_iter().map(|(below, message)| (format!("{at}{below}"), message)));
        };
        if let Some(settings) = &self.blender {
            all("/blender", settings.problems(has_base_url));
        }
        if let Some(settings) = &self.data_package {
            all("/data_package", settings.problems());
        }
        if let Some(settings) = &self.feed {
            all("/feed", settings.problems());
        }
        if let Some(settings) = &self.sitemap {
            all("/sitemap", settings.problems(has_pages));
        }
        problems
    }
}

impl Context<'_> {
    /// The address of one of the exports' files, where it is known.
    fn address(&self, name: &str) -> Option<String> {
        self.base.map(|base| format!("{}/{name}", base.trim_end_matches('/')))
    }
}

/// The assets of the collections that an export takes; all of them where it names none.
fn chosen<'a>(
    assets: &'a [(CollectionName, AssetEntry)],
    collections: Option<&[String]>,
) -> impl Iterator<Item = &'a (CollectionName, AssetEntry)> {
    let wanted = move |name: &CollectionName| collections.is_none_or(|all| all.iter().any(|one| one == name.as_str()));
    assets.iter().filter(move |(name, _)| wanted(name))
}

/// A file under a name that holds its SHA-256, so that it never changes.
fn named(kind: &str, extension: &str, bytes: Vec<u8>) -> (String, Vec<u8>) {
    (format!("{kind}-{}.{extension}", Sha256Hex::of(&bytes)), bytes)
}

/// What keeps a text from being the address of a page.
fn address_problem(at: &str, address: Option<&String>) -> Option<(String, String)> {
    let address = address?;
    if has_credentials(address) {
        return Some((at.to_owned(), "the address holds a user name or a password: write it without".to_owned()));
    }
    let is_address = (address.starts_with("https://") || address.starts_with("http://"))
        && address.len() > "https://".len()
        && address.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`'));
    (!is_address)
        .then(|| (at.to_owned(), format!("{address:?} is no address: it begins with https:// and has no spaces")))
}

/// What keeps a text that people read from being one.
fn text_problem(at: &str, text: &str) -> Option<(String, String)> {
    let is_text = !text.trim().is_empty() && !text.chars().any(char::is_control) && text.chars().count() <= 1_000;
    (!is_text).then(|| (at.to_owned(), "a text of 1 to 1,000 characters on one line is wanted here".to_owned()))
}

#[cfg(test)]
mod tests;
