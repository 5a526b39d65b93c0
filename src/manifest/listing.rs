//! How an asset presents itself to people: its title, description, tags, author, license, page and image.
//!
//! All of it is read from the published part of the record, so whoever has a manifest can work it out again. The texts are
//! foreign: what is no text is passed over, what is too long is cut, and no control character gets through.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::format::{AssetEntry, FileEntry};
use super::settings::has_credentials;
use crate::catalog::place::{child_pointer, segments};
use crate::catalog::pointer::PointerPattern;
use crate::catalog::settings::OneOrMany;
use crate::ids::percent_encode;

/// The longest title, author or license, in characters.
const LINE: usize = 200;
/// The longest description, in characters.
const TEXT: usize = 5_000;
/// How many tags are taken of one asset.
const TAGS: usize = 50;
/// The longest tag, in characters.
const TAG: usize = 60;
/// The longest address, in characters.
const URL: usize = 2_000;
/// The role of the file that is an asset's image where the settings name none.
const IMAGE_ROLE: &str = "thumbnail";

/// How assets present themselves: where in the published record their texts are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What counts for every collection.
    #[serde(flatten)]
    pub fields: Fields,
    /// What counts for single collections in its place, by their names.
    pub collections: BTreeMap<String, Fields>,
}

/// Where the texts of an asset are: JSON Pointers into the published record, of which the first that names a text counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fields {
    /// JSON Pointers of the title; `/title`, `/name` when this is left out.
    pub title: Option<OneOrMany>,
    /// JSON Pointers of the description; `/description`, `/summary` when this is left out.
    pub description: Option<OneOrMany>,
    /// JSON Pointers of the tags, a list of texts or one text with commas; `/tags`, `/keywords` when this is left out.
    pub tags: Option<OneOrMany>,
    /// JSON Pointers of the author's name; `/author/name`, `/author`, `/vendor` when this is left out.
    pub author: Option<OneOrMany>,
    /// JSON Pointers of the license; `/license/name`, `/license` when this is left out.
    pub license: Option<OneOrMany>,
    /// The address of the asset's page, with `{collection}`, `{id}` and `{/pointer}` in its path; what they stand for is
    /// percent-encoded. Without it, assets have no page.
    pub url: Option<String>,
    /// The role of the file that shows the asset, else its first image; `thumbnail` when this is left out.
    pub image: Option<String>,
}

/// The ways in which a library's assets present themselves, ready to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    all: Rules,
    collections: BTreeMap<String, Rules>,
}

/// What an asset says of itself to people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed<'e> {
    /// Its title: one line.
    pub title: Option<String>,
    /// What it is, perhaps on several lines.
    pub description: Option<String>,
    /// Its tags, in its own order, each once.
    pub tags: Vec<String>,
    /// Who made it.
    pub author: Option<String>,
    /// Under which license it can be had.
    pub license: Option<String>,
    /// The address of its page.
    pub url: Option<String>,
    /// The file that shows it.
    pub image: Option<&'e FileEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rules {
    title: Vec<PointerPattern>,
    description: Vec<PointerPattern>,
    tags: Vec<PointerPattern>,
    author: Vec<PointerPattern>,
    license: Vec<PointerPattern>,
    url: Option<Template>,
    image: String,
}

impl Listing {
    /// Takes what the settings say.
    pub fn new(settings: &Settings) -> Self {
        let of = |(name, fields): (&String, &Fields)| (name.clone(), Rules::new(fields, &settings.fields));
        Self {
            all: Rules::new(&settings.fields, &settings.fields),
            collections: settings.collections.iter().map(of).collect(),
        }
    }

    /// What this asset of that collection says of itself.
    pub fn of<'e>(&self, collection: &str, entry: &'e AssetEntry) -> Listed<'e> {
        let rules = self.rules(collection);
        Listed { image: image(&entry.files, &rules.image), ..self.of_record(collection, &entry.id, &entry.record) }
    }

    /// What an asset says of itself by the published part of its record alone.
    pub fn of_record(&self, collection: &str, id: &str, record: &Value) -> Listed<'static> {
        let rules = self.rules(collection);
        let line = |pointers: &[PointerPattern]| first(pointers, record, |text| bounded(text, LINE, false));
        Listed {
            title: line(&rules.title),
            description: first(&rules.description, record, |text| bounded(text, TEXT, true)),
            tags: tags(&rules.tags, record),
            author: line(&rules.author),
            license: line(&rules.license),
            url: rules.url.as_ref().and_then(|template| template.filled(collection, id, record)),
            image: None,
        }
    }

    /// Whether the settings say where the pages of this collection's assets are.
    pub fn has_page(&self, collection: &str) -> bool {
        self.rules(collection).url.is_some()
    }

    fn rules(&self, collection: &str) -> &Rules {
        self.collections.get(collection).unwrap_or(&self.all)
    }
}

