//! A Pinecone on loopback: one index that keeps what it is given, holds everybody to Pinecone's limits and to its own
//! description of its API, may show what was written only later, and fails when it is told to.
//!
//! Stands alone, as the tests of the library include it too.

mod contract;
mod index;

use std::collections::VecDeque;
use std::net::TcpListener;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use serde_json::{Value, json};

use self::contract::Contract;
use self::index::Index;

/// The only key that it takes.
pub const KEY: &str = "pcsk_canary_Key/1+2";
/// The most bytes of a request to write, and of an answer to a query.
const UPSERT: usize = 2 << 20;
const ANSWER: usize = 4 << 20;

/// What befalls a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It does not arrive, and the answer has this status and message, and says how long to wait.
    Refusal(u16, &'static str, Option<u32>),
    /// It does not arrive, and the answer is this text.
    Text(u16, String),
    /// It does not arrive, and the connection is cut.
    CutBefore,
    /// It takes effect, and the connection is cut in the place of an answer.
    CutAfter,
    /// Half of what it writes is written, and the answer is an error.
    Half,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its method and path.
    pub called: String,
    /// How long its body was.
    pub bytes: usize,
}

#[derive(Default)]
struct World {
    index: Index,
    is_behind: bool,
    is_missing: bool,
    is_ready: bool,
    faults: VecDeque<(String, usize, Fault)>,
    refused_texts: Vec<String>,
    seen: Vec<Seen>,
    wrong: Vec<String>,
}

/// The server's handle; the server ends with the process.
pub struct FakePinecone {
    url: String,
    world: Arc<Mutex<World>>,
}

impl FakePinecone {
    /// An index of this dimension, measured by the cosine.
    pub fn start(dimension: usize) -> Self {
        Self::measuring(dimension, "cosine")
    }

    /// An index of this dimension and metric.
    pub fn measuring(dimension: usize, metric: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let index = Index::new(dimension, metric);
        let world = Arc::new(Mutex::new(World { index, is_ready: true, ..World::default() }));
        let (theirs, host) = (Arc::clone(&world), url.replace("http://", ""));
        std::thread::spawn(move || serve(listener, &theirs, &host));
        Self { url, world }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it is: its control plane, and the index too.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on what is written is seen only after [`Self::settle`].
    pub fn lag(&self) {
        self.world().is_behind = true;
    }

    /// Shows all that was written.
    pub fn settle(&self) {
        self.world().index.settle();
    }

    /// Whether there is such an index at all.
    pub fn is_missing(&self, is_missing: bool) {
        self.world().is_missing = is_missing;
    }

    /// Whether the index is made yet.
    pub fn is_ready(&self, is_ready: bool) {
        self.world().is_ready = is_ready;
    }

    /// Lets a fault befall so many requests whose path begins so.
    pub fn befall(&self, path: &str, times: usize, fault: Fault) {
        self.world().faults.push_back((path.to_owned(), times, fault));
    }

    /// Lets no fault befall any more.
    pub fn forgive(&self) {
        self.world().faults.clear();
    }

    /// From now on a request to write a text that holds this is refused.
    pub fn refuse(&self, text: &str) {
        self.world().refused_texts.push(text.to_owned());
    }

    /// Every request since the last time.
    pub fn take_requests(&self) -> Vec<Seen> {
        std::mem::take(&mut self.world().seen)
    }

    /// How many requests since the last time wrote, or took away.
    pub fn take_writes(&self) -> usize {
        let writes = ["POST /vectors/upsert", "POST /vectors/delete", "DELETE "];
        self.take_requests().iter().filter(|seen| writes.iter().any(|write| seen.called.starts_with(write))).count()
    }

    /// The namespaces with how many records each has, whether they are shown yet or not.
    pub fn namespaces(&self) -> Vec<(String, usize)> {
        self.world().index.counts()
    }

    /// Writes a record as another program would.
    pub fn put(&self, namespace: &str, record: &Value) {
        let mut world = self.world();
        world.index.upsert(namespace, std::slice::from_ref(record)).unwrap();
        world.index.settle();
    }
}

impl Drop for FakePinecone {
    fn drop(&mut self) {
        let wrong = std::mem::take(&mut self.world().wrong);
        if !std::thread::panicking() {
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
    }
}

fn serve(listener: TcpListener, world: &Arc<Mutex<World>>, host: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (world, host) = (Arc::clone(world), host.to_owned());
        let router = Router::new().fallback(move |request: Request| {
            let (world, host) = (Arc::clone(&world), host.clone());
            async move { handle(&world, &host, request).await }
        });
        axum::serve(listener, router).await.unwrap();
    });
}

fn cut() -> ! {
    // Without the panic's message in the test's output.
    resume_unwind(Box::new(()))
}

