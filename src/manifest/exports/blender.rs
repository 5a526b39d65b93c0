//! A remote asset library as Blender 5.2 and later read it, version 1 of its format.
//!
//! Blender begins with `_asset-library-meta.json`, which names an index by address and SHA-256; the index names pages of
//! assets in the same way. Index and pages are named by their digests here, so that nobody ever reads half of a publication:
//! whoever has fetched the first file still finds all that belongs to it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::blocks::{Block, Given, Mapping, TYPES};
use super::pages::pages;
use super::{Context, address_problem, chosen, named, text_problem};
use crate::ids::Sha256Hex;
use crate::manifest::build::{BuildError, document};
use crate::manifest::format::{AssetEntry, FileEntry};
use crate::manifest::listing::{Listed, Listing, pointer_problem};

/// The version of the format that is written.
const SCHEMA_VERSION: &str = "1.0.0";
/// How large a page may be, in bytes, unless a single file's assets take more. Blender reads up to 64 MiB.
const PAGE: usize = 256 * 1024;
/// The media types that Blender can show as a thumbnail.
const THUMBNAILS: [&str; 3] = ["image/png", "image/jpeg", "image/webp"];

/// How the library looks to Blender, and where its records say what Blender has to know.
///
/// A text that begins with `/` is a JSON Pointer into the published record; any other stands for itself, for every asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The library's name, as Blender shows it.
    pub name: String,
    /// Whom to ask about the library; its name when this is left out.
    pub contact: Option<Contact>,
    /// The collections whose assets are for Blender; all of them when this is left out.
    pub collections: Option<Vec<String>>,
    /// The role of the `.blend` files to offer; any when this is left out.
    pub role: Option<String>,
    /// The name of the data-block that the file marks as an asset, such as `/title`.
    pub data_block: Option<String>,
    /// The kind of that data-block, such as `OBJECT`, `COLLECTION`, `MATERIAL` or `NODETREE`.
    pub id_type: Option<String>,
    /// For files with several assets: the JSON Pointer of a list of mappings with `name` and `id_type`, and perhaps
    /// `description` and `tags`. Records without that list have the one of `data_block` and `id_type`.
    pub data_blocks: Option<String>,
    /// The version of Blender that wrote the file, such as `4.2`; older ones are not offered it.
    pub blender_version: String,
    /// The catalog to show the asset in, such as `Models/Lamps`; none when this is left out.
    pub catalog: Option<String>,
    /// Who holds the rights in the asset; nothing is said when this is left out.
    pub copyright: Option<String>,
}

/// Whom to ask about a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// The name of a person or an organisation.
    pub name: String,
    /// The address of their page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Their e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

#[derive(Serialize)]
struct Meta<'a> {
    api_versions: BTreeMap<&'static str, Link>,
    name: &'a str,
    contact: Contact,
}

#[derive(Serialize)]
struct Link {
    url: String,
    hash: String,
}

#[derive(Serialize)]
struct Index {
    schema_version: &'static str,
    asset_size_bytes: u64,
    asset_count: usize,
    file_count: usize,
    pages: Vec<Link>,
    catalogs: Vec<Catalog>,
}

#[derive(Serialize)]
struct Catalog {
    path: String,
    simple_name: String,
    uuids: [String; 1],
}

#[derive(Serialize)]
pub(super) struct Page {
    asset_count: usize,
    file_count: usize,
    assets: Vec<Asset>,
    files: Vec<File>,
}

#[derive(Serialize)]
struct Asset {
    name: String,
    id_type: &'static str,
    files: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<Link>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    meta: Metadata,
    bl_versions: Versions,
}

#[derive(Serialize, PartialEq, Eq, Default)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    catalog_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copyright: Option<String>,
}

#[derive(Serialize)]
struct Versions {
    min: String,
}

#[derive(Serialize)]
struct File {
    path: String,
    url: String,
    size_in_bytes: u64,
    hash: String,
    blender_version: String,
}

