//! The server: takes a request, lets the scripted fault befall it, and checks what goes in and out.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tokio::sync::Notify;
use tokio::sync::oneshot::Receiver;

use super::answers::{Answer, answer, echo, limited, unless_known};
use super::contract::Contract;
use super::doors::{Doors, Visits};
use super::releases::{UPLOADS, storage};
use super::runs::execute;
use super::{Fault, Seen, World, grants, lock};

/// How long a slow answer takes.
const SLOW: Duration = Duration::from_millis(500);

/// What the server shares with the test.
#[derive(Clone)]
pub struct Served {
    pub world: Arc<Mutex<World>>,
    pub arrivals: Arc<Notify>,
    pub released: Arc<tokio::sync::Semaphore>,
}

/// Serves until told to stop.
pub fn serve(listener: TcpListener, visits: Arc<Visits>, served: Served, stopped: Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a listener that does not block");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let doors = Doors { listener, visits };
        let router = Router::new().fallback(handle).with_state(served);
        tokio::select! {
            ended = axum::serve(doors, router).into_future() => ended.expect("the server goes on"),
            // Stopped, or the handle is gone. Requests that hang are cut off with the runtime.
            _ = stopped => {}
        }
    });
}

async fn handle(State(served): State<Served>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // Half a request, of a client that was killed, is none.
    let Ok(body) = to_bytes(body, 16 << 20).await else { cut_connection() };
    let uri = parts.uri.to_string();
    let (method, headers) = (parts.method.to_string(), parts.headers);
    let (fault, answered) = respond(&mut lock(&served.world), &method, &uri, &headers, &body);
    served.arrivals.notify_waiters();
    execute(&served.world);
    match fault {
        Some(Fault::ResetBefore | Fault::ResetAfter) => cut_connection(),
        Some(Fault::HangBefore | Fault::HangAfter) => std::future::pending().await,
        Some(Fault::Slow) => {
            tokio::time::sleep(SLOW).await;
            response(&answered, Body::from(answered.body.clone()))
        }
        Some(Fault::HoldAfter) => {
            served.released.acquire().await.expect("it stays open").forget();
            response(&answered, Body::from(answered.body.clone()))
        }
        Some(Fault::Truncated) => truncated(&answered),
        _ => response(&answered, Body::from(answered.body.clone())),
    }
}

/// Does what the request asks for, as far as the fault lets it, and writes both down.
fn respond(world: &mut World, method: &str, uri: &str, headers: &HeaderMap, body: &Bytes) -> (Option<Fault>, Answer) {
    let contract = Contract::get();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    if let Some(given) = storage(world, path, headers) {
        return (None, given);
    }
    if let Some(given) = super::organisations::archive(world, path, headers) {
        return (None, given);
    }
    let query = pairs(query);
    let is_upload = path.starts_with(UPLOADS);
    // An Enterprise Server's API is below a folder.
    let path = path.strip_prefix(UPLOADS).or_else(|| path.strip_prefix("/api/v3")).unwrap_or(path);
    let operation = contract.operation(method, path);
    let takes_uploads = operation.as_ref().is_some_and(|operation| operation.takes_bytes());
    if is_upload != takes_uploads {
        world.violations.push(format!("{method} {path}: assets, and nothing else, go to the address of uploads"));
    }
    match &operation {
        Some(operation) => world.violations.extend(contract.check_request(operation, &query, body)),
        None => world.violations.push(format!("{method} {path}: the fake knows no such operation")),
    }
    if !headers.contains_key("user-agent") {
        world.violations.push(format!("{method} {path}: GitHub refuses requests without a user agent"));
    }
    let of_upload = if is_upload { world.upload_faults.pop_front().flatten() } else { None };
    let struck = world.strikes.remove(&world.seen.len());
    let fault = of_upload.or(struck).or_else(|| world.faults.pop_front());
    let token = token(headers);
    let refused = if fault.is_none() { world.over_limit(&token, method, path) } else { None };
    let answered = match fault {
        None if refused.is_some() => refused.expect("just seen"),
        Some(Fault::Echo) => echo(headers),
        Some(fault) if !fault.is_after_effect() => limited(fault),
        fault => {
            let template = operation.as_ref().map_or("", |operation| operation.template);
            let done = answer(world, method, template, path, &query, headers, body, fault);
            if fault == Some(Fault::ErrorAfter) { limited(Fault::ErrorAfter) } else { done }
        }
    };
    let answered = if method == "GET" { unless_known(answered, &token, headers) } else { answered };
    // Other media types than JSON are promised in prose alone.
    let is_text =
        answered.headers.get("content-type").is_some_and(|kind| !kind.as_bytes().starts_with(b"application/json"));
    if let (Some(operation), false) = (&operation, is_text) {
        // GitHub's OpenAPI does not know what it says elsewhere: what is left of an upload is a `starter`.
        let told = String::from_utf8_lossy(&answered.body).replace(r#""state":"starter""#, r#""state":"open""#);
        world.violations.extend(contract.check_response(operation, answered.status, told.as_bytes()));
    }
    let is_cut = |fault| matches!(fault, Fault::ResetBefore | Fault::ResetAfter | Fault::HangBefore | Fault::HangAfter);
    let cut = fault.is_some_and(is_cut);
    let status = (!cut).then_some(answered.status);
    world.seen.push(Seen { method: method.to_owned(), uri: uri.to_owned(), status });
    world.count(&token, method, path, answered.status);
    let template = operation.as_ref().map_or("", |operation| operation.template);
    let answered = grants::told(world, &token, grants::needed(method, template), answered);
    (fault, world.with_headers(&token, answered))
}

/// The token of a request; empty where there is none.
fn token(headers: &HeaderMap) -> String {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = authorization.strip_prefix("Bearer ").or_else(|| authorization.strip_prefix("token "));
    token.unwrap_or_default().to_owned()
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decoded(k), decoded(v))).collect()
}

/// Ends the connection's task, so that the client sees it closed without an answer. Unlike a panic it prints nothing.
fn cut_connection() -> ! {
    std::panic::resume_unwind(Box::new("the script says to cut the connection"))
}

fn response(answered: &Answer, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answered.status).expect("a status");
    response.headers_mut().extend(answered.headers.clone());
    response
}

/// Promises the whole body and gives half of it.
fn truncated(answered: &Answer) -> Response {
    let half = answered.body.get(..answered.body.len() / 2).unwrap_or_default().to_vec();
    let broken = std::io::Error::other("the script says to break off");
    let stream = futures_util::stream::iter([Ok(Bytes::from(half)), Err(broken)]);
    let mut response = response(answered, Body::from_stream(stream));
    response.headers_mut().insert("content-length", answered.body.len().into());
    response
}
