//! What stockroom.yml says about the manifest.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::page::Page;
use super::role::matcher;
use crate::ids::Sha256Hex;
use crate::secret::SecretRef;

pub mod bucket;
mod publish;

pub use publish::{Bucket, History, Place, Publish, Release};

/// What is published of each asset, and where.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// JSON Pointers of the record's values that are published; without it, the whole record except what is volatile.
    pub fields: Option<Vec<String>>,
    /// The address below which the files can be fetched; without it, entries have paths and no URLs.
    pub base_url: Option<String>,
    /// What files are to their assets: for each role, globs over names of files, such as `thumbnail: ["icon_*.png"]`. A file
    /// that none of them names has the role of its kind: `thumbnail`, `image`, `model`, `video`, `text` or `file`.
    pub roles: BTreeMap<String, Vec<String>>,
    /// The roles of the files that must not be fetched by everybody: they have a `key` in place of a URL. `*` is every role.
    pub private: Vec<String>,
    /// For how many days an edition may be relied on. It is renewed by the first sync after half of them; a place that is
    /// forgotten, or held back by somebody, is found out by that. Without it, editions do not expire.
    #[schemars(range(min = 1, max = 3650))]
    pub expires_after_days: Option<u32>,
    /// The key that signs each root, as `minisign -G -W` makes one: `${{ env.STOCKROOM_SIGNING_KEY }}`. Without it, nothing is
    /// signed.
    pub sign: Option<SecretRef>,
    /// Where the manifest goes; when this is left out, the folder `.stockroom/manifest`. An empty list publishes nowhere.
    pub publish: Vec<Publish>,
    /// How assets present themselves to people: in the index, on the page, in exports.
    pub listing: super::listing::Settings,
    /// The other formats in which the catalogue is published.
    pub exports: super::exports::Settings,
    /// The catalogue page, `index.html` beside the manifest, in which people look at the assets with a browser: `true`, or
    /// what is special about it. Without it there is none.
    pub page: Page,
    /// The search bundle, with which a browser finds assets by meaning without a server: `true` or `false`. When this is left
    /// out, there is one where there is a page and `embed`.
    pub search: Option<bool>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fields: None,
            base_url: None,
            roles: BTreeMap::new(),
            private: Vec::new(),
            expires_after_days: None,
            sign: None,
            publish: vec![Publish::folder(DEFAULT_FOLDER)],
            listing: super::listing::Settings::default(),
            exports: super::exports::Settings::default(),
            page: Page::default(),
            search: None,
        }
    }
}

/// Where the manifest goes when stockroom.yml does not say.
pub const DEFAULT_FOLDER: &str = ".stockroom/manifest";

/// What the exports of an edition are made from, beside its assets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Presentation<'a> {
    /// Moves on when other bytes are made from the same assets and settings.
    version: u32,
    listing: &'a super::listing::Settings,
    exports: &'a super::exports::Settings,
    /// The SHA-256 of the catalogue page, which follows from the settings and from the program's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<Sha256Hex>,
    /// Where the exports will be found, as far as they say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'a str>,
    /// What the search in a browser is made from, beside the assets.
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<&'a Sha256Hex>,
}

impl Settings {
    /// Whether files of this role must not be fetched by everybody.
    pub fn is_private(&self, role: &str) -> bool {
        self.private.iter().any(|private| private == "*" || private == role)
    }