impl Metadata {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A file with all the assets that are in it.
pub(super) struct Group {
    file: File,
    assets: BTreeMap<(&'static str, String), Asset>,
}

/// The files of the library, the one that Blender begins with first.
pub(super) fn render(
    settings: &Settings,
    listing: &Listing,
    context: &Context<'_>,
) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let mapping = Mapping::new(settings);
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut catalogs: BTreeSet<String> = BTreeSet::new();
    for (collection, entry) in chosen(context.assets, settings.collections.as_deref()) {
        let Ok(found) = mapping.read(entry) else { continue };
        let Some(url) = &found.file.url else { continue };
        let listed = listing.of(collection.as_str(), entry);
        let group = groups
            .entry(found.file.path.clone())
            .or_insert_with(|| Group { file: file(found.file, url, &found.version), assets: BTreeMap::new() });
        for block in found.blocks {
            let asset = asset(&mapping, entry, &listed, &block, found.file, &found.version);
            group.assets.entry((block.id_type, block.name)).or_insert(asset);
        }
        catalogs.extend(mapping.catalog(&entry.record));
    }
    write(settings, groups, &catalogs)
}

fn write(
    settings: &Settings,
    groups: BTreeMap<String, Group>,
    catalogs: &BTreeSet<String>,
) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let asset_size_bytes = groups.values().map(|group| group.file.size_in_bytes).fold(0, u64::saturating_add);
    let (file_count, asset_count) = (groups.len(), groups.values().map(|group| group.assets.len()).sum());
    let mut files = Vec::new();
    for page in pages(groups, PAGE)? {
        files.push(named("blender-page", "json", document(&page)?));
    }
    let index = Index {
        schema_version: SCHEMA_VERSION,
        asset_size_bytes,
        asset_count,
        file_count,
        pages: files.iter().map(link).collect(),
        catalogs: catalogs.iter().map(|path| catalog(path)).collect(),
    };
    let index = named("blender-index", "json", document(&index)?);
    let contact = settings.contact.clone();
    let meta = Meta {
        api_versions: BTreeMap::from([("v1", link(&index))]),
        name: &settings.name,
        contact: contact.unwrap_or_else(|| Contact { name: settings.name.clone(), url: None, email: None }),
    };
    let meta = ("_asset-library-meta.json".to_owned(), document(&meta)?);
    Ok([meta, index].into_iter().chain(files).collect())
}

fn link((name, bytes): &(String, Vec<u8>)) -> Link {
    Link { url: name.clone(), hash: hash(Sha256Hex::of(bytes).as_str()) }
}

fn hash(sha256: &str) -> String {
    format!("SHA256:{sha256}")
}

fn file(entry: &FileEntry, url: &str, version: &str) -> File {
    File {
        path: entry.path.clone(),
        url: url.to_owned(),
        size_in_bytes: entry.bytes,
        hash: hash(&entry.sha256),
        blender_version: version.to_owned(),
    }
}

fn asset(
    mapping: &Mapping,
    entry: &AssetEntry,
    listed: &Listed<'_>,
    block: &Block,
    file: &FileEntry,
    version: &str,
) -> Asset {
    let image = listed.image.filter(|image| THUMBNAILS.contains(&image.media_type.as_str()));
    let thumbnail = image.and_then(|image| Some(Link { url: image.url.clone()?, hash: hash(&image.sha256) }));
    Asset {
        name: block.name.clone(),
        id_type: block.id_type,
        files: vec![file.path.clone()],
        thumbnail,
        meta: Metadata {
            catalog_id: mapping.catalog(&entry.record).map(|path| uuid_of(&path)),
            tags: block.tags.clone().unwrap_or_else(|| listed.tags.clone()),
            author: listed.author.clone(),
            description: block.description.clone().or_else(|| listed.description.clone()),
            license: listed.license.clone(),
            copyright: mapping.copyright(&entry.record),
        },
        bl_versions: Versions { min: version.to_owned() },
    }
}

fn catalog(path: &str) -> Catalog {
    Catalog { path: path.to_owned(), simple_name: path.replace('/', "-"), uuids: [uuid_of(path)] }
}

