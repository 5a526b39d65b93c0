//! Deliveries through GitHub's API as it is, with all that can go wrong on the way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use stockroom::adapters::dispatcher::{Dispatch, Dispatcher, EventDispatcher, Outcome};
use stockroom::adapters::github::GitHub;
use stockroom::adapters::http::{Budget, Policy, SteppedPace, client};
use stockroom::adapters::state_store::{StateError, StateStore};
use stockroom::commands::dispatch::{Means, Receipt, Settled, apply};
use stockroom::downstream::{Action, Announcement, Channel, Delivery, Receiver, Settings, plan};
use stockroom::ids::{AssetId, AssetKey, CollectionName, DownstreamName, RepoSlug, Sha256Hex};
use stockroom::secret::Secret;
use stockroom::state::{Change, Serial, State, Timestamp};

use crate::fake_github::{FakeGitHub, Fault, Grant};

const TOKEN: &str = "ghp_canary0123456789";

/// A state that lives as long as the test.
struct Memory(Mutex<State>);

#[async_trait]
impl StateStore for Memory {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    async fn load(&self) -> Result<State, StateError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
        let mut state = self.0.lock().unwrap();
        if state.serial != expected {
            return Err(StateError::Moved { expected, found: state.serial });
        }
        state.apply(change);
        Ok(state.serial)
    }
}

/// A library with downstreams, a state, and the GitHub that they live on.
struct Scene {
    github: FakeGitHub,
    store: Memory,
    pace: Arc<SteppedPace>,
    settings: BTreeMap<DownstreamName, Settings>,
    policy: Policy,
    clock: AtomicI64,
}

impl Scene {
    fn new(settings: &str) -> Self {
        let github = FakeGitHub::start();
        let settings: BTreeMap<DownstreamName, Settings> = serde_yaml::from_str(settings).unwrap();
        for downstream in settings.values() {
            github.add_repo(downstream.receiver.repo().unwrap().as_str(), true).allow(
                TOKEN,
                downstream.receiver.repo().unwrap().as_str(),
                Grant::SendAndList,
            );
        }
        let store = Memory(Mutex::new(State::new("org/library", "line")));
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let clock = AtomicI64::new(i64::try_from(clock).unwrap());
        Self { github, store, pace: Arc::default(), settings, policy: Policy::once(), clock }
    }

    fn website() -> Self {
        Self::new("website: {repo: org/website}")
    }

    /// The way to each downstream, all within one budget.
    fn dispatchers(&self, base: &str, token: &str) -> BTreeMap<DownstreamName, Arc<dyn Dispatcher>> {
        let budget = Arc::new(Budget::new(Arc::clone(&self.pace) as Arc<_>));
        let github = GitHub::new(client().unwrap(), base, &Secret::new(token), budget).unwrap();
        let way = |settings: &Settings| -> Arc<dyn Dispatcher> {
            let Receiver::Event { repo, event } = &settings.receiver else { panic!("no event") };
            Arc::new(EventDispatcher::new(github.clone(), repo.clone(), event.clone(), self.policy))
        };
        self.settings.iter().map(|(name, settings)| (name.clone(), way(settings))).collect()
    }

    /// The way to the website.
    fn website_at(&self, base: &str) -> Arc<dyn Dispatcher> {
        self.dispatchers(base, TOKEN).remove(&DownstreamName::new("website")).unwrap()
    }

    fn plan(&self, assets: &[(&str, &str)]) -> Vec<Delivery> {
        let key = |id: &str| AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) };
        let assets = assets.iter().map(|(id, text)| (key(id), Sha256Hex::of(text.as_bytes()))).collect();
        plan(&self.settings, &assets, &self.store.0.lock().unwrap(), &|_| Channel::Remote)
    }

    async fn run_with(&self, assets: &[(&str, &str)], token: &str) -> Vec<Receipt> {
        let dispatchers = self.dispatchers(self.github.url(), token);
        let news = Announcement { repository: RepoSlug::parse("org/library").ok(), ..Announcement::default() };
        let clock = || Timestamp(self.clock.fetch_add(1, Ordering::Relaxed));
        let mut silence = |_: &str| {};
        let means = Means {
            news: &news,
            commit: news.commit.as_ref(),
            dispatchers: &dispatchers,
            store: &self.store,
            pace: &*self.pace,
            before: &|_| Announcement::default(),
            probe: None,
            voice: &Mutex::new(&mut silence),
            clock: &clock,
        };
        apply(&self.plan(assets), &means).await
    }

    async fn run(&self, assets: &[(&str, &str)]) -> Vec<Settled> {
        self.run_with(assets, TOKEN).await.into_iter().map(|receipt| receipt.result).collect()
    }

    /// The correlation ids of the events that a repository has.
    fn received(&self, repo: &str) -> Vec<String> {
        let id = |body: &Value| body["client_payload"]["correlation_id"].as_str().unwrap().to_owned();
        self.github.dispatches(repo).iter().map(id).collect()
    }

    fn posts(&self) -> usize {
        self.github.seen().iter().filter(|seen| seen.method == "POST").count()
    }
}

