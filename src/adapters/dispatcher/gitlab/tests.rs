use std::sync::Mutex;

use serde_json::json;

use super::super::{Progress, conformance};
use super::*;
use crate::adapters::http::{SteppedPace, client};
use crate::adapters::loopback::{Answer, Asked, Loopback};

const TRIGGER: &str = "glptt-canary0123456789";
const TOKEN: &str = "glpat-canary0123456789ab";

/// A GitLab that remembers the pipelines it began: each one's variables and status.
#[derive(Default)]
struct World {
    pipelines: Vec<(Value, String)>,
}

/// What GitLab's documentation shows of a pipeline (docs.gitlab.com/api/pipelines), with what is known of this one.
fn pipeline(id: usize, status: &str) -> Value {
    json!({
        "id": id, "iid": id - 100, "project_id": 1, "status": status, "source": "trigger", "ref": "main",
        "sha": "a91957a858320c0e17f3a0eca7cfacbff50ea29a", "before_sha": "0000000000000000000000000000000000000000",
        "web_url": format!("https://gitlab.example.com/group/name/-/pipelines/{id}"), "tag": false,
        "yaml_errors": null, "created_at": "2026-08-11T11:28:34.085Z", "updated_at": "2026-08-11T11:32:35.169Z",
        "user": { "id": 1, "name": "Administrator", "username": "root" },
    })
}

/// Answers as the documentation says; what it does not allow fails the test.
fn answer(world: &Mutex<World>, asked: &Asked) -> Answer {
    let mut world = world.lock().unwrap();
    let path = asked.path().strip_prefix("/api/v4/projects/group%2Fname").unwrap();
    if asked.method == "POST" {
        assert_eq!((path, asked.header("private-token")), ("/trigger/pipeline", ""));
        let body = asked.json();
        let mut keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["ref", "token", "variables"]);
        for (key, value) in body["variables"].as_object().unwrap() {
            assert!(value.is_string() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{key}: {value}");
        }
        if body["token"] != TRIGGER {
            return Answer::json(404, &json!({"message": "404 Not Found"}));
        }
        if body["ref"] != "main" {
            return Answer::json(400, &json!({"message": {"base": ["Reference not found"]}}));
        }
        world.pipelines.push((body["variables"].clone(), "created".to_owned()));
        return Answer::json(201, &pipeline(100 + world.pipelines.len(), "created"));
    }
    if asked.header("private-token") != TOKEN {
        return Answer::json(401, &json!({"message": "401 Unauthorized"}));
    }
    let parts: Vec<_> = path.split('/').skip(1).collect();
    let one = |id: &str| id.parse::<usize>().unwrap() - 101;
    match parts.as_slice() {
        ["pipelines"] => {
            let all = world.pipelines.iter().enumerate().rev();
            Answer::json(200, &all.map(|(i, (_, status))| pipeline(101 + i, status)).collect())
        }
        ["pipelines", id] => match world.pipelines.get(one(id)) {
            Some((_, status)) => Answer::json(200, &pipeline(101 + one(id), status)),
            None => Answer::json(404, &json!({"message": "404 Pipeline Not Found"})),
        },
        ["pipelines", id, "variables"] => {
            let (variables, _) = &world.pipelines[one(id)];
            let described = |(key, value): (&String, &Value)| json!({"key": key, "variable_type": "env_var", "value": value, "raw": false});
            Answer::json(200, &variables.as_object().unwrap().iter().map(described).collect())
        }
        _ => panic!("{path}"),
    }
}

fn project(server: &str, reference: &str) -> GitLab {
    let text = json!({"project": "group/name", "server": server, "ref": reference, "trigger": "${{ env.TRIGGER }}"});
    serde_json::from_value(text).unwrap()
}

fn dispatcher(server: &str, reference: &str, trigger: &str, token: Option<&str>) -> GitLabDispatcher {
    let pace = Arc::new(SteppedPace::default());
    let (trigger, token) = (Secret::new(trigger), token.map(Secret::new));
    GitLabDispatcher::new(client().unwrap(), project(server, reference), trigger, token, Policy::once(), pace).unwrap()
}

async fn gitlab() -> (Loopback, Arc<Mutex<World>>) {
    let world = Arc::new(Mutex::new(World::default()));
    let theirs = Arc::clone(&world);
    (Loopback::start(move |asked| answer(&theirs, asked)).await, world)
}

#[tokio::test]
async fn gitlab_is_a_dispatcher() {
    let (server, world) = gitlab().await;
    let gitlab = dispatcher(server.url(), "main", TRIGGER, Some(TOKEN));
    conformance::run(&gitlab, || world.lock().unwrap().pipelines.len()).await;
}

