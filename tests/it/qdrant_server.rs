//! A real Qdrant for tests, started by the first test of a process that asks for one, and ended with that process.
//!
//! The server's parent is a shell that waits for the end of its input, whose other end the test holds: however the test
//! ends, killed or not, the shell then ends the server and removes its folder. Stands alone, as the tests of the library
//! include it too.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// The key that the server asks for.
pub const KEY: &str = "canary/qdrant key";

/// Ends the server when the test is gone, or at once when it says `keep`: then the folder stays. $1 the program, $2 the folder.
const WATCH: &str = r#"
trap '' HUP INT TERM
cd "$2" || exit 1
"$1" 2>&1 &
server=$!
exec >/dev/null 2>&1
read -r word
kill -KILL "$server"
wait "$server"
if [ "$word" != keep ]; then rm -rf "$2"; fi
"#;

/// A server, running or killed.
pub struct Server {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    /// Holds the shell's input open.
    watch: Mutex<Option<Child>>,
}

/// The server of this process; none, and a line that says so, where Qdrant is not installed.
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(of_its_own);
    if server.is_none() {
        eprintln!("SKIPPED: Qdrant is not in .tools/bin; scripts/install-tools.sh installs it");
    }
    server.as_ref()
}

/// One for a test that ends it; none where Qdrant is not installed, which [`server`] says.
pub fn of_its_own() -> Option<Server> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin/qdrant").canonicalize().ok()?;
    let folder = tempfile::Builder::new().prefix("stockroom-qdrant-").tempdir().unwrap().keep();
    for _ in 0..10 {
        // Somebody may take a port before the server does; then there are others.
        let (http, grpc) = (free_port(), free_port());
        if let Some(watch) = start(&program, &folder, http, grpc) {
            return Some(Server { program, folder, port: http, watch: Mutex::new(Some(watch)) });
        }
    }
    panic!("Qdrant does not start");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The watching shell, once the server listens.
fn start(program: &Path, folder: &Path, http: u16, grpc: u16) -> Option<Child> {
    let mut watch = Command::new("/bin/sh")
        .args(["-c", WATCH, "sh"])
        .args([program, folder])
        .env_clear()
        .env("QDRANT__SERVICE__HOST", "127.0.0.1")
        .env("QDRANT__SERVICE__HTTP_PORT", http.to_string())
        .env("QDRANT__SERVICE__GRPC_PORT", grpc.to_string())
        .env("QDRANT__SERVICE__API_KEY", KEY)
        .env("QDRANT__TELEMETRY_DISABLED", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map_while(Result::ok);
    if lines.any(|line| line.contains("starting service: \"actix-web-service")) {
        // A full pipe would stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        return Some(watch);
    }
    watch.stdin.take().unwrap().write_all(b"keep\n").unwrap_or_default();
    watch.wait().unwrap();
    None
}

impl Server {
    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it; what it has written stays.
    pub fn kill(&self) {
        if let Some(mut watch) = self.watch.lock().unwrap().take() {
            watch.stdin.take().unwrap().write_all(b"keep\n").unwrap();
            watch.wait().unwrap();
        }
    }

    /// Starts one that was killed again, where it was.
    pub fn restart(&self) {
        let watch = start(&self.program, &self.folder, self.port, free_port()).expect("the port was taken meanwhile");
        *self.watch.lock().unwrap() = Some(watch);
    }
}
