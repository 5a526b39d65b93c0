//! A web server on loopback that gives files away, and breaks off or sends elsewhere when it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};


/// What a path answers.
#[derive(Clone)]
pub enum Page {
    /// A file.
    File(Vec<u8>),
    /// Half of a file, of which the whole was promised.
    Half(Vec<u8>),
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
}

impl FileServer {
    /// Starts on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (pages, seen): (Arc<Mutex<BTreeMap<_, _>>>, Arc<Mutex<Vec<_>>>) = Default::default();
        let (theirs, heard) = (Arc::clone(&pages), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (theirs, heard) = (Arc::clone(&theirs), Arc::clone(&heard));
                // A browser opens connections before it has something to ask. One that goes away is no concern of ours.
                std::thread::spawn(move || answer(&stream, &theirs, &heard));
            }
        });
        Self { url, pages, seen }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What a path answers from now on.
    pub fn put(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
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
) -> std::io::Result<()> {
    let lines = BufReader::new(stream).lines().take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()));
    let head = lines.collect::<Result<Vec<_>, _>>()?;
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(head.join("\n"));
    let page = pages.lock().unwrap().get(&path).cloned().unwrap_or(Page::Status(404));
    let kind = format!("content-type: {}\r\n", if path.ends_with('/') { "text/html" } else { media_type(&path) });
    let (status, more, promised, body) = match page {
        Page::File(bytes) => (200, kind, bytes.len(), bytes),
        Page::Half(bytes) => (200, kind, bytes.len(), bytes[..bytes.len() / 2].to_vec()),
        Page::Elsewhere(url) => (302, format!("location: {url}\r\n"), 0, Vec::new()),
        Page::Status(status) => (status, String::new(), 0, Vec::new()),
    };
    write!(stream, "HTTP/1.1 {status} \r\n{more}content-length: {promised}\r\nconnection: close\r\n\r\n")?;
    stream.write_all(&body)
}

/// What a static host says that a file is, as far as a browser minds.
fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "js" => "text/javascript",
        _ => "application/octet-stream",
    }
}
