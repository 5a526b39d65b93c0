use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::adapters::dispatcher::{Dispatch, MemoryDispatcher, Script};
use crate::adapters::http::RealPace;
use crate::adapters::state_store::{MemoryState, StateStore as _};
use crate::adapters::stop::Signal;
use crate::downstream::{Action, Channel, Health, Settings, plan};
use crate::ids::{AssetId, AssetKey, CollectionName, Sha256Hex};

/// Downstreams in memory, whose runs end as they are told to, under a clock that passes only while somebody waits.
struct Scene {
    settings: BTreeMap<DownstreamName, Settings>,
    receivers: BTreeMap<DownstreamName, Arc<MemoryDispatcher>>,
    store: MemoryState,
    pace: RealPace,
    healths: Mutex<VecDeque<Result<String, String>>>,
}

#[async_trait]
impl Probe for Scene {
    async fn probe(&self, _: &Health, wanted: Option<&str>) -> Result<String, String> {
        let next = self.healths.lock().unwrap().pop_front();
        next.unwrap_or_else(|| Ok(format!("shows {}", wanted.unwrap_or("nothing"))))
    }
}

impl Scene {
    fn new(downstreams: &str, scripts: &[(&str, &[Script])]) -> Self {
        let settings: BTreeMap<DownstreamName, Settings> = serde_yaml::from_str(downstreams).unwrap();
        let script = |name: &str| scripts.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, scripts)| scripts);
        let receiver = |name: &DownstreamName| Arc::new(MemoryDispatcher::scripted(script(name.as_str()).to_vec()));
        Self {
            receivers: settings.keys().map(|name| (name.clone(), receiver(name))).collect(),
            settings,
            store: MemoryState::new("org/library"),
            pace: RealPace::default(),
            healths: Mutex::default(),
        }
    }

    async fn planned(&self, content: &str) -> Vec<Delivery> {
        let key = AssetKey { collection: CollectionName::new("products"), id: AssetId::new("bolt") };
        let concerns = [(key, Sha256Hex::of(content.as_bytes()))].into_iter().collect();
        plan(&self.settings, &concerns, &self.store.load().await.unwrap(), &|_| Channel::Remote)
    }

    /// A run in which the bolt is this; what became of each, in a line.
    async fn run(&self, content: &str) -> Vec<String> {
        self.receipts(content).await.iter().map(told).collect()
    }

    async fn receipts(&self, content: &str) -> Vec<Receipt> {
        let planned = self.planned(content).await;
        self.apply(content, &planned).await
    }

    async fn apply(&self, content: &str, planned: &[Delivery]) -> Vec<Receipt> {
        let commit = commit(content);
        let news = Announcement {
            commit: Some(commit.clone()),
            manifest_digest: Some(Sha256Hex::of(content.as_bytes())),
            ..Announcement::default()
        };
        let ways = self.receivers.iter().map(|(name, it)| (name.clone(), Arc::clone(it) as Arc<dyn Dispatcher>));
        let before = |commit: Option<&CommitId>| Announcement { commit: commit.cloned(), ..Announcement::default() };
        let mut said = Vec::new();
        let mut hear = |line: &str| said.push(line.to_owned());
        let means = Means {
            news: &news,
            before: &before,
            commit: Some(&commit),
            dispatchers: &ways.collect(),
            probe: Some(self),
            store: &self.store,
            pace: &self.pace,
            clock: &|| Timestamp(i64::try_from(self.pace.now().as_secs()).unwrap()),
            voice: &Mutex::new(&mut hear),
        };
        apply(planned, &means).await
    }

    fn received(&self, name: &str) -> Vec<Dispatch> {
        self.receivers[&DownstreamName::new(name)].received()
    }

    /// The commits that a downstream was told of, one after the other; those that take back have a minus.
    fn commits(&self, name: &str) -> Vec<String> {
        let word = |dispatch: &Dispatch| {
            let sign = if dispatch.envelope["delta"]["rollback"] == true { "-" } else { "" };
            let commit = dispatch.envelope["commit"].as_str().unwrap().to_owned();
            let content = ["one", "two", "three"].into_iter().find(|content| self::commit(content).as_str() == commit);
            format!("{sign}{}", content.unwrap())
        };
        self.received(name).iter().map(word).collect()
    }

    async fn actions(&self, content: &str) -> Vec<(String, Action)> {
        self.planned(content).await.into_iter().map(|one| (one.name.to_string(), one.action)).collect()
    }
}

