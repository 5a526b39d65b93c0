//! A library whose downstream is an address: the receiver of the documentation, in Python, verifies what whole runs send it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::program::{Library, named};

const SECRET: &str = "whsec_Y2FuYXJ5IGNhbmFyeSBjYW5hcnkgY2FuYXJ5";

/// Says on which port it listens, since the test lets the system choose one.
const PRELUDE: &str = "
import http.server
serve = http.server.HTTPServer.serve_forever
def serve_and_tell(self):
    print(self.server_port, flush=True)
    serve(self)
http.server.HTTPServer.serve_forever = serve_and_tell
";

/// The receiver, which ends with the test.
struct Receiver {
    child: Child,
    said: BufReader<ChildStdout>,
    url: String,
}

impl Receiver {
    fn start() -> Option<Self> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python: PathBuf = project.join(".tools/python/bin/python");
        let has = Command::new(&python).args(["-c", "import standardwebhooks"]).stderr(Stdio::null()).status();
        if !has.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: standardwebhooks for Python is not in .tools; scripts/install-tools.sh installs it");
            return None;
        }
        let document = std::fs::read_to_string(project.join("docs/downstream.md")).unwrap();
        let (_, after) = document.split_once("```python\n").unwrap();
        let (script, _) = after.split_once("```").unwrap();
        let mut command = Command::new(python);
        command.arg("-c").arg(format!("{PRELUDE}\n{script}"));
        command.env("PORT", "0").env("SHOP_HOOK_SECRET", SECRET).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut receiver = Self { child, said, url: String::new() };
        receiver.url = format!("http://127.0.0.1:{}/hook?key=canary", receiver.line());
        Some(receiver)
    }

    /// The next line that it says.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

const CONFIG: &str = r#"
version: 1
collections: { products: { metadata: "*/*.json" } }
downstreams:
  shop: { webhook: { url: "${{ env.SHOP_HOOK }}", secret: "${{ env.SHOP_HOOK_SECRET }}" } }
"#;

fn library() -> Library {
    Library::of(&[("stockroom.yml", CONFIG), ("bolt/bolt.json", r#"{"title": "Bolt"}"#)])
}

#[test]
fn the_receiver_of_the_documentation_verifies_what_it_is_sent() {
    let Some(mut receiver) = Receiver::start() else { return };
    let library = library();
    let sync = |secret: &str, code: i32| {
        let program = library.program(&["sync", "--only", "manifest,dispatch", "--format", "json"]);
        let run = program.env("SHOP_HOOK", &receiver.url).env("SHOP_HOOK_SECRET", secret).run().ends(code);
        assert!(!run.both().contains("canary") && !run.both().contains("Y2Fu"), "{}", run.both());
        run
    };
    let told = sync(SECRET, 0).json();
    assert_eq!(named(&told["results"], "name", "downstream/shop")["outcome"], "done", "{told:#}");
    sync(SECRET, 0);
    library.write("nut/nut.json", r#"{"title": "Nut"}"#);
    library.commit();
    let refused = sync("whsec_b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI=", 3);
    assert!(refused.both().contains("is its secret the same as here?"), "{}", refused.both());
    sync(SECRET, 0);
    let commits = library.git(&["rev-list", "--reverse", "HEAD"]);
    let commits: Vec<_> = commits.lines().collect();
    let lines = [receiver.line(), receiver.line()];
    assert_eq!(lines[0], format!("{} {{'added': 1, 'changed': 0, 'removed': 0}}", commits[0]));
    assert_eq!(lines[1], format!("{} {{'added': 1, 'changed': 0, 'removed': 0}}", commits[1]));
}

#[test]
fn without_its_secret_an_envelope_goes_to_the_outbox() {
    let library = library();
    let told = library.program(&["sync", "--only", "manifest,dispatch", "--format", "json"]).run().ends(0).json();
    assert_eq!(named(&told["results"], "name", "outbox/shop")["outcome"], "done", "{told:#}");
    let outbox = library.path(".git/stockroom/outbox/shop");
    let file = std::fs::read_dir(outbox).unwrap().next().unwrap().unwrap().path();
    let envelope: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(envelope["delta"]["counts"]["added"], 1, "{envelope:#}");
}
