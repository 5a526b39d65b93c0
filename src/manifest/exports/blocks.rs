//! Which data-blocks of which `.blend` file an asset offers to Blender, as its record says.

use std::cmp::Reverse;

use serde_json::Value;

use super::blender::Settings;
use crate::catalog::pointer::PointerPattern;
use crate::finding::words::quoted;
use crate::manifest::format::{AssetEntry, FileEntry};
use crate::manifest::listing::bounded;

/// The kinds of data-block that Blender can be told of, as its Python interface names them.
pub(super) const TYPES: [&str; 39] = [
    "ACTION",
    "ARMATURE",
    "BRUSH",
    "CACHEFILE",
    "CAMERA",
    "COLLECTION",
    "CURVE",
    "CURVES",
    "FONT",
    "GREASEPENCIL",
    "GREASEPENCIL_V3",
    "IMAGE",
    "KEY",
    "LATTICE",
    "LIBRARY",
    "LIGHT",
    "LIGHT_PROBE",
    "LINESTYLE",
    "MASK",
    "MATERIAL",
    "MESH",
    "META",
    "MOVIECLIP",
    "NODETREE",
    "OBJECT",
    "PAINTCURVE",
    "PALETTE",
    "PARTICLE",
    "POINTCLOUD",
    "SCENE",
    "SCREEN",
    "SOUND",
    "SPEAKER",
    "TEXT",
    "TEXTURE",
    "VOLUME",
    "WINDOWMANAGER",
    "WORKSPACE",
    "WORLD",
];
/// The longest name that a data-block can have, in bytes.
const NAME: usize = 255;
/// How many data-blocks are taken of one asset.
const BLOCKS: usize = 1_000;
/// The longest path of a catalog, in characters.
const CATALOG: usize = 200;

/// A text of each record, or the same for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// It stands in the record.
    Pointer(PointerPattern),
    /// It is this one.
    Constant(String),
}

/// How records are read for Blender.
#[derive(Debug)]
pub(super) struct Mapping {
    role: Option<String>,
    data_block: Option<Given>,
    id_type: Option<Given>,
    data_blocks: Option<PointerPattern>,
    blender_version: Given,
    catalog: Option<Given>,
    copyright: Option<Given>,
}

/// What an asset offers to Blender.
pub(super) struct Offered<'e> {
    /// The file.
    pub file: &'e FileEntry,
    /// The version of Blender that wrote it, as `major.minor`.
    pub version: String,
    /// The data-blocks in it that are assets; never empty.
    pub blocks: Vec<Block>,
}

/// A data-block that its file marks as an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Its name in the file.
    pub name: String,
    /// Its kind, one of [`TYPES`].
    pub id_type: &'static str,
    /// What it is, where it has words of its own.
    pub description: Option<String>,
    /// Its tags, where it has some of its own.
    pub tags: Option<Vec<String>>,
}

/// What an asset lacks to be offered to Blender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lack {
    /// It has no `.blend` file, or none of the right role.
    NoFile,
    /// It has several and nothing tells which one is meant.
    SeveralFiles(Vec<String>),
    /// Its file has no address, being private.
    NoAddress(String),
    /// Its file has a path that Blender keeps for itself or takes for another one.
    Path(String),
    /// The record does not say which data-block is the asset; where, and why not.
    Block(String, String),
    /// The record does not say which version of Blender wrote the file; where, and why not.
    Version(String, String),
}

impl Given {
    /// A pointer where it begins with `/`.
    pub fn new(text: &str) -> Self {
        if text.starts_with('/') { Self::Pointer(PointerPattern::new(text)) } else { Self::Constant(text.to_owned()) }
    }

    /// What it says of this record, if that is a text.
    fn of<'a>(&'a self, record: &'a Value) -> Option<&'a str> {
        match self {
            Self::Pointer(pointer) => pointer.get(record)?.as_str(),
            Self::Constant(text) => Some(text),
        }
    }

    fn pointer(&self) -> String {
        match self {
            Self::Pointer(pointer) => pointer.exact(),
            Self::Constant(_) => String::new(),
        }
    }
}

impl Mapping {
    /// Takes what the settings say.
    pub fn new(settings: &Settings) -> Self {
        let given = |text: &Option<String>| text.as_deref().map(Given::new);
        Self {
            role: settings.role.clone(),
            data_block: given(&settings.data_block),
            id_type: given(&settings.id_type),
            data_blocks: settings.data_blocks.as_deref().map(PointerPattern::new),
            blender_version: Given::new(&settings.blender_version),
            catalog: given(&settings.catalog),
            copyright: given(&settings.copyright),
        }
    }

