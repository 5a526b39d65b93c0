//! The fake is like GitHub where tests rely on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::{Method, Response};
use serde_json::{Value, json};
use stockroom::adapters::http::client;

use super::{FakeGitHub, Grant, Life};

const TOKEN: &str = "github_pat_likeness";
const WEBSITE: &str = "org/website";
const RUNS: &str = "/repos/org/website/actions/runs";

const RECEIVER: &str = "name: Rebuild
run-name: Rebuild (${{ inputs.correlation_id || github.event.client_payload.correlation_id }})
on:
  repository_dispatch:
    types: [asset-updated]
  workflow_dispatch:
    inputs:
      correlation_id: {required: true, type: string}
      envelope: {required: false, type: string}
";

fn website(grant: Grant) -> FakeGitHub {
    let github = FakeGitHub::start();
    github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, grant);
    github
}

async fn ask(github: &FakeGitHub, method: Method, path: &str, body: Option<Value>, known: &str) -> Response {
    let request = client().unwrap().request(method, format!("{}{path}", github.url()));
    let request = request.header("user-agent", "test").bearer_auth(TOKEN).header("if-none-match", known);
    match body {
        Some(body) => request.body(body.to_string()).send().await.unwrap(),
        None => request.send().await.unwrap(),
    }
}

async fn get(github: &FakeGitHub, path: &str) -> Value {
    ask(github, Method::GET, path, None, "").await.json().await.unwrap()
}

