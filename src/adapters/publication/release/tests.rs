use super::super::conformance::{name, run, update};
use super::*;
use crate::adapters::github::fake_github::{FakeGitHub, Fault, Grant};
use crate::adapters::http::SteppedPace;

const REPO: &str = "org/shop";

fn github() -> FakeGitHub {
    let github = FakeGitHub::start();
    github.add_repo(REPO, true).allow("ghp_x", REPO, Grant::Send).allow("ghp_r", REPO, Grant::Read);
    github
}

fn target_of(github: &FakeGitHub, tag: &str, token: &str, pace: Arc<dyn Pace>) -> ReleaseTarget {
    let access = Access {
        client: crate::adapters::http::client().unwrap(),
        api: github.url(),
        server: "https://github.com/",
        token: &Secret::new(token),
        pace,
    };
    ReleaseTarget::new(access, RepoSlug::parse(REPO).unwrap(), tag).unwrap()
}

fn target(github: &FakeGitHub, tag: &str) -> ReleaseTarget {
    target_of(github, tag, "ghp_x", Arc::new(SteppedPace::default()))
}

fn text(github: &FakeGitHub, name: &str) -> Option<String> {
    let assets = github.assets(REPO);
    let found = assets.into_iter().find(|(found, _)| found == name)?;
    Some(String::from_utf8(found.1.unwrap()).unwrap())
}

fn uploads(github: &FakeGitHub) -> usize {
    github.seen().iter().filter(|seen| seen.method == "POST").count()
}

#[tokio::test]
async fn a_release_is_a_target() {
    let github = github();
    github.add_release(REPO, "other").add_release(REPO, "v1/a+b");
    run(&target(&github, "v1/a+b")).await;
    assert_eq!(text(&github, ROOT).as_deref(), Some("three"));
    assert!(!github.assets(REPO).iter().any(|(name, _)| is_coming(name)), "{:?}", github.assets(REPO));
}

#[tokio::test]
async fn a_draft_is_a_target_also_where_it_will_be_immutable() {
    let github = github();
    github.add_release(REPO, "other").add_release(REPO, "v1").make_release(REPO, true, true);
    run(&target(&github, "v1")).await;
}

#[tokio::test]
async fn each_refusal_says_what_to_do_next() {
    let github = github();
    let refused = async |tag: &str, token: &str, update: &Update| {
        let error = target_of(&github, tag, token, Arc::new(SteppedPace::default())).publish(update).await.unwrap_err();
        assert!(error.is_certain(), "{error}");
        error.to_string()
    };
    let one = update(None, "one", &["a"]);
    assert!(refused("v1", "ghp_x", &one).await.contains("there is no release of the tag v1"));
    github.add_release(REPO, "v1");
    let said = refused("v1", "ghp_r", &one).await;
    assert!(said.contains("403") && said.contains("`permissions: contents: write`"), "{said}");
    assert!(refused("v1", "ghp_unknown", &one).await.contains("401"));
    let mut renamed = one.clone();
    renamed.files.insert("_v1/index.json".to_owned(), Vec::new());
    assert!(refused("v1", "ghp_x", &renamed).await.contains("would give the file \"_v1/index.json\" another name"));
    let mut many = one.clone();
    many.files.extend((0..998).map(|number| (format!("{number}.json"), Vec::new())));
    assert!(refused("v1", "ghp_x", &many).await.contains("1001 assets"));
    assert_eq!(github.assets(REPO), []);
    github.make_release(REPO, false, true);
    let said = refused("v1", "ghp_x", &one).await;
    assert!(said.contains("immutable") && said.contains("`branch`") && said.contains("`object_store`"), "{said}");
    assert_eq!(target(&github, "v1").root().await, Ok(None), "it can be read all the same");
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_taken_away_and_done_again() {
    let github = github();
    github.add_release(REPO, "v1");
    let starter = Some(Fault::Starter);
    github.script_uploads(&[starter, starter, None, starter, None]);
    target(&github, "v1").publish(&update(None, "one", &["a"])).await.unwrap();
    let names: Vec<_> = github.assets(REPO).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [ROOT.to_owned(), name("a")]);
    assert_eq!((text(&github, ROOT).as_deref(), uploads(&github)), (Some("one"), 5));
}