    /// What the asset offers, or why it offers nothing.
    pub fn read<'e>(&self, entry: &'e AssetEntry) -> Result<Offered<'e>, Lack> {
        let file = self.file(entry)?;
        let given = self.blender_version.of(&entry.record);
        let version = given.and_then(version).ok_or_else(|| {
            let why = match given {
                Some(text) => format!("{} is no version of Blender", quoted(text)),
                None => "no version of Blender is named".to_owned(),
            };
            Lack::Version(self.blender_version.pointer(), why)
        })?;
        Ok(Offered { file, version, blocks: self.blocks(&entry.record)? })
    }

    fn file<'e>(&self, entry: &'e AssetEntry) -> Result<&'e FileEntry, Lack> {
        let is_blend = |file: &&FileEntry| file.path.to_ascii_lowercase().ends_with(".blend");
        let has_role = |file: &&FileEntry| self.role.as_ref().is_none_or(|role| *role == file.role);
        let mut files: Vec<&FileEntry> = entry.files.iter().filter(is_blend).filter(has_role).collect();
        // The file that is called as its record is comes before files beside it.
        let stem = |path: &str| path.rsplit_once('.').map_or(path, |(stem, _)| stem).to_owned();
        files.sort_by_key(|file| Reverse(stem(&file.path) == stem(&entry.path)));
        let (Some(file), others) = (files.first().copied(), files.len().saturating_sub(1)) else {
            return Err(Lack::NoFile);
        };
        if others > 0 && stem(&file.path) != stem(&entry.path) {
            return Err(Lack::SeveralFiles(files.iter().map(|file| file.path.clone()).collect()));
        }
        if !is_safe_path(&file.path) {
            return Err(Lack::Path(file.path.clone()));
        }
        if file.url.is_none() {
            return Err(Lack::NoAddress(file.path.clone()));
        }
        Ok(file)
    }

    fn blocks(&self, record: &Value) -> Result<Vec<Block>, Lack> {
        if let Some(pointer) = &self.data_blocks
            && let Some(list) = pointer.get(record)
        {
            let at = pointer.exact();
            let items = list.as_array().filter(|items| !items.is_empty() && items.len() <= BLOCKS);
            let items = items.ok_or_else(|| {
                Lack::Block(at.clone(), format!("a list of 1 to {BLOCKS} data-blocks is wanted there"))
            })?;
            let read = |(index, item): (usize, &Value)| listed_block(item, &format!("{at}/{index}"));
            return items.iter().enumerate().map(read).collect();
        }
        let (Some(name), Some(kind)) = (&self.data_block, &self.id_type) else {
            let at = self.data_blocks.as_ref().map(PointerPattern::exact).unwrap_or_default();
            return Err(Lack::Block(at, "no data-blocks are named".to_owned()));
        };
        let block = block(name.of(record), kind.of(record));
        block
            .map(|block| vec![block])
            .map_err(|(is_name, why)| Lack::Block(if is_name { name.pointer() } else { kind.pointer() }, why))
    }

    /// The catalog that the asset is shown in, as a path that Blender leaves as it is.
    pub fn catalog(&self, record: &Value) -> Option<String> {
        let text = bounded(self.catalog.as_ref()?.of(record)?, CATALOG, false)?;
        // Blender divides the lines of its catalogs at colons.
        let parts = text.split('/').map(|part| part.replace([':', '\\'], " ")).map(|part| part.trim().to_owned());
        let path = parts.filter(|part| !matches!(part.as_str(), "" | "." | "..")).collect::<Vec<_>>().join("/");
        (!path.is_empty()).then_some(path)
    }

    /// Who holds the rights in the asset.
    pub fn copyright(&self, record: &Value) -> Option<String> {
        bounded(self.copyright.as_ref()?.of(record)?, CATALOG, false)
    }
}

fn listed_block(item: &Value, at: &str) -> Result<Block, Lack> {
    let text = |key: &str| item.get(key).and_then(Value::as_str);
    let found = block(text("name"), text("id_type"));
    let found = found
        .map_err(|(is_name, why)| Lack::Block(format!("{at}/{}", if is_name { "name" } else { "id_type" }), why))?;
    let tags = item.get("tags").and_then(Value::as_array);
    let tags = tags
        .map(|tags| tags.iter().filter_map(Value::as_str).take(50).filter_map(|tag| bounded(tag, 60, false)).collect());
    Ok(Block { description: text("description").and_then(|text| bounded(text, 5_000, true)), tags, ..found })
}

/// A data-block with this name and kind; else whether it is the name that it lacks, and why.
fn block(name: Option<&str>, kind: Option<&str>) -> Result<Block, (bool, String)> {
    let name = name.ok_or_else(|| (true, "no data-block is named".to_owned()))?;
    if name.is_empty() || name.len() > NAME || name.chars().any(char::is_control) {
        return Err((true, format!("{} is no name that a data-block can have", quoted(name))));
    }
    let kind = kind.ok_or_else(|| (false, "the data-block's kind is not named".to_owned()))?;
    let id_type = id_type(kind).ok_or_else(|| (false, format!("{} is no kind of data-block", quoted(kind))))?;
    Ok(Block { name: name.to_owned(), id_type, description: None, tags: None })
}

/// A kind of data-block, whatever its case.
pub(super) fn id_type(text: &str) -> Option<&'static str> {
    TYPES.into_iter().find(|kind| kind.eq_ignore_ascii_case(text))
}

/// `major.minor` of a version of Blender such as `4.2.0`, `4.2` or `4.2 LTS`.
pub(super) fn version(text: &str) -> Option<String> {
    let mut parts = text.trim().split(['.', ' ', '-']);
    let mut number = || parts.next().filter(|part| part.len() <= 3)?.parse::<u16>().ok();
    let (major, minor) = (number()?, number()?);
    Some(format!("{major}.{minor}"))
}

/// Whether a file can lie at this path in the folder that Blender keeps for the library, on every system.
fn is_safe_path(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let first = lower.split('/').next().unwrap_or_default();
    let is_kept = ["_v1", "_local-meta-cache", "_listing_backup"].contains(&first);
    let is_odd =
        path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.chars().any(|c| matches!(c, '\\' | ':'));
    !is_kept && !is_odd && !path.chars().any(char::is_control)
}
