//! The pages about a library that `docs` writes: what its stockroom.yml and its records say of others.

mod connections;
pub(super) mod dependencies;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::gather::Library;
use crate::adapters::whole_file;
use crate::report::{connections as connections_page, dependencies as dependencies_page};

/// A page larger than this is none of ours.
const MAX_PAGE: u64 = 16 * 1024 * 1024;

/// A page as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The name of its file.
    pub name: &'static str,
    /// What it says.
    pub text: String,
}

/// The pages of a library, the same for the same configuration and records.
pub fn pages(library: &Library) -> [Page; 2] {
    [
        Page { name: connections_page::NAME, text: connections_page::render(&connections::of(&library.config)) },
        Page { name: dependencies_page::NAME, text: dependencies_page::render(&dependencies::of(library)) },
    ]
}

/// Writes the pages that differ from what their files hold; gives their names.
pub fn write(folder: &Path, pages: &[Page]) -> anyhow::Result<Vec<&'static str>> {
    let mut written = Vec::new();
    for page in pages {
        let file = folder.join(page.name);
        if held(&file)?.as_deref() != Some(page.text.as_str()) {
            whole_file::write(&file, page.text.as_bytes())
                .with_context(|| format!("{} cannot be written", file.display()))?;
            written.push(page.name);
        }
    }
    Ok(written)
}

/// What is out of date, a sentence for each page.
pub fn out_of_date(folder: &Path, pages: &[Page]) -> anyhow::Result<Vec<String>> {
    let mut told = Vec::new();
    for page in pages {
        let file: PathBuf = folder.join(page.name);
        let said = match held(&file)? {
            Some(text) if text == page.text => continue,
            None => format!("{} is missing", file.display()),
            Some(text) => format!("{} is out of date: {}", file.display(), first_difference(&text, &page.text)),
        };
        told.push(said);
    }
    Ok(told)
}

/// What a file says; none where there is no file.
fn held(file: &Path) -> anyhow::Result<Option<String>> {
    let size = match std::fs::metadata(file) {
        Ok(metadata) if !metadata.is_file() => return Err(anyhow!("{} is no file; take it away", file.display())),
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    };
    if size > MAX_PAGE {
        return Ok(Some(String::new()));
    }
    let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    // What git has turned into other ends of lines says the same.
    Ok(Some(String::from_utf8_lossy(&bytes).replace("\r\n", "\n")))
}

fn first_difference(held: &str, wanted: &str) -> String {
    let (mut held, mut wanted) = (held.lines(), wanted.lines());
    for line in 1.. {
        match (held.next(), wanted.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (Some(a), Some(b)) => return format!("line {line} is {a:?} and should be {b:?}"),
            (Some(a), None) => return format!("line {line}, {a:?}, should not be there"),
            (None, Some(b)) => return format!("line {line} should be {b:?} and is missing"),
        }
    }
    "it ends in another way".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> [Page; 1] {
        [Page { name: "A.md", text: text.to_owned() }]
    }

    #[test]
    fn a_page_is_written_once_and_then_in_date() {
        let folder = tempfile::tempdir().unwrap();
        let told = |text: &str| out_of_date(folder.path(), &page(text)).unwrap();
        assert!(told("a\n")[0].ends_with("A.md is missing"));
        assert_eq!(write(folder.path(), &page("a\n")).unwrap(), ["A.md"]);
        assert_eq!(write(folder.path(), &page("a\n")).unwrap(), [""; 0]);
        assert_eq!(told("a\n"), [""; 0]);
        std::fs::write(folder.path().join("A.md"), "a\r\n").unwrap();
        assert_eq!(told("a\n"), [""; 0], "line ends of a checkout are no difference");
    }

    #[test]
    fn what_differs_is_told_by_its_first_line() {
        for (held, wanted, told) in [
            ("a\nb", "a\nc", r#"line 2 is "b" and should be "c""#),
            ("a\nb", "a", r#"line 2, "b", should not be there"#),
            ("a", "a\nb", r#"line 2 should be "b" and is missing"#),
            ("a\n\n", "a\n", r#"line 2, "", should not be there"#),
            ("a", "a\n", "it ends in another way"),
        ] {
            assert_eq!(first_difference(held, wanted), told);
        }
    }

    #[test]
    fn a_folder_in_the_place_of_a_page_is_no_page() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("A.md")).unwrap();
        assert!(write(folder.path(), &page("a")).unwrap_err().to_string().ends_with("A.md is no file; take it away"));
    }
}