    /// The folders of the library that the manifest is published to.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.publish.iter().filter(|publish| publish.branch.is_none()).filter_map(|publish| publish.folder.as_deref())
    }

    /// The first of them.
    pub fn first_folder(&self) -> Option<&str> {
        self.folders().next()
    }

    /// What the exports are made from that will be found in the folder at `base`.
    pub fn presentation<'a>(&'a self, base: Option<&'a str>, search: Option<&'a Sha256Hex>) -> Presentation<'a> {
        let page = self.page_bytes().map(|bytes| Sha256Hex::of(&bytes));
        // The page does not say where it is.
        let base = base.filter(|_| self.exports != super::exports::Settings::default());
        Presentation { version: 1, listing: &self.listing, exports: &self.exports, page, base, search }
    }

    /// The catalogue page, where one is wanted.
    pub fn page_bytes(&self) -> Option<Vec<u8>> {
        self.page.is_wanted().then(|| super::page::render(&self.page, &self.listing, self.search == Some(true)))
    }

    /// What is wrong with the settings, as JSON Pointers within them and sentences.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        for (index, field) in self.fields.iter().flatten().enumerate() {
            if !field.starts_with('/') {
                problems
                    .push((format!("/fields/{index}"), format!("{field:?} is no JSON Pointer; write \"/{field}\"")));
            }
        }
        let base_url = self.base_url.as_deref().and_then(web_address_problem);
        problems.extend(base_url.map(|why| ("/base_url".to_owned(), why)));
        for (role, globs) in &self.roles {
            let is_plain = !role.is_empty() && role.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
            if !is_plain {
                let message = format!("the role {role:?} is not made of letters, digits, `-` and `_`");
                problems.push((format!("/roles/{}", role.replace('~', "~0").replace('/', "~1")), message));
            }
            for (index, glob) in globs.iter().enumerate() {
                if let Err(error) = matcher(glob) {
                    problems.push((format!("/roles/{role}/{index}"), format!("{glob:?} is no glob: {}", error.kind())));
                }
            }
        }
        for (index, place) in self.publish.iter().enumerate() {
            let at = format!("/publish/{index}");
            problems.extend(place.problems().into_iter().map(|(below, why)| (format!("{at}{below}"), why)));
        }
        let between = publish::problems_between(&self.publish).into_iter();
        problems.extend(between.map(|(at, message)| (format!("/publish{at}"), message)));
        let listing = self.listing.problems(self.fields.as_deref()).into_iter();
        problems.extend(listing.map(|(at, message)| (format!("/listing{at}"), message)));
        let exports = self.exports.problems(self.base_url.is_some(), self.listing.has_pages()).into_iter();
        problems.extend(exports.map(|(at, message)| (format!("/exports{at}"), message)));
        problems.extend(self.page.problems().into_iter().map(|(at, message)| (format!("/page{at}"), message)));
        problems
    }
}

/// What keeps an address from being one that everybody may see. A password in it is not repeated.
fn web_address_problem(url: &str) -> Option<String> {
    if has_credentials(url) {
        return Some(
            "the address holds a user name or a password, and everybody is told it: write it without what stands before \
             the @. If it is a real password, change it"
                .to_owned(),
        );
    }
    let is_web_address = url.starts_with("https://") || url.starts_with("http://");
    (!is_web_address).then(|| format!("{url:?} does not begin with https://"))
}

/// Whether something stands before an @ where an address has its host.
pub(super) fn has_credentials(url: &str) -> bool {
    let rest = url.split_once(':').map_or(url, |(_, rest)| rest).trim_start_matches(['/', '\\']);
    rest.split(['/', '\\', '?', '#']).next().is_some_and(|host| host.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_password_in_an_address_is_a_problem_and_is_not_repeated() {
        for address in [
            "https://ada:hunter2@example.com/x",
            "https://hunter2@example.com",
            "http:\\\\ada:hunter2@example.com",
            "ada:hunter2@example.com/x",
            "ftp://ada:hunter2@example.com/x",
        ] {
            let settings = json!({
                "base_url": address,
                "listing": {"url": format!("{address}/{{id}}")},
                "exports": {"feed": {"icon": address}},
                "publish": [
                    {"folder": "public", "url": address},
                    {"object_store": "s3://bucket", "endpoint": address},
                    {"object_store": format!("s3{}", address.trim_start_matches("https"))},
                ],
            });
            let settings: Settings = serde_json::from_value(settings).unwrap();
            let told = format!("{:?}", settings.problems());
            for place in ["/base_url", "/listing/url", "/exports/feed/icon", "/publish/0/url", "/publish/1/endpoint"] {
                assert!(told.contains(&format!("({place:?}")), "{address}: {place}: {told}");
            }
            assert!(!told.contains("hunter2"), "{told}");
        }
        let settings =
            json!({"base_url": "https://example.com/@ada/x", "publish": [{"folder": "x", "url": "https://x/?a=@"}]});
        let settings: Settings = serde_json::from_value(settings).unwrap();
        assert_eq!(settings.problems(), []);
    }
}
