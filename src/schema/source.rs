//! Where a registry is, read from one line of stockroom.yml: `./schemas`, `github:owner/repo@ref:path` or `https://…`.
//!
//! A text that is none of these is refused with the form that was probably meant. Nothing is guessed: a source decides which
//! rules count, and under Actions it may stand in a stranger's pull request.

use std::fmt;

use crate::ids::{CommitId, RepoSlug, Sha256Hex};

/// What a ref is called that nobody named: the default branch.
pub const HEAD: &str = "HEAD";
/// Longer refs are no names that a person gave.
const MAX_REF: usize = 255;

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder of the library; empty for its root.
    Folder(String),
    /// A folder of a repository on GitHub.
    GitHub(Repository),
    /// A file on a web server.
    Web(Download),
}

/// A folder of a repository on GitHub at a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The repository.
    pub repo: RepoSlug,
    /// A tag, a branch or a commit; `HEAD` for the default branch.
    pub reference: String,
    /// The registry's folder in it; empty for its root.
    pub folder: String,
}

/// A file that is downloaded and whose digest is known beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Its address.
    pub url: String,
    /// What it holds.
    pub kind: DownloadKind,
}

/// What a downloaded file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownloadKind {
    /// A registry's folder, packed as `.tar.gz`.
    Archive,
    /// One schema without versions, under this file name.
    Schema(String),
}

impl Source {
    /// Reads a source, or says in a sentence what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("github:") {
            return repository(rest).map(Self::GitHub);
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            return download(text).map(Self::Web);
        }
        if let Some(meant) = misspelt(text) {
            return Err(format!("{text:?} is no source of schemas; {meant}"));
        }
        folder(text).map(Self::Folder)
    }

    /// Where requests go: the same for two refs of one repository, and for nothing else. None where no request is made.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::Folder(_) => None,
            Self::GitHub(at) => Some(format!("github:{}", at.repo.as_str().to_ascii_lowercase())),
            Self::Web(file) => Some(file.url.clone()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) if folder.is_empty() => f.write_str("."),
            Self::Folder(folder) => write!(f, "./{folder}"),
            Self::GitHub(at) => at.fmt(f),
            Self::Web(file) => f.write_str(&file.url),
        }
    }
}

impl Repository {
    /// The commit, where the ref is one: it needs no looking up and never moves.
    pub fn commit(&self) -> Option<CommitId> {
        CommitId::parse(&self.reference.to_ascii_lowercase()).ok()
    }

    /// The same registry at a branch.
    #[must_use]
    pub fn at_branch(&self, branch: &str) -> Self {
        Self { reference: format!("heads/{branch}"), ..self.clone() }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "github:{}@{}", self.repo, self.reference)?;
        if self.folder.is_empty() { Ok(()) } else { write!(f, ":{}", self.folder) }
    }
}

fn repository(rest: &str) -> Result<Repository, String> {
    const FORM: &str = "write `github:owner/repo@ref:path`, where `ref` is a tag, a branch or a commit";
    let fail = |why: &str| Err(format!("{:?} is no source of schemas: {why}; {FORM}", format!("github:{rest}")));
    if rest.starts_with('/') {
        return fail("the repository follows right after the colon");
    }
    // Neither `@` nor `:` can stand in a slug, and no `:` in a ref.
    let (slug, reference, path) = match (rest.find('@'), rest.find(':')) {
        (Some(at), colon) if colon.is_none_or(|colon| at < colon) => {
            let (slug, after) = (&rest[..at], &rest[at + 1..]);
            let (reference, path) = after.split_once(':').unwrap_or((after, ""));
            (slug, Some(reference), path)
        }
        (_, Some(colon)) => (&rest[..colon], None, &rest[colon + 1..]),
        (_, None) => (rest, None, ""),
    };
    let Ok(repo) = RepoSlug::parse(slug) else {
        let parts = slug.split('/').filter(|part| !part.is_empty()).count();
        return match parts {
            0 | 1 => fail("it names no repository"),
            2 => fail(&format!("{slug:?} is no repository")),
            _ => fail("the folder stands behind a colon"),
        };
    };
    if reference.is_none() && path.is_empty() && rest.ends_with(':') || reference == Some("") {
        return fail("something is missing at its end");
    }
    let reference = reference.unwrap_or(HEAD);
    if reference != HEAD && !is_ref_name(reference) {
        return fail(&format!("{reference:?} is no name of a tag, a branch or a commit"));
    }
    let folder = folder(path)?;
    Ok(Repository { repo, reference: reference.to_owned(), folder })
}