#[tokio::test]
async fn what_never_arrives_is_given_up_and_the_old_edition_stays() {
    let github = github();
    github.add_release(REPO, "v1");
    let target = target(&github, "v1");
    target.publish(&update(None, "one", &["a"])).await.unwrap();
    let seen = target.root().await.unwrap().unwrap();
    github.script_uploads(&[Some(Fault::Starter); TRIES]);
    let error = target.publish(&update(Some(&seen.version), "two", &[])).await.unwrap_err();
    assert!(!error.is_certain() && error.to_string().contains("does not arrive"), "{error}");
    assert_eq!(target.root().await.unwrap().unwrap(), seen);
    // The next run clears up what is left.
    target.publish(&update(Some(&seen.version), "two", &[])).await.unwrap();
    assert_eq!(text(&github, ROOT).as_deref(), Some("two"));
    assert_eq!(github.assets(REPO).len(), 2);
}

#[tokio::test]
async fn an_upload_whose_answer_is_lost_is_looked_up_and_not_sent_again() {
    let github = github();
    github.add_release(REPO, "v1");
    github.script_uploads(&[Some(Fault::ErrorAfter), Some(Fault::ResetAfter)]);
    target(&github, "v1").publish(&update(None, "one", &["a"])).await.unwrap();
    assert_eq!((uploads(&github), github.assets(REPO).len()), (2, 2));
}

#[tokio::test]
async fn what_github_asks_for_in_patience_is_given() {
    let github = github();
    github.add_release(REPO, "v1");
    github.script_uploads(&[Some(Fault::Secondary { retry_after: Some(7) })]);
    let pace = Arc::new(SteppedPace::default());
    target_of(&github, "v1", "ghp_x", pace.clone()).publish(&update(None, "one", &["a", "b"])).await.unwrap();
    let slept = pace.slept();
    assert!(slept.iter().any(|wait| *wait >= Duration::from_secs(7)), "{slept:?}");
    // Three uploads, and the root gets its name: three pauses between them.
    assert!(slept.iter().filter(|wait| **wait >= Duration::from_millis(250)).count() >= 3, "{slept:?}");
}

#[tokio::test]
async fn files_of_others_stay_and_one_in_the_way_of_ours_is_replaced() {
    let github = github();
    github.add_release(REPO, "v1");
    for number in 0..150 {
        github.add_asset(REPO, &format!("theirs-{number}.zip"), b"theirs");
    }
    github.add_asset(REPO, &name("a"), b"another").add_asset(REPO, "feed.json", b"x");
    let target = target(&github, "v1");
    assert!(!target.list().await.unwrap().contains_key(&name("a")), "it is not what its name promises");
    let mut one = update(None, "one", &["a"]);
    one.files.insert("feed.json".to_owned(), b"y".to_vec());
    target.publish(&one).await.unwrap();
    assert_eq!((text(&github, &name("a")).as_deref(), text(&github, "feed.json").as_deref()), (Some("a"), Some("y")));
    assert_eq!(github.assets(REPO).len(), 153);
}

#[tokio::test]
async fn of_two_publishers_at_once_one_wins_and_the_other_is_told() {
    let github = github();
    github.add_release(REPO, "v1");
    let targets = [target(&github, "v1"), target(&github, "v1")];
    let mut before = None;
    for round in 0..4 {
        let roots = [format!("{round} of one"), format!("{round} of two")];
        let updates = [0, 1].map(|who| update(before.as_ref(), &roots[who], &[&roots[who]]));
        let both = tokio::join!(targets[0].publish(&updates[0]), targets[1].publish(&updates[1]));
        let won = match both {
            (Ok(()), Err(PublicationError::Moved { .. })) => 0,
            (Err(PublicationError::Moved { .. }), Ok(())) => 1,
            other => panic!("{round}: {other:?}"),
        };
        let stored = targets[1 - won].root().await.unwrap().unwrap();
        assert_eq!(String::from_utf8(stored.bytes).unwrap(), roots[won]);
        assert!(text(&github, &name(&roots[won])).is_some(), "an edition is there as a whole");
        before = Some(stored.version);
    }
}

#[tokio::test]
async fn a_release_is_fetched_where_github_serves_it() {
    let github = github();
    let address = target(&github, "v1.0 ü").address();
    let wanted = "https://github.com/org/shop/releases/download/v1.0%20%C3%BC/manifest.json";
    assert_eq!((address.as_deref(), target(&github, "v1").habits()), (Some(wanted), Habits::Snapshot));
}
