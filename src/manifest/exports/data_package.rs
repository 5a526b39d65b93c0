//! A Data Package, version 2 (datapackage.org), with a table of the assets and one of their files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::table::{Cell, line};
use super::{Context, address_problem, chosen, named, text_problem};
use crate::ids::Sha256Hex;
use crate::manifest::build::{BuildError, canonical, document};
use crate::manifest::format::Source;
use crate::manifest::listing::Listing;

/// The JSON Schema that the descriptor follows.
const PROFILE: &str = "https://datapackage.org/profiles/2.0/datapackage.json";

/// What the package says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Its name, of lower-case letters, digits, `-`, `_` and `.`; made from the repository's name when this is left out.
    pub name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// What is in it.
    pub description: Option<String>,
    /// The address of the page that it belongs to.
    pub homepage: Option<String>,
    /// The licenses under which the tables can be used; an asset's own license stands in the table.
    pub licenses: Vec<License>,
    /// Who has worked on it.
    pub contributors: Vec<Contributor>,
    /// Words to find it by.
    pub keywords: Vec<String>,
    /// The collections whose assets are in it; all of them when this is left out.
    pub collections: Option<Vec<String>>,
}

/// A license.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct License {
    /// Its name at opendefinition.org or spdx.org, such as `CC-BY-4.0`.
    pub name: String,
    /// The address of its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Somebody who has worked on the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contributor {
    /// The name of a person or an organisation.
    pub title: String,
    /// The address of their page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What they have done, such as `creator` or `editor`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// The descriptor of a package.
#[derive(Serialize)]
struct Package<'a> {
    #[serde(rename = "$schema")]
    profile: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    keywords: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    licenses: &'a [License],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    contributors: &'a [Contributor],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<Value>,
    resources: [Resource<'a>; 2],
}

#[derive(Serialize)]
struct Resource<'a> {
    name: &'static str,
    title: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    path: &'a str,
    format: &'static str,
    mediatype: &'static str,
    encoding: &'static str,
    bytes: usize,
    hash: String,
    schema: Value,
}

/// The package's files, the descriptor first.
pub(super) fn render(
    settings: &Settings,
    listing: &Listing,
    context: &Context<'_>,
) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let (assets, files) = tables(settings, listing, context)?;
    let (assets, files) = (named("assets", "csv", assets), named("files", "csv", files));
    let package = Package {
        profile: PROFILE,
        name: settings.name.clone().unwrap_or_else(|| default_name(context.source)),
        title: settings.title.as_deref(),
        description: settings.description.as_deref(),
        homepage: settings.homepage.as_deref(),
        version: version(context.source),
        created: context.source.date.as_deref(),
        keywords: &settings.keywords,
        licenses: &settings.licenses,
        contributors: &settings.contributors,
        sources: source(context.source).into_iter().collect(),
        resources: [
            resource("assets", "The assets", &assets, assets_schema()),
            resource("files", "The files of the assets", &files, files_schema()),
        ],
    };
    Ok(vec![("datapackage.json".to_owned(), document(&package)?), assets, files])
}

fn resource<'a>(name: &'static str, title: &'static str, file: &'a (String, Vec<u8>), schema: Value) -> Resource<'a> {
    let (path, content) = file;
    Resource {
        name,
        title,
        kind: "table",
        path,
        format: "csv",
        mediatype: "text/csv",
        encoding: "utf-8",
        bytes: content.len(),
        hash: format!("sha256:{}", Sha256Hex::of(content)),
        schema,
    }
}

const ASSETS: &str =
    "collection,id,title,description,tags,author,license,url,image,status,schema,path,digest,updated,files,bytes\r\n";
const FILES: &str = "collection,id,path,url,role,media_type,bytes,sha256,git_oid,width,height\r\n";

fn tables(settings: &Settings, listing: &Listing, context: &Context<'_>) -> Result<(Vec<u8>, Vec<u8>), BuildError> {
    let (mut assets, mut files) = (ASSETS.to_owned(), FILES.to_owned());
    for (collection, entry) in chosen(context.assets, settings.collections.as_deref()) {
        let listed = listing.of(collection.as_str(), entry);
        let image = listed.image.and_then(|image| image.url.as_deref());
        let tags = match listed.tags.as_slice() {
            [] => Cell::Empty,
            tags => Cell::Plain(String::from_utf8_lossy(&canonical(&tags)?).into_owned()),
        };
        let bytes = entry.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
        let date = (context.updated)(collection.as_str(), &entry.id).and_then(|moment| moment.date.clone());
        assets.push_str(&line(&[
            Cell::Text(collection.as_str()),
            Cell::Text(&entry.id),
            Cell::text(listed.title.as_deref()),
            Cell::text(listed.description.as_deref()),
            tags,
            Cell::text(listed.author.as_deref()),
            Cell::text(listed.license.as_deref()),
            Cell::text(listed.url.as_deref()),
            Cell::text(image),
            Cell::Text(&entry.status),
            Cell::text(entry.schema.as_deref()),
            Cell::Text(&entry.path),
            Cell::Text(&entry.digest),
            date.map_or(Cell::Empty, Cell::Plain),
            Cell::number(Some(entry.files.len())),
            Cell::number(Some(bytes)),
        ]));
        for file in &entry.files {
            files.push_str(&line(&[
                Cell::Text(collection.as_str()),
                Cell::Text(&entry.id),
                Cell::Text(&file.path),
                Cell::text(file.url.as_deref()),
                Cell::Text(&file.role),
                Cell::Text(&file.media_type),
                Cell::number(Some(file.bytes)),
                Cell::Text(&file.sha256),
                Cell::Text(&file.git_oid),
                Cell::number(file.width),
                Cell::number(file.height),
            ]));
        }
    }
    Ok((assets.into_bytes(), files.into_bytes()))
}

