//! The objects that stand for carried files: a folder of their own beside the clone's.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository, RepositoryInitOptions, Signature, Time};

use super::{CarrierError, Place};
use crate::ids::CommitId;

/// A bare repository, of which only the objects count: no ref is ever made in it.
pub(super) struct Objects {
    repository: Repository,
    folder: PathBuf,
}

impl Objects {
    /// Opens the folder, and makes it where it is not there.
    ///
    /// What the clone itself has is seen too: git brings nothing that is there already.
    pub(super) fn open(place: &Place) -> Result<Self, CarrierError> {
        let folder = &place.objects;
        let repository = match Repository::open_bare(folder) {
            Ok(repository) => repository,
            Err(_) => {
                let mut options = RepositoryInitOptions::new();
                options.bare(true).mkpath(true).external_template(false);
                Repository::init_opts(folder, &options).map_err(failed)?
            }
        };
        if let Some(theirs) = place.clones_objects().to_str() {
            repository.odb().and_then(|objects| objects.add_disk_alternate(theirs)).map_err(failed)?;
        }
        Ok(Self { repository, folder: folder.clone() })
    }

    /// Throws all of them away; they can be brought again.
    pub(super) fn forget(folder: &Path) -> Result<(), CarrierError> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    /// The repository itself.
    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Whether this commit is here; its files may still be missing.
    pub(super) fn holds(&self, commit: &CommitId) -> bool {
        let exists = |id| self.repository.odb().is_ok_and(|objects| objects.exists(id));
        Oid::from_str(commit.as_str()).is_ok_and(exists)
    }

    /// A commit of no files.
    pub(super) fn nothing(&self) -> Result<Oid, CarrierError> {
        let empty = self.repository.odb().and_then(|o| o.write(ObjectType::Tree, b"")).map_err(failed)?;
        self.commit(empty, "Nothing yet\n")
    }

    /// Makes a commit without parents, of no time and by nobody: it is a function of its tree.
    pub(super) fn commit(&self, tree: Oid, message: &str) -> Result<Oid, CarrierError> {
        let made = Signature::new("Stockroom", "stockroom@localhost", &Time::new(0, 0)).and_then(|by| {
            let tree = self.repository.find_tree(tree)?;
            self.repository.commit(None, &by, &by, message, &tree, &[])
        });
        made.map_err(failed)
    }

    /// A list of the borders of a shallow clone that holds this commit alone.
    pub(super) fn border(&self, commit: &CommitId) -> Result<PathBuf, CarrierError> {
        let file = self.folder.join("border");
        fs::write(&file, format!("{commit}\n")).map_err(failed)?;
        Ok(file)
    }

    /// Throws away every object but these. Nobody else may be at work in the folder.
    pub(super) fn keep_only(&self, kept: &BTreeSet<Oid>) -> Result<(), CarrierError> {
        for folder in entries(&self.folder.join("objects"))? {
            let Some(start) = folder.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
            if start.starts_with("tmp_") {
                let gone = if folder.is_dir() { fs::remove_dir_all(&folder) } else { fs::remove_file(&folder) };
                gone.map_err(failed)?;
                continue;
            }
            let is_loose = start.len() == 2;
            if !is_loose && start != "pack" {
                continue;
            }
            for file in entries(&folder)? {
                let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let id = Oid::from_str(&format!("{start}{name}"));
                let is_kept = id.is_ok_and(|id| kept.contains(&id));
                // A pack is there as a whole or not at all; what a killed git was writing is neither.
                if is_loose && !is_kept || name.starts_with("tmp_") {
                    fs::remove_file(&file).map_err(failed)?;
                }
            }
        }
        Ok(())
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, CarrierError> {
    let listed = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(vec![]);
        }
        listed => listed.map_err(failed)?,
    };
    listed.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

pub(super) fn failed(error: impl Display) -> CarrierError {
    CarrierError::local("its objects cannot be kept here", error)
}
