//! What is published of a file's bytes: a function of them alone, so that it can be remembered by their git object id.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use super::image::Dimensions;
use super::lfs::LfsPointer;
use crate::ids::{BlobId, Sha256Hex};

/// What is known of files, by git object id.
pub type FileFacts = BTreeMap<BlobId, FileFact>;

/// What is known of the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFact {
    /// Their SHA-256.
    pub sha256: Sha256Hex,
    /// How many there are.
    pub bytes: u64,
    /// How wide and high they are, where they are an image, whatever the file's name says.
    pub image: Option<Dimensions>,
}

impl FileFact {
    /// Of this content; of an LFS pointer, of the file that it stands for, whose dimensions nobody knows.
    pub fn of(content: &[u8]) -> Self {
        if let Some(LfsPointer { sha256, bytes }) = LfsPointer::parse(content) {
            return Self { sha256, bytes, image: None };
        }
        let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let mut head = |most: usize| Some(content.get(..most).unwrap_or(content).to_vec());
        Self { sha256: Sha256Hex::of(content), bytes, image: Dimensions::of(bytes, &mut head) }
    }

    /// Of all bytes of a stream, from its beginning; too many for an LFS pointer.
    pub fn of_stream(stream: &mut (impl Read + Seek)) -> io::Result<Self> {
        let (sha256, bytes) = Sha256Hex::of_stream(stream)?;
        // Their first bytes are read again: most files are no images, and an image's size may stand late.
        let mut head = |most: usize| {
            stream.rewind().ok()?;
            let mut head = Vec::new();
            stream.take(u64::try_from(most).ok()?).read_to_end(&mut head).ok()?;
            Some(head)
        };
        Ok(Self { sha256, bytes, image: Dimensions::of(bytes, &mut head) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_gives_the_digest_and_the_size_of_what_it_stands_for() {
        let content = b"a large scene";
        let text =
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 13\n", Sha256Hex::of(content));
        assert_eq!(FileFact::of(text.as_bytes()), FileFact::of(content));
    }

    #[test]
    fn a_stream_gives_what_its_bytes_give() {
        for content in [&b""[..], b"text", b"<svg width='3' height='4'/>", b"GIF89a\x05\0\x06\0\0\0\0\0\0\0\0\0"] {
            assert_eq!(FileFact::of_stream(&mut io::Cursor::new(content)).unwrap(), FileFact::of(content));
        }
        assert_eq!(FileFact::of(b"<svg width='3' height='4'/>").image, Some(Dimensions { width: 3, height: 4 }));
    }
}
