//! Where a manifest is read from, as a person writes it.

use std::fmt;

use percent_encoding::percent_decode_str;

/// The name of the root, which may end a source.
const ROOT: &str = "manifest.json";

/// A place that a manifest is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder on a web server: an address that ends in `/`.
    Web(String),
    /// A folder on this machine.
    Folder(String),
    /// A branch of a repository.
    Branch {
        /// What git fetches it from.
        repository: String,
        /// The branch.
        branch: String,
        /// The folder in it; empty for the branch's root.
        folder: String,
    },
    /// A place in an object store: `s3://`, `gs://` or `az://`, without a `/` at the end.
    Bucket(String),
}

/// A text that names no place to read a manifest from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is no source: {why}")]
pub struct SourceError {
    /// The text, without what may be a password.
    pub shown: String,
    /// What is wrong with it, and what a source looks like.
    pub why: String,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(address) | Self::Bucket(address) => f.write_str(address),
            Self::Folder(path) => f.write_str(path),
            Self::Branch { repository, branch, folder } if folder.is_empty() => write!(f, "git:{repository}#{branch}"),
            Self::Branch { repository, branch, folder } => write!(f, "git:{repository}#{branch}:{folder}"),
        }
    }
}

impl Source {
    /// Reads a source. Plain http is for this very machine, unless `allows_http`.
    pub fn parse(text: &str, allows_http: bool) -> Result<Self, SourceError> {
        let text = text.trim();
        let refused = |why: String| SourceError { shown: without_password(text), why };
        if text.is_empty() {
            return Err(refused(
                "it is empty; name an address such as https://assets.example.com/library/ or a folder".into(),
            ));
        }
        if text.chars().any(char::is_control) {
            return Err(refused("it holds a character that no address has".into()));
        }
        let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
            return Ok(Self::Folder(folder_of(text)));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "https" => web("https", rest).map_err(refused),
            "http" => {
                let place = web("http", rest).map_err(refused)?;
                if allows_http || is_loopback(rest) {
                    return Ok(place);
                }
                Err(refused(
                    "anybody on the way could change what comes over plain http; write https://, or --allow-http".into(),
                ))
            }
            "file" => file(rest).map_err(refused),
            "git" => branch(rest, allows_http).map_err(refused),
            "github" => github(rest).map_err(refused),
            "s3" | "gs" | "az" => bucket(scheme, rest).map_err(refused),
            _ => Err(refused(
                "a source is https://…, a folder, file://…, git:URL#BRANCH, github:OWNER/NAME#BRANCH, s3://…, gs://… or az://…"
                    .into(),
            )),
        }
    }
}

impl Source {
    /// What may be told to everybody: an address that anybody could use, and of a path or an address of git's nothing but the
    /// last part, as the rest is this machine's affair.
    pub fn public_name(&self) -> String {
        match self {
            Self::Web(address) | Self::Bucket(address) => address.clone(),
            Self::Folder(path) => last_part(path),
            Self::Branch { repository, branch, folder } => {
                let slug = repository.strip_prefix("https://github.com/").and_then(|rest| rest.strip_suffix(".git"));
                match slug.filter(|slug| crate::ids::RepoSlug::parse(slug).is_ok()) {
                    Some(slug) if folder.is_empty() => format!("github:{slug}#{branch}"),
                    Some(slug) => format!("github:{slug}#{branch}:{folder}"),
                    None => last_part(repository),
                }
            }
        }
    }
}

fn last_part(path: &str) -> String {
    let parts = path.split(['/', '\\', ':', '@']);
    parts.rev().find(|part| !matches!(*part, "" | "." | "..")).unwrap_or(".").to_owned()
}

/// A text that looks like an address, where a folder is to be written; without what may be a password.
pub fn address_like(text: &str) -> Option<String> {
    let (scheme, rest) = text.trim().split_once(':').filter(|(scheme, _)| is_scheme(scheme))?;
    let is_one = rest.starts_with("//") || matches!(scheme.to_ascii_lowercase().as_str(), "git" | "github");
    is_one.then(|| without_password(text.trim()))
}