async fn post(github: &FakeGitHub, path: &str, body: Value) -> (u16, Value) {
    let response = ask(github, Method::POST, path, Some(body), "").await;
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

async fn tell(github: &FakeGitHub, id: &str) -> u16 {
    let event = json!({"event_type": "asset-updated", "client_payload": {"correlation_id": id}});
    post(github, "/repos/org/website/dispatches", event).await.0
}

fn state(run: &Value) -> (String, Option<String>) {
    (run["status"].as_str().unwrap().to_owned(), run["conclusion"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn a_run_waits_works_and_ends_as_it_was_written_and_the_next_as_its_own() {
    let github = website(Grant::SendAndList);
    github.live(WEBSITE, &[Life::ends("failure").queued(1).running(2).hidden(1)]);
    assert_eq!((tell(&github, "sr-1").await, tell(&github, "sr-2").await), (204, 204));
    let listed = get(&github, &format!("{RUNS}?event=repository_dispatch&per_page=100")).await;
    assert_eq!(listed["total_count"], 1, "the first is not there yet");
    assert_eq!(state(&listed["workflow_runs"][0]), ("completed".to_owned(), Some("success".to_owned())));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(state(&get(&github, &format!("{RUNS}/1000")).await).0);
    }
    assert_eq!(seen, ["queued", "in_progress", "in_progress", "completed"]);
    assert_eq!(
        get(&github, &format!("{RUNS}?status=failure")).await["workflow_runs"][0]["display_title"],
        "asset-updated (sr-1)"
    );
    github.rerun(WEBSITE, 1_000, Life::ends("success").running(1));
    let again = get(&github, &format!("{RUNS}/1000")).await;
    assert_eq!((state(&again).0.as_str(), &again["run_attempt"]), ("in_progress", &json!(2)));
    assert_eq!(state(&get(&github, &format!("{RUNS}/1000")).await).1.as_deref(), Some("success"));
}

#[tokio::test]
async fn some_runs_hang_and_some_never_come() {
    let github = website(Grant::SendAndList);
    github.live(WEBSITE, &[Life::never_appears(), Life::hangs()]);
    tell(&github, "sr-1").await;
    tell(&github, "sr-2").await;
    for _ in 0..20 {
        let listed = get(&github, RUNS).await;
        assert_eq!((&listed["total_count"], &listed["workflow_runs"][0]["id"]), (&json!(1), &json!(1_001)));
    }
    assert_eq!(github.runs(WEBSITE)[1].state(), ("in_progress", None));
    assert_eq!(ask(&github, Method::GET, &format!("{RUNS}/1000"), None, "").await.status(), 404);
}

#[tokio::test]
async fn a_workflow_is_begun_with_the_inputs_that_it_has() {
    let github = website(Grant::Start);
    github.publish(WEBSITE, "main", &[(".github/workflows/rebuild.yml", RECEIVER)]);
    let path = "/repos/org/website/actions/workflows/rebuild.yml/dispatches";
    let with = |inputs: Value| json!({"ref": "main", "inputs": inputs, "return_run_details": true});
    let (status, told) = post(&github, path, with(json!({"correlation_id": "sr-1"}))).await;
    assert_eq!((status, &told["workflow_run_id"]), (200, &json!(1_000)));
    assert_eq!(github.runs(WEBSITE)[0].display_title, "Rebuild (sr-1)");
    let (status, told) = post(&github, path, with(json!({"correlation_id": "sr-1", "colour": "red"}))).await;
    assert_eq!((status, &told["message"]), (422, &json!("Unexpected inputs provided: [\"colour\"]")));
    let (status, told) = post(&github, path, with(json!({"envelope": "{}"}))).await;
    assert_eq!((status, &told["message"]), (422, &json!("Required input 'correlation_id' not provided")));
    assert_eq!(post(&github, path, json!({"ref": "nowhere"})).await.0, 422);
    let other = "/repos/org/website/actions/workflows/other.yml/dispatches";
    assert_eq!(post(&github, other, json!({"ref": "main"})).await.0, 404);
    github.make_enterprise();
    assert_eq!(post(&github, path, with(json!({"correlation_id": "sr-2"}))).await, (204, Value::Null));
    assert_eq!(github.dispatches(WEBSITE).len(), 2);
}

#[tokio::test]
async fn an_event_begins_what_listens_to_it_and_nothing_else() {
    let github = website(Grant::SendAndList);
    let deaf = RECEIVER.replace("asset-updated", "something-else");
    github.publish(
        WEBSITE,
        "main",
        &[(".github/workflows/rebuild.yml", RECEIVER), (".github/workflows/deaf.yml", &deaf), ("README.md", "Hello")],
    );
    tell(&github, "sr-1").await;
    let titles: Vec<_> = github.runs(WEBSITE).into_iter().map(|run| (run.path, run.display_title)).collect();
    assert_eq!(titles, [(".github/workflows/rebuild.yml".to_owned(), "Rebuild (sr-1)".to_owned())]);
    let folder = get(&github, "/repos/org/website/contents/.github/workflows").await;
    let names: Vec<_> = folder.as_array().unwrap().iter().map(|file| file["name"].clone()).collect();
    assert_eq!(names, ["deaf.yml", "rebuild.yml"]);
    let file = get(&github, "/repos/org/website/contents/.github/workflows/rebuild.yml?ref=main").await;
    assert_eq!((&file["encoding"], &file["size"]), (&json!("base64"), &json!(RECEIVER.len())));
    assert_eq!(ask(&github, Method::GET, "/repos/org/website/contents/nothing", None, "").await.status(), 404);
}

#[tokio::test]
async fn a_repository_says_what_it_is() {
    let github = website(Grant::SendAndList);
    github.default_branch(WEBSITE, "trunk").disable(WEBSITE);
    let told = get(&github, "/repos/org/website").await;
    assert_eq!(
        (&told["default_branch"], &told["archived"], &told["disabled"]),
        (&json!("trunk"), &json!(false), &json!(true))
    );
    assert_eq!(get(&github, "/repos/org/website/branches/trunk").await["name"], "trunk");
    assert_eq!(ask(&github, Method::GET, "/repos/org/website/branches/main", None, "").await.status(), 404);
    github.archive(WEBSITE);
    assert_eq!(tell(&github, "sr-1").await, 403);
}

#[tokio::test]
async fn a_refusal_says_what_it_would_have_taken() {
    let github = website(Grant::Read);
    let event = json!({"event_type": "x"});
    let refused = ask(&github, Method::POST, "/repos/org/website/dispatches", Some(event), "").await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["x-accepted-github-permissions"]),
        (403, &"contents=write".parse().unwrap())
    );
    github.allow("ghp_classic", WEBSITE, Grant::Read).scopes("ghp_classic", "public_repo");
    let request = client().unwrap().get(format!("{}/repos/org/website", github.url())).bearer_auth("ghp_classic");
    let answer = request.header("user-agent", "test").send().await.unwrap();
    assert_eq!(answer.headers()["x-oauth-scopes"], "public_repo");
}

#[tokio::test]
async fn commits_carry_statuses_and_deployments() {
    let github = website(Grant::Report);
    let status = json!({"state": "success", "context": "stockroom/website", "description": "delivered"});
    assert_eq!(post(&github, "/repos/org/website/statuses/4e3eed6", status).await.0, 201);
    let deployment = json!({"ref": "4e3eed6", "environment": "website", "required_contexts": [], "auto_merge": false});
    let (status, made) = post(&github, "/repos/org/website/deployments", deployment).await;
    let path = format!("/repos/org/website/deployments/{}/statuses", made["id"]);
    assert_eq!((status, post(&github, &path, json!({"state": "success"})).await.0), (201, 201));
    assert_eq!(github.statuses(WEBSITE)[0]["sha"], "4e3eed6");
    assert_eq!(github.deployments(WEBSITE)[0]["statuses"][0]["state"], "success");
}

#[tokio::test]
async fn what_is_known_already_costs_nothing() {
    let github = website(Grant::Read);
    let first = ask(&github, Method::GET, RUNS, None, "").await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let again = ask(&github, Method::GET, RUNS, None, &tag).await;
    assert_eq!((again.status().as_u16(), github.used(TOKEN)), (304, 1));
    assert_eq!(again.headers()["x-ratelimit-used"], "1");
    github.budget(TOKEN, 1_000, 800, 60);
    assert_eq!(get(&github, "/rate_limit").await["resources"]["core"]["remaining"], 200);
    github.headers(&[("x-ratelimit-remaining", "7")]);
    assert_eq!(ask(&github, Method::GET, RUNS, None, &tag).await.headers()["x-ratelimit-remaining"], "7");
}

#[tokio::test]
async fn limits_bite_where_they_are_kept_to() {
    let github = website(Grant::SendAndList);
    let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
    let time = Arc::clone(&clock);
    github.keep_time(Arc::new(move || time.load(Ordering::Relaxed))).enforce_limits();
    for _ in 0..80 {
        assert_eq!(tell(&github, "sr-1").await, 204);
    }
    let event = json!({"event_type": "x"});
    let refused = ask(&github, Method::POST, "/repos/org/website/dispatches", Some(event), "").await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (403, &"60".parse().unwrap()));
    clock.fetch_add(61_000, Ordering::Relaxed);
    assert_eq!((tell(&github, "sr-1").await, github.limit_hits()), (204, 1));
    github.budget(TOKEN, 5_000, 5_000, 600);
    let refused = ask(&github, Method::GET, RUNS, None, "").await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["x-ratelimit-remaining"]), (403, &"0".parse().unwrap()));
    clock.fetch_add(600_000, Ordering::Relaxed);
    assert_eq!((ask(&github, Method::GET, RUNS, None, "").await.status().as_u16(), github.limit_hits()), (200, 2));
}

#[tokio::test]
async fn what_runs_a_workflow_gives_the_run_its_end() {
    let github = website(Grant::SendAndList);
    github.publish(WEBSITE, "main", &[(".github/workflows/rebuild.yml", RECEIVER)]);
    github.run_by(
        WEBSITE,
        Arc::new(|begun| {
            assert_eq!(begun.payload["client_payload"]["correlation_id"], "sr-1");
            if begun.workflow.ends_with("rebuild.yml") { "failure" } else { "success" }
        }),
    );
    tell(&github, "sr-1").await;
    while github.runs(WEBSITE)[0].state().0 != "completed" {
        tokio::task::yield_now().await;
    }
    assert_eq!(github.runs(WEBSITE)[0].state().1, Some("failure"));
}
