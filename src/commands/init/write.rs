//! Writes new files: all of them or none, and never through a link.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use crate::commands::infer::write_new;
use crate::ids::RepoPath;

/// Writes files below a folder. What is there already, or a link on the way, is an error, and then nothing stays.
pub fn write(root: &Path, files: &[(RepoPath, String)]) -> anyhow::Result<()> {
    for (path, _) in files {
        is_free(root, path)?;
    }
    let mut made = Vec::new();
    let outcome = files.iter().try_for_each(|(path, text)| write_one(root, path, text, &mut made));
    if outcome.is_err() {
        for path in made.iter().rev() {
            // What cannot be taken back is no reason to leave the rest; the error below says what went wrong.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
    outcome.map_err(|error| error.context("nothing was written"))
}

/// That nothing is in the way of a file, and that the way to it is made of folders.
fn is_free(root: &Path, path: &RepoPath) -> anyhow::Result<()> {
    let mut place = root.to_owned();
    let parts: Vec<&str> = path.as_str().split('/').collect();
    for (index, part) in parts.iter().enumerate() {
        place.push(part);
        let is_last = index + 1 == parts.len();
        match place.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(anyhow!("{} cannot be looked at: {error}", place.display())),
            Ok(_) if is_last => {
                return Err(anyhow!("{path} is there already, and is left as it is; nothing was written"));
            }
            Ok(facts) if facts.is_dir() => {}
            Ok(_) => {
                return Err(anyhow!(
                    "{path} cannot be written: {} is no folder (links are not followed); nothing was written",
                    place.display()
                ));
            }
        }
    }
    Ok(())
}

fn write_one(root: &Path, path: &RepoPath, text: &str, made: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let mut folder = root.to_owned();
    for part in path.folder().split('/').filter(|part| !part.is_empty()) {
        folder.push(part);
        if folder.symlink_metadata().is_err() {
            fs::create_dir(&folder).map_err(|error| anyhow!("{} cannot be made: {error}", folder.display()))?;
            made.push(folder.clone());
        }
    }
    let file = root.join(path.as_str());
    let was_there = file.symlink_metadata().is_ok();
    let outcome = write_new(&file, text);
    if !was_there {
        made.push(file);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<(RepoPath, String)> {
        paths.iter().map(|path| (RepoPath::new(*path), "new".to_owned())).collect()
    }

    #[test]
    fn all_files_are_written_or_none() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &files(&["a/b/c.yml", "d.yml"])).unwrap();
        assert_eq!(fs::read_to_string(root.path().join("a/b/c.yml")).unwrap(), "new");
        let error = write(root.path(), &files(&["e/f.yml", "d.yml"])).unwrap_err();
        assert!(format!("{error:#}").contains("d.yml is there already"), "{error:#}");
        assert!(!root.path().join("e").exists());
        // The second file cannot be written although nothing is in its place: the first one is its folder.
        write(root.path(), &files(&["x/y", "x/y/z"])).unwrap_err();
        assert!(!root.path().join("x").exists());
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_followed() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), root.path().join("schemas")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("new"), root.path().join("stockroom.yml")).unwrap();
        for path in ["schemas/x/v1.0.0.json", "stockroom.yml"] {
            write(root.path(), &files(&[path])).unwrap_err();
        }
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
