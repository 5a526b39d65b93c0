//! The files of an ONNX model in a folder of the library: read whole, bounded, and never from outside of the library.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::catalog::lfs;

/// The largest model that is read, in bytes.
const MAX_MODEL: u64 = 512 << 20;
/// The largest vocabulary.
const MAX_VOCABULARY: u64 = 32 << 20;

/// A model, and what says how texts are cut for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pub model: Vec<u8>,
    pub vocabulary: Vocabulary,
}

/// How a vocabulary is written down.
#[derive(Debug, Clone, Default)]
pub(super) enum Vocabulary {
    /// There is none.
    #[default]
    Absent,
    /// One token a line: `vocab.txt`.
    Lines(Vec<u8>),
    /// `tokenizer.json`, as the library tokenizers writes it.
    Tokenizer(Vec<u8>),
}

impl Files {
    /// Reads what lies in a folder of the library, or beside a file in it. The error is a sentence.
    pub(super) fn read(library: &Path, path: &str) -> Result<Self, String> {
        let library = library.canonicalize().map_err(|error| format!("{}: {error}", library.display()))?;
        let place = library.join(path);
        let model = if place.is_dir() { place.join("model.onnx") } else { place };
        let beside = |name: &str| model.with_file_name(name);
        let model_bytes = read(&library, &model, MAX_MODEL)?.ok_or_else(|| {
            format!("there is no {}; it must be a folder with model.onnx, or a .onnx file", shown(&library, &model))
        })?;
        let tokenizer = read(&library, &beside("tokenizer.json"), MAX_VOCABULARY)?;
        let vocabulary = match tokenizer {
            Some(tokenizer) => Vocabulary::Tokenizer(tokenizer),
            None => read(&library, &beside("vocab.txt"), MAX_VOCABULARY)?.map_or(Vocabulary::Absent, Vocabulary::Lines),
        };
        Ok(Self { model: model_bytes, vocabulary })
    }
}

/// A file of the library; none where it is not there.
fn read(library: &Path, path: &Path, most: u64) -> Result<Option<Vec<u8>>, String> {
    let name = shown(library, path);
    let Ok(real) = path.canonicalize() else { return Ok(None) };
    if !real.starts_with(library) {
        return Err(format!("{name} leads out of the library, and nothing is read there"));
    }
    let unread = |error: std::io::Error| format!("{name} cannot be read: {error}");
    let facts = fs::metadata(&real).map_err(unread)?;
    if !facts.is_file() {
        return Err(format!("{name} is no file"));
    }
    if facts.len() > most {
        return Err(format!("{name} is larger than the {} MiB that are read", most >> 20));
    }
    let mut bytes = Vec::new();
    File::open(&real).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unread)?;
    if lfs::is_pointer(&bytes) {
        return Err(format!("{name} is a Git LFS pointer; run `git lfs pull`, or check out with `lfs: true`"));
    }
    Ok(Some(bytes))
}

fn shown(library: &Path, path: &Path) -> String {
    path.strip_prefix(library).map_or_else(|_| PathBuf::from(path), Path::to_path_buf).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_read_with_the_vocabulary_beside_it() {
        let library = tempfile::tempdir().unwrap();
        let folder = library.path().join("models/minilm");
        fs::create_dir_all(&folder).unwrap();
        let read = |path: &str| Files::read(library.path(), path);
        assert!(read("models/minilm").unwrap_err().contains("there is no models/minilm/model.onnx"));
        fs::write(folder.join("model.onnx"), "model").unwrap();
        assert!(matches!(read("models/minilm").unwrap().vocabulary, Vocabulary::Absent));
        fs::write(folder.join("vocab.txt"), "a\n").unwrap();
        assert!(matches!(read("models/minilm/model.onnx").unwrap().vocabulary, Vocabulary::Lines(_)));
        fs::write(folder.join("tokenizer.json"), "{}").unwrap();
        let files = read("models/minilm").unwrap();
        assert!(matches!(files.vocabulary, Vocabulary::Tokenizer(_)) && files.model == b"model");
        fs::write(folder.join("model.onnx"), "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
            .unwrap();
        assert!(read("models/minilm").unwrap_err().contains("git lfs pull"));
    }

    #[cfg(unix)]
    #[test]
    fn nothing_outside_the_library_is_read() {
        let (library, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join("model.onnx"), "model").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), library.path().join("link")).unwrap();
        let absolute = elsewhere.path().display().to_string();
        let name = elsewhere.path().file_name().unwrap().to_str().unwrap();
        for path in ["link", "link/model.onnx", &absolute, &format!("../{name}")] {
            let error = Files::read(library.path(), path).unwrap_err();
            assert!(error.contains("leads out of the library"), "{path}: {error}");
        }
        std::os::unix::fs::symlink("/dev/zero", library.path().join("endless.onnx")).unwrap();
        assert!(Files::read(library.path(), "endless.onnx").is_err());
    }
}