const BOLT: &[(&str, &str)] = &[("bolt", "1")];

fn sent() -> Vec<Settled> {
    vec![Settled::Done { place: "org/website".into(), found: false, note: String::new() }]
}

fn failure(results: &[Settled]) -> (&str, bool) {
    match results {
        [Settled::Failed { why, certain, .. }] => (why, *certain),
        other => panic!("{other:?} is no failure"),
    }
}

#[tokio::test]
async fn an_event_is_delivered_once_and_a_second_run_sends_nothing() {
    let scene = Scene::website();
    assert_eq!(scene.run(BOLT).await, sent());
    let requests = scene.github.seen().len();
    assert_eq!(scene.run(BOLT).await, [Settled::Unchanged]);
    assert_eq!((scene.github.seen().len(), requests), (1, 1));
    let body = &scene.github.dispatches("org/website")[0];
    assert_eq!(body["event_type"], "asset-updated");
    assert_eq!(body["client_payload"]["delta"]["added"][0]["id"], "bolt");
}

#[tokio::test]
async fn an_event_that_took_effect_in_spite_of_an_error_is_found_and_not_sent_twice() {
    for fault in [Fault::ErrorAfter, Fault::ResetAfter] {
        let scene = Scene::website();
        scene.github.script(&[fault]);
        let first = scene.run(BOLT).await;
        assert!(!failure(&first).1, "{first:?}: nobody knows");
        assert_eq!(scene.plan(BOLT)[0].action, Action::Resolve);
        let place = "https://github.com/octo-org/octo-repo/actions/runs/1000".to_owned();
        assert_eq!(scene.run(BOLT).await, [Settled::Done { place, found: true, note: String::new() }]);
        assert_eq!(scene.posts(), 1);
        assert_eq!(scene.run(BOLT).await, [Settled::Unchanged]);
    }
}

#[tokio::test]
async fn an_event_in_doubt_stays_so_when_the_second_send_is_refused() {
    let scene = Scene::website();
    scene.github.add_repo("org/website", false).script(&[Fault::ErrorAfter]);
    scene.run(BOLT).await;
    scene.github.allow(TOKEN, "org/website", Grant::Read);
    let again = scene.run(BOLT).await;
    assert!(!failure(&again).1, "{again:?}");
    assert_eq!(scene.plan(&[])[0].action, Action::Deliver, "it may have heard of the bolt, which is gone now");
}

#[tokio::test]
async fn no_policy_makes_a_send_repeatable() {
    let mut scene = Scene::website();
    scene.policy = Policy::idempotent();
    scene.github.script(&[Fault::ErrorAfter]);
    scene.run(BOLT).await;
    assert_eq!(scene.posts(), 1);
}