/// Whether it can stand before a colon; one letter is a drive of Windows.
fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// The text without what stands between `//` and `@`.
fn without_password(text: &str) -> String {
    let Some((head, rest)) = text.split_once("//") else { return text.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, _)) => format!("{head}//***{}", rest.get(user.len()..).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The folder of a path that may name the root itself.
fn folder_of(path: &str) -> String {
    let folder = path.strip_suffix(ROOT).filter(|rest| rest.is_empty() || rest.ends_with(['/', '\\'])).unwrap_or(path);
    match folder.trim_end_matches('/') {
        "" if path.starts_with('/') => "/".to_owned(),
        "" => ".".to_owned(),
        folder => folder.to_owned(),
    }
}

fn authority(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_prefix("//")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some((host, path)).filter(|(host, _)| !host.is_empty())
}

fn web(scheme: &str, rest: &str) -> Result<Source, String> {
    let (host, path) = authority(rest).ok_or("the name of a server is missing")?;
    if host.contains('@') {
        return Err("a user or a password has no place in an address: it would stand in logs".into());
    }
    if rest.contains(['?', '#']) {
        return Err("an address ends before `?` and `#`: the files beside the root are read as well".into());
    }
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']')) {
        return Err("the name of the server holds a character that none has".into());
    }
    let folder = folder_of(path);
    let slash = if folder.ends_with('/') || folder == "." { "" } else { "/" };
    let folder = if folder == "." { "/" } else { &folder };
    Ok(Source::Web(format!("{scheme}://{}{folder}{slash}", host.to_ascii_lowercase())))
}

fn is_loopback(rest: &str) -> bool {
    let host = authority(rest).map_or("", |(host, _)| host);
    let name = if host.starts_with('[') { host.split_inclusive(']').next() } else { host.split(':').next() };
    matches!(name, Some("127.0.0.1" | "localhost" | "[::1]"))
}

fn file(rest: &str) -> Result<Source, String> {
    let path = rest.strip_prefix("//localhost").or_else(|| rest.strip_prefix("//")).unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("file:// goes on with a path that begins with /".into());
    }
    let path = percent_decode_str(path).decode_utf8().map_err(|_| "its path is not text")?;
    if path.contains('\0') {
        return Err("its path holds a character that none has".into());
    }
    Ok(Source::Folder(folder_of(&path)))
}

fn branch(rest: &str, allows_http: bool) -> Result<Source, String> {
    let form = "a branch is git:URL#BRANCH, or git:URL#BRANCH:FOLDER";
    let (repository, at) = rest.rsplit_once('#').ok_or(form)?;
    let (branch, folder) = at.split_once(':').unwrap_or((at, ""));
    let folder = folder.trim_matches('/').trim_end_matches(ROOT).trim_end_matches('/');
    if repository.is_empty() || branch.is_empty() {
        return Err(form.into());
    }
    if repository.starts_with('-') || branch.starts_with('-') {
        return Err("what begins with `-` would be an option of git's".into());
    }
    let (scheme, at) = repository.split_once(':').unwrap_or_default();
    let (scheme, host) = (scheme.to_ascii_lowercase(), authority(at).map_or("", |(host, _)| host));
    // Over https, the user alone may be a token. Over ssh, it is no secret.
    let is_secret = |user: &str| matches!(scheme.as_str(), "https" | "http") || user.contains(':');
    if host.rsplit_once('@').is_some_and(|(user, _)| is_secret(user)) {
        return Err("a password or a token has no place in an address: it would stand in logs".into());
    }
    if matches!(scheme.as_str(), "http" | "git") && !host.is_empty() && !allows_http && !is_loopback(at) {
        return Err(format!(
            "anybody on the way could change what comes over {scheme}://; write https:// or ssh://, or --allow-http"
        ));
    }
    if folder.split('/').any(|part| part == "..") {
        return Err("its folder leads out of the branch".into());
    }
    Ok(Source::Branch { repository: repository.to_owned(), branch: branch.to_owned(), folder: folder.to_owned() })
}

