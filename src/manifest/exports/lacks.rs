//! What assets lack to be in the exports that stockroom.yml asks for.
//!
//! The same code reads an asset for an export and for a finding about it, so what is told is what is left out.

use serde_json::Value;

use super::blender;
use super::blocks::{Lack, Mapping};
use crate::catalog::asset::Asset;
use crate::catalog::pointer::PointerPattern;
use crate::finding::words::quoted;
use crate::finding::{Finding, codes};
use crate::ids::{AssetKey, RepoPath};
use crate::manifest::build::published;
use crate::manifest::files::media_type;
use crate::manifest::format::{AssetEntry, FileEntry};
use crate::manifest::listing::Listing;
use crate::manifest::role::Roles;
use crate::manifest::settings::Settings;

codes! {
    BLENDER_FILE "blender-file"
        "The asset has no `.blend` file that Blender can fetch, so it is not in the library for Blender. The message says \
         what stands in the way. Add the file, name its role in `manifest.exports.blender.role`, or leave the collection out of \
         `manifest.exports.blender.collections`."
    BLENDER_DATA_BLOCK "blender-data-block"
        "The record does not say which data-block of its `.blend` file is the asset, so it is not in the library for Blender. \
         Write its name and kind where `manifest.exports.blender` looks for them, and publish them by `manifest.fields`."
    BLENDER_VERSION "blender-version"
        "The record does not say which version of Blender wrote its file, so it is not in the library for Blender. Write it \
         where `manifest.exports.blender.blender_version` looks for it, and publish it by `manifest.fields`."
    PAGE_ADDRESS "page-address"
        "The address of the asset's page takes a value that the record does not have or does not publish, so the asset is not \
         in the sitemap. See `manifest.listing.url`."
}

/// What the exports ask of every asset, ready to be looked at one by one.
#[derive(Debug)]
pub struct Lacks {
    settings: Settings,
    fields: Option<Vec<PointerPattern>>,
    roles: Roles,
    mapping: Option<Mapping>,
    listing: Listing,
}

/// What these assets lack, in their order.
pub fn findings(settings: &Settings, assets: &[Asset]) -> Vec<Finding> {
    let lacks = Lacks::new(settings);
    let of = |asset: &Asset| {
        let files: Vec<&RepoPath> = asset.files.iter().map(|file| &file.path).collect();
        lacks.of(&asset.key, &asset.record, &asset.meaning, &files)
    };
    assets.iter().flat_map(of).collect()
}

impl Lacks {
    /// What these settings ask.
    pub fn new(settings: &Settings) -> Self {
        let fields = settings.fields.as_ref();
        Self {
            fields: fields.map(|fields| fields.iter().map(|field| PointerPattern::new(field)).collect()),
            roles: Roles::new(settings),
            mapping: settings.exports.blender.as_ref().map(Mapping::new),
            listing: Listing::new(&settings.listing),
            settings: settings.clone(),
        }
    }

    /// Whether they ask for anything that an asset could lack.
    pub fn is_nothing(&self) -> bool {
        self.mapping.is_none() && self.settings.exports.sitemap.is_none()
    }

    /// What this asset lacks.
    pub fn of(&self, key: &AssetKey, record: &RepoPath, meaning: &Value, files: &[&RepoPath]) -> Vec<Finding> {
        if self.is_nothing() {
            return Vec::new();
        }
        let entry = self.sketch(key, record, meaning, files);
        let takes = |collections: &Option<Vec<String>>| {
            collections.as_ref().is_none_or(|all| all.iter().any(|name| name == key.collection.as_str()))
        };
        let exports = &self.settings.exports;
        let mut found = Vec::new();
        if let (Some(mapping), Some(settings)) = (&self.mapping, &exports.blender)
            && takes(&settings.collections)
            && let Err(lack) = mapping.read(&entry)
        {
            found.push(told(&lack, settings, record));
        }
        if let Some(settings) = &exports.sitemap
            && takes(&settings.collections)
            && self.listing.has_page(key.collection.as_str())
            && self.listing.of(key.collection.as_str(), &entry).url.is_none()
        {
            let message = "the address of its page cannot be made from what is published of the record";
            found.push(Finding::warning(&PAGE_ADDRESS, record.clone(), message));
        }
        found
    }

    /// The asset's entry as far as it is known before its files are read.
    fn sketch(&self, key: &AssetKey, record: &RepoPath, meaning: &Value, files: &[&RepoPath]) -> AssetEntry {
        let file = |path: &&RepoPath| {
            let media_type = media_type(path.as_str());
            let role = self.roles.of(path, media_type);
            let has_address = self.settings.base_url.is_some() && !self.settings.is_private(&role);
            FileEntry {
                path: path.to_string(),
                url: has_address.then(|| path.percent_encoded()),
                key: None,
                bytes: 0,
                sha256: String::new(),
                git_oid: String::new(),
                media_type: media_type.to_owned(),
                role,
                width: None,
                height: None,
            }
        };
        AssetEntry {
            id: key.id.to_string(),
            path: record.to_string(),
            digest: String::new(),
            status: String::new(),
            schema: None,
            record: self.fields.as_ref().map_or_else(|| meaning.clone(), |fields| published(meaning, fields)),
            files: files.iter().map(file).collect(),
        }
    }
}

fn told(lack: &Lack, settings: &blender::Settings, record: &RepoPath) -> Finding {
    let warn = |code, message: String| {
        Finding::warning(code, record.clone(), format!("{message}, so Blender is not offered the asset"))
    };
    match lack {
        Lack::NoFile => {
            let role = settings.role.as_ref().map(|role| format!(" with the role {role:?}")).unwrap_or_default();
            warn(&BLENDER_FILE, format!("there is no .blend file{role} beside it"))
        }
        Lack::SeveralFiles(paths) => {
            let names = paths.iter().take(3).map(|path| quoted(path)).collect::<Vec<_>>().join(", ");
            let more = if paths.len() > 3 { " and more" } else { "" };
            warn(&BLENDER_FILE, format!("there are {} .blend files ({names}{more})", paths.len())).help(
                "name the one that is meant as the record is named, or give it a role of its own in manifest.roles",
            )
        }
        Lack::NoAddress(path) => warn(&BLENDER_FILE, format!("{} is private and has no address", quoted(path))),
        Lack::Path(path) => {
            warn(&BLENDER_FILE, format!("{} is a path that Blender cannot keep a file at", quoted(path)))
                .help("rename the file or its folder")
        }
        Lack::Block(pointer, why) => warn(&BLENDER_DATA_BLOCK, why.clone()).about(pointer.clone()),
        Lack::Version(pointer, why) => warn(&BLENDER_VERSION, why.clone())
            .about(pointer.clone())
            .help("write it as \"4.2\", the version of Blender that saved the file"),
    }
}
