//! A `.tar.gz` read within bounds: its regular files, one after the other, whatever it announces. Links lead nowhere.

use std::io::{self, ErrorKind, Read};

use flate2::read::MultiGzDecoder;
use tar::Archive;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes in all, unpacked.
    pub unpacked: u64,
    /// Entries of any kind.
    pub entries: usize,
    /// Bytes of a file that is taken.
    pub file: u64,
}

/// A regular file of an archive.
pub struct Packed<'a, R: Read> {
    /// Its path, without a `./` before it; it may be one that leads out of the archive.
    pub path: String,
    /// Its size, by its header.
    pub bytes: u64,
    entry: tar::Entry<'a, Limited<MultiGzDecoder<R>>>,
    bounds: Bounds,
}

impl<R: Read> Packed<'_, R> {
    /// Its content; none where it is larger than a file may be. The error is a sentence.
    pub fn content(self) -> Result<Option<Vec<u8>>, String> {
        let mut content = Vec::new();
        let mut limited = self.entry.take(self.bounds.file.saturating_add(1));
        limited.read_to_end(&mut content).map_err(|error| self.bounds.broken(&error))?;
        Ok((content.len() as u64 <= self.bounds.file).then_some(content))
    }
}

impl Bounds {
    fn broken(self, error: &io::Error) -> String {
        match error.kind() {
            ErrorKind::FileTooLarge => format!("it holds more than {} MiB when it is unpacked", self.unpacked >> 20),
            _ => format!("it is no .tar.gz that can be read ({error})"),
        }
    }
}

/// Gives each regular file of an archive whose path is UTF-8 to `take`, until one is refused; the error is a sentence.
pub fn each<R: Read>(
    packed: R,
    bounds: Bounds,
    take: &mut dyn FnMut(Packed<'_, R>) -> Result<(), String>,
) -> Result<(), String> {
    let broken = |error: io::Error| bounds.broken(&error);
    let mut archive = Archive::new(Limited { inner: MultiGzDecoder::new(packed), left: bounds.unpacked });
    for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
        let entry = entry.map_err(broken)?;
        if count >= bounds.entries {
            return Err(format!("it holds more than {} files", bounds.entries));
        }
        let Ok(path) = String::from_utf8(entry.path_bytes().into_owned()) else { continue };
        let path = path.trim_start_matches("./").to_owned();
        if entry.header().entry_type().is_file() {
            take(Packed { path, bytes: entry.size(), entry, bounds })?;
        }
    }
    Ok(())
}

/// A reader that fails where there is more than it may read: also of what the entries' headers announce.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let left = u64::try_from(read).ok().and_then(|read| self.left.checked_sub(read));
        self.left = left.ok_or(ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}
