use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::json;

use super::*;
use crate::adapters::http::{SteppedPace, client};
use crate::adapters::notifier::conformance;

#[derive(Clone)]
struct Channel {
    told: Arc<Mutex<Vec<Value>>>,
    answer: Option<(u16, &'static str)>,
}

async fn hook(State(channel): State<Channel>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    let answer = |status, word: &str| (StatusCode::from_u16(status).unwrap(), word.to_owned());
    if let Some((status, word)) = channel.answer {
        return answer(status, word);
    }
    let message: Option<Value> = serde_json::from_str(&body).ok();
    match message {
        _ if headers.get("content-type").is_none_or(|kind| kind != "application/json") => {
            answer(400, "invalid_payload")
        }
        None => answer(400, "invalid_payload"),
        Some(message) if message.get("text").is_none() && message.get("blocks").is_none() => answer(400, "no_text"),
        Some(message) => {
            channel.told.lock().unwrap().push(message);
            answer(200, "ok")
        }
    }
}

async fn notifier(answer: Option<(u16, &'static str)>) -> (SlackNotifier, Arc<Mutex<Vec<Value>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let app = Router::new().route("/services/T0/B0/canary", post(hook));
    let app = app.with_state(Channel { told: Arc::clone(&told), answer });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let webhook = Secret::new(format!("http://{}/services/T0/B0/canary", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (SlackNotifier::new(client().unwrap(), webhook, Arc::new(SteppedPace::default())), told)
}

#[tokio::test]
async fn slack_is_a_notifier() {
    let (slack, told) = notifier(None).await;
    conformance::run(&slack, || told.lock().unwrap().clone()).await;
}

#[tokio::test]
async fn each_refusal_says_what_to_do_and_never_the_address() {
    let mut said = Vec::new();
    for answer in [
        (400, "invalid_blocks"),
        (403, "invalid_token"),
        (404, "no_service"),
        (410, "channel_is_archived"),
        (302, ""),
        (418, "<html>canary"),
        (500, "canary"),
    ] {
        let (slack, _) = notifier(Some(answer)).await;
        said.push(slack.notify(&json!({"text": "a"})).await.unwrap_err().to_string());
    }
    insta::assert_snapshot!(said.join("\n"), @r"
    Slack refuses the message (400: invalid_blocks): Slack does not understand the message: please report this
    Slack refuses the message (403: invalid_token): the webhook or its channel is no more: make a new incoming webhook in Slack, and set the variable to it
    Slack refuses the message (404: no_service): the webhook or its channel is no more: make a new incoming webhook in Slack, and set the variable to it
    Slack refuses the message (410: channel_is_archived): the webhook or its channel is no more: make a new incoming webhook in Slack, and set the variable to it
    Slack refuses the message (302): the address leads elsewhere: correct the webhook
    Slack refuses the message (418): try again later
    Slack does not answer: the server answered 500
    ");
}

#[tokio::test]
async fn a_probe_is_passed_by_a_live_webhook_alone() {
    for (answer, passes) in [
        ((400, "no_text"), true),
        ((400, "invalid_payload"), true),
        ((400, "user_not_found"), false),
        ((403, "action_prohibited"), false),
        ((404, "no_team"), false),
        ((200, "ok"), false),
    ] {
        let (slack, _) = notifier(Some(answer)).await;
        assert_eq!(slack.probe().await.is_ok(), passes, "{answer:?}");
    }
}

#[tokio::test]
async fn who_is_not_there_is_not_named() {
    let webhook = Secret::new("http://127.0.0.1:1/services/canary");
    let slack = SlackNotifier::new(client().unwrap(), webhook, Arc::new(SteppedPace::default()));
    let said = slack.notify(&json!({"text": "a"})).await.unwrap_err().to_string();
    assert!(said.starts_with("Slack does not answer") && !said.contains("canary"), "{said}");
}
