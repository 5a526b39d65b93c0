//! A sitemap of the assets' pages (sitemaps.org, protocol 0.9), with their images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::xml::escape;
use super::{Context, address_problem, chosen, named};
use crate::manifest::listing::Listing;

/// How many addresses a sitemap may have, and an index sitemaps.
const URLS: usize = 50_000;
/// How large a sitemap may be, in bytes.
const BYTES: usize = 50 * 1024 * 1024;
/// The longest address that the protocol has room for, in characters.
const ADDRESS: usize = 2_047;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" \
                    xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\">\n";
const TAIL: &str = "</urlset>\n";
const INDEX_HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n";
const INDEX_TAIL: &str = "</sitemapindex>\n";

/// Which assets' pages are in the sitemap; those that have an address by `manifest.listing.url`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The collections whose pages are listed; all of them when this is left out.
    pub collections: Option<Vec<String>>,
    /// The address of the folder in which the sitemap will be found; that of the place where it is published, when this is
    /// left out. A library with more than 50,000 pages needs one of them: its sitemap is an index of several.
    pub base: Option<String>,
}

/// `sitemap.xml` first, and behind it the sitemaps that it is an index of, if it is one.
pub(super) fn render(settings: &Settings, listing: &Listing, context: &Context<'_>) -> Vec<(String, Vec<u8>)> {
    let parts = sitemaps(&addresses(settings, listing, context), URLS, BYTES);
    written(parts, settings.base.as_deref().or(context.base))
}

fn written(parts: Vec<Part>, base: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let mut index = INDEX_HEAD.to_owned();
    let mut files = Vec::new();
    for part in parts.into_iter().take(URLS) {
        let (name, bytes) = named("sitemap", "xml", part.xml.into_bytes());
        let place = format!("{}/{name}", base.unwrap_or_default().trim_end_matches('/'));
        let changed = lastmod(part.newest.as_deref());
        index.push_str(&format!("<sitemap><loc>{}</loc>{changed}</sitemap>\n", escape(&place)));
        files.push((name, bytes));
    }
    index.push_str(INDEX_TAIL);
    let entry = if files.is_empty() {
        format!("{HEAD}{TAIL}").into_bytes()
    } else if files.len() > 1 && base.is_some() {
        index.into_bytes()
    } else {
        // An index names its sitemaps by addresses. Without one the first stands for itself, and the others beside it.
        files.remove(0).1
    };
    std::iter::once(("sitemap.xml".to_owned(), entry)).chain(files).collect()
}

/// A page's element in the sitemap, and when it last changed.
struct Address {
    xml: String,
    date: Option<String>,
}

fn addresses(settings: &Settings, listing: &Listing, context: &Context<'_>) -> Vec<Address> {
    let of = |(collection, entry): &(crate::ids::CollectionName, crate::manifest::format::AssetEntry)| {
        let listed = listing.of(collection.as_str(), entry);
        let url = listed.url.filter(|url| url.len() <= ADDRESS)?;
        let date = (context.updated)(collection.as_str(), &entry.id).and_then(|moment| moment.date.clone());
        let image = listed.image.and_then(|image| image.url.as_deref()).filter(|url| url.len() <= ADDRESS);
        let image = image.map(|url| format!("<image:image><image:loc>{}</image:loc></image:image>", escape(url)));
        let (image, changed) = (image.unwrap_or_default(), lastmod(date.as_deref()));
        Some(Address { xml: format!("<url><loc>{}</loc>{changed}{image}</url>\n", escape(&url)), date })
    };
    let mut found: Vec<Address> = chosen(context.assets, settings.collections.as_deref()).filter_map(of).collect();
    // Two assets can share a page.
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|address| seen.insert(address.xml.split_once("</loc>").map(|(loc, _)| loc.to_owned())));
    found
}

fn lastmod(date: Option<&str>) -> String {
    date.map(|date| format!("<lastmod>{}</lastmod>", escape(date))).unwrap_or_default()
}

/// A whole sitemap, and the newest date in it.
struct Part {
    xml: String,
    newest: Option<String>,
}

fn sitemaps(addresses: &[Address], most: usize, bytes: usize) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut count = 0;
    for address in addresses {
        let fits = |part: &Part| count < most && part.xml.len() + address.xml.len() + TAIL.len() <= bytes;
        if !parts.last().is_some_and(fits) {
            parts.push(Part { xml: HEAD.to_owned(), newest: None });
            count = 0;
        }
        let Some(part) = parts.last_mut() else { continue };
        part.xml.push_str(&address.xml);
        // Dates are in UTC and of one form, so that the later one is the greater text.
        part.newest = part.newest.take().max(address.date.clone());
        count += 1;
    }
    parts.iter_mut().for_each(|part| part.xml.push_str(TAIL));
    parts
}

impl Settings {
    /// What is wrong with the settings, as JSON Pointers within them and sentences.
    pub(super) fn problems(&self, has_pages: bool) -> Vec<(String, String)> {
        let mut problems: Vec<_> = address_problem("/base", self.base.as_ref()).into_iter().collect();
        if !has_pages {
            let message = "a sitemap lists the assets' pages, and they have none: set manifest.listing.url";
            problems.push((String::new(), message.to_owned()));
        }
        problems
    }
}

#[cfg(test)]
mod tests;