async fn handle(world: &Mutex<World>, host: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // Half a request, of a client that was killed, is none.
    let Ok(body) = to_bytes(body, 64 << 20).await else { cut() };
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    world.seen.push(Seen { called: format!("{method} {path}"), bytes: body.len() });
    let contract = Contract::get();
    let Some(operation) = contract.operation(method, path) else {
        world.wrong.push(format!("{method} {path}: there is no such operation"));
        return response(404, &json!({"code": 5, "message": "not found", "details": []}), None);
    };
    if header("x-pinecone-api-version") != contract.version() {
        world.wrong.push(format!("{method} {path}: the version of the API is not named"));
    }
    let wrong = contract.check_request(operation, &query, &body);
    world.wrong.extend(wrong);
    let is_control = path.starts_with("/indexes/");
    let refused = |status: u16, message: &str| match is_control {
        true => json!({"error": {"code": "UNKNOWN", "message": message}, "status": status}),
        false => json!({"code": 3, "message": message, "details": []}),
    };
    let fault = fault_of(&mut world, path);
    match &fault {
        Some(Fault::CutBefore) => {
            drop(world);
            cut()
        }
        Some(Fault::Refusal(status, message, wait)) => return response(*status, &refused(*status, message), *wait),
        Some(Fault::Text(status, text)) => {
            return Response::builder().status(*status).body(Body::from(text.clone())).unwrap();
        }
        _ => {}
    }
    if header("api-key") != KEY {
        return response(401, &refused(401, "Invalid API Key"), None);
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (status, answer) =
        if is_control { control(&world, path, host) } else { data(&mut world, method, path, &query, &body, &fault) };
    let answer = if status == 200 { answer } else { refused(status, answer.as_str().unwrap_or_default()) };
    let wrong = contract.check_answer(operation, status, answer.to_string().as_bytes());
    world.wrong.extend(wrong);
    drop(world);
    if matches!(fault, Some(Fault::CutAfter)) {
        cut()
    }
    response(status, &answer, None)
}

fn response(status: u16, body: &Value, wait: Option<u32>) -> Response {
    let response = Response::builder().status(status).header("content-type", "application/json");
    let response = wait.into_iter().fold(response, |response, wait| response.header("retry-after", wait));
    response.body(Body::from(body.to_string())).unwrap()
}

fn fault_of(world: &mut World, path: &str) -> Option<Fault> {
    let (_, times, fault) =
        world.faults.iter_mut().find(|(begins, times, _)| path.starts_with(begins.as_str()) && *times > 0)?;
    *times -= 1;
    Some(fault.clone())
}

fn control(world: &World, path: &str, host: &str) -> (u16, Value) {
    let name = path.trim_start_matches("/indexes/");
    if world.is_missing {
        return (404, json!(format!("Resource {name} not found")));
    }
    let state = if world.is_ready { "Ready" } else { "Initializing" };
    let (dimension, metric) = (world.index.dimension, &world.index.metric);
    let read = json!({"mode": "OnDemand", "status": {"state": "Ready"}});
    let spec = json!({"serverless": {"cloud": "aws", "region": "us-east-1", "read_capacity": read}});
    let status = json!({"ready": world.is_ready, "state": state});
    let answer = json!({"name": name, "dimension": dimension, "metric": metric, "host": host, "spec": spec, "status": status,
                        "vector_type": "dense", "deletion_protection": "disabled"});
    (200, answer)
}

fn data(
    world: &mut World,
    method: &str,
    path: &str,
    query: &[(String, String)],
    body: &Value,
    fault: &Option<Fault>,
) -> (u16, Value) {
    let one = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let namespace = body["namespace"].as_str().or_else(|| one("namespace")).unwrap_or("__default__").to_owned();
    let bytes = world.seen.last().map_or(0, |seen| seen.bytes);
    let index = &mut world.index;
    let outcome = match (method, path) {
        ("POST", "/describe_index_stats") => Ok(index.stats()),
        ("POST", "/query") => match index.query(&namespace, body) {
            Ok(answer) if answer.to_string().len() > ANSWER => Err((400, "Response size is too large".to_owned())),
            answered => answered,
        },
        ("GET", "/vectors/fetch") => {
            let ids: Vec<&str> = query.iter().filter(|(name, _)| name == "ids").map(|(_, id)| id.as_str()).collect();
            index.fetch(&namespace, &ids)
        }
        ("GET", "/vectors/list") => {
            index.list(&namespace, one("prefix").unwrap_or_default(), one("limit"), one("paginationToken"))
        }
        ("POST", "/vectors/upsert") if bytes > UPSERT => {
            Err((413, "Request size exceeds the maximum of 2MB".to_owned()))
        }
        ("POST", "/vectors/upsert") => {
            let all = body["vectors"].as_array().cloned().unwrap_or_default();
            let taken = if matches!(fault, Some(Fault::Half)) { &all[..all.len() / 2] } else { &all[..] };
            let text = all.iter().map(ToString::to_string).collect::<String>();
            if let Some(refused) = world.refused_texts.iter().find(|refused| text.contains(refused.as_str())) {
                Err((400, format!("Record holds {refused}")))
            } else {
                let written = index.upsert(&namespace, taken);
                if taken.len() < all.len() { Err((500, "Internal error".to_owned())) } else { written }
            }
        }
        ("POST", "/vectors/delete") => index.delete(&namespace, body),
        ("DELETE", _) => index.drop_namespace(path.trim_start_matches("/namespaces/")),
        _ => Err((404, "not found".to_owned())),
    };
    if !world.is_behind {
        world.index.settle();
    }
    match outcome {
        Ok(answer) => (200, answer),
        Err((status, why)) => (status, json!(why)),
    }
}
