//! What stockroom.yml says about the manifest.

use schemars::JsonSchema;
use serde::Deserialize;

/// What is published of each asset, and where.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// JSON Pointers of the record's values that are published; without it, the whole record except what is volatile.
    pub fields: Option<Vec<String>>,
    /// The address below which the files can be fetched; without it, entries have paths and no URLs.
    pub base_url: Option<String>,
    /// Where the manifest goes; when this is left out, the folder `.stockroom/manifest`. An empty list publishes nowhere.
    pub publish: Vec<Publish>,
    /// How assets present themselves to people: in the index, on the page, in exports.
    pub listing: super::listing::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fields: None,
            base_url: None,
            publish: vec![Publish { folder: DEFAULT_FOLDER.to_owned() }],
            listing: super::listing::Settings::default(),
        }
    }
}

/// Where the manifest goes when stockroom.yml does not say.
pub const DEFAULT_FOLDER: &str = ".stockroom/manifest";

/// A place for the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// A folder, relative to the library's root.
    pub folder: String,
}

impl Settings {
    /// What is wrong with the settings, as JSON Pointers within them and sentences.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        for (index, field) in self.fields.iter().flatten().enumerate() {
            if !field.starts_with('/') {
                problems
                    .push((format!("/fields/{index}"), format!("{field:?} is no JSON Pointer; write \"/{field}\"")));
            }
        }
        if let Some(url) = &self.base_url
            && !(url.starts_with("https://") || url.starts_with("http://"))
        {
            problems.push(("/base_url".to_owned(), format!("{url:?} does not begin with https://")));
        }
        for (index, place) in self.publish.iter().enumerate() {
            let outside = place.folder.starts_with('/') || place.folder.split('/').any(|part| part == "..");
            let parts = place.folder.split('/').filter(|part| !part.is_empty() && *part != ".").count();
            let is_git = place.folder.split('/').any(|part| part.eq_ignore_ascii_case(".git"));
            if outside || is_git || parts == 0 {
                let message = format!("{:?} is not a folder inside the library", place.folder);
                problems.push((format!("/publish/{index}/folder"), message));
            }
        }
        let listing = self.listing.problems().into_iter();
        problems.extend(listing.map(|(at, message)| (format!("/listing{at}"), message)));
        problems
    }
}
