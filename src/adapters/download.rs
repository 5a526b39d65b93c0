//! Files from the addresses that a manifest gives them, whose size and SHA-256 are known beforehand: streamed, bounded, and
//! taken up again where they broke off.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, RANGE};
use reqwest::Url;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};

use super::http::{Policy, Reply, Trouble, send};
use super::publication::{LEAST_SPEED, Web};
use super::whole_file::{anew, without_links};
use crate::ids::Sha256Hex;

/// The least that has to come in each span of time, whatever size is promised: less is no download but a way to keep us.
const LEAST: u64 = 60_000;
/// That span.
const SPAN: Duration = Duration::from_secs(60);

/// The longest name of a file that a server could have given it, in bytes.
const MOST_TAG: u64 = 64 << 10;

/// What stands for an answer where the disk fails: final, and no server's.
const INSUFFICIENT: u16 = 0;

/// The pieces of an answer, as long as they come fast enough.
struct Pieces {
    response: reqwest::Response,
    until: Instant,
    bytes: u64,
}

impl Pieces {
    fn of(response: reqwest::Response) -> Self {
        Self { response, until: Instant::now() + SPAN, bytes: 0 }
    }

    /// The next one; none at the end.
    async fn next(&mut self) -> Result<Option<impl Deref<Target = [u8]>>, Trouble> {
        if Instant::now() >= self.until && self.bytes >= LEAST {
            (self.until, self.bytes) = (Instant::now() + SPAN, 0);
        }
        let slow =
            || Trouble::NoAnswer(format!("the server sent less than {LEAST} bytes in {} seconds", SPAN.as_secs()));
        let piece = match timeout_at(self.until, self.response.chunk()).await {
            Ok(piece) => piece.map_err(|error| Trouble::of(&error))?,
            // Enough has come in this span, so another one begins.
            Err(_) if self.bytes >= LEAST => {
                (self.until, self.bytes) = (Instant::now() + SPAN, 0);
                let piece = timeout_at(self.until, self.response.chunk()).await.map_err(|_| slow())?;
                piece.map_err(|error| Trouble::of(&error))?
            }
            Err(_) => return Err(slow()),
        };
        self.bytes = self.bytes.saturating_add(piece.as_ref().map_or(0, |piece| piece.len() as u64));
        Ok(piece)
    }
}

/// Why a file did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// It is not to be had, or is not what was promised.
    #[error("{0}")]
    Refused(String),
    /// It cannot be kept here.
    #[error("{place} cannot be written: {why}")]
    Disk {
        /// The file.
        place: String,
        /// What the system says.
        why: String,
    },
}

/// A file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its address.
    pub url: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Sha256Hex,
    /// Where it goes when it is whole.
    pub to: PathBuf,
}

/// The beginning of a file, on the disk.
struct Beginning {
    file: File,
    have: u64,
}

/// What went wrong on the disk while an answer was read.
type Fault = Arc<Mutex<Option<io::Error>>>;

impl Wanted {
    fn part(&self) -> PathBuf {
        self.beside("part")
    }

    /// What the server calls the file of which there is a beginning.
    fn tag(&self) -> PathBuf {
        self.beside("etag")
    }

    fn beside(&self, extension: &str) -> PathBuf {
        let mut name = self.to.file_name().unwrap_or_default().to_os_string();
        name.push(".");
        name.push(extension);
        self.to.with_file_name(name)
    }

    fn disk(&self, error: &io::Error) -> DownloadError {
        DownloadError::Disk { place: self.part().display().to_string(), why: error.to_string() }
    }

    /// What there is of it already; nothing where nobody could say whether the rest would fit.
    fn begun(&self) -> io::Result<(Beginning, Option<String>)> {
        let mut tag = String::new();
        let read = without_links().read(true).open(self.tag());
        let read = read.and_then(|file| file.take(MOST_TAG).read_to_string(&mut tag));
        let tag = read.ok().map(|_| tag).filter(|tag| !tag.is_empty());
        let mut file = without_links().create(true).truncate(false).read(true).write(true).open(self.part())?;
        if tag.is_none() || file.metadata()?.len() >= self.bytes.max(1) {
            file.set_len(0)?;
        }
        let have = file.seek(SeekFrom::End(0))?;
        Ok((Beginning { file, have }, tag.filter(|_| have > 0)))
    }