/// Whether git takes this as the name of a branch or a tag (`git check-ref-format`), which is also what a stranger's branch
/// is held to before its name goes into a request.
pub fn is_ref_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    name.len() <= MAX_REF
        && !name.starts_with('-')
        && !name.ends_with('.')
        && name != "@"
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(forbidden)
        && name.split('/').all(part)
}

fn download(url: &str) -> Result<Download, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        // What stands there may be a password, so nothing of it is repeated.
        return Err("an address with a user or a password in it is no source; a web source needs none".to_owned());
    }
    let fail = |why: &str| Err(format!("{url:?} is no source of schemas: {why}"));
    let host = authority.split(':').next().unwrap_or_default();
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&b));
    let is_host = authority.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    if authority.is_empty() || !is_host || !is_plain(path) {
        return fail("the address is not a plain one; percent-encode what is not a letter or a digit");
    }
    if scheme == "http" && !is_loopback(authority) {
        return fail("what is sent over http can be changed on its way; write https://");
    }
    if matches!(host, "github.com" | "www.github.com") && !path.contains("/releases/") && !path.contains("/archive/") {
        return fail("that is a page for people; write `github:owner/repo@ref:path`");
    }
    if path.contains('#') {
        return fail("a part of a file cannot be fetched; leave away what follows the `#`");
    }
    let file = path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let kind = if file.ends_with(".tar.gz") || file.ends_with(".tgz") {
        DownloadKind::Archive
    } else if file.len() > ".json".len() && file.ends_with(".json") && is_name(file) {
        DownloadKind::Schema(file.to_owned())
    } else {
        return fail("it ends neither in .tar.gz (a registry's folder) nor in NAME.schema.json (one schema)");
    };
    Ok(Download { url: url.to_owned(), kind })
}

/// Whether an address is of this machine, in the spellings that leave no doubt.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    matches!(host, "127.0.0.1" | "localhost" | "::1")
}

/// The form that was probably meant.
fn misspelt(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let github = "for a repository on GitHub write `github:owner/repo@ref:path`";
    if lower.starts_with("git@") || lower.starts_with("git+") || lower.starts_with("ssh:") || lower.starts_with("git:")
    {
        return Some(format!("repositories are read through GitHub's API: {github}"));
    }
    if lower.starts_with("github") && lower.contains('/') || lower.starts_with("gh:") {
        return Some(github.to_owned());
    }
    if lower.starts_with("https:") {
        return Some("an address begins with https://".to_owned());
    }
    if text.contains(':') {
        return Some("write a folder such as ./schemas, `github:owner/repo@ref:path`, or https://…".to_owned());
    }
    text.contains('\\').then(|| format!("write folders with slashes: {:?}", text.replace('\\', "/")))
}

