//! A manifest in a folder, for a static web server, a Pages artifact or a look.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{ManifestSource, PublicationError, PublishTarget, Stored, Update, Version};
use crate::adapters::whole_file;
use crate::ids::Sha256Hex;
use crate::manifest::files::{ROOT, digest_in, is_immutable};

/// A folder that holds one manifest and perhaps other things, which are left alone.
#[derive(Debug, Clone)]
pub struct FolderTarget {
    folder: PathBuf,
    /// The library's root, where the folder has to be inside of it.
    library: Option<PathBuf>,
    shown: String,
    address: Option<String>,
}

impl FolderTarget {
    /// The folder is made when something is published; `shown` is what messages call it.
    pub fn new(folder: impl Into<PathBuf>, shown: impl Into<String>) -> Self {
        Self { folder: folder.into(), library: None, shown: shown.into(), address: None }
    }

    /// A folder of the library. Whoever proposes a change to the library must not lead it elsewhere by a symbolic link.
    pub fn within(library: impl Into<PathBuf>, folder: &str) -> Self {
        let library = library.into();
        Self { folder: library.join(folder), library: Some(library), shown: folder.to_owned(), address: None }
    }

    /// The same, which can be fetched at this address.
    #[must_use]
    pub fn at(self, address: Option<String>) -> Self {
        Self { address, ..self }
    }