#[tokio::test]
async fn a_pipeline_gets_the_envelope_and_is_known_by_its_id() {
    let (server, world) = gitlab().await;
    let gitlab = dispatcher(server.url(), "main", TRIGGER, Some(TOKEN));
    let outcome = gitlab.deliver(&conformance::dispatch("sr-1")).await.unwrap();
    let Outcome::Delivered { place, run: Some(run) } = outcome else { panic!("{outcome:?}") };
    assert_eq!((place.as_str(), run.as_str()), ("https://gitlab.example.com/group/name/-/pipelines/101", "101"));
    let sent = world.lock().unwrap().pipelines[0].0.clone();
    assert_eq!(sent[CORRELATION], "sr-1");
    let envelope: Value = serde_json::from_str(sent["STOCKROOM_ENVELOPE"].as_str().unwrap()).unwrap();
    assert_eq!(envelope, conformance::dispatch("sr-1").envelope);
    for (status, wanted) in [
        ("created", "Queued"),
        ("waiting_for_resource", "Queued"),
        ("manual", "Queued"),
        ("running", "Running"),
        ("canceling", "Running"),
        ("success", "Ended { conclusion: \"success\" }"),
        ("failed", "Ended { conclusion: \"failure\" }"),
        ("canceled", "Ended { conclusion: \"cancelled\" }"),
    ] {
        status.clone_into(&mut world.lock().unwrap().pipelines[0].1);
        assert_eq!(format!("{:?}", gitlab.look(&run).await.unwrap().progress), wanted, "{status}");
    }
    assert!(matches!(gitlab.look(&RunRef::new("../1")).await, Err(DispatchError::Refused { .. })));
    assert!(matches!(gitlab.look(&RunRef::new("999")).await, Err(DispatchError::NotAllowed { .. })));
}

#[tokio::test]
async fn pipelines_of_others_are_counted_and_the_search_is_bounded() {
    let (server, world) = gitlab().await;
    for _ in 0..30 {
        world.lock().unwrap().pipelines.push((json!({"OTHER": "sr-1"}), "success".to_owned()));
    }
    let gitlab = dispatcher(server.url(), "main", TRIGGER, Some(TOKEN));
    let found = gitlab.find(&conformance::dispatch("sr-1"), Timestamp(1_445_412_480)).await.unwrap();
    assert!(matches!(found, Search::Absent { others: 20 }), "{found:?}");
    assert_eq!(server.seen().len(), 21);
    let wanted = "/api/v4/projects/group%2Fname/pipelines?source=trigger&ref=main\
        &updated_after=2015%2D10%2D21T06%3A28%3A00Z&order_by=id&sort=desc&per_page=20";
    assert_eq!(server.seen()[0].uri, wanted);
}

#[tokio::test]
async fn each_refusal_says_what_to_do_next() {
    let (server, _) = gitlab().await;
    let dispatch = conformance::dispatch("sr-1");
    let mut told = Vec::new();
    let wrong = dispatcher(server.url(), "main", "glptt-other", None);
    told.push(wrong.deliver(&dispatch).await.unwrap_err().to_string());
    told.push(wrong.find(&dispatch, Timestamp(0)).await.unwrap_err().to_string());
    told.push(wrong.look(&RunRef::new("101")).await.unwrap_err().to_string());
    let nowhere = dispatcher(server.url(), "mian", TRIGGER, None);
    told.push(nowhere.deliver(&dispatch).await.unwrap_err().to_string());
    let port = server.url().strip_prefix("http://").unwrap().to_owned();
    insta::assert_snapshot!(told.join("\n").replace(&port, "SERVER"), @"
    group/name on SERVER is out of reach (404: 404 Not Found): there is no such project, or the pipeline trigger token is not one of it
    the pipelines of group/name on SERVER cannot be searched without a `token` that reads them
    the pipelines of group/name on SERVER cannot be read (401: 401 Unauthorized): needs a `token` that may, with the scope `read_api` and the role Maintainer
    GitLab begins no pipeline of group/name on SERVER on \"mian\" (400: Reference not found)
    ");
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_a_doubt_and_a_strange_one_too() {
    for (answer, wanted) in [
        (Answer::Cut, "may have been told"),
        (Answer::status(500), "may have been told"),
        (Answer::status(200), "where GitLab says 201"),
        (Answer::json(201, &json!({"html": "login"})), "not what GitLab answers"),
    ] {
        let server = Loopback::start(move |_| answer.clone()).await;
        let outcome = dispatcher(server.url(), "main", TRIGGER, None).deliver(&conformance::dispatch("sr-1")).await;
        let Ok(Outcome::Unknown { why }) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains(wanted) && server.seen().len() == 1, "{why}");
    }
}

#[tokio::test]
async fn a_token_that_the_answer_repeats_is_not_said_not_even_in_part() {
    for before in [0, 480, 495, 499] {
        let message = format!("{}{TRIGGER}{TOKEN}", "x".repeat(before));
        let server = Loopback::start(move |_| Answer::json(403, &json!({"error": message}))).await;
        let gitlab = dispatcher(server.url(), "main", TRIGGER, Some(TOKEN));
        let told = gitlab.deliver(&conformance::dispatch("sr-1")).await.unwrap_err().to_string();
        assert!(!told.contains("xg") && !told.contains("canary"), "{told}");
        let told = gitlab.look(&RunRef::new("1")).await.unwrap_err().to_string();
        assert!(!told.contains("xg") && !told.contains("canary"), "{told}");
    }
}

#[test]
fn a_status_that_is_new_to_us_is_no_end() {
    assert_eq!(progress("waiting_for_callback"), Progress::Queued);
    assert_eq!(said(b"<html>", []), "");
    assert_eq!(said(br#"{"message": {"base": ["a", "b"], "c": "d"}}"#, []), ": a; b; d");
}
