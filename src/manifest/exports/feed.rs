//! A JSON Feed, version 1.1, of the assets that changed last.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, address_problem, chosen, text_problem};
use crate::ids::CollectionName;
use crate::manifest::build::{BuildError, document};
use crate::manifest::format::{AssetEntry, Moment};
use crate::manifest::listing::Listing;

/// The version of the format, as its files name it.
const VERSION: &str = "https://jsonfeed.org/version/1.1";
/// The file's name.
const NAME: &str = "feed.json";
/// How many assets the feed has.
const ITEMS: usize = 100;

/// What the feed says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Its title; the repository's name when this is left out.
    pub title: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// The address of the page that it belongs to.
    pub home_page_url: Option<String>,
    /// The address of an image that stands for it.
    pub icon: Option<String>,
    /// Its language, such as `en` or `de-AT`.
    pub language: Option<String>,
    /// The collections whose assets it tells of; all of them when this is left out.
    pub collections: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Feed<'a> {
    version: &'static str,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    home_page_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feed_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    title: String,
    content_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_modified: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authors: Vec<Author>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    _stockroom: Extension<'a>,
}

#[derive(Serialize)]
struct Author {
    name: String,
}

/// What a program needs of an item to find its asset in the manifest; names of extensions begin with `_`.
#[derive(Serialize)]
struct Extension<'a> {
    collection: &'a str,
    id: &'a str,
    digest: &'a str,
}

/// The feed's file.
pub(super) fn render(
    settings: &Settings,
    listing: &Listing,
    context: &Context<'_>,
) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let moment = |collection: &CollectionName, entry: &AssetEntry| (context.updated)(collection.as_str(), &entry.id);
    let all = chosen(context.assets, settings.collections.as_deref());
    let mut assets: Vec<_> = all.map(|(collection, entry)| (collection, entry, moment(collection, entry))).collect();
    // Dates are in UTC and of one form, so that the later one is the greater text; what has none comes last.
    assets.sort_by_key(|(_, _, moment)| Reverse(moment.and_then(|moment| moment.date.as_deref())));
    let recent = assets.into_iter().take(ITEMS);
    let feed = Feed {
        version: VERSION,
        title: settings
            .title
            .clone()
            .or_else(|| context.source.repository.clone())
            .unwrap_or_else(|| "Assets".to_owned()),
        home_page_url: settings.home_page_url.as_deref(),
        feed_url: context.address(NAME),
        description: settings.description.as_deref(),
        icon: settings.icon.as_deref(),
        language: settings.language.as_deref(),
        items: recent.map(|(collection, entry, moment)| item(collection, entry, moment, listing)).collect(),
    };
    Ok(vec![(NAME.to_owned(), document(&feed)?)])
}

fn item<'a>(
    collection: &'a CollectionName,
    entry: &'a AssetEntry,
    moment: Option<&'a Moment>,
    listing: &Listing,
) -> Item<'a> {
    let listed = listing.of(collection.as_str(), entry);
    let title = listed.title.unwrap_or_else(|| entry.id.clone());
    Item {
        // It must stay the same when the asset's page moves, so it is no address.
        id: format!("{collection}/{}", entry.id),
        url: listed.url,
        // Every item must have a content; where there are no words about an asset, its name is what there is to say.
        content_text: listed.description.unwrap_or_else(|| title.clone()),
        title,
        image: listed.image.and_then(|image| image.url.as_deref()),
        date_modified: moment.and_then(|moment| moment.date.as_deref()),
        authors: listed.author.into_iter().map(|name| Author { name }).collect(),
        tags: listed.tags,
        _stockroom: Extension { collection: collection.as_str(), id: &entry.id, digest: &entry.digest },
    }
}

impl Settings {
    /// What is wrong with the settings, as JSON Pointers within them and sentences.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let texts = [("/title", &self.title), ("/description", &self.description)];
        problems.extend(texts.into_iter().filter_map(|(at, text)| text_problem(at, text.as_ref()?)));
        problems.extend(address_problem("/home_page_url", self.home_page_url.as_ref()));
        problems.extend(address_problem("/icon", self.icon.as_ref()));
        if let Some(language) = &self.language {
            let is_tag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
            if !language.split('-').all(is_tag) {
                problems
                    .push(("/language".to_owned(), format!("{language:?} is no language: write one such as \"en\"")));
            }
        }
        problems
    }
}
