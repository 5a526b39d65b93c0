//! A manifest in a folder, for a static web server, a Pages artifact or a look.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use super::{PublicationError, PublishTarget};
use crate::adapters::whole_file;
use crate::ids::Sha256Hex;
use crate::manifest::Manifest;
use crate::manifest::build::ROOT;
use crate::manifest::format::{Catalog, CatalogRef, Root};

/// A folder that holds one manifest and perhaps other things, which are left alone.
#[derive(Debug, Clone)]
pub struct FolderTarget {
    folder: PathBuf,
    /// The library's root, where the folder has to be inside of it.
    library: Option<PathBuf>,
    shown: String,
}

impl FolderTarget {
    /// The folder is made when something is published; `shown` is what messages call it.
    pub fn new(folder: impl Into<PathBuf>, shown: impl Into<String>) -> Self {
        Self { folder: folder.into(), library: None, shown: shown.into() }
    }

    /// A folder of the library. Whoever proposes a change to the library must not lead it elsewhere by a symbolic link.
    pub fn within(library: impl Into<PathBuf>, folder: &str) -> Self {
        let library = library.into();
        Self { folder: library.join(folder), library: Some(library), shown: folder.to_owned() }
    }

    fn refuse_links(&self) -> Result<(), PublicationError> {
        let Some(library) = &self.library else { return Ok(()) };
        let mut steps = self.folder.ancestors().take_while(|step| step != library);
        match steps.find(|step| step.is_symlink()) {
            None => Ok(()),
            Some(link) => {
                let link = link.strip_prefix(library).unwrap_or(link).display().to_string();
                Err(PublicationError::Link { place: self.shown.clone(), link })
            }
        }
    }

    fn error(&self, what: &'static str) -> impl Fn(io::Error) -> PublicationError + '_ {
        move |error| PublicationError::Unusable { place: self.shown.clone(), what, why: error.to_string() }
    }

    /// A JSON file of the folder; none when it is absent or not of that form.
    fn read<T: DeserializeOwned>(&self, name: &str, sha256: Option<&str>) -> Result<Option<T>, PublicationError> {
        let bytes = match fs::read(self.folder.join(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.error("read")(error)),
        };
        let is_intact = sha256.is_none_or(|digest| Sha256Hex::of(&bytes).as_str() == digest);
        Ok(if is_intact { serde_json::from_slice(&bytes).ok() } else { None })
    }

    /// What is built below `.stockroom` is nobody's source: the folder says so to git itself.
    fn hide_from_git(&self) -> io::Result<()> {
        let Some(own) = self.folder.ancestors().find(|folder| folder.file_name() == Some(OsStr::new(".stockroom")))
        else {
            return Ok(());
        };
        let file = own.join(".gitignore");
        // An empty one hides nothing.
        if file.metadata().is_ok_and(|facts| facts.len() > 0) { Ok(()) } else { whole_file::write(&file, b"*\n") }
    }

    fn write_all(&self, manifest: &Manifest) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        self.hide_from_git()?;
        let last: Option<Root> = self.read(ROOT, None).ok().flatten();
        for (name, bytes) in &manifest.files {
            let whole = self.folder.join(name).metadata().is_ok_and(|facts| facts.len() == bytes.len() as u64);
            if !whole {
                whole_file::write(&self.folder.join(name), bytes)?;
            }
        }
        whole_file::write(&self.folder.join(ROOT), &manifest.root_bytes)?;
        whole_file::clear_partial(&self.folder)?;
        let Some(last) = last else { return Ok(()) };
        // Only files that an earlier root of ours named are candidates: whatever else is in the folder is not ours.
        let keep = named(&manifest.root, Some(&last));
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let ours = name.to_str().filter(|name| is_catalog_name(name, manifest, &last));
            if let Some(name) = ours.filter(|name| !keep.contains(name)) {
                fs::remove_file(self.folder.join(name))?;
            }
        }
        Ok(())
    }
}

/// The files that these roots name.
pub(super) fn named<'r>(new: &'r Root, last: Option<&'r Root>) -> BTreeSet<&'r str> {
    let roots = std::iter::once(new).chain(last);
    roots.flat_map(|root| root.collections.values()).map(|reference| reference.path.as_str()).collect()
}

/// `COLLECTION.DIGEST.json` of a collection that one of the roots has.
fn is_catalog_name(name: &str, manifest: &Manifest, last: &Root) -> bool {
    let Some((collection, digest)) = name.strip_suffix(".json").and_then(|stem| stem.rsplit_once('.')) else {
        return false;
    };
    let is_digest = digest.len() == 16 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest && (manifest.root.collections.contains_key(collection) || last.collections.contains_key(collection))
}

