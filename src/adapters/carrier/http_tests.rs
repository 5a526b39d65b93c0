//! The carrier against git's own HTTP server, behind a door that asks for a key.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tests::{Bench, Runner, git};
use super::*;

const TOKEN: &str = "canary-token-0123456789";

/// What the door does.
#[derive(Debug, Default)]
struct Door {
    root: PathBuf,
    /// Tokens that open it, and whether they may push.
    keys: BTreeMap<String, bool>,
    /// Takes that many pushes and gives no answer to them.
    mute_pushes: usize,
    /// Sends everybody on to another server.
    beyond: Option<String>,
    /// Lets everybody in.
    is_open: bool,
    /// Answers that many requests with a fault of the server's.
    faults: usize,
    authorizations: Vec<usize>,
}

struct Server {
    address: String,
    door: Arc<Mutex<Door>>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    fn of(bench: &Bench) -> Self {
        git(&bench.origin(), &["config", "http.receivepack", "true"]);
        let door = Door { root: bench.folder.path().to_owned(), ..Door::default() };
        let (door, listener) = (Arc::new(Mutex::new(door)), TcpListener::bind("127.0.0.1:0").unwrap());
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = Arc::clone(&door);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                listener.set_nonblocking(true).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let router = Router::new().fallback(handle).with_state(served);
                tokio::select! {
                    ended = axum::serve(listener, router).into_future() => ended.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address, door, _stop: stop }
    }

    fn door(&self) -> std::sync::MutexGuard<'_, Door> {
        self.door.lock().unwrap()
    }

    /// A clone whose origin is behind the door.
    fn runner(&self, bench: &Bench, name: &str) -> Runner {
        let folder = bench.folder.path().join(name);
        git(bench.folder.path(), &["clone", "-q", "--", bench.origin().to_str().unwrap(), name]);
        git(&folder, &["remote", "set-url", "origin", &format!("{}/origin.git", self.address)]);
        // No helper of the machine that the tests run on is asked.
        git(&folder, &["config", "credential.helper", ""]);
        let runner = Runner::at(folder);
        runner.write("state.sqlite", name.as_bytes());
        runner
    }

    fn with_token(&self, runner: Runner, token: &str) -> Runner {
        let carrier = runner.carrier.clone().with_token(&self.address, Secret::new(token));
        Runner { carrier, ..runner }
    }
}

fn answer(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, "Basic realm=\"git\"".parse().unwrap());
    }
    response
}

async fn handle(State(door): State<Arc<Mutex<Door>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 64 << 20).await.unwrap();
    let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
    let is_push = path.ends_with("git-receive-pack");
    let (root, is_mute) = {
        let mut door = door.lock().unwrap();
        let keys: Vec<_> = parts.headers.get_all(header::AUTHORIZATION).iter().collect();
        door.authorizations.push(keys.len());
        if let Some(left) = door.faults.checked_sub(1) {
            door.faults = left;
            return answer(StatusCode::BAD_GATEWAY, "try again");
        }
        if let Some(beyond) = &door.beyond {
            let mut response = answer(StatusCode::TEMPORARY_REDIRECT, "elsewhere");
            let target = parts.uri.path_and_query().unwrap();
            response.headers_mut().insert(header::LOCATION, format!("{beyond}{target}").parse().unwrap());
            return response;
        }
        let known = |key: &&axum::http::HeaderValue| {
            let basic = key.to_str().ok()?.split_once(' ')?.1;
            let text = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
            door.keys.get(text.strip_prefix("x-access-token:")?).copied()
        };
        match keys.first().and_then(known) {
            None if door.is_open => {}
            None => return answer(StatusCode::UNAUTHORIZED, "who are you?"),
            Some(false) if is_push || query.contains("git-receive-pack") => {
                return answer(StatusCode::FORBIDDEN, "Permission to org/shop.git denied to github-actions[bot].");
            }
            Some(_) => {}
        }
        let is_mute = is_push && door.mute_pushes > 0;
        door.mute_pushes -= usize::from(is_mute);
        (door.root.clone(), is_mute)
    };
    let done =
        tokio::task::spawn_blocking(move || backend(root, parts.method.as_str(), &path, &query, &parts.headers, &body));
    let done = done.await.unwrap();
    if is_mute { panic!("the connection breaks off: this panic is wanted") } else { done }
}

/// Asks `git http-backend`, as a web server would.
fn backend(root: PathBuf, method: &str, path: &str, query: &str, headers: &HeaderMap, body: &Bytes) -> Response {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let mut command = Command::new("git");
    command.arg("http-backend").stdin(Stdio::piped()).stdout(Stdio::piped());
    command.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "runner");
    command.env("PATH_INFO", path).env("QUERY_STRING", query).env("REQUEST_METHOD", method);
    command.env("CONTENT_TYPE", text("content-type")).env("GIT_PROTOCOL", text("git-protocol"));
    command.env("HTTP_CONTENT_ENCODING", text("content-encoding")).env("CONTENT_LENGTH", body.len().to_string());
    let mut child = command.spawn().unwrap();
    let (mut input, body) = (child.stdin.take().unwrap(), body.clone());
    let writer = std::thread::spawn(move || input.write_all(&body));
    let out = child.wait_with_output().unwrap().stdout;
    let _ = writer.join().unwrap();
    let end = out.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(out[..end].to_vec()).unwrap();
    let mut response = Response::new(Body::from(out[end + 4..].to_vec()));
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        if name == "Status" {
            *response.status_mut() = StatusCode::from_bytes(&value.as_bytes()[..3]).unwrap();
        } else {
            response.headers_mut().insert(axum::http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
    }
    response
}