fn field(name: &str, kind: &str, is_required: bool, title: &str) -> Value {
    let mut field = json!({"name": name, "type": kind, "title": title});
    if let Some(members) = field.as_object_mut()
        && is_required
    {
        members.insert("constraints".to_owned(), json!({"required": true}));
    }
    field
}

fn assets_schema() -> Value {
    json!({
        "fields": [
            field("collection", "string", true, "The collection it belongs to"),
            field("id", "string", true, "Its id, unique in the collection"),
            field("title", "string", false, "Its title"),
            field("description", "string", false, "What it is"),
            field("tags", "array", false, "Its tags"),
            field("author", "string", false, "Who made it"),
            field("license", "string", false, "Under which license it can be had"),
            field("url", "string", false, "The address of its page"),
            field("image", "string", false, "The address of its image"),
            field("status", "string", true, "`valid`, or `warning` when there is something to look at"),
            field("schema", "string", false, "The schema that accepted its record"),
            field("path", "string", true, "The path of its record in the repository"),
            field("digest", "string", true, "The SHA-256 of what it means"),
            field("updated", "datetime", false, "When it last changed"),
            field("files", "integer", true, "How many files it has"),
            field("bytes", "integer", true, "How many bytes they have"),
        ],
        "primaryKey": ["collection", "id"],
    })
}

fn files_schema() -> Value {
    json!({
        "fields": [
            field("collection", "string", true, "The collection of its asset"),
            field("id", "string", true, "The id of its asset"),
            field("path", "string", true, "Its path in the repository"),
            field("url", "string", false, "Where to fetch it"),
            field("role", "string", true, "What it is to its asset"),
            field("media_type", "string", true, "Its media type"),
            field("bytes", "integer", true, "Its size in bytes"),
            field("sha256", "string", true, "Its SHA-256 in hex"),
            field("git_oid", "string", true, "Its git object id"),
            field("width", "integer", false, "The width of an image, in pixels"),
            field("height", "integer", false, "The height of an image, in pixels"),
        ],
        "primaryKey": ["collection", "id", "path"],
        "foreignKeys": [{
            "fields": ["collection", "id"],
            "reference": {"resource": "assets", "fields": ["collection", "id"]},
        }],
    })
}

/// The day and the commit, in the form of a semantic version: `2026.11.20+1a2b3c4d5e6f`.
fn version(source: &Source) -> Option<String> {
    let mut parts = source.date.as_deref()?.split('T').next()?.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let commit = source.commit.as_deref().and_then(|commit| commit.get(..12)).map(|commit| format!("+{commit}"));
    Some(format!("{year}.{month}.{day}{}", commit.unwrap_or_default()))
}

fn source(source: &Source) -> Option<Value> {
    let repository = source.repository.as_deref()?;
    let tree = source.commit.as_deref().filter(|_| !source.modified).map(|commit| format!("/tree/{commit}"));
    let path = format!("https://github.com/{repository}{}", tree.unwrap_or_default());
    Some(json!({"title": repository, "path": path}))
}

fn default_name(source: &Source) -> String {
    let repository = source.repository.as_deref().and_then(|slug| slug.rsplit('/').next()).unwrap_or_default();
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c.to_ascii_lowercase() } else { '-' };
    let name: String = repository.chars().map(plain).collect();
    if name.is_empty() { "assets".to_owned() } else { name }
}

impl Settings {
    /// What is wrong with the settings, as JSON Pointers within them and sentences.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if let Some(name) = &self.name {
            let is_name = !name.is_empty()
                && name.len() <= 100
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'));
            if !is_name {
                let message =
                    format!("{name:?} is no name for a package: use lower-case letters, digits, `-`, `_` and `.`");
                problems.push(("/name".to_owned(), message));
            }
        }
        let texts = [("/title", &self.title), ("/description", &self.description)];
        problems.extend(texts.into_iter().filter_map(|(at, text)| text_problem(at, text.as_ref()?)));
        problems.extend(address_problem("/homepage", self.homepage.as_ref()));
        for (index, license) in self.licenses.iter().enumerate() {
            let at = format!("/licenses/{index}");
            let is_name = !license.name.is_empty()
                && license.name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            if !is_name {
                let message = format!("{:?} is no name of a license: write one such as \"CC-BY-4.0\"", license.name);
                problems.push((format!("{at}/name"), message));
            }
            problems.extend(address_problem(&format!("{at}/path"), license.path.as_ref()));
        }
        for (index, contributor) in self.contributors.iter().enumerate() {
            let at = format!("/contributors/{index}");
            problems.extend(text_problem(&format!("{at}/title"), &contributor.title));
            problems.extend(address_problem(&format!("{at}/path"), contributor.path.as_ref()));
        }
        for (index, keyword) in self.keywords.iter().enumerate() {
            problems.extend(text_problem(&format!("/keywords/{index}"), keyword));
        }
        problems
    }
}