fn commit(content: &str) -> CommitId {
    CommitId::parse(&Sha256Hex::of(content.as_bytes()).as_str()[..40]).unwrap()
}

fn told(receipt: &Receipt) -> String {
    let name = &receipt.name;
    match &receipt.result {
        Settled::Unchanged => format!("{name}: unchanged"),
        Settled::Done { found: false, note, .. } if note.is_empty() => format!("{name}: done"),
        Settled::Done { found: true, note, .. } if note.is_empty() => format!("{name}: found"),
        Settled::Done { note, .. } => format!("{name}: done, {note}"),
        Settled::Skipped { why } => format!("{name}: skipped, {why}"),
        Settled::Superseded { .. } => format!("{name}: superseded"),
        Settled::Restored { why } => format!("{name}: restored, {why}"),
        Settled::Failed { why, certain, .. } => format!("{name}: failed ({certain}), {why}"),
    }
}

const CHAIN: &str = "{website: {repo: o/website, wait: 10m}, \
    addon: {repo: o/addon, needs: [website], wait: 10m, on_failure: rollback}}";

#[tokio::test(start_paused = true)]
async fn a_run_that_succeeds_in_its_time_is_waited_for() {
    let scene = Scene::new("website: {repo: o/website, wait: 10m}", &[("website", &[Script::Ends("success", 3)])]);
    let receipts = scene.receipts("one").await;
    assert_eq!(told(&receipts[0]), "website: done");
    assert_eq!(receipts[0].course.conclusion.as_deref(), Some("success"));
    assert_eq!(receipts[0].course.waited, Some(Duration::from_secs(2 + 2 + 3)));
    assert_eq!(scene.run("one").await, ["website: unchanged"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_is_told_and_tried_again_under_another_id_unless_somebody_began_it_anew() {
    let scripts = [Script::Ends("failure", 1), Script::Ends("cancelled", 1)];
    let scene = Scene::new("website: {repo: o/website, wait: 10m}", &[("website", &scripts)]);
    assert_eq!(scene.run("one").await, ["website: failed (false), its run ended with `failure`: memory of website"]);
    assert_eq!(scene.actions("one").await, [("website".to_owned(), Action::Resolve)]);
    assert_eq!(scene.run("one").await, ["website: failed (false), its run ended with `cancelled`: memory of website"]);
    let ids: Vec<_> = scene.received("website").into_iter().map(|dispatch| dispatch.correlation).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
    scene.receivers[&DownstreamName::new("website")].rerun("success");
    assert_eq!(scene.run("one").await, ["website: found"]);
    assert_eq!(scene.received("website").len(), 2, "nothing is sent for a run that somebody began anew");
    assert_eq!(scene.run("one").await, ["website: unchanged"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_is_left_at_its_time_and_looked_at_by_the_next() {
    let scene = Scene::new("website: {repo: o/website, wait: 10m}", &[("website", &[Script::Hangs])]);
    let first = scene.run("one").await;
    assert_eq!(
        first,
        ["website: failed (false), memory of website has not ended within 10 minutes; the next run looks again"]
    );
    assert_eq!(scene.pace.now(), Duration::from_secs(600));
    scene.receivers[&DownstreamName::new("website")].rerun("success");
    assert_eq!(scene.run("one").await, ["website: found"]);
    assert_eq!(scene.received("website").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_show_the_id_is_delivered_and_not_awaited() {
    let scene = Scene::new("website: {repo: o/website, wait: 10m}", &[("website", &[Script::Unseen])]);
    let run = scene.run("one").await;
    assert!(run[0].starts_with("website: done, not awaited: no run shows the correlation id"), "{run:?}");
    assert!(scene.pace.now() < Duration::from_secs(120), "{:?}", scene.pace.now());
}

#[tokio::test(start_paused = true)]
async fn where_others_wait_for_it_a_run_that_is_not_seen_has_not_passed() {
    let scene = Scene::new(
        "{gate: {repo: o/gate, wait: 10m}, website: {repo: o/website, needs: [gate]}}",
        &[("gate", &[Script::Unseen, Script::Ends("success", 1)])],
    );
    let run = scene.run("one").await;
    assert!(run[0].starts_with("gate: failed (false), it was told, and that its run passes cannot be seen"), "{run:?}");
    assert!(run[1].starts_with("website: skipped, it needs gate"), "{run:?}");
    assert_eq!(scene.received("website"), []);
    assert_eq!(scene.run("one").await, ["gate: done", "website: done"], "it is told anew, and seen");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_those_that_nobody_needs() {
    let scene = Scene::new(
        "{a: {repo: o/a, wait: 1h}, b: {repo: o/b, wait: 10m}, c: {repo: o/c, needs: [b]}}",
        &[("a", &[Script::Hangs]), ("b", &[Script::Ends("success", 2)])],
    );
    let run = scene.run("one").await;
    assert!(run[0].starts_with("a: failed") && run[1..] == ["b: done", "c: done"], "{run:?}");
    assert_eq!(scene.pace.now(), Duration::from_secs(3_600), "b and c were done meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_those_that_need_it_or_not_as_it_says() {
    for (on_failure, addon) in
        [("stop", "addon: skipped, it needs website, which did not pass"), ("continue", "addon: done")]
    {
        let scene = Scene::new(
            &format!(
                "{{website: {{repo: o/website, wait: 10m, on_failure: {on_failure}}}, \
                 addon: {{repo: o/addon, needs: [website]}}}}"
            ),
            &[("website", &[Script::Ends("failure", 0)])],
        );
        assert_eq!(scene.run("one").await[1], addon);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_tells_what_was_before_to_those_that_had_succeeded_and_only_once() {
    let scene = Scene::new(CHAIN, &[("addon", &[Script::Ends("success", 0), Script::Ends("failure", 1)])]);
    assert_eq!(scene.run("one").await, ["website: done", "addon: done"]);
    let run = scene.run("two").await;
    assert_eq!(run[0], "website: restored, addon failed, so website has what it had before again");
    assert_eq!(run[1], "addon: failed (false), its run ended with `failure`: memory of addon");
    assert_eq!(scene.commits("website"), ["one", "two", "-one"]);
    assert_eq!(scene.commits("addon"), ["one", "two"]);
    let back = &scene.received("website")[2].envelope["delta"];
    assert_eq!((&back["changed"][0]["id"], &back["truncated"]), (&"bolt".into(), &false.into()));

    // Nothing goes out again by itself…
    let wanted = [("website".to_owned(), Action::Withheld), ("addon".to_owned(), Action::Withheld)];
    assert_eq!(scene.actions("two").await, wanted);
    let again = scene.run("two").await;
    assert!(again.iter().all(|line| line.contains("skipped, addon failed with this")), "{again:?}");
    // …until there is something else.
    assert_eq!(scene.run("three").await, ["website: done", "addon: done"]);
    assert_eq!(scene.commits("website"), ["one", "two", "-one", "three"]);
    assert_eq!(scene.run("three").await, ["website: unchanged", "addon: unchanged"]);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_goes_in_reverse_and_leaves_those_alone_that_are_not_linked() {
    let scene = Scene::new(
        "{a: {repo: o/a}, b: {repo: o/b, needs: [a], wait: 10m}, gate: {repo: o/gate, needs: [b], wait: 10m, \
         on_failure: rollback}, z: {repo: o/z}}",
        &[("gate", &[Script::Ends("success", 0), Script::Ends("failure", 0)])],
    );
    scene.run("one").await;
    let run = scene.run("two").await;
    let kinds: Vec<&str> = run.iter().map(|line| line.split([',', '(']).next().unwrap().trim()).collect();
    assert_eq!(kinds, ["a: restored", "z: done", "b: restored", "gate: failed"]);
    assert_eq!(scene.commits("z"), ["one", "two"]);
    assert_eq!(scene.commits("a"), ["one", "two", "-one"]);
}

#[tokio::test(start_paused = true)]
async fn what_never_had_anything_keeps_what_it_was_told() {
    let scene = Scene::new(CHAIN, &[("addon", &[Script::Ends("failure", 0)])]);
    let run = scene.run("one").await;
    assert!(run[0].starts_with("website: done, addon failed, and there is nothing that it had before"), "{run:?}");
    assert_eq!(scene.commits("website"), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_was_cut_short_is_finished_by_the_next_run() {
    let scripts: [(&str, &[Script]); 2] = [
        ("website", &[Script::Ends("success", 0), Script::Ends("success", 0), Script::Unanswered]),
        ("addon", &[Script::Ends("success", 0), Script::Ends("failure", 0)]),
    ];
    let scene = Scene::new(CHAIN, &scripts);
    scene.run("one").await;
    let run = scene.run("two").await;
    assert!(run[0].contains("could not be brought back"), "{run:?}");
    assert_eq!(scene.actions("two").await[0].1, Action::Restore);
    scene.receivers[&DownstreamName::new("website")].rerun("success");
    let run = scene.run("two").await;
    assert!(run[0].starts_with("website: restored"), "{run:?}");
    assert_eq!(scene.commits("website"), ["one", "two", "-one"], "it had arrived, so it was not sent again");
    assert_eq!(scene.actions("two").await[0].1, Action::Withheld);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_healthy_has_failed_and_is_brought_back_as_well() {
    let scene = Scene::new(
        "website: {repo: o/website, wait: 10m, health: {url: 'https://w.example/v', pointer: /digest}, on_failure: rollback}",
        &[],
    );
    assert_eq!(scene.run("one").await, ["website: done"]);
    scene.healths.lock().unwrap().push_back(Err("shows the digest of before".into()));
    let run = scene.run("two").await;
    assert_eq!(
        run,
        [
            "website: failed (false), it was told, and is not healthy: shows the digest of before; it has what it had before again"
        ]
    );
    assert_eq!(scene.commits("website"), ["one", "two", "-one"]);
    assert_eq!(scene.actions("two").await[0].1, Action::Withheld);
    assert_eq!(scene.run("three").await, ["website: done"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_asked_to_stop_goes_on_waiting_in_the_next() {
    let scene = Scene::new("website: {repo: o/website, wait: 10m}", &[("website", &[Script::Ends("success", 3)])]);
    let stop = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        scene.pace.stop().ask(Signal::Terminate);
    };
    let (run, ()) = tokio::join!(scene.run("one"), stop);
    assert_eq!(run, ["website: skipped, stopped while memory of website was waited for; the next run goes on waiting"]);
    let state = scene.store.load().await.unwrap();
    let intent = state.targets.values().next().unwrap().intent.clone().unwrap();
    assert!(intent.arrived.is_some(), "{intent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_cannot_be_filled_in_fails_before_anything_is_sent() {
    let scene = Scene::new("website: {repo: o/website, payload: {note: '{{ schemas[\"none\"][0] }}'}}", &[]);
    let run = scene.run("one").await;
    assert!(run[0].starts_with("website: failed (true), nothing was sent:"), "{run:?}");
    assert_eq!(scene.received("website"), []);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_get_through_takes_nobody_back_and_is_gone_on_with() {
    for trouble in [Script::Refused, Script::Unanswered] {
        let scene = Scene::new(CHAIN, &[("addon", &[Script::Ends("success", 0), trouble.clone()])]);
        scene.run("one").await;
        let run = scene.run("two").await;
        let open = "website: skipped, it was told, and counts when addon has passed too; the next run goes on";
        assert_eq!(run[0], open, "{trouble:?}");
        if trouble == Script::Unanswered {
            scene.receivers[&DownstreamName::new("addon")].rerun("success");
        }
        let run = scene.run("two").await;
        assert_eq!(run[0], "website: found", "{trouble:?}");
        assert_eq!((scene.commits("website").len(), scene.commits("addon").len()), (2, 2), "{trouble:?}");
        assert_eq!(scene.run("two").await, ["website: unchanged", "addon: unchanged"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_was_refused_is_tried_again_by_the_next_run() {
    let scripts: [(&str, &[Script]); 2] = [
        ("website", &[Script::Ends("success", 0), Script::Ends("success", 0), Script::Refused]),
        ("addon", &[Script::Ends("success", 0), Script::Ends("failure", 0)]),
    ];
    let scene = Scene::new(CHAIN, &scripts);
    scene.run("one").await;
    scene.run("two").await;
    assert_eq!(scene.actions("two").await[0].1, Action::Restore);
    assert!(scene.run("two").await[0].starts_with("website: restored"));
    assert_eq!(scene.commits("website"), ["one", "two", "-one"]);
}

#[tokio::test(start_paused = true)]
async fn a_downstream_that_does_not_end_in_time_is_brought_back_at_once_and_not_told_the_same_again() {
    let scene = Scene::new(CHAIN, &[("addon", &[Script::Ends("success", 0), Script::Hangs])]);
    scene.run("one").await;
    let run = scene.run("two").await;
    let addon =
        "addon: failed (false), memory of addon has not ended within 10 minutes; it has what it had before again";
    assert_eq!(run[1], addon);
    assert!(run[0].starts_with("website: restored"), "{run:?}");
    let again = scene.run("two").await;
    assert!(again.iter().all(|line| line.contains("skipped, addon failed with this")), "{again:?}");
    assert_eq!(scene.commits("website"), ["one", "two", "-one"]);
    assert_eq!(scene.commits("addon"), ["one", "two", "-one"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_withheld_of_a_group_is_told_when_the_library_has_changed_for_any_of_it() {
    let settings = CHAIN.replace("needs: [website]", "needs: [website], when: {collections: [none]}");
    let scene = Scene::new(&settings, &[]);
    let planned = scene.planned("two").await;
    let culprit = planned.iter().find(|one| one.name.as_str() == "addon").unwrap();
    let digest = culprit.group.as_ref().unwrap().digest.clone();
    let withheld = crate::state::Withheld { digest, why: "addon failed".to_owned(), at: Timestamp(1) };
    let change = crate::state::Change::Withhold { target: culprit.target.clone(), withheld };
    scene.store.record(scene.store.load().await.unwrap().serial, &change).await.unwrap();
    let website = |actions: Vec<(String, Action)>| actions.into_iter().find(|(name, _)| name == "website").unwrap().1;
    assert_eq!(website(scene.actions("two").await), Action::Withheld);
    assert_eq!(website(scene.actions("three").await), Action::Deliver, "what addon has is the same as before");
}

#[tokio::test(start_paused = true)]
async fn what_was_good_last_is_known_also_after_a_run_that_died_and_newer_content() {
    let scripts: [(&str, &[Script]); 2] = [
        ("website", &[Script::Ends("success", 0), Script::Unanswered]),
        ("addon", &[Script::Ends("success", 0), Script::Ends("failure", 0)]),
    ];
    let scene = Scene::new(CHAIN, &scripts);
    scene.run("one").await;
    assert!(scene.run("two").await[0].starts_with("website: failed"));
    let run = scene.run("three").await;
    assert!(run[0].starts_with("website: restored"), "{run:?}");
    assert_eq!(scene.commits("website"), ["one", "two", "three", "-one"]);
}