impl Rules {
    fn new(own: &Fields, all: &Fields) -> Self {
        let pointers =
            |own: &Option<OneOrMany>, all: &Option<OneOrMany>, default: &[&str]| match own.as_ref().or(all.as_ref()) {
                Some(pointers) => pointers.iter().map(PointerPattern::new).collect(),
                None => default.iter().copied().map(PointerPattern::new).collect::<Vec<_>>(),
            };
        Self {
            title: pointers(&own.title, &all.title, &["/title", "/name"]),
            description: pointers(&own.description, &all.description, &["/description", "/summary"]),
            tags: pointers(&own.tags, &all.tags, &["/tags", "/keywords"]),
            author: pointers(&own.author, &all.author, &["/author/name", "/author", "/vendor"]),
            license: pointers(&own.license, &all.license, &["/license/name", "/license"]),
            url: own.url.as_ref().or(all.url.as_ref()).and_then(|text| Template::parse(text).ok()),
            image: own.image.as_ref().or(all.image.as_ref()).map_or(IMAGE_ROLE, String::as_str).to_owned(),
        }
    }
}

fn image<'e>(files: &'e [FileEntry], role: &str) -> Option<&'e FileEntry> {
    let mut images = files.iter().filter(|file| file.media_type.starts_with("image/"));
    let first = images.clone().next();
    images.find(|file| file.role == role).or(first)
}

fn first(pointers: &[PointerPattern], record: &Value, take: impl Fn(&str) -> Option<String>) -> Option<String> {
    pointers.iter().find_map(|pointer| take(pointer.get(record)?.as_str()?))
}

fn tags(pointers: &[PointerPattern], record: &Value) -> Vec<String> {
    let read = |pointer: &PointerPattern| -> Option<Vec<String>> {
        let texts: Vec<&str> = match pointer.get(record)? {
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            Value::String(text) => text.split(',').collect(),
            _ => return None,
        };
        let mut tags: Vec<String> = Vec::new();
        for tag in texts.into_iter().filter_map(|text| bounded(text, TAG, false)) {
            if tags.len() < TAGS && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        (!tags.is_empty()).then_some(tags)
    };
    pointers.iter().find_map(read).unwrap_or_default()
}

/// A text without control characters and of bounded length; nothing where nothing to be seen is left.
///
/// Lines are kept where they may be; any other white space is one space. What turns the direction of writing round is left
/// out: with it a text can look like another.
pub(super) fn bounded(text: &str, limit: usize, lines: bool) -> Option<String> {
    let mut out = String::new();
    let mut pending = None;
    let mut left = limit;
    for c in text.chars() {
        if matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') {
            continue;
        }
        if c.is_whitespace() || c.is_control() {
            let break_here = lines && (c == '\n' || pending == Some('\n'));
            pending = Some(if break_here { '\n' } else { ' ' });
            continue;
        }
        if left == 0 {
            out.push('…');
            break;
        }
        if let Some(space) = pending.take().filter(|_| !out.is_empty()) {
            out.push(space);
        }
        out.push(c);
        left -= 1;
    }
    (!out.is_empty()).then_some(out)
}

/// An address with parts that each asset fills.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Plain(String),
    Collection,
    Id,
    Pointer(PointerPattern),
}