#[tokio::test]
async fn an_event_that_was_lost_is_sent_again_under_the_same_id() {
    for fault in [Fault::ErrorBefore, Fault::ResetBefore, Fault::HtmlPage] {
        let scene = Scene::website();
        scene.github.script(&[fault]);
        assert!(!failure(&scene.run(BOLT).await).1);
        let planned = scene.plan(BOLT)[0].correlation.to_string();
        assert_eq!(scene.run(BOLT).await, sent());
        assert_eq!(scene.received("org/website"), [planned]);
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_show_the_id_may_get_the_event_twice_under_one_id() {
    let scene = Scene::website();
    scene.github.add_repo("org/website", false).script(&[Fault::ErrorAfter]);
    scene.run(BOLT).await;
    assert_eq!(scene.run(BOLT).await, sent());
    let received = scene.received("org/website");
    assert_eq!((received.len(), &received[0]), (2, &received[1]));
}

#[tokio::test]
async fn a_token_that_may_not_list_runs_does_not_stop_the_delivery() {
    let scene = Scene::website();
    scene.github.allow(TOKEN, "org/website", Grant::Send).script(&[Fault::ErrorBefore]);
    scene.run(BOLT).await;
    assert_eq!(scene.run(BOLT).await, sent());
}

#[tokio::test]
async fn while_runs_cannot_be_listed_nothing_is_sent_and_the_doubt_remains() {
    let scene = Scene::website();
    scene.github.script(&[Fault::ErrorAfter]);
    scene.run(BOLT).await;
    scene.github.script(&[Fault::ErrorBefore; 5]);
    let again = scene.run(BOLT).await;
    assert!(!failure(&again).1 && failure(&again).0.contains("tried 5 times"), "{again:?}");
    assert_eq!(scene.posts(), 1);
    scene.github.script(&[Fault::Truncated]);
    assert!(
        matches!(scene.run(BOLT).await[..], [Settled::Done { found: true, .. }]),
        "a broken list is asked for again"
    );
}

#[tokio::test]
async fn a_request_to_wait_is_obeyed() {
    for (fault, least) in [
        (Fault::TooMany { retry_after: 7 }, 7),
        (Fault::Secondary { retry_after: Some(9) }, 9),
        (Fault::Secondary { retry_after: None }, 60),
    ] {
        let scene = Scene::website();
        scene.github.script(&[fault]);
        assert_eq!(scene.run(BOLT).await, sent(), "{fault:?}");
        let slept = scene.pace.slept();
        assert!(slept.len() == 1 && slept[0] >= Duration::from_secs(least), "{fault:?}: {slept:?}");
    }
}

#[tokio::test]
async fn a_request_to_wait_for_too_long_is_left_to_the_next_run() {
    let scene = Scene::website();
    scene.github.script(&[Fault::TooMany { retry_after: 86_400 }]);
    let first = scene.run(BOLT).await;
    assert!(failure(&first).1, "certainly not sent: {first:?}");
    assert_eq!((scene.pace.slept(), scene.plan(BOLT)[0].action), (vec![], Action::Deliver));
}

#[tokio::test]
async fn a_server_that_is_not_there_has_certainly_not_got_the_event() {
    let mut scene = Scene::website();
    scene.policy.attempts = 2;
    // Nothing listens on the first port.
    let base = "http://127.0.0.1:1";
    let dispatcher = scene.website_at(base);
    let dispatch = dispatch_of(&scene);
    let error = dispatcher.deliver(&dispatch).await.unwrap_err().to_string();
    assert!(error.starts_with("org/website was not told: ") && error.ends_with("(tried 2 times)"), "{error}");
    assert!(!error.contains("http://"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_at_the_deadline() {
    let mut scene = Scene::website();
    scene.policy.deadline = Duration::from_millis(50);
    // The system takes the connection, and nobody ever reads from it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    let dispatcher = scene.website_at(&base);
    let outcome = dispatcher.deliver(&dispatch_of(&scene)).await;
    let why = "org/website may have been told: no answer within 50 ms".to_owned();
    assert_eq!(outcome, Ok(Outcome::Unknown { why }));
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_it_waits_is_taken_up_by_the_next() {
    let scene = Scene::website();
    scene.github.script(&[Fault::HangAfter]);
    tokio::select! {
        results = scene.run(BOLT) => panic!("the server hangs, but {results:?}"),
        () = scene.github.until_seen(1) => {}
    }
    assert!(matches!(scene.run(BOLT).await[..], [Settled::Done { found: true, .. }]));
    assert_eq!(scene.posts(), 1);
}

fn dispatch_of(scene: &Scene) -> Dispatch {
    let delivery = scene.plan(BOLT).remove(0);
    let envelope = serde_json::json!({"correlation_id": delivery.correlation});
    let Delivery { name: downstream, correlation, .. } = delivery;
    Dispatch { downstream, envelope, correlation }
}

#[tokio::test]
async fn a_refusal_names_the_permission_and_never_the_token() {
    let scene = Scene::website();
    scene.github.allow("ghs_canary", "org/library", Grant::SendAndList).allow("ghp_canary", "org/website", Grant::Read);
    let mut told = Vec::new();
    for token in ["ghs_canary", "ghp_canary", "unknown_canary"] {
        let results: Vec<_> = scene.run_with(BOLT, token).await.into_iter().map(|receipt| receipt.result).collect();
        let (why, certain) = failure(&results);
        assert!(certain && !why.contains("canary"), "{why}");
        told.push(why.replace(scene.github.url(), "https://github.com"));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    org/website is out of reach (404: Not Found); needs `contents: write` on org/website: GITHUB_TOKEN has what the job's `permissions` say, and cannot reach another repository; for that make a token at https://github.com/settings/personal-access-tokens; or the repository does not exist
    org/website must not be told (403: Resource not accessible by personal access token); the token has the scope `repo`; its owner may lack the role to write to org/website
    GitHub does not know the token for org/website (401: Bad credentials); it is wrong, was revoked or has expired: make a new one at https://github.com/settings/personal-access-tokens, with `contents: write` on org/website
    "#);
    assert_eq!(scene.run(BOLT).await, sent(), "with the right token it goes on");
}

#[tokio::test]
async fn a_change_of_everything_fits_into_one_event() {
    let scene = Scene::website();
    let ids: Vec<_> = (0..5_000).map(|i| format!("Hex Bolt Gen v{i} – größer")).collect();
    let assets: Vec<_> = ids.iter().map(|id| (id.as_str(), "1")).collect();
    assert_eq!(scene.run(&assets).await, sent());
    let delta = &scene.github.dispatches("org/website")[0]["client_payload"]["delta"];
    assert_eq!((&delta["truncated"], &delta["counts"]["added"]), (&Value::from(true), &Value::from(5_000)));
    assert_eq!(scene.run(&assets).await, [Settled::Unchanged]);
}

#[tokio::test]
async fn one_dead_downstream_holds_up_only_those_that_need_it() {
    let scene = Scene::new(
        "{addon: {repo: org/addon, needs: [website]}, docs: {repo: org/docs}, website: {repo: org/website}}",
    );
    scene.github.allow(TOKEN, "org/website", Grant::Read);
    let receipts = scene.run_with(BOLT, TOKEN).await;
    let told: Vec<_> = receipts.iter().map(|receipt| (receipt.name.as_str(), receipt.result.is_in_step())).collect();
    assert_eq!(told, [("docs", true), ("website", false), ("addon", false)]);
    assert_eq!(receipts[2].result, Settled::Skipped { why: "it needs website, which was not told".into() });
    scene.github.allow(TOKEN, "org/website", Grant::Send);
    let posts = scene.posts();
    assert!(scene.run_with(BOLT, TOKEN).await.iter().all(|receipt| receipt.result.is_in_step()));
    assert_eq!(scene.posts() - posts, 2, "docs has it already");
}

#[tokio::test]
async fn writes_are_a_second_apart() {
    let scene = Scene::new("{a: {repo: org/a}, b: {repo: org/b}, c: {repo: org/c}}");
    scene.run(BOLT).await;
    assert_eq!(scene.pace.slept(), [Duration::from_secs(1); 2]);
}

#[tokio::test]
async fn another_run_that_was_faster_is_not_repeated() {
    let scene = Scene::website();
    let planned = scene.plan(BOLT);
    scene.run(BOLT).await;
    let dispatchers = scene.dispatchers(scene.github.url(), TOKEN);
    let news = Announcement::default();
    let clock = || Timestamp(0);
    let mut silence = |_: &str| {};
    let means = Means {
        news: &news,
        commit: news.commit.as_ref(),
        dispatchers: &dispatchers,
        store: &scene.store,
        pace: &*scene.pace,
        before: &|_| Announcement::default(),
        probe: None,
        voice: &Mutex::new(&mut silence),
        clock: &clock,
    };
    let receipts = apply(&planned, &means).await;
    assert!(matches!(receipts[0].result, Settled::Superseded { .. }), "{receipts:?}");
    assert_eq!(scene.posts(), 1);
}

#[tokio::test]
async fn a_request_against_the_contract_is_noticed() {
    let scene = Scene::website();
    let mut dispatch = dispatch_of(&scene);
    dispatch.envelope = (0..11).map(|i| (i.to_string(), Value::from(i))).collect::<serde_json::Map<_, _>>().into();
    let refused = scene.website_at(scene.github.url()).deliver(&dispatch).await.unwrap_err().to_string();
    assert!(refused.contains("(422: No more than 10 properties are allowed; 11 were supplied.)"), "{refused}");
    let violations = scene.github.take_violations();
    assert!(matches!(&violations[..], [one] if one.contains("client_payload")), "{violations:?}");
}

#[tokio::test]
async fn the_fake_answers_like_github_where_nothing_is_sent() {
    let scene = Scene::website();
    let client = client().unwrap();
    let get = async |path: &str, token: &str| {
        let request = client.get(format!("{}{path}", scene.github.url())).bearer_auth(token);
        let response = request.send().await.unwrap();
        assert!(response.headers().contains_key("x-ratelimit-remaining"));
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (status, repo) = get("/repos/org/website", TOKEN).await;
    assert_eq!((status, &repo["full_name"]), (200, &Value::from("org/website")));
    assert_eq!(get("/repos/org/other", TOKEN).await.0, 404);
    assert_eq!(get("/rate_limit", TOKEN).await.0, 200);
    assert_eq!(get("/rate_limit", "unknown").await.0, 401);
    assert_eq!(scene.github.take_violations(), Vec::<String>::new());
    get("/repos/org/website/actions/runs?colour=red", TOKEN).await;
    assert_eq!(
        scene.github.take_violations(),
        ["GET /repos/{owner}/{repo}/actions/runs has no query parameter `colour`"]
    );
}
