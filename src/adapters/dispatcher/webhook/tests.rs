use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::json;

use super::super::conformance;
use super::*;
use crate::adapters::http::{SteppedPace, client};
use crate::adapters::loopback::{Answer, Asked, Loopback};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn receiver() -> Receiver {
    let url = serde_json::from_value(json!("${{ env.HOOK }}")).unwrap();
    Receiver::Webhook { url, secret: crate::secret::SecretRef::to_variable("SECRET") }
}

fn made(url: &str, secret: &str) -> Result<WebhookDispatcher, DispatchError> {
    let (pace, clock) = (Arc::new(SteppedPace::default()), Arc::new(|| Timestamp(1_700_000_000)));
    let (url, secret) = (Secret::new(url), Secret::new(secret));
    WebhookDispatcher::new(client().unwrap(), receiver(), &url, &secret, Policy::once(), pace, clock)
}

/// What comes of a delivery to a server that gives these answers, the last of them again and again.
async fn told(answers: Vec<Answer>) -> (String, Vec<Asked>) {
    let turn = Mutex::new(answers.into_iter().peekable());
    let server = Loopback::start(move |_| {
        let mut turn = turn.lock().unwrap();
        let next = turn.next().unwrap();
        if turn.peek().is_none() {
            *turn = vec![next.clone()].into_iter().peekable();
        }
        next
    })
    .await;
    let hook = made(&format!("{}/hook?key=canary", server.url()), SECRET).unwrap();
    let told = match hook.deliver(&conformance::dispatch("sr-1")).await {
        Ok(outcome) => format!("{outcome:?}"),
        Err(error) => format!("{error:?}"),
    };
    assert!(!told.contains("canary") && !told.contains("127.0.0.1"), "{told}");
    (told, server.seen())
}

#[tokio::test]
async fn a_delivery_is_a_signed_post_of_the_envelope() {
    let (told, seen) = told(vec![Answer::status(202)]).await;
    assert_eq!(told, "Delivered { place: \"webhook in HOOK\", run: None }");
    let [asked] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((asked.method.as_str(), asked.uri.as_str()), ("POST", "/hook?key=canary"));
    assert_eq!(asked.json(), conformance::dispatch("sr-1").envelope);
    let names = [ID, TIMESTAMP, "content-type"].map(|name| asked.header(name));
    assert_eq!(names, ["sr-1", "1700000000", "application/json"]);
    let signed = Signer::new(&Secret::new(SECRET)).unwrap().sign("sr-1", Timestamp(1_700_000_000), &asked.body);
    assert_eq!(asked.header(SIGNATURE), signed);
}

#[tokio::test]
async fn a_delivery_is_repeated_under_its_id_until_it_is_taken() {
    let (told, seen) = told(vec![Answer::Cut, Answer::status(503), Answer::status(204)]).await;
    assert!(told.starts_with("Delivered"), "{told}");
    assert!(seen.len() == 3 && seen.iter().all(|asked| asked.header(ID) == "sr-1"), "{seen:?}");
}

#[tokio::test]
async fn each_answer_says_what_to_do_next() {
    let mut all = Vec::new();
    for status in [301, 400, 401, 404, 410] {
        let location = Answer::status(status).header("location", "https://example.com/canary");
        all.push(told(vec![location]).await.0);
    }
    insta::assert_snapshot!(all.join("\n"), @r#"
    Refused { why: "the webhook in HOOK sends us elsewhere (301), where nothing is sent; correct its address" }
    Refused { why: "the webhook in HOOK answered 400" }
    NotAllowed { why: "the webhook in HOOK does not accept what we sign (401); is its secret the same as here?" }
    Refused { why: "the webhook in HOOK answered 404" }
    Refused { why: "the webhook in HOOK is gone for good (410); take the downstream out of stockroom.yml" }
    "#);
}

#[tokio::test]
async fn a_refusal_after_an_answer_that_was_lost_is_no_certainty() {
    let (unclear, _) = told(vec![Answer::Cut, Answer::status(400)]).await;
    assert!(unclear.starts_with("Unknown") && unclear.contains("may have been told before this"), "{unclear}");
    let (never, seen) = told(vec![Answer::status(500)]).await;
    assert!(never.starts_with("Unknown") && seen.len() == 5, "{never}");
    let (limited, _) = told(vec![Answer::status(429).header("retry-after", "86400")]).await;
    assert!(limited.starts_with("Unavailable"), "{limited}");
}

#[tokio::test]
async fn an_address_that_others_could_read_along_is_refused_without_being_said() {
    for (url, wanted) in [
        ("http://canary.example.com/", "not https"),
        ("http://127.0.0.1.canary.example/", "not https"),
        ("https://canary:x@example.com/", "a user"),
        ("ftp://canary.example.com/", "must begin with https"),
        ("canary", "is none"),
    ] {
        let error = made(url, SECRET).err().unwrap().to_string();
        assert!(error.contains(wanted) && !error.contains("canary"), "{error}");
    }
    assert!(made("https://10.0.0.1/hook#part", SECRET).is_ok() && made("http://localhost:1/", SECRET).is_ok());
    assert!(made("https://example.com/", "canary").err().unwrap().to_string().contains("6 bytes"));
}

#[tokio::test]
async fn a_webhook_is_a_dispatcher_whose_receiver_cannot_be_asked() {
    let server = Loopback::start(|_| Answer::status(200)).await;
    let hook = made(server.url(), SECRET).unwrap();
    let ids = || server.seen().iter().map(|asked| asked.header(ID).to_owned()).collect::<BTreeSet<_>>().len();
    conformance::run_blind(&hook, ids).await;
}

#[tokio::test]
async fn whoever_takes_a_delivery_may_say_what_they_like() {
    let large = Answer::With { status: 200, headers: vec![], body: vec![b'x'; 1 << 20] };
    let (told, seen) = told(vec![large]).await;
    assert!(told.starts_with("Delivered") && seen.len() == 1, "{told}");
}
