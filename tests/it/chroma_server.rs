//! A real Chroma for tests, started by the first test of a process that asks for one and ended with that process.
//!
//! The server's parent is a shell that waits for the end of its input, whose other end the test holds: however the test ends,
//! killed or not, the shell then ends the server. Stands alone, as the tests of the library include it too.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Ends the server when the test is gone, and takes its folder away. $1 the program, $2 the port, $3 the folder.
const WATCH: &str = r#"
trap '' HUP INT TERM
"$1" run --host 127.0.0.1 --port "$2" --path "$3" 2>&1 &
server=$!
exec >/dev/null 2>&1
read -r _
kill -KILL "$server"
wait "$server"
rm -rf "$3"
"#;

/// A running server.
pub struct Server {
    port: u16,
    /// Holds the shell's input open.
    _watch: Child,
}

/// The server of this process; none, and a line that says so, where Chroma is not installed.
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path).map(|folder| folder.join("chroma")).find(|file| file.exists())?;
        (0..10).find_map(|_| Server::start(program.to_str().unwrap()))
    });
    if server.is_none() {
        eprintln!("SKIPPED: chroma is not installed; scripts/install-tools.sh installs it");
    }
    server.as_ref()
}

impl Server {
    /// None where somebody has taken the port before the server did.
    fn start(program: &str) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("stockroom-chroma-").tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCH, "sh", program, &port.to_string()]).arg(folder);
        shell.env("NO_COLOR", "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut watch = shell.spawn().unwrap();
        let mut said = BufReader::new(watch.stdout.take().unwrap()).lines().map_while(Result::ok);
        let is_up = said.any(|line| line.contains("listening on address"));
        // Whoever writes to a pipe that nobody reads waits for ever.
        std::thread::spawn(move || said.for_each(drop));
        // It says so a moment before it does.
        let answers = |_| TcpStream::connect(("127.0.0.1", port)).is_ok();
        let wait = |_: &i32| std::thread::sleep(Duration::from_millis(20));
        (is_up && (0..1_500).inspect(wait).any(answers)).then_some(Self { port, _watch: watch })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The address of a new, empty database.
    pub fn database(&self) -> String {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test-{}", MADE.fetch_add(1, Ordering::Relaxed));
        let tenant = "/api/v2/tenants/default_tenant/databases";
        let answer = self.ask("POST", tenant, &format!(r#"{{"name":"{name}"}}"#));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        format!("{}{tenant}/{name}", self.url())
    }

    /// Makes a request at a path, or at an address of the server, and gives the whole answer.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let path = path.strip_prefix(&self.url()).unwrap_or(path);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let (port, length) = (self.port, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}