fn folder(text: &str) -> Result<String, String> {
    let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if text.starts_with('/') || parts.contains(&"..") {
        return Err(format!("{text:?} leads outside; name a folder in the repository"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{text:?} is no folder: it holds control characters"));
    }
    Ok(parts.join("/"))
}

/// Reads `sha256:…`, the digest of a file on a web server.
pub fn digest(text: &str) -> Result<Sha256Hex, String> {
    let hex = text.strip_prefix("sha256:").map(Sha256Hex::parse);
    hex.and_then(Result::ok)
        .ok_or_else(|| format!("{text:?} is no digest; write `sha256:` and 64 lower-case hex digits"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn github(text: &str) -> (String, String, String) {
        match Source::parse(text) {
            Ok(Source::GitHub(at)) => (at.repo.to_string(), at.reference, at.folder),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_repository_has_a_ref_and_a_folder_or_the_default_of_both() {
        let all =
            |slug: &str, reference: &str, folder: &str| (slug.to_owned(), reference.to_owned(), folder.to_owned());
        assert_eq!(github("github:org/schemas@v1:product"), all("org/schemas", "v1", "product"));
        assert_eq!(github("github:org/schemas@feature/x"), all("org/schemas", "feature/x", ""));
        assert_eq!(github("github:org/schemas"), all("org/schemas", "HEAD", ""));
        assert_eq!(github("github:org/schemas:./a//b/"), all("org/schemas", "HEAD", "a/b"));
        assert_eq!(github("github:org/schemas@v1:a@b"), all("org/schemas", "v1", "a@b"));
        assert_eq!(github("github:org/schemas:a@b"), all("org/schemas", "HEAD", "a@b"));
    }

    #[test]
    fn a_web_source_is_an_archive_or_one_schema() {
        let kind = |text: &str| match Source::parse(text) {
            Ok(Source::Web(file)) => file.kind,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(kind("https://example.com/a/registry.tar.gz"), DownloadKind::Archive);
        assert_eq!(kind("https://example.com:8443/registry.tgz?x=1"), DownloadKind::Archive);
        let schema = DownloadKind::Schema("icon.schema.json".to_owned());
        assert_eq!(kind("https://example.com/icon.schema.json"), schema);
        assert_eq!(kind("https://github.com/o/r/releases/download/v1/registry.tar.gz"), DownloadKind::Archive);
    }

    #[test]
    fn what_is_misspelt_is_told_the_right_form() {
        let table = [
            ("github.com/org/schemas", "write `github:owner/repo@ref:path`"),
            ("https://github.com/org/schemas", "that is a page for people"),
            ("GitHub:org/schemas", "write `github:owner/repo@ref:path`"),
            ("github:org", "it names no repository"),
            ("github:org/schemas/product", "the folder stands behind a colon"),
            ("github://org/schemas", "right after the colon"),
            ("github:org/schemas@", "something is missing"),
            ("github:org/schemas@v1..v2", "no name of a tag"),
            ("github:org/schemas@-x", "no name of a tag"),
            ("github:org/schemas@v1:../x", "leads outside"),
            ("git@github.com:org/schemas.git", "through GitHub's API"),
            ("http://example.com/registry.tar.gz", "write https://"),
            ("http://127.0.0.1.example.com/registry.tar.gz", "write https://"),
            ("https:/example.com/registry.tar.gz", "begins with https://"),
            ("https://example.com/registry.zip", "it ends neither in"),
            ("https:///registry.tar.gz", "not a plain one"),
            ("https://example.com/registry.tar.gz#a", "leave away"),
            ("file:///etc", "write a folder such as"),
            ("schemas\\new", "\"schemas/new\""),
            ("../elsewhere", "leads outside"),
            ("/etc", "leads outside"),
        ];
        for (text, wanted) in table {
            let said = Source::parse(text).unwrap_err();
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        let said = Source::parse("https://me:canary@example.com/registry.tar.gz").unwrap_err();
        assert!(!said.contains("canary"), "{said}");
    }

    #[test]
    fn two_refs_of_one_repository_are_one_place_and_two_files_are_not() {
        let place = |text: &str| Source::parse(text).unwrap().place();
        assert_eq!(place("github:org/Schemas@v1:a"), place("github:org/schemas@v2"));
        assert_ne!(place("github:org/schemas"), place("github:org/schemas2"));
        assert_ne!(place("https://a.com/r.tar.gz"), place("https://a.com/s.tar.gz"));
        assert_eq!(place("./schemas"), None);
    }

    #[test]
    fn a_digest_is_64_digits_behind_its_name() {
        assert!(digest(&format!("sha256:{}", "a".repeat(64))).is_ok());
        for text in ["", "sha256:", &"a".repeat(64), &format!("sha256:{}", "A".repeat(64)), "sha512:aa"] {
            assert!(digest(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_source_reads_back_as_it_is_shown(text in "(github:|https://|\\./)?[a-z./@:~-]{0,20}(\\.tar\\.gz)?") {
            if let Ok(source) = Source::parse(&text) {
                prop_assert_eq!(Source::parse(&source.to_string()), Ok(source));
            }
        }
    }
}