    /// Puts a file where it goes that is whole and what was promised.
    fn settle(&self) -> Result<(), DownloadError> {
        let digest = File::open(self.part()).and_then(|mut file| Sha256Hex::of_stream(&mut file));
        let (found, bytes) = digest.map_err(|error| self.disk(&error))?;
        if bytes == self.bytes && found == self.sha256 {
            fs::rename(self.part(), &self.to).map_err(|error| self.disk(&error))?;
            // What stays is taken away with all that is staged.
            let _ = fs::remove_file(self.tag());
            return Ok(());
        }
        self.forget();
        let why = match bytes {
            bytes if bytes > self.bytes => format!("has more bytes than the {} that the manifest says", self.bytes),
            bytes if bytes < self.bytes => format!("has {bytes} bytes, and the manifest says {}", self.bytes),
            _ => format!("is not what the manifest says: its SHA-256 is {found}, and should be {}", self.sha256),
        };
        Err(DownloadError::Refused(format!("{} {why}", self.url)))
    }

    fn forget(&self) {
        for path in [self.part(), self.tag()] {
            // It is not there, or the next try finds out.
            let _ = fs::remove_file(path);
        }
    }
}

/// Fetches a file. What came of one that broke off stays, and the next try begins there where the server can.
pub async fn download(web: &Web, wanted: &Wanted) -> Result<(), DownloadError> {
    let refused = |why: String| DownloadError::Refused(format!("{}: {why}", wanted.url));
    let url = web.address(&wanted.url).map_err(&refused)?;
    let seconds = 60 + wanted.bytes / LEAST_SPEED;
    let policy = Policy { deadline: Duration::from_secs(seconds), attempts: 4, ..Policy::idempotent() };
    let fault = Fault::default();
    let reply = web
        .follow(url, |url| {
            let (policy, fault) = (&policy, &fault);
            async move { send(policy, &*web.pace, || one_try(web, wanted, url.clone(), fault)).await }
        })
        .await;
    if let Some(error) = fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(wanted.disk(&error));
    }
    match reply.map_err(&refused)?.status {
        200 | 206 => {}
        404 | 410 => return Err(refused("it is not there".to_owned())),
        401 | 403 => return Err(refused("it is not for everybody".to_owned())),
        status => return Err(refused(format!("the server answered {status}"))),
    }
    wanted.settle()
}

async fn one_try(web: &Web, wanted: &Wanted, url: Url, fault: &Fault) -> Result<Reply, Trouble> {
    let failed = |error: io::Error| {
        *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        // Another try would meet the same disk.
        Ok(Reply::with_status(INSUFFICIENT))
    };
    let (mut beginning, tag) = match wanted.begun() {
        Ok(begun) => begun,
        Err(error) => return failed(error),
    };
    // The digest is that of the file, not of what a server makes of it on the way.
    let mut request = web.client.get(url).header(ACCEPT_ENCODING, "identity");
    if let Some(tag) = &tag {
        request = request.header(RANGE, format!("bytes={}-", beginning.have)).header(IF_RANGE, tag);
    }
    web.traffic.request();
    let response = request.send().await.map_err(|error| Trouble::of(&error))?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut pieces = Pieces::of(response);
    let begun = match status {
        200 => begin_anew(wanted, &mut beginning, &headers),
        206 if continues(&headers, beginning.have) => Ok(()),
        206 | 416 => {
            wanted.forget();
            return Err(Trouble::NoAnswer("the server sent another part of the file than was asked for".to_owned()));
        }
        _ => return Ok(Reply { status, headers, body: Vec::new() }),
    };
    if let Err(error) = begun {
        return failed(error);
    }
    // One byte too many tells that it is another file.
    while beginning.have <= wanted.bytes {
        let Some(chunk) = pieces.next().await? else { break };
        web.traffic.bytes(chunk.len());
        if let Err(error) = beginning.file.write_all(&chunk) {
            return failed(error);
        }
        beginning.have += chunk.len() as u64;
    }
    Ok(Reply { status, headers, body: Vec::new() })
}

