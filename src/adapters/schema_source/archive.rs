//! A `.tar.gz` unpacked in memory: regular files that can be schemas, and nothing else.

use std::collections::BTreeMap;

use super::brought::{is_plain_path, may_be_schema};
use super::{MAX_ALL, MAX_FILE, MAX_FILES};
use crate::adapters::archive::{Bounds, Packed, each};

/// How much an archive may hold: unpacked, and in entries.
const MAX_UNPACKED: u64 = 64 << 20;
const MAX_ENTRIES: usize = 20_000;

/// The files of an archive that can be schemas, by path; the error is a sentence. Links lead nowhere and are left out.
pub(super) fn unpack(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let file = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
    let bounds = Bounds { unpacked: MAX_UNPACKED, entries: MAX_ENTRIES, file };
    let (mut files, mut all) = (BTreeMap::new(), 0);
    each(bytes, bounds, &mut |packed: Packed<'_, &[u8]>| {
        let path = packed.path.clone();
        if !may_be_schema(&path) {
            return Ok(());
        }
        if !is_plain_path(&path) {
            return Err(format!("it holds a file {path:?}, which would lie outside of it"));
        }
        let too_large = || format!("{path} is larger than the {} MiB that a schema may have", MAX_FILE >> 20);
        let content = packed.content()?.ok_or_else(too_large)?;
        all += content.len();
        files.insert(path, content);
        if files.len() > MAX_FILES || all > MAX_ALL {
            let most = format!("{MAX_FILES} schema files of {} MiB in all", MAX_ALL >> 20);
            return Err(format!("it holds more than the {most} that a registry may have"));
        }
        Ok(())
    })?;
    Ok(files)
}

#[cfg(test)]
pub(in crate::adapters) mod tests {
    use std::io::Write as _;

    use super::*;

    /// An archive of these files; a path may be one that the tar crate itself would refuse to write.
    pub(in crate::adapters) fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = Vec::new();
        for (path, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(u64::try_from(bytes.len()).unwrap());
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(0o644);
            header.set_cksum();
            tar.extend_from_slice(header.as_bytes());
            tar.extend_from_slice(bytes);
            tar.resize(tar.len().div_ceil(512) * 512, 0);
        }
        tar.resize(tar.len() + 1024, 0);
        zipped(&tar)
    }

    fn zipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn schemas_are_taken_and_the_rest_is_not() {
        let files =
            unpack(&packed(&[("./a/v1.0.0.json", b"{}"), ("README.md", b"#"), ("b.schema.yaml", b"{}")])).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a/v1.0.0.json", "b.schema.yaml"]);
    }

    #[test]
    fn a_path_that_leaves_the_archive_is_refused() {
        for path in ["../a.json", "a/../../b.json", "/etc/a.json", "a//b.json", "a\\b.json", "a\n.json"] {
            assert!(unpack(&packed(&[(path, b"{}")])).unwrap_err().contains("outside"), "{path}");
        }
    }

    #[test]
    fn what_is_beyond_measure_is_refused() {
        let large = vec![b' '; MAX_FILE + 1];
        assert!(unpack(&packed(&[("a.json", &large)])).unwrap_err().contains("larger than the 4 MiB"));
        let full = vec![b' '; MAX_FILE];
        let names: Vec<String> = (0..17).map(|n| format!("{n}.json")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), full.as_slice())).collect();
        assert!(unpack(&packed(&files)).unwrap_err().contains("more than 64 MiB"));
        let names: Vec<String> = (0..=MAX_FILES).map(|n| format!("{n}.json")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
        assert!(unpack(&packed(&files)).unwrap_err().contains("1000 schema files"));
    }

    #[test]
    fn a_bomb_is_not_unpacked_to_its_end() {
        let bomb = packed(&[("a.bin", &vec![0; 130 << 20])]);
        assert!(bomb.len() < 1 << 20, "it is small: {}", bomb.len());
        let said = unpack(&bomb).unwrap_err();
        assert_eq!(said, "it holds more than 64 MiB when it is unpacked");
    }

    #[test]
    fn a_name_without_end_is_not_read_to_its_end() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(120 << 20);
        header.set_cksum();
        let mut tar = header.as_bytes().to_vec();
        tar.resize(tar.len() + (120 << 20), b'a');
        assert_eq!(unpack(&zipped(&tar)).unwrap_err(), "it holds more than 64 MiB when it is unpacked");
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        for bytes in
            [b"".as_slice(), b"<html>", &zipped(b"{\"a\": 1}"), packed(&[("a.json", b"{}")]).get(..40).unwrap()]
        {
            assert!(unpack(bytes).is_err() || unpack(bytes).unwrap().is_empty(), "{bytes:?}");
        }
    }

    #[test]
    fn a_link_leads_nowhere() {
        let mut header = tar::Header::new_ustar();
        header.set_path("a.json").unwrap();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_link_name("/etc/passwd").unwrap();
        header.set_size(0);
        header.set_cksum();
        let mut tar = header.as_bytes().to_vec();
        tar.resize(tar.len() + 1024, 0);
        assert_eq!(unpack(&zipped(&tar)).unwrap(), BTreeMap::new());
    }
}
