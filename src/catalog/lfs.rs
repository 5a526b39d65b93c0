//! Git LFS pointers: small texts that stand in a commit for large files.

use crate::finding::codes;
use crate::ids::Sha256Hex;

codes! {
    LFS_POINTER "lfs-pointer"
        "A record is a Git LFS pointer: its content is not in this checkout, or not in the commit. Run `git lfs \
         pull`; better, keep records out of LFS (`git lfs migrate export`), as a commit holds nothing else of them."
}

/// How large a pointer may be, in bytes; Git LFS itself takes no larger file for one.
pub const MAX_POINTER: u64 = 1024;

/// What a pointer says of the file that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LfsPointer {
    /// The SHA-256 of its content.
    pub sha256: Sha256Hex,
    /// Its size.
    pub bytes: u64,
}

impl LfsPointer {
    /// Reads the whole content of a file; none where it is no pointer.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if !is_pointer(bytes) || u64::try_from(bytes.len()).ok()? > MAX_POINTER {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let sha256 = Sha256Hex::parse(value("oid")?.strip_prefix("sha256:")?).ok()?;
        Some(Self { sha256, bytes: value("size")?.parse().ok()? })
    }
}

/// Whether a file with these first bytes calls itself a pointer.
pub fn is_pointer(head: &[u8]) -> bool {
    [&b"version https://git-lfs.github.com/spec/"[..], b"version https://hawser.github.com/spec/"]
        .iter()
        .any(|version| head.starts_with(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_gives_the_digest_and_the_size_of_what_it_stands_for() {
        let content = b"a large scene";
        let text =
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 13\n", Sha256Hex::of(content));
        let pointer = LfsPointer { sha256: Sha256Hex::of(content), bytes: 13 };
        assert_eq!(LfsPointer::parse(text.as_bytes()), Some(pointer));
        let extended = text.replace("\noid", "\next-0-foo sha256:0\noid");
        assert_eq!(LfsPointer::parse(extended.as_bytes()).unwrap().bytes, 13);
    }

    #[test]
    fn what_only_looks_like_a_pointer_is_a_file_like_any_other() {
        let good = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 13\n", "a".repeat(64));
        for bad in [
            good.replace("size 13", "size -1"),
            good.replace("sha256:", "md5:"),
            good.replace("oid", "OID"),
            format!("\n{good}"),
            format!("{good}{}", "x".repeat(1024)),
            String::new(),
        ] {
            assert_eq!(LfsPointer::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