fn github(rest: &str) -> Result<Source, String> {
    let form = "a branch on GitHub is github:OWNER/NAME#BRANCH, or github:OWNER/NAME#BRANCH:FOLDER";
    let (slug, at) = rest.split_once('#').ok_or(form)?;
    let slug = crate::ids::RepoSlug::parse(slug).map_err(|_| form)?;
    branch(&format!("https://github.com/{slug}.git#{at}"), false)
}

fn bucket(scheme: &str, rest: &str) -> Result<Source, String> {
    let (bucket, path) = authority(rest).ok_or("the name of a bucket is missing")?;
    if bucket.contains('@') || rest.contains(['?', '#']) {
        return Err("keys have no place in an address; they come from the environment".into());
    }
    let folder = folder_of(path);
    let folder = if matches!(folder.as_str(), "." | "/") { "" } else { &folder };
    Ok(Source::Bucket(format!("{}://{bucket}{folder}", scheme.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_of_this_machine_are_nobody_else_s_business() {
        let table = [
            ("https://a.example.com/x", "https://a.example.com/x/"),
            ("s3://bucket/x", "s3://bucket/x"),
            ("github:o/n#gh-pages:m", "github:o/n#gh-pages:m"),
            ("git:https://github.com/o/n.git#gh-pages", "github:o/n#gh-pages"),
            ("/home/ada/secret/library/manifest.json", "library"),
            ("../..", "."),
            ("C:\\Users\\ada\\library", "library"),
            ("file:///home/ada/library/", "library"),
            ("git:/home/ada/library.git#main", "library.git"),
            ("git:file:///home/ada/library.git#main:m", "library.git"),
            ("git:ada@git.internal:library.git#main", "library.git"),
        ];
        for (text, public) in table {
            assert_eq!(Source::parse(text, false).unwrap().public_name(), public, "{text}");
        }
    }

    #[test]
    fn a_folder_to_write_to_is_told_from_an_address() {
        for text in
            ["git:../x.git#main", "github:o/n#b", "GitHub:o/n", "https://x/", "s3://b/x", "file:///x", "ssh://g/x"]
        {
            assert_eq!(address_like(text).as_deref(), Some(text));
        }
        assert_eq!(address_like("https://u:secret@x/").as_deref(), Some("https://***@x/"));
        for text in ["site", "./git:x", "/a/b", "C:\\x", "c://x", "a:b", "..", "x/https://y"] {
            assert_eq!(address_like(text), None, "{text}");
        }
    }

    fn said(text: &str) -> String {
        match Source::parse(text, false) {
            Ok(Source::Web(place)) => format!("web {place}"),
            Ok(Source::Folder(place)) => format!("folder {place}"),
            Ok(Source::Branch { repository, branch, folder }) => format!("branch {repository} {branch} {folder:?}"),
            Ok(Source::Bucket(place)) => format!("bucket {place}"),
            Err(error) => format!("refused: {}", error.why),
        }
    }

    #[test]
    fn every_kind_of_source_is_known_by_its_beginning() {
        let table = [
            ("https://Assets.example.com/lib/manifest.json", "web https://assets.example.com/lib/"),
            ("https://example.com/lib", "web https://example.com/lib/"),
            ("https://example.com/lib/", "web https://example.com/lib/"),
            ("https://example.com", "web https://example.com/"),
            ("https://example.com/manifest.json", "web https://example.com/"),
            ("HTTPS://example.com:8443/a%20b/", "web https://example.com:8443/a%20b/"),
            ("http://127.0.0.1:8000/lib/", "web http://127.0.0.1:8000/lib/"),
            ("http://localhost/", "web http://localhost/"),
            ("http://[::1]:80/", "web http://[::1]:80/"),
            ("public/library", "folder public/library"),
            ("public/library/manifest.json", "folder public/library"),
            ("manifest.json", "folder ."),
            ("/manifest.json", "folder /"),
            ("my-manifest.json", "folder my-manifest.json"),
            ("C:\\library\\manifest.json", "folder C:\\library\\"),
            ("file:///srv/a%20b/manifest.json", "folder /srv/a b"),
            ("file://localhost/srv", "folder /srv"),
            ("git:https://git.example.com/lib.git#pages", "branch https://git.example.com/lib.git pages \"\""),
            ("git:git@example.com:org/lib.git#pages:public/", "branch git@example.com:org/lib.git pages \"public\""),
            ("git:ssh://git@example.com:22/lib.git#pages", "branch ssh://git@example.com:22/lib.git pages \"\""),
            ("git:http://127.0.0.1:8000/lib.git#pages", "branch http://127.0.0.1:8000/lib.git pages \"\""),
            ("github:org/lib#gh-pages", "branch https://github.com/org/lib.git gh-pages \"\""),
            ("github:org/lib#a/b:c/d/manifest.json", "branch https://github.com/org/lib.git a/b \"c/d\""),
            ("s3://bucket/library/", "bucket s3://bucket/library"),
            ("gs://bucket", "bucket gs://bucket"),
            ("az://container/x/manifest.json", "bucket az://container/x"),
        ];
        for (text, wanted) in table {
            assert_eq!(said(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_source_is_told_what_one_is() {
        let table = [
            ("", "it is empty"),
            ("https://", "a server is missing"),
            ("http://example.com/", "plain http"),
            ("http://127.0.0.1.example.com/", "plain http"),
            ("http://localhost.example.com/", "plain http"),
            ("https://user:secret@example.com/", "no place in an address"),
            ("https://example.com/m?token=x", "before `?`"),
            ("https://exa mple.com/", "that none has"),
            ("file://server/share", "a path that begins with /"),
            ("file:relative", "a path that begins with /"),
            ("git:https://example.com/lib.git", "git:URL#BRANCH"),
            ("git:--upload-pack=x#main", "option of git's"),
            ("git:https://example.com/lib.git#main:a/../..", "leads out"),
            ("git:https://u:p@example.com/lib.git#main", "no place in an address"),
            ("git:https://token@example.com/lib.git#main", "no place in an address"),
            ("git:ssh://git:p@example.com/lib.git#main", "no place in an address"),
            ("git:http://example.com/lib.git#main", "over http://"),
            ("git:git://example.com/lib.git#main", "over git://"),
            ("github:org#main", "github:OWNER/NAME#BRANCH"),
            ("s3://", "a bucket is missing"),
            ("s3://key:secret@bucket/x", "from the environment"),
            ("ftp://example.com/", "a source is https://"),
            ("https://example.com/\u{1b}[2J", "no address has"),
        ];
        for (text, wanted) in table {
            assert!(said(text).starts_with("refused: ") && said(text).contains(wanted), "{text}: {}", said(text));
        }
    }

    #[test]
    fn a_password_is_not_repeated_and_plain_http_can_be_allowed() {
        let error = Source::parse("https://me:hunter2@example.com/x", false).unwrap_err();
        assert!(!error.to_string().contains("hunter2") && error.shown == "https://***@example.com/x", "{error}");
        assert_eq!(Source::parse("http://example.com", true).unwrap().to_string(), "http://example.com/");
    }

    proptest! {
        #[test]
        fn what_is_shown_of_a_source_is_the_same_source(text in "(https://|git:|github:|s3://|file:///|)[a-z/#:.@A-Z]{0,24}(manifest.json)?") {
            if let Ok(source) = Source::parse(&text, false) {
                prop_assert_eq!(Source::parse(&source.to_string(), false), Ok(source));
            }
        }
    }
}
