//! Where the corpora are, and how they are unpacked.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The files of a corpus at its last commit, unpacked once into the build folder; none, said aloud, where something for it
/// is not at hand.
pub fn unpacked(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("STOCKROOM_SHARED").map_or_else(beside, PathBuf::from);
    let stream = shared.join(format!("corpora/{name}.stream.xz"));
    if !stream.exists() {
        eprintln!("SKIPPED: {} is not there", stream.display());
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("retrieval").join(name);
    match unpack(&stream, &folder) {
        Ok(true) => Some(folder),
        Ok(false) => {
            eprintln!("SKIPPED: xz and git cannot unpack {}", stream.display());
            None
        }
        Err(error) => {
            eprintln!("SKIPPED: xz and git are needed to unpack {}: {error}", stream.display());
            None
        }
    }
}

/// Whether the corpus is in the folder afterwards. It is unpacked beside it and renamed, so that a folder is whole, also
/// where two do so at once.
fn unpack(stream: &Path, folder: &Path) -> std::io::Result<bool> {
    if folder.exists() {
        return Ok(true);
    }
    let parent = folder.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)?;
    let new = tempfile::tempdir_in(parent)?;
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(new.path()).args(words).stdout(Stdio::null()).stderr(Stdio::null());
        git
    };
    let mut xz = Command::new("xz").arg("-dc").arg(stream).stdout(Stdio::piped()).spawn()?;
    let begun = git(&["init", "--quiet", "--initial-branch", "main"]).status()?.success();
    let read = xz.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let read = git(&["fast-import", "--quiet"]).stdin(read).status()?.success() && xz.wait()?.success();
    let done = begun && read && git(&["checkout", "--quiet", "main"]).status()?.success();
    if done && std::fs::rename(new.path(), folder).is_ok() {
        let _ = new.keep();
    }
    Ok(done && folder.exists())
}
