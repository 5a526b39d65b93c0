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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AssetId, CollectionName};
    use serde_json::json;

    fn settings(more: &Value) -> Settings {
        let mut all = json!({
            "base_url": "https://example.com/", "private": ["source"], "roles": {"source": ["*_src.blend"]},
            "listing": {"url": "https://example.com/{/slug}"},
            "exports": {"sitemap": {}, "blender": {"name": "N", "data_block": "/title", "id_type": "/type", "blender_version": "/v"}}
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    fn told(settings: &Settings, record: &Value, files: &[&str]) -> Vec<String> {
        let files: Vec<RepoPath> = files.iter().map(|file| RepoPath::new(*file)).collect();
        let key = AssetKey { collection: CollectionName::new("products"), id: AssetId::new("bolt") };
        let found =
            Lacks::new(settings).of(&key, &RepoPath::new("Bolt/Bolt.json"), record, &files.iter().collect::<Vec<_>>());
        found
            .into_iter()
            .map(|finding| format!("{} {}: {}", finding.code.id, finding.pointer, finding.message))
            .collect()
    }

    fn whole() -> Value {
        json!({"title": "Bolt", "type": "object", "v": "4.2.1", "slug": "bolt"})
    }

    #[test]
    fn an_asset_that_has_all_lacks_nothing() {
        assert!(told(&settings(&json!({})), &whole(), &["Bolt/Bolt.blend", "Bolt/other.blend"]).is_empty());
    }

    #[test]
    fn each_lack_is_told_once_at_its_place() {
        let all = settings(&json!({}));
        let with = |key: &str, value: Value| {
            let mut record = whole();
            record[key] = value;
            record
        };
        let blend = ["Bolt/Bolt.blend"];
        let cases = [
            told(&all, &whole(), &["Bolt/icon.png"]),
            told(&all, &whole(), &["Bolt/a.blend", "Bolt/b.blend"]),
            told(&all, &whole(), &["Bolt/Bolt_src.blend"]),
            told(&all, &whole(), &["_v1/a.blend"]),
            told(&all, &with("title", json!(null)), &blend),
            told(&all, &with("title", json!("x".repeat(256))), &blend),
            told(&all, &with("type", json!("thing")), &blend),
            told(&all, &with("v", json!("new")), &blend),
            told(&all, &with("slug", json!([])), &blend),
        ];
        insta::assert_snapshot!(cases.map(|told| told.join(" | ")).join("\n"), @r#"
        blender-file : there is no .blend file beside it, so Blender is not offered the asset
        blender-file : there are 2 .blend files ("Bolt/a.blend", "Bolt/b.blend"), so Blender is not offered the asset
        blender-file : "Bolt/Bolt_src.blend" is private and has no address, so Blender is not offered the asset
        blender-file : "_v1/a.blend" is a path that Blender cannot keep a file at, so Blender is not offered the asset
        blender-data-block /title: no data-block is named, so Blender is not offered the asset
        blender-data-block /title: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…" is no name that a data-block can have, so Blender is not offered the asset
        blender-data-block /type: "thing" is no kind of data-block, so Blender is not offered the asset
        blender-version /v: "new" is no version of Blender, so Blender is not offered the asset
        page-address : the address of its page cannot be made from what is published of the record
        "#);
    }

    #[test]
    fn what_is_not_published_is_lacking() {
        let all = settings(&json!({"fields": ["/title", "/type", "/slug"]}));
        let found = told(&all, &whole(), &["Bolt/Bolt.blend"]);
        assert_eq!(found, ["blender-version /v: no version of Blender is named, so Blender is not offered the asset"]);
    }

    #[test]
    fn nobody_who_asks_for_no_export_is_told_anything() {
        assert!(told(&settings(&json!({"exports": {"feed": {}}})), &json!(null), &[]).is_empty());
        let others =
            json!({"exports": {"blender": {"name": "N", "collections": ["guides"], "blender_version": "4.2"}}});
        assert!(told(&settings(&others), &json!(null), &[]).is_empty());
    }
}
