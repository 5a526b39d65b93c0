use http::{Request, Response};
use octocrab::{AuthState, OctocrabBuilder};
use tower::service_fn;

use super::super::access::{Access, Credentials, Transport};
use super::super::api::Api;
use super::super::app_key::tests::{pkcs8, verified};
use super::*;
use crate::adapters::http::{Budget, RealPace};

/// GitHub as an app sees it: what is asked, in order, and what is answered.
type Log = Arc<Mutex<Vec<(String, Value)>>>;
type Answer = (u16, Value);

/// Answers by `answer`, given the method with the path, the bearer and the body; at 07:28 of the 21st of October 2015.
fn transport(log: &Log, answer: impl Fn(&str, &str, &Value) -> Answer + Clone + Send + Sync + 'static) -> Transport {
    let log = Arc::clone(log);
    let service = service_fn(move |request: Request<octocrab::OctoBody>| {
        let (log, answer) = (Arc::clone(&log), answer.clone());
        async move {
            let line = format!("{} {}", request.method(), request.uri().path());
            let bearer = request.headers()["authorization"].to_str().unwrap().replace("Bearer ", "");
            let body = http_body_util::BodyExt::collect(request.into_body()).await.unwrap().to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let (status, told) = answer(&line, &bearer, &body);
            log.lock().unwrap().push((line, body));
            let response = Response::builder().status(status).header("date", "Wed, 21 Oct 2015 07:28:00 GMT");
            Ok::<_, std::convert::Infallible>(response.body(told.to_string()).unwrap())
        }
    });
    let octocrab = OctocrabBuilder::new_empty().with_service(service).with_auth(AuthState::None).build();
    Transport::from(octocrab.unwrap_or_else(|never| match never {}))
}

const NOW: i64 = 1_445_412_480;

struct Bench {
    app: Arc<App>,
    api: Api,
    log: Log,
    masked: Arc<Mutex<Vec<String>>>,
    budget: Arc<Budget>,
}

fn slug(text: &str) -> RepoSlug {
    RepoSlug::parse(text).unwrap()
}

fn bench(
    repos: &[(&str, Use)],
    now: i64,
    answer: impl Fn(&str, &str, &Value) -> Answer + Clone + Send + Sync + 'static,
) -> Bench {
    let (log, masked) = (Log::default(), Arc::new(Mutex::new(Vec::new())));
    let transport = transport(&log, answer);
    let budget = Arc::new(Budget::new(Arc::new(RealPace::default())));
    let server = Server::new(transport.clone(), "https://api.github.com", Arc::clone(&budget));
    let key = AppKey::new("1234", &Secret::new(pkcs8())).unwrap();
    let listener = Arc::clone(&masked);
    let mask: Mask = Arc::new(move |secret: &str| listener.lock().unwrap().push(secret.to_owned()));
    let targets = repos.iter().map(|(repo, purpose)| (slug(repo), *purpose));
    let app = App::new(key, server, targets, mask, Arc::new(move || Timestamp(now)));
    let credentials = Credentials::App { app: Arc::clone(&app), repo: slug(repos[0].0) };
    let access = Access::new(transport, "https://api.github.com", credentials, Arc::clone(&budget));
    Bench { app, api: Api::with(access).unwrap(), log, masked, budget }
}

fn installation(permissions: &Value) -> Answer {
    let page = "https://github.com/organizations/acme/settings/installations/7";
    (200, json!({"id": 7, "html_url": page, "suspended_at": null, "permissions": permissions}))
}

fn all() -> Value {
    json!({"contents": "write", "actions": "write", "metadata": "read"})
}

fn issued(token: &str) -> Answer {
    (201, json!({"token": token, "expires_at": "2015-10-21T08:28:00Z"}))
}