#[test]
fn a_token_opens_the_door_and_stands_nowhere() {
    let bench = Bench::new();
    let server = Server::of(&bench);
    server.door().keys.insert(TOKEN.to_owned(), true);
    let runner = server.with_token(server.runner(&bench, "one"), TOKEN);
    assert!(runner.fetch().unwrap().is_none());
    let commit = runner.push(None).unwrap();
    let other = server.with_token(server.runner(&bench, "two"), TOKEN);
    assert_eq!(other.fetch().unwrap().unwrap().commit, commit);
    other.push(Some(&commit)).unwrap();
    assert!(matches!(runner.push(Some(&commit)), Ok(_) | Err(CarrierError::Moved { .. })));
    assert!(server.door().authorizations.iter().all(|count| *count == 1), "{:?}", server.door().authorizations);
    for folder in ["one", "two"] {
        let found =
            Command::new("grep").args(["-r", "canary", folder]).current_dir(bench.folder.path()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    }
}

#[test]
fn the_key_that_checkout_has_left_comes_before_the_token() {
    let bench = Bench::new();
    let server = Server::of(&bench);
    server.door().keys.insert(TOKEN.to_owned(), true);
    let runner = server.with_token(server.runner(&bench, "one"), "another-token");
    let key = format!("http.{}/.extraheader", server.address);
    // As newer versions of actions/checkout do it: in a file beside, for this very repository.
    let beside = bench.folder.path().join("credentials");
    git(
        bench.folder.path(),
        &[
            "config",
            "-f",
            beside.to_str().unwrap(),
            &key,
            crate::adapters::origin::header(&Secret::new(TOKEN)).reveal(),
        ],
    );
    let condition = format!("includeIf.gitdir:{}.path", runner.folder.join(".git").canonicalize().unwrap().display());
    git(&runner.folder, &["config", &condition, beside.to_str().unwrap()]);
    let commit = runner.push(None).unwrap();
    assert_eq!(runner.carrier.head().unwrap(), Some(commit));
    assert!(server.door().authorizations.iter().all(|count| *count == 1));
}

#[test]
fn without_a_key_or_with_a_wrong_one_nothing_is_asked_and_the_permission_is_named() {
    let bench = Bench::new();
    let server = Server::of(&bench);
    let bare = server.runner(&bench, "one");
    let wrong = server.with_token(server.runner(&bench, "two"), TOKEN);
    for runner in [bare, wrong] {
        let refusals = [runner.fetch().unwrap_err(), runner.push(None).unwrap_err()];
        assert!(matches!(refusals, [CarrierError::Unreadable { .. }, CarrierError::NotAllowed { .. }]), "{refusals:?}");
        for refused in refusals {
            let said = format!("{refused} {refused:?}");
            assert!(said.contains("permissions: contents: write"), "{said}");
            assert!(!said.contains("canary") && !said.contains(&STANDARD.encode(TOKEN)[..12]), "{said}");
        }
    }
}

#[test]
fn a_key_that_may_only_read_brings_and_does_not_take() {
    let bench = Bench::new();
    let server = Server::of(&bench);
    server.door().keys.extend([(TOKEN.to_owned(), true), ("reader-0123".to_owned(), false)]);
    let writer = server.with_token(server.runner(&bench, "one"), TOKEN);
    let commit = writer.push(None).unwrap();
    let reader = server.with_token(server.runner(&bench, "two"), "reader-0123");
    assert_eq!(reader.fetch().unwrap().unwrap().commit, commit);
    let refused = reader.push(Some(&commit)).unwrap_err();
    assert!(matches!(refused, CarrierError::NotAllowed { .. }), "{refused:?}");
    assert!(refused.to_string().contains("error: 403"), "{refused}");
    assert_eq!(writer.carrier.head().unwrap(), Some(commit));
}

#[test]
fn a_push_whose_answer_was_lost_is_looked_up_and_a_fault_of_the_server_s_is_outlived() {
    let bench = Bench::new();
    let server = Server::of(&bench);
    server.door().keys.insert(TOKEN.to_owned(), true);
    let runner = server.with_token(server.runner(&bench, "one"), TOKEN);
    server.door().mute_pushes = 1;
    let commit = runner.push(None).unwrap();
    assert_eq!(server.door().mute_pushes, 0);
    assert_eq!(runner.carrier.head().unwrap(), Some(commit.clone()));
    runner.write("state.sqlite", b"more");
    server.door().faults = 1;
    let next = runner.push(Some(&commit)).unwrap();
    server.door().faults = 100;
    runner.write("state.sqlite", b"most");
    let refused = runner.push(Some(&next)).unwrap_err();
    assert!(matches!(refused, CarrierError::Unreachable { .. }), "{refused:?}");
}

#[test]
fn a_server_that_sends_us_on_does_not_get_the_token_taken_there() {
    let bench = Bench::new();
    let (server, sink) = (Server::of(&bench), Server::of(&bench));
    sink.door().is_open = true;
    let runner = server.with_token(server.runner(&bench, "one"), TOKEN);
    // A more general wish of the clone's does not open the way again.
    git(&runner.folder, &["config", "http.followRedirects", "true"]);
    git(&runner.folder, &["config", &format!("http.{}/.followRedirects", server.address), "true"]);
    server.door().beyond = Some(sink.address.clone());
    for refused in [runner.carrier.head().unwrap_err(), runner.fetch().unwrap_err(), runner.push(None).unwrap_err()] {
        assert!(matches!(refused, CarrierError::Unreachable { .. }), "{refused:?}");
        let said = refused.to_string();
        assert!(said.contains("sends us on to another address") && said.contains("error: 307"), "{said}");
    }
    assert_eq!(sink.door().authorizations, [0; 0], "nobody went there");
}