/// Begins with the first byte, and notes what the server calls the file, if that name can be relied on.
fn begin_anew(wanted: &Wanted, beginning: &mut Beginning, headers: &HeaderMap) -> io::Result<()> {
    beginning.file.set_len(0)?;
    beginning.file.rewind()?;
    beginning.have = 0;
    let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| !tag.starts_with("W/"));
    match tag {
        Some(tag) => anew(&wanted.tag())?.write_all(tag.as_bytes()),
        None => fs::remove_file(wanted.tag()).or_else(only_absent),
    }
}

fn only_absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Whether what comes begins with this byte.
fn continues(headers: &HeaderMap, from: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

/// The SHA-256 and the size of what is at an address, of at most so many bytes and one more; nothing is kept.
pub async fn probe(web: &Web, url: &str, bytes: u64) -> Result<(Sha256Hex, u64), String> {
    let policy =
        Policy { deadline: Duration::from_secs(60 + bytes / LEAST_SPEED), attempts: 3, ..Policy::idempotent() };
    let found = Mutex::new((Sha256Hex::of(b""), 0));
    let reply = web
        .follow(web.address(url)?, |url| {
            let (policy, found) = (&policy, &found);
            async move { send(policy, &*web.pace, || one_look(web, url.clone(), bytes, found)).await }
        })
        .await?;
    match reply.status {
        200 => Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner)),
        404 | 410 => Err("is not there".to_owned()),
        401 | 403 => Err("is not for everybody".to_owned()),
        status => Err(format!("cannot be fetched: the server answered {status}")),
    }
}

async fn one_look(web: &Web, url: Url, bytes: u64, found: &Mutex<(Sha256Hex, u64)>) -> Result<Reply, Trouble> {
    web.traffic.request();
    let request = web.client.get(url).header(ACCEPT_ENCODING, "identity");
    let response = request.send().await.map_err(|error| Trouble::of(&error))?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut pieces = Pieces::of(response);
    let (mut hash, mut have) = (Sha256::new(), 0);
    while status == 200 && have <= bytes {
        let Some(chunk) = pieces.next().await? else { break };
        web.traffic.bytes(chunk.len());
        hash.update(&*chunk);
        have += chunk.len() as u64;
    }
    let digest = Sha256Hex::parse(&hex::encode(hash.finalize())).unwrap_or_else(|_| Sha256Hex::of(b""));
    *found.lock().unwrap_or_else(PoisonError::into_inner) = (digest, have);
    Ok(Reply { status, headers, body: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with so many bytes each second, so often.
    async fn of_speed(bytes: usize, seconds: u32) -> Result<u64, Trouble> {
        let pieces = futures_util::stream::unfold(0, move |sent| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            (sent < seconds).then_some((Ok::<_, io::Error>(vec![0; bytes]), sent + 1))
        });
        let mut pieces = Pieces::of(http::Response::new(reqwest::Body::wrap_stream(pieces)).into());
        let mut all = 0;
        while let Some(piece) = pieces.next().await? {
            all += piece.len() as u64;
        }
        Ok(all)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_sends_next_to_nothing_is_left_whatever_size_was_promised() {
        assert_eq!(of_speed(2_000, 600).await, Ok(1_200_000));
        assert_eq!(of_speed(1, 30).await, Ok(30), "what is small may be slow");
        let before = Instant::now();
        assert!(matches!(of_speed(10, 100_000).await, Err(Trouble::NoAnswer(why)) if why.contains("less than")));
        assert_eq!(before.elapsed().as_secs(), 60);
    }
}