/// The id of a catalog: a function of its path, in the form that RFC 9562 leaves to everyone's own use (version 8).
fn uuid_of(path: &str) -> String {
    let digest = Sha256Hex::of(format!("stockroom blender catalog\0{path}").as_bytes());
    let digits = digest.as_str();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

impl Group {
    /// The path of its file, by which it is put on a page.
    pub(super) fn key(&self) -> &str {
        &self.file.path
    }

    /// How many bytes it takes on a page, about.
    pub(super) fn weight(&self) -> Result<usize, BuildError> {
        let mut weight = document(&self.file)?.len();
        for asset in self.assets.values() {
            weight = weight.saturating_add(document(asset)?.len());
        }
        Ok(weight)
    }
}

impl Page {
    /// A page of these files, sorted by their paths.
    pub(super) fn new(groups: Vec<Group>) -> Self {
        let (mut assets, mut files) = (Vec::new(), Vec::new());
        for group in groups {
            files.push(group.file);
            assets.extend(group.assets.into_values());
        }
        Self { asset_count: assets.len(), file_count: files.len(), assets, files }
    }
}

impl Settings {
    /// What is wrong with the settings, as JSON Pointers within them and sentences.
    pub(super) fn problems(&self, has_base_url: bool) -> Vec<(String, String)> {
        let mut problems: Vec<_> = text_problem("/name", &self.name).into_iter().collect();
        if !has_base_url {
            let message = "Blender has to fetch the files, and they have no addresses: set manifest.base_url";
            problems.push((String::new(), message.to_owned()));
        }
        if let Some(contact) = &self.contact {
            problems.extend(text_problem("/contact/name", &contact.name));
            problems.extend(address_problem("/contact/url", contact.url.as_ref()));
            problems.extend(contact.email.as_ref().and_then(|email| text_problem("/contact/email", email)));
        }
        let given = [
            ("/data_block", self.data_block.as_ref()),
            ("/id_type", self.id_type.as_ref()),
            ("/blender_version", Some(&self.blender_version)),
            ("/catalog", self.catalog.as_ref()),
            ("/copyright", self.copyright.as_ref()),
        ];
        for (at, text) in given.into_iter().filter_map(|(at, text)| Some((at, text?))) {
            let problem =
                if text.starts_with('/') { pointer_problem(text) } else { text_problem(at, text).map(|(_, why)| why) };
            problems.extend(problem.map(|message| (at.to_owned(), message)));
        }
        if let Some(pointer) = &self.data_blocks {
            problems.extend(pointer_problem(pointer).map(|message| ("/data_blocks".to_owned(), message)));
        }
        if let Some(Given::Constant(version)) = Some(Given::new(&self.blender_version))
            && super::blocks::version(&version).is_none()
        {
            let message = format!(
                "{version:?} is no version of Blender: write one such as \"4.2\", or a pointer such as /blender/version"
            );
            problems.push(("/blender_version".to_owned(), message));
        }
        if let Some(Given::Constant(kind)) = self.id_type.as_deref().map(Given::new)
            && super::blocks::id_type(&kind).is_none()
        {
            let wanted = kind.to_ascii_uppercase();
            let nearest = TYPES.into_iter().max_by_key(|kind| strsim::jaro_winkler(kind, &wanted).to_bits());
            let message = format!(
                "{kind:?} is no kind of data-block that Blender knows, such as OBJECT, COLLECTION, MATERIAL or NODETREE; \
                 the nearest is {}",
                nearest.unwrap_or_default()
            );
            problems.push(("/id_type".to_owned(), message));
        }
        let is_said = self.data_blocks.is_some() || (self.data_block.is_some() && self.id_type.is_some());
        if !is_said {
            let message = "say which data-block of each file is the asset, by data_block and id_type (such as \
                           `data_block: /title` and `id_type: OBJECT`), or by data_blocks";
            problems.push((String::new(), message.to_owned()));
        }
        problems
    }
}