#[async_trait]
impl PublishTarget for FolderTarget {
    fn place(&self) -> String {
        self.shown.clone()
    }

    fn is_own(&self) -> bool {
        self.library.is_some()
    }

    async fn root(&self) -> Result<Option<Root>, PublicationError> {
        self.refuse_links()?;
        self.read(ROOT, None)
    }

    async fn catalog(&self, reference: &CatalogRef) -> Result<Option<Catalog>, PublicationError> {
        self.read(&reference.path, Some(&reference.sha256))
    }

    async fn is_whole(&self, root: &Root) -> Result<bool, PublicationError> {
        let is_there = |reference: &CatalogRef| {
            let digest =
                File::open(self.folder.join(&reference.path)).and_then(|mut file| Sha256Hex::of_stream(&mut file));
            digest.is_ok_and(|(digest, _)| digest.as_str() == reference.sha256)
        };
        Ok(root.collections.values().all(is_there))
    }

    async fn publish(&self, manifest: &Manifest) -> Result<(), PublicationError> {
        self.refuse_links()?;
        let (target, manifest) = (self.clone(), manifest.clone());
        let written = tokio::task::spawn_blocking(move || target.write_all(&manifest)).await;
        written.map_err(io::Error::other).flatten().map_err(self.error("written"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{manifest, run};
    use super::*;

    #[tokio::test]
    async fn a_folder_is_a_target() {
        let folder = tempfile::tempdir().unwrap();
        run(&FolderTarget::new(folder.path().join("new/deep"), "new/deep")).await;
    }

    #[tokio::test]
    async fn a_folder_within_a_library_is_a_target() {
        let library = tempfile::tempdir().unwrap();
        run(&FolderTarget::within(library.path(), "new/deep")).await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_symbolic_link_in_the_library_is_refused_and_not_followed() {
        use std::os::unix::fs::symlink;
        let (library, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(elsewhere.path(), library.path().join("public")).unwrap();
        symlink(elsewhere.path().join("absent"), library.path().join("dangling")).unwrap();
        for folder in ["public", "public/new/deep", "dangling", "dangling/deep"] {
            let target = FolderTarget::within(library.path(), folder);
            for refused in [target.root().await.map(drop), target.publish(&manifest(&["a"])).await] {
                let error = refused.unwrap_err();
                assert!(error.is_certain() && error.to_string().contains("not followed"), "{error}");
            }
        }
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        // Whoever names a folder on the command line may mean any.
        FolderTarget::new(library.path().join("public"), "public").publish(&manifest(&["a"])).await.unwrap();
    }

    #[tokio::test]
    async fn other_files_in_the_folder_are_left_alone_and_no_rubbish_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("index.html"), "x").unwrap();
        fs::write(folder.path().join("photos.0123456789abcdef.json"), "x").unwrap();
        let target = FolderTarget::new(folder.path(), "public");
        for titles in [["a"], ["b"], ["c"]] {
            target.publish(&manifest(&titles)).await.unwrap();
        }
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(names.contains(&"index.html".into()) && names.contains(&"photos.0123456789abcdef.json".into()));
    }

    #[tokio::test]
    async fn what_a_run_has_left_that_was_killed_is_mended() {
        let library = tempfile::tempdir().unwrap();
        let folder = library.path().join(".stockroom/manifest");
        fs::create_dir_all(&folder).unwrap();
        fs::write(library.path().join(".stockroom/.gitignore"), "").unwrap();
        fs::write(folder.join(".stockroom-a1B2c3"), "half").unwrap();
        FolderTarget::within(library.path(), ".stockroom/manifest").publish(&manifest(&["a"])).await.unwrap();
        assert_eq!(fs::read_to_string(library.path().join(".stockroom/.gitignore")).unwrap(), "*\n");
        assert!(!folder.join(".stockroom-a1B2c3").exists());
    }

    #[tokio::test]
    async fn a_damaged_file_is_seen_and_a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let target = FolderTarget::new(folder.path(), "public");
        let one = manifest(&["a"]);
        target.publish(&one).await.unwrap();
        let reference = &one.root.collections["products"];
        let place = folder.path().join(&reference.path);
        let text = fs::read_to_string(&place).unwrap();
        fs::write(&place, text.replace("\"a\"", "\"z\"")).unwrap();
        assert_eq!(target.catalog(reference).await, Ok(None));
        fs::write(folder.path().join(ROOT), "{ half").unwrap();
        assert_eq!(target.root().await, Ok(None));
        let blocked = FolderTarget::new(place.join("below-a-file"), "blocked");
        let error = blocked.publish(&one).await.unwrap_err().to_string();
        assert!(error.starts_with("the manifest at blocked cannot be written: "), "{error}");
    }
}
