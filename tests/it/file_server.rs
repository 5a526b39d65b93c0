//! A web server on loopback that gives files away, and breaks off or sends elsewhere when it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

/// What a path answers.
#[derive(Clone)]
pub enum Page {
    /// A file.
    File(Vec<u8>),
    /// Half of a file, of which the whole was promised.
    Half(Vec<u8>),
    /// A file that the server knows by its content: it is not sent again to whoever has it, and can be sent in part.
    Tagged(Vec<u8>),
    /// The same, of which only so many bytes come at a time.
    Slow(Vec<u8>, usize),
    /// A page for people in place of a file.
    Html,
    /// A file without an end.
    Endless,
    /// The address where the file is.
    Elsewhere(String),
    /// An error.
    Status(u16),
}

/// The server's handle; its thread ends with the process, its port is free again when this is dropped.
pub struct FileServer {
    url: String,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    seen: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
}

impl FileServer {
    /// Starts on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (pages, seen): (Arc<Mutex<BTreeMap<_, _>>>, Arc<Mutex<Vec<_>>>) = Default::default();
        let (theirs, heard) = (Arc::clone(&pages), Arc::clone(&seen));
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (theirs, heard, count) = (Arc::clone(&theirs), Arc::clone(&heard), Arc::clone(&count));
                // A browser opens connections before it has something to ask. One that goes away is no concern of ours.
                std::thread::spawn(move || answer(&stream, &theirs, &heard, &count));
            }
        });
        Self { url, pages, seen, sent }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What a path answers from now on.
    pub fn put(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// How many bytes of bodies were sent so far.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Forgets what it was asked for.
    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
        self.sent.store(0, Ordering::Relaxed);
    }

    /// The head of every request so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: &TcpStream,
    pages: &Mutex<BTreeMap<String, Page>>,
    seen: &Mutex<Vec<String>>,
    sent: &AtomicUsize,
) -> std::io::Result<()> {
    let lines = BufReader::new(stream).lines().take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()));
    let head = lines.collect::<Result<Vec<_>, _>>()?;
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(head.join("\n"));
    let page = pages.lock().unwrap().get(&path).cloned().unwrap_or(Page::Status(404));
    let kind = format!("content-type: {}\r\n", if path.ends_with('/') { "text/html" } else { media_type(&path) });
    let header = |name: &str| {
        let lines = head.iter().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    if matches!(page, Page::Endless) {
        write!(stream, "HTTP/1.1 200 \r\nconnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&[b' '; 65_536])?;
            sent.fetch_add(65_536, Ordering::Relaxed);
        }
    }
    let (status, more, promised, body) = match page {
        Page::Tagged(bytes) => tagged(&bytes, usize::MAX, &header),
        Page::Slow(bytes, most) => tagged(&bytes, most, &header),
        Page::Html => (200, "content-type: text/html\r\n".to_owned(), 15, b"<html>no</html>".to_vec()),
        Page::Endless => unreachable!(),
        Page::File(bytes) => (200, kind, bytes.len(), bytes),
        Page::Half(bytes) => (200, kind, bytes.len(), bytes[..bytes.len() / 2].to_vec()),
        Page::Elsewhere(url) => (302, format!("location: {url}\r\n"), 0, Vec::new()),
        Page::Status(status) => (status, String::new(), 0, Vec::new()),
    };
    write!(stream, "HTTP/1.1 {status} \r\n{more}content-length: {promised}\r\nconnection: close\r\n\r\n")?;
    sent.fetch_add(body.len(), Ordering::Relaxed);
    stream.write_all(&body)
}

/// A file by its tag, and the part of it that is asked for.
fn tagged(bytes: &[u8], most: usize, header: &dyn Fn(&str) -> Option<String>) -> (u16, String, usize, Vec<u8>) {
    let tag = format!("\"{}\"", hex::encode(Sha256::digest(bytes)));
    if header("if-none-match").as_ref() == Some(&tag) {
        return (304, format!("etag: {tag}\r\n"), 0, Vec::new());
    }
    let from = header("range").filter(|_| header("if-range").as_ref() == Some(&tag));
    let from = from.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let (status, rest) = from.map_or((200, bytes), |from| (206, &bytes[from..]));
    let range = from
        .map_or(String::new(), |from| format!("content-range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len()));
    (status, format!("etag: {tag}\r\n{range}"), rest.len(), rest[..rest.len().min(most)].to_vec())
}

/// What a static host says that a file is, as far as a browser minds.
fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "js" | "mjs" => "text/javascript",
        _ => "application/octet-stream",
    }
}