impl Template {
    fn parse(text: &str) -> Result<Self, String> {
        if has_credentials(text) {
            return Err("the address holds a user name or a password: write it without".to_owned());
        }
        let origin = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let Some((host, _)) = origin.and_then(|rest| rest.split_once('/')).filter(|(host, _)| !host.is_empty()) else {
            return Err(format!(
                "{text:?} is no address: write one such as \"https://example.com/{{collection}}/{{id}}\""
            ));
        };
        if !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']')) {
            return Err(format!("{text:?}: {host:?} is no host; placeholders can stand only after the host's name"));
        }
        let odd = |c: char| {
            c.is_whitespace() || c.is_control() || !c.is_ascii() || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`')
        };
        if text.chars().any(odd) {
            return Err(format!("{text:?} has characters that an address cannot have; write them percent-encoded"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((plain, after)) = rest.split_once('{') {
            let Some((name, next)) = after.split_once('}') else {
                return Err(format!("{text:?} has a {{ without a }}"));
            };
            parts.push(Part::Plain(plain.to_owned()));
            parts.push(match name {
                "collection" => Part::Collection,
                "id" => Part::Id,
                pointer if pointer.starts_with('/') => Part::Pointer(
                    PointerPattern::parse(pointer)
                        .filter(|pointer| pointer.count_wildcards() == 0)
                        .ok_or_else(|| format!("{{{pointer}}} is no JSON Pointer of one value"))?,
                ),
                other => {
                    return Err(format!(
                        "{{{other}}} stands for nothing: there are {{collection}}, {{id}} and {{/pointer}}"
                    ));
                }
            });
            rest = next;
        }
        parts.push(Part::Plain(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The address of this asset, where the record has all that it takes.
    fn filled(&self, collection: &str, id: &str, record: &Value) -> Option<String> {
        let mut url = String::new();
        for part in &self.0 {
            let value = match part {
                Part::Plain(text) => {
                    url.push_str(text);
                    continue;
                }
                Part::Collection => collection.to_owned(),
                Part::Id => id.to_owned(),
                Part::Pointer(pointer) => match pointer.get(record)? {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return None,
                },
            };
            // A browser would leave the folder by these.
            if value.is_empty() || value.split('/').any(|part| matches!(part, "." | "..")) {
                return None;
            }
            url.push_str(&percent_encode(&value));
        }
        (url.len() <= URL).then_some(url)
    }
}

impl Settings {
    /// Whether they say of any collection where the pages of its assets are.
    pub fn has_pages(&self) -> bool {
        self.fields.url.is_some() || self.collections.values().any(|fields| fields.url.is_some())
    }

    /// What is wrong with the settings, as JSON Pointers within them and sentences.
    ///
    /// Where only some fields of the record are published, no other can be read.
    pub fn problems(&self, published: Option<&[String]>) -> Vec<(String, String)> {
        let mut problems = self.fields.problems("", published);
        for (name, fields) in &self.collections {
            problems.extend(fields.problems(&child_pointer("/collections", name), published));
        }
        problems
    }
}

impl Fields {
    fn problems(&self, at: &str, published: Option<&[String]>) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let unpublished = |pointer: &str| {
            let is_published = published.is_none_or(|fields| fields.iter().any(|field| is_within(pointer, field)));
            (!is_published).then(|| {
                format!("{pointer:?} is not published, so nothing can be read there: name it in manifest.fields as well")
            })
        };
        for (place, pointer) in self.pointers() {
            let problem = pointer_problem(pointer).or_else(|| unpublished(pointer));
            problems.extend(problem.map(|message| (format!("{at}/{place}"), message)));
        }
        match self.url.as_deref().map(Template::parse) {
            Some(Err(message)) => problems.push((format!("{at}/url"), message)),
            Some(Ok(template)) => {
                let pointers = template.0.iter().filter_map(|part| match part {
                    Part::Pointer(pointer) => unpublished(&pointer.exact()),
                    _ => None,
                });
                problems.extend(pointers.map(|message| (format!("{at}/url"), message)));
            }
            None => {}
        }
        problems
    }

    /// The JSON Pointers in these settings, and where in them each stands.
    fn pointers(&self) -> impl Iterator<Item = (String, &str)> {
        let all = [
            ("title", &self.title),
            ("description", &self.description),
            ("tags", &self.tags),
            ("author", &self.author),
            ("license", &self.license),
        ];
        all.into_iter().flat_map(|(name, pointers)| {
            let place = move |index| match pointers {
                Some(OneOrMany::Many(_)) => format!("{name}/{index}"),
                _ => name.to_owned(),
            };
            pointers.iter().flat_map(OneOrMany::iter).enumerate().map(move |(index, pointer)| (place(index), pointer))
        })
    }
}

/// Whether the value at this pointer is what a field names, a part of it, or what it is a part of.
fn is_within(pointer: &str, field: &str) -> bool {
    segments(pointer).zip(segments(field)).all(|(of_pointer, of_field)| of_pointer == of_field || of_field == "*")
}

/// What keeps a text from being the JSON Pointer of one value.
pub(super) fn pointer_problem(pointer: &str) -> Option<String> {
    match PointerPattern::parse(pointer) {
        _ if !pointer.starts_with('/') => Some(format!("{pointer:?} is no JSON Pointer; write \"/{pointer}\"")),
        Some(pattern) if pattern.count_wildcards() == 0 => None,
        Some(_) => Some(format!("{pointer:?} names many values; a pointer of one value is wanted, without `*`")),
        None => Some(format!("{pointer:?} is no JSON Pointer: after a ~ comes 0 or 1")),
    }
}

#[cfg(test)]
mod tests;
