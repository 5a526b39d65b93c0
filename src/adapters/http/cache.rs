//! Answers that were given before, below `.git`: who asks again names the answer it has, and a `304` costs nothing.
//!
//! What lies here may be a private repository's, so only the owner may read it. A damaged answer counts as none, and what
//! cannot be written is not kept: nothing else comes of it. The folder may be deleted at any time.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LINK};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::reply::Reply;
use crate::adapters::whole_file;

/// Answers that are kept at most, and their bytes.
const ANSWERS: usize = 512;
const BYTES: u64 = 64 << 20;
/// A larger answer is not kept.
const LARGEST: usize = 8 << 20;
/// What an answer has before its body.
const LARGEST_HEAD: usize = 16 << 10;
/// What stays of the headers.
const KEPT: [HeaderName; 2] = [CONTENT_TYPE, LINK];
/// The form of the files; another one is not read.
const VERSION: u32 = 1;

/// What was asked for, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct ReplyKey<'a> {
    /// The fingerprint of who asks, never a token.
    pub whose: &'a str,
    /// The whole address.
    pub address: &'a str,
    /// The media type that was asked for.
    pub accept: &'a str,
}

impl ReplyKey<'_> {
    fn digest(&self) -> String {
        let parts = [self.whose, self.address, self.accept];
        let digest = parts.iter().fold(Sha256::new_with_prefix(b"stockroom reply\0"), |digest, part| {
            digest.chain_update(part.len().to_be_bytes()).chain_update(part)
        });
        hex::encode(digest.finalize())
    }
}

/// An answer that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What the server calls it.
    pub tag: HeaderValue,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Kept {
    /// The answer, as it would have been given with the headers of the `304` that confirms it.
    pub fn reply(self, mut headers: HeaderMap) -> Reply {
        headers.extend(self.headers);
        Reply { status: 200, headers, body: self.body }
    }
}

/// The head of a file: a line of JSON, after the digest of all that follows the first line.
#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    key: String,
    tag: String,
    headers: Vec<(String, String)>,
}

/// Answers that were given before.
#[derive(Debug)]
pub struct ReplyCache {
    folder: PathBuf,
    /// One at a time prunes.
    prune: Mutex<()>,
}

impl ReplyCache {
    /// The answers in this folder, which need not be there yet.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder, prune: Mutex::default() }
    }

    /// The answer to this, if it was kept and is whole.
    pub fn get(&self, key: &ReplyKey<'_>) -> Option<Kept> {
        let digest = key.digest();
        let file = whole_file::without_links().read(true).open(self.folder.join(&digest)).ok()?;
        let most = u64::try_from(LARGEST + LARGEST_HEAD).ok()?;
        let mut bytes = Vec::new();
        (&file).take(most).read_to_end(&mut bytes).ok()?;
        let kept = parse(&bytes, &digest)?;
        // Its age is that of its last use. Without, it only goes sooner.
        let _ = file.set_modified(SystemTime::now());
        Some(kept)
    }

    /// Keeps an answer, if the server gives it a name to ask by; another one goes.
    pub fn put(&self, key: &ReplyKey<'_>, reply: &Reply) {
        if reply.status != 200 || reply.body.len() > LARGEST {
            return;
        }
        let digest = key.digest();
        let Some(bytes) = written(&digest, reply) else { return };
        // A full disk, or a folder of somebody else: it is asked for again.
        let _ = self.write(&digest, &bytes);
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // A link leads to a folder that is somebody else's.
        if fs::symlink_metadata(&self.folder).is_ok_and(|at| at.is_symlink()) {
            return Err(io::Error::other("the folder is a link"));
        }
        fs::create_dir_all(&self.folder)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))?;
        }
        // Whole or not at all, for its owner alone. That it survives a power cut is not worth the wait.
        let mut file = tempfile::Builder::new().prefix(whole_file::PARTIAL).tempfile_in(&self.folder)?;
        let _ = file.as_file().try_lock();
        file.write_all(bytes)?;
        file.persist(self.folder.join(name)).map_err(|error| error.error)?;
        self.prune(name)
    }

    /// Takes away what was not used for longest, until the rest fits; of what is equally old the lesser name.
    fn prune(&self, newest: &str) -> io::Result<()> {
        let _alone = self.prune.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<(SystemTime, String, u64)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let (Ok(facts), Ok(name)) = (entry.metadata(), entry.file_name().into_string()) else { continue };
            if facts.is_file() && name != newest && is_name(&name) {
                all.push((facts.modified().unwrap_or(SystemTime::UNIX_EPOCH), name, facts.len()));
            }
        }
        if all.len() >= ANSWERS {
            whole_file::clear_partial(&self.folder)?;
        }
        all.sort_unstable();
        let mut bytes: u64 = all.iter().map(|(_, _, size)| size).sum::<u64>() + size_of(&self.folder.join(newest));
        let mut count = all.len() + 1;
        for (_, name, size) in &all {
            if count <= ANSWERS && bytes <= BYTES {
                break;
            }
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            (count, bytes) = (count - 1, bytes.saturating_sub(*size));
        }
        Ok(())
    }
}

fn size_of(path: &Path) -> u64 {
    File::open(path).and_then(|file| file.metadata()).map_or(0, |facts| facts.len())
}

fn is_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn written(digest: &str, reply: &Reply) -> Option<Vec<u8>> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let tag = text(reply.headers.get(ETAG)?)?;
    let header = |name: &HeaderName| Some((name.to_string(), text(reply.headers.get(name)?)?));
    let headers = KEPT.iter().filter_map(header).collect();
    let head = Head { version: VERSION, key: digest.to_owned(), tag, headers };
    let mut content = serde_json::to_vec(&head).ok()?;
    if content.len() > LARGEST_HEAD - 128 {
        return None;
    }
    content.push(b'\n');
    content.extend_from_slice(&reply.body);
    let mut bytes = hex::encode(Sha256::digest(&content)).into_bytes();
    bytes.push(b'\n');
    bytes.extend(content);
    Some(bytes)
}