#[tokio::test(start_paused = true)]
async fn one_token_is_asked_for_all_repositories_of_an_owner_however_many_ask_at_once() {
    let repos: Vec<String> = (0..100).map(|number| format!("acme/site-{number:02}")).collect();
    let targets: Vec<_> = repos.iter().map(|repo| (repo.as_str(), Use::Event)).collect();
    let bench = bench(&targets, NOW, |line, bearer, _| {
        if line.ends_with("/installation") {
            assert_eq!(verified(bearer)["iss"], "1234");
            installation(&all())
        } else {
            issued("ghs_1234_a.token.of.any.length")
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    for repo in repos.clone() {
        let app = Arc::clone(&bench.app);
        tasks.spawn(async move { app.token(&slug(&repo)).await });
    }
    for token in tasks.join_all().await {
        assert_eq!(token.unwrap().reveal(), "ghs_1234_a.token.of.any.length");
    }
    let log = bench.log.lock().unwrap();
    let lines: Vec<&str> = log.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(lines, ["GET /repos/acme/site-00/installation", "POST /app/installations/7/access_tokens"]);
    assert_eq!(log[1].1["permissions"], json!({"contents": "write", "actions": "read", "metadata": "read"}));
    assert_eq!(log[1].1["repositories"].as_array().unwrap().len(), 100);
    let masked = bench.masked.lock().unwrap();
    assert!(
        masked.iter().any(|secret| secret == "ghs_1234_a.token.of.any.length") && masked.len() == 2,
        "and what says who we are"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_ends_and_used_for_what_is_asked() {
    let count = Arc::new(Mutex::new(0));
    let bench = bench(&[("acme/site", Use::Workflow)], NOW, move |line, bearer, _| match line {
        "GET /repos/acme/site/installation" => installation(&all()),
        "POST /app/installations/7/access_tokens" => {
            *count.lock().unwrap() += 1;
            issued(&format!("ghs_{}", count.lock().unwrap()))
        }
        _ => (200, json!({"bearer": bearer})),
    });
    for (wait, wanted) in [(0, "ghs_1"), (2_600, "ghs_1"), (200, "ghs_2"), (2_000, "ghs_2"), (900, "ghs_3")] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let reply = bench.api.call(&Policy::once(), Method::GET, "/anything", None).await.unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&reply.body).unwrap()["bearer"],
            wanted,
            "{:?}",
            bench.budget.pace().now()
        );
    }
    let log = bench.log.lock().unwrap();
    let asked = log.iter().find(|(line, _)| line.starts_with("POST")).unwrap();
    assert_eq!(asked.1["permissions"], json!({"contents": "read", "actions": "write", "metadata": "read"}));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_is_set_by_githubs() {
    let bench = bench(&[("acme/site", Use::Event)], NOW + 4_000, |line, bearer, _| match line {
        "GET /repos/acme/site/installation" if verified(bearer)["iat"].as_i64().unwrap() > NOW => {
            (401, json!({"message": "'Issued at' claim ('iat') must be an Integer representing the time"}))
        }
        "GET /repos/acme/site/installation" => installation(&all()),
        _ if verified(bearer)["iat"].as_i64().unwrap() > NOW => (401, json!({})),
        _ => issued("ghs_x"),
    });
    assert_eq!(bench.app.token(&slug("acme/site")).await.unwrap().reveal(), "ghs_x");
}

#[tokio::test(start_paused = true)]
async fn a_repository_without_the_app_is_told_so_and_the_others_are_served() {
    let targets = [("acme/a", Use::Event), ("acme/b", Use::Event), ("acme/c", Use::Event)];
    let bench = bench(&targets, NOW, |line, _, body| match line {
        "GET /repos/acme/a/installation" | "GET /repos/acme/c/installation" => (404, json!({"message": "Not Found"})),
        "GET /repos/acme/b/installation" => installation(&all()),
        "GET /app" => (200, json!({"html_url": "https://github.com/apps/stock"})),
        _ if body["repositories"] == json!(["b"]) => issued("ghs_b"),
        _ => (422, json!({"message": "There is at least one repository that does not exist"})),
    });
    assert_eq!(bench.app.token(&slug("acme/b")).await.unwrap().reveal(), "ghs_b");
    for repo in ["acme/a", "acme/c"] {
        assert_eq!(
            bench.app.token(&slug(repo)).await.unwrap_err(),
            format!(
                "the GitHub App 1234 is not installed on {repo}, or the repository does not exist; install it at \
                 https://github.com/apps/stock/installations/new"
            )
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_app_lacks_is_named_with_its_page() {
    let told = |permissions: Value, purpose: Use| async move {
        let bench = bench(&[("acme/site", purpose)], NOW, move |line, _, _| match line {
            "GET /repos/acme/site/installation" => installation(&permissions),
            _ => issued("ghs_x"),
        });
        bench.app.token(&slug("acme/site")).await.map(|token| token.reveal().to_owned())
    };
    let page = "add it among the app's permissions, then accept it at \
                https://github.com/organizations/acme/settings/installations/7";
    let read = json!({"contents": "read", "metadata": "read"});
    assert_eq!(
        told(read.clone(), Use::Event).await.unwrap_err(),
        format!("the GitHub App 1234 has no permission `contents: write`: {page}")
    );
    assert_eq!(
        told(json!({"actions": "read"}), Use::Workflow).await.unwrap_err(),
        format!("the GitHub App 1234 has no permission `actions: write`: {page}")
    );
    assert!(told(json!({"contents": "write"}), Use::Event).await.is_ok(), "runs are not read, events are sent");
    assert!(told(read, Use::Look).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_app_and_a_suspended_installation_are_sentences_without_secrets() {
    let refused = bench(&[("acme/site", Use::Event)], NOW, |_, bearer, _| {
        (401, json!({"message": format!("no such thing as {bearer}")}))
    });
    let told = refused.api.call(&Policy::once(), Method::GET, "/x", None).await.unwrap_err();
    assert_eq!((told.certain, told.attempts), (true, 0));
    assert_eq!(
        told.to_string(),
        "GitHub does not accept the key of the GitHub App 1234 (401: no such thing as ***): the key is another app's or \
         was deleted, or `id` is wrong"
    );
    let suspended = bench(&[("acme/site", Use::Event)], NOW, |_, _, _| {
        (200, json!({"id": 7, "suspended_at": "2015-10-20T00:00:00Z", "html_url": "https://github.com/page"}))
    });
    let told = suspended.app.token(&slug("acme/site")).await.unwrap_err();
    assert_eq!(told, "the GitHub App 1234 is suspended for acme/site: unsuspend it at https://github.com/page");
    // It is asked again after a while, not each time.
    assert_eq!(suspended.app.token(&slug("acme/site")).await.unwrap_err(), told);
    assert_eq!(suspended.log.lock().unwrap().len(), 1);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(suspended.app.token(&slug("acme/site")).await.is_err());
    assert_eq!(suspended.log.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_has_more_repositories_than_a_token_can_name_gets_several() {
    let repos: Vec<String> = (0..1_001).map(|number| format!("acme/site-{number:04}")).collect();
    let targets: Vec<_> = repos.iter().map(|repo| (repo.as_str(), Use::Event)).collect();
    let bench = bench(&targets, NOW, |line, _, body| match line.ends_with("/installation") {
        true => installation(&all()),
        false => issued(&format!("ghs_of_{}", body["repositories"][0].as_str().unwrap())),
    });
    for (repo, wanted) in [(0, 0), (499, 0), (500, 500), (999, 500), (1_000, 1_000)] {
        let token = bench.app.token(&slug(&repos[repo])).await.unwrap();
        assert_eq!(token.reveal(), format!("ghs_of_site-{wanted:04}"));
    }
    let log = bench.log.lock().unwrap();
    let named = log.iter().filter_map(|(_, body)| body["repositories"].as_array().map(Vec::len));
    assert_eq!(named.collect::<Vec<_>>(), [500, 500, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_token_is_taken_for_none_and_spoils_no_text() {
    let bench = bench(&[("acme/site", Use::Event)], NOW, |line, _, _| match line.ends_with("/installation") {
        true => installation(&all()),
        false => issued(""),
    });
    let told = bench.app.token(&slug("acme/site")).await.unwrap_err();
    assert_eq!(told, "GitHub does not answer as it should to the GitHub App 1234 asking for a token");
    assert_eq!(bench.app.redacted("a text"), "a text");
}