    fn refuse_links(&self, name: &str) -> Result<(), PublicationError> {
        let Some(library) = &self.library else { return Ok(()) };
        let path = self.folder.join(name);
        let folders = path.parent().unwrap_or(&path);
        let mut steps = folders.ancestors().take_while(|step| step != library);
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

    /// A file of the folder; none when it is absent or larger than that.
    fn bytes(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PublicationError> {
        self.refuse_links(name)?;
        let read = || -> io::Result<Option<Vec<u8>>> {
            let file = regular(&self.folder.join(name))?;
            let mut bytes = Vec::new();
            file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
            Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit))
        };
        match read() {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            read => read.map_err(self.error("read")),
        }
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

    fn write_all(&self, update: &Update) -> io::Result<bool> {
        fs::create_dir_all(&self.folder)?;
        self.hide_from_git()?;
        // What never changes comes first, and with it the list of exports, by which those are known that a killed run has left.
        let (fixed, changing): (Vec<_>, Vec<_>) = update.files.iter().partition(|(name, _)| is_immutable(name));
        for (name, bytes) in fixed {
            whole_file::write(&self.folder.join(name), bytes)?;
        }
        // Where folders cannot be locked, the state's own lock has to do.
        let turn = File::open(&self.folder);
        if let Ok(turn) = &turn {
            let _ = turn.lock();
        }
        if self.version()? != update.expected {
            return Ok(false);
        }
        // Of two publishers the one that has lost leaves these alone.
        for (name, bytes) in changing {
            whole_file::write(&self.folder.join(name), bytes)?;
        }
        whole_file::write(&self.folder.join(ROOT), &update.root)?;
        drop(turn);
        for name in &update.removed {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        for folder in update.files.keys().filter_map(|name| Path::new(name).parent()) {
            whole_file::clear_partial(&self.folder.join(folder))?;
        }
        whole_file::clear_partial(&self.folder)?;
        Ok(true)
    }

    fn version(&self) -> io::Result<Option<Version>> {
        match regular(&self.folder.join(ROOT)).and_then(|mut file| Sha256Hex::of_stream(&mut file)) {
            Ok((digest, _)) => Ok(Some(Version(digest.to_string()))),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every regular file below a folder, by its name within the whole. No link is followed.
    fn walk(&self, below: &str, found: &mut BTreeMap<String, u64>) -> io::Result<()> {
        let entries = match fs::read_dir(self.folder.join(below)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let name = if below.is_empty() { name } else { format!("{below}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.walk(&name, found)?;
            } else if kind.is_file() && name != ROOT && is_whole(&entry.path(), &name)? {
                found.insert(name, entry.metadata()?.len());
            }
        }
        Ok(())
    }
}

/// Opens a file that is one: nobody waits for a pipe, and nothing is read of a device.
fn regular(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = options.read(true).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let name = path.file_name().unwrap_or_default().display();
    Err(io::Error::other(format!("{name} is no ordinary file; take it away")))
}

/// Whether a file has the content that its name promises, if it promises any.
fn is_whole(path: &Path, name: &str) -> io::Result<bool> {
    match digest_in(name) {
        None => Ok(true),
        Some(digest) => Ok(Sha256Hex::of_stream(&mut File::open(path)?)?.0.as_str() == digest),
    }
}

fn version(root: &[u8]) -> Version {
    Version(Sha256Hex::of(root).to_string())
}

#[async_trait]
impl ManifestSource for FolderTarget {
    fn place(&self) -> String {
        self.shown.clone()
    }

    async fn root(&self) -> Result<Option<Stored>, PublicationError> {
        if let Some(bytes) = self.bytes(ROOT, super::MOST_ROOT_BYTES)? {
            return Ok(Some(Stored { version: version(&bytes), bytes }));
        }
        // What is too large is no root of ours, and is there.
        let there = self.version().map_err(self.error("read"))?;
        Ok(there.map(|version| Stored { bytes: Vec::new(), version }))
    }

    async fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PublicationError> {
        self.bytes(name, limit)
    }
}

#[async_trait]
impl PublishTarget for FolderTarget {
    fn is_own(&self) -> bool {
        self.library.is_some()
    }

    fn address(&self) -> Option<String> {
        self.address.clone()
    }

    async fn list(&self) -> Result<BTreeMap<String, u64>, PublicationError> {
        self.refuse_links(ROOT)?;
        let mut found = BTreeMap::new();
        self.walk("", &mut found).map_err(self.error("read"))?;
        Ok(found)
    }

    async fn publish(&self, update: &Update) -> Result<(), PublicationError> {
        for name in update.files.keys().map(String::as_str).chain([ROOT]) {
            self.refuse_links(name)?;
        }
        let (own, update) = (self.clone(), update.clone());
        let written = tokio::task::spawn_blocking(move || own.write_all(&update)).await.map_err(io::Error::other);
        match written.flatten().map_err(self.error("written"))? {
            true => Ok(()),
            false => Err(PublicationError::Moved { place: self.shown.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{name, run, update};
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
        fs::create_dir(library.path().join("real")).unwrap();
        symlink(elsewhere.path(), library.path().join("real/_v1")).unwrap();
        for folder in ["public", "public/new/deep", "dangling", "dangling/deep"] {
            let target = FolderTarget::within(library.path(), folder);
            for refused in [target.root().await.map(drop), target.publish(&update(None, "one", &["a"])).await] {
                let error = refused.unwrap_err();
                assert!(error.is_certain() && error.to_string().contains("not followed"), "{error}");
            }
        }
        let mut below = update(None, "one", &[]);
        below.files.insert("_v1/page.json".to_owned(), Vec::new());
        let refused = FolderTarget::within(library.path(), "real").publish(&below).await.unwrap_err();
        assert!(refused.to_string().contains("real/_v1"), "{refused}");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        // Whoever names a folder on the command line may mean any.
        FolderTarget::new(library.path().join("public"), "public").publish(&update(None, "one", &["a"])).await.unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn nobody_waits_for_a_pipe_or_reads_a_device() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let target = FolderTarget::new(folder.path(), "public");
        let pipe = folder.path().join(ROOT);
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let publish = || async { target.publish(&update(None, "one", &["a"])).await };
        for refused in [target.root().await.map(drop), publish().await] {
            assert!(refused.unwrap_err().to_string().contains("no ordinary file"));
        }
        fs::remove_file(&pipe).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &pipe).unwrap();
        assert!(target.root().await.unwrap_err().to_string().contains("no ordinary file"));
        assert!(publish().await.is_err());
    }

    #[tokio::test]
    async fn what_a_run_has_left_that_was_killed_is_mended() {
        let library = tempfile::tempdir().unwrap();
        let folder = library.path().join(".stockroom/manifest");
        fs::create_dir_all(&folder).unwrap();
        fs::write(library.path().join(".stockroom/.gitignore"), "").unwrap();
        fs::write(folder.join(".stockroom-a1B2c3"), "half").unwrap();
        FolderTarget::within(library.path(), ".stockroom/manifest")
            .publish(&update(None, "one", &["a"]))
            .await
            .unwrap();
        assert_eq!(fs::read_to_string(library.path().join(".stockroom/.gitignore")).unwrap(), "*\n");
        assert!(!folder.join(".stockroom-a1B2c3").exists());
    }

    #[tokio::test]
    async fn a_damaged_file_is_not_listed_and_a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let target = FolderTarget::new(folder.path(), "public");
        target.publish(&update(None, "one", &["a"])).await.unwrap();
        let place = folder.path().join(name("a"));
        fs::write(&place, "z").unwrap();
        assert_eq!(target.list().await, Ok(BTreeMap::new()));
        let blocked = FolderTarget::new(place.join("below-a-file"), "blocked");
        let error = blocked.publish(&update(None, "one", &["a"])).await.unwrap_err().to_string();
        assert!(error.starts_with("the manifest at blocked cannot be written: "), "{error}");
    }

    #[tokio::test]
    async fn a_root_that_is_too_large_is_there_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let target = FolderTarget::new(folder.path(), "public");
        let large = File::create(folder.path().join(ROOT)).unwrap();
        large.set_len(super::super::MOST_ROOT_BYTES + 1).unwrap();
        let there = target.root().await.unwrap().unwrap();
        assert_eq!(there.bytes.len(), 0);
        target.publish(&update(Some(&there.version), "one", &["a"])).await.unwrap();
    }

    #[tokio::test]
    async fn who_has_lost_leaves_the_files_alone_that_change() {
        let folder = tempfile::tempdir().unwrap();
        let target = FolderTarget::new(folder.path(), "public");
        for (root, is_late) in [("one", false), ("late", true)] {
            let mut update = update(None, root, &[]);
            update.files.insert("feed.json".to_owned(), root.into());
            assert_eq!(target.publish(&update).await.is_err(), is_late);
        }
        assert_eq!(fs::read_to_string(folder.path().join("feed.json")).unwrap(), "one");
    }

    #[tokio::test]
    async fn two_publishers_at_once_have_one_winner() {
        let folder = tempfile::tempdir().unwrap();
        let target = FolderTarget::new(folder.path(), "public");
        let tries = ["one", "two", "three", "four"].map(|root| {
            let target = target.clone();
            tokio::spawn(async move { target.publish(&update(None, root, &[root])).await })
        });
        let mut won = 0;
        for tried in tries {
            won += usize::from(tried.await.unwrap().is_ok());
        }
        assert_eq!(won, 1);
    }
}
