//! A real object store for tests, moto's S3, started by the first test of a process that asks for one and ended with that
//! process; in front of it a gate that counts requests and lets faults befall them.
//!
//! The server's parent is a shell that waits for the end of its input, whose other end the test holds: however the test ends,
//! killed or not, the shell then ends the server. Stands alone, as the tests of the library include it too.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// The key that every bucket of the server takes; moto takes any.
pub const SECRET: &str = "canary/secret+key";

/// Ends the server when the test is gone. $1 the program.
const WATCH: &str = r#"
trap '' HUP INT TERM
"$1" -H 127.0.0.1 -p 0 2>&1 &
server=$!
read -r _
kill -KILL "$server"
"#;

/// What befalls a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not arrive, and the answer has this status.
    Status(u16),
    /// It does not arrive, and the answer is a refusal with this status and code.
    Refusal(u16, &'static str),
    /// It does not arrive, and the connection is cut.
    CutBefore,
    /// It takes effect, and the connection is cut in the place of an answer.
    CutAfter,
    /// It arrives without its conditions, as at a server that does not know them.
    Unconditional,
}

/// When a fault befalls, by method and path: how many requests that begin so are spared before it, and what it is.
struct Planned {
    begins: String,
    spared: usize,
    fault: Fault,
    /// How many requests it befalls.
    times: usize,
}

#[derive(Default)]
struct Gate {
    requests: Vec<String>,
    faults: VecDeque<Planned>,
}

/// A running server.
pub struct Server {
    port: u16,
    /// Holds the shell's input open.
    _watch: Child,
}

/// A new bucket behind a gate of its own.
#[derive(Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    port: u16,
    gate: Arc<Mutex<Gate>>,
}

/// The server of this process; none, and a line that says so, where moto is not installed.
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program =
            std::env::split_paths(&path).map(|folder| folder.join("moto_server")).find(|file| file.exists())?;
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCH, "sh"]).arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut watch = shell.spawn().unwrap();
        let mut said = BufReader::new(watch.stdout.take().unwrap()).lines();
        let port = said.by_ref().find_map(|line| line.unwrap().split_once("http://127.0.0.1:")?.1.trim().parse().ok());
        // Whoever writes to a pipe that nobody reads waits for ever.
        std::thread::spawn(move || said.count());
        Some(Server { port: port.expect("moto says where it listens"), _watch: watch })
    });
    if server.is_none() {
        eprintln!("SKIPPED: moto_server is not installed; scripts/install-tools.sh installs it");
    }
    server.as_ref()
}

impl Server {
    /// Makes a bucket.
    pub fn bucket(&self) -> Bucket {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let bucket = Bucket {
            name: format!("bucket-{}", MADE.fetch_add(1, Ordering::Relaxed)),
            port: listener.local_addr().unwrap().port(),
            gate: Arc::default(),
        };
        let (gate, moto) = (Arc::clone(&bucket.gate), self.port);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, gate) = (client.unwrap(), Arc::clone(&gate));
                std::thread::spawn(move || pass(client, &gate, moto));
            }
        });
        assert!(bucket.ask("PUT", "", "").starts_with("HTTP/1.1 200"), "the bucket is made");
        bucket.forget();
        bucket
    }
}

impl Bucket {
    /// Where the gate is.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What a program's environment needs to reach it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", "a-key-id".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL", self.endpoint()),
        ]
    }

    /// Every request since the last time, as `METHOD /path`, without the bucket's name.
    pub fn take_requests(&self) -> Vec<String> {
        let skip = format!(" /{}", self.name);
        std::mem::take(&mut self.gate.lock().unwrap().requests)
            .iter()
            .map(|line| line.replacen(&skip, " ", 1))
            .collect()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.gate.lock().unwrap().requests.clear();
    }

    /// Lets a fault befall so many requests of this method and path, after so many that are spared.
    pub fn befall(&self, method: &str, path: &str, spared: usize, fault: Fault, times: usize) {
        let begins = format!("{method} /{}{path}", self.name);
        self.gate.lock().unwrap().faults.push_back(Planned { begins, spared, fault, times });
    }

    /// Makes a request and gives the whole answer.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let key = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x";
        let head = format!(
            "{method} /{}{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: {key}\r\nContent-Length: {}\r\n\r\n{body}",
            self.name,
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// One request of a client, and its answer.
fn pass(mut client: TcpStream, gate: &Mutex<Gate>, moto: u16) {
    client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push(line);
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let called = head[0].rsplit_once(" HTTP").unwrap().0.to_owned();
    let fault = fault_of(gate, called);
    let answer = |status: u16, body: &str| {
        format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    match fault {
        Some(Fault::Status(status)) => {
            client.write_all(answer(status, "").as_bytes()).ok();
            return;
        }
        Some(Fault::Refusal(status, code)) => {
            let body =
                format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>It says so.</Message></Error>");
            client.write_all(answer(status, &body).as_bytes()).ok();
            return;
        }
        Some(Fault::CutBefore) => {
            client.shutdown(Shutdown::Both).ok();
            return;
        }
        Some(Fault::Unconditional) => head.retain(|line| !line.to_ascii_lowercase().starts_with("if-")),
        Some(Fault::CutAfter) | None => {}
    }
    head.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut server = TcpStream::connect(("127.0.0.1", moto)).unwrap();
    server.write_all(format!("{}Connection: close\r\n\r\n", head.concat()).as_bytes()).unwrap();
    server.write_all(&body).unwrap();
    let mut said = Vec::new();
    server.read_to_end(&mut said).unwrap();
    if fault == Some(Fault::CutAfter) {
        client.shutdown(Shutdown::Both).ok();
        return;
    }
    client.write_all(&said).ok();
}

/// Counts the request, and tells what befalls it.
fn fault_of(gate: &Mutex<Gate>, called: String) -> Option<Fault> {
    let mut gate = gate.lock().unwrap();
    let planned = gate.faults.iter_mut().find(|planned| called.starts_with(&planned.begins) && planned.times > 0);
    let fault = planned.and_then(|planned| {
        if planned.spared > 0 {
            planned.spared -= 1;
            return None;
        }
        planned.times -= 1;
        Some(planned.fault)
    });
    gate.requests.push(called);
    fault
}