fn parse(bytes: &[u8], digest: &str) -> Option<Kept> {
    let (sum, content) = bytes.split_at_checked(64)?;
    let content = content.strip_prefix(b"\n")?;
    if hex::encode(Sha256::digest(content)).as_bytes() != sum {
        return None;
    }
    let end = content.iter().position(|byte| *byte == b'\n')?;
    let (head, body) = content.split_at_checked(end)?;
    let head: Head = serde_json::from_slice(head).ok()?;
    if head.version != VERSION || head.key != digest {
        return None;
    }
    let header = |(name, value): &(String, String)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    };
    let headers = head.headers.iter().filter_map(header).collect();
    Some(Kept { tag: HeaderValue::from_str(&head.tag).ok()?, headers, body: body.get(1..)?.to_vec() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(address: &str) -> ReplyKey<'_> {
        ReplyKey { whose: "me", address, accept: "json" }
    }

    fn reply(tag: &'static str, body: &[u8]) -> Reply {
        let mut reply = Reply { body: body.to_vec(), ..Reply::with_status(200) };
        reply.headers.insert(ETAG, HeaderValue::from_static(tag));
        reply.headers.insert(LINK, HeaderValue::from_static("<next>"));
        reply.headers.insert("x-secret", HeaderValue::from_static("canary"));
        reply
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    }

    #[test]
    fn an_answer_comes_back_to_the_one_who_got_it() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ReplyCache::at(folder.path().join("deep/http"));
        assert_eq!(cache.get(&key("a")), None);
        cache.put(&key("a"), &reply("W/\"1\"", b"one\ntwo"));
        let kept = cache.get(&key("a")).unwrap();
        assert_eq!(kept.tag, "W/\"1\"");
        let back = kept.reply(HeaderMap::from_iter([(ETAG, HeaderValue::from_static("new"))]));
        assert_eq!((back.status, back.text().as_str()), (200, "one\ntwo"));
        assert_eq!((back.headers[LINK].as_bytes(), back.headers[ETAG].as_bytes()), (&b"<next>"[..], &b"new"[..]));
        for other in [
            ReplyKey { whose: "you", ..key("a") },
            ReplyKey { accept: "raw", ..key("a") },
            ReplyKey { whose: "m", address: "ea", accept: "json" },
        ] {
            assert_eq!(cache.get(&other), None);
        }
        cache.put(&key("a"), &reply("\"2\"", b"newer"));
        assert_eq!(cache.get(&key("a")).unwrap().body, b"newer");
    }

    #[test]
    fn what_is_no_answer_to_keep_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ReplyCache::at(folder.path().to_owned());
        cache.put(&key("a"), &Reply::with_status(200));
        cache.put(&key("a"), &Reply { status: 404, ..reply("\"1\"", b"x") });
        cache.put(&key("a"), &reply("\"1\"", &vec![0; LARGEST + 1]));
        assert!(files(folder.path()).is_empty());
        ReplyCache::at("/dev/null/no".into()).put(&key("a"), &reply("\"1\"", b"x"));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it_and_a_link_is_not_followed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let cache = ReplyCache::at(folder.path().join("http"));
        cache.put(&key("a"), &reply("\"1\"", b"x"));
        let path = files(&folder.path().join("http")).remove(0);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_eq!(cache.get(&key("a")), None);
        let text = fs::read_to_string(elsewhere).unwrap();
        assert!(!text.contains("canary") && !text.contains("me\""), "{text}");
    }

    #[test]
    fn damage_to_any_byte_and_a_cut_anywhere_count_as_absence() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ReplyCache::at(folder.path().to_owned());
        cache.put(&key("a"), &reply("\"1\"", b"the body"));
        let path = files(folder.path()).remove(0);
        let whole = fs::read(&path).unwrap();
        for index in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[index] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(cache.get(&key("a")), None, "byte {index}");
            fs::write(&path, &whole[..index]).unwrap();
            assert_eq!(cache.get(&key("a")), None, "{index} bytes");
        }
        cache.put(&key("a"), &reply("\"1\"", b"the body"));
        assert!(cache.get(&key("a")).is_some());
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ReplyCache::at(folder.path().to_owned());
        let name = |number: usize| format!("answer {number}");
        for number in 0..ANSWERS {
            cache.put(&key(&name(number)), &reply("\"1\"", b"x"));
            let path = folder.path().join(key(&name(number)).digest());
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + u64::try_from(number).unwrap());
            File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        }
        assert!(cache.get(&key(&name(0))).is_some(), "used now, so the youngest");
        fs::write(folder.path().join("notes"), "somebody's").unwrap();
        cache.put(&key("one more"), &reply("\"1\"", b"x"));
        assert_eq!(files(folder.path()).len(), ANSWERS + 1);
        assert!(cache.get(&key(&name(0))).is_some() && cache.get(&key("one more")).is_some());
        assert_eq!(cache.get(&key(&name(1))), None);
        assert!(cache.get(&key(&name(2))).is_some());
        // Nine of eight megabytes do not fit.
        for number in 0..9 {
            cache.put(&key(&format!("large {number}")), &reply("\"1\"", &vec![b'x'; LARGEST]));
        }
        let bytes: u64 = files(folder.path()).iter().map(|path| size_of(path)).sum();
        assert!(bytes <= BYTES && cache.get(&key("large 8")).is_some());
        assert_eq!(cache.get(&key("large 0")), None);
    }
}
