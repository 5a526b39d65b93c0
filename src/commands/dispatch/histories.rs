//! Whatever becomes of deliveries to linked downstreams, in whichever order, while runs are killed and the library moves on
//! and goes back: in the end every downstream has the last content, or its whole group has what it had before.

use std::collections::VecDeque;

use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::adapters::dispatcher::{Dispatch, DispatchError, Outcome, Progress, RunRef, Search, Sighting};
use crate::adapters::http::SteppedPace;
use crate::adapters::state_store::StateError;
use crate::downstream::{Action, Channel, OnFailure, Settings, Slice, plan};
use crate::ids::{AssetId, AssetKey, CollectionName, Sha256Hex};
use crate::state::{Change, Serial, State};

/// The library at one moment.
type Content = BTreeMap<AssetKey, u8>;

/// What becomes of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its run succeeds, after it was looked at this often.
    Succeeds(usize),
    /// Its run fails, before or after the content was taken over.
    Fails(bool),
    /// Its run ends after the run of ours has given up, and well.
    Hangs,
    /// Its run succeeds, and cannot be looked at any more.
    Vanishes,
    Refused,
    LostInDoubt,
    ArrivesInDoubt,
}

/// A run of ours: the library then, and after how many recorded steps it is killed.
#[derive(Debug, Clone)]
struct Step {
    content: Content,
    killed_after: Option<usize>,
}

/// A downstream that does what it is told, and reads the library of the commit when it is told that this is not all.
struct Receiver {
    settings: Settings,
    /// What the library was at each commit.
    past: Arc<Mutex<BTreeMap<String, Content>>>,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    fates: VecDeque<Fate>,
    has: Content,
    /// Which run of ours is at work.
    round: usize,
    taken: Vec<Taken>,
}

struct Taken {
    correlation: String,
    fate: Fate,
    looks: usize,
    round: usize,
    /// What the downstream has after it, unless its run fails.
    told: Content,
}

impl Receiver {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    fn part(&self, content: &Content) -> Content {
        let concerns = |key: &AssetKey| self.settings.when.concerns(key);
        content.iter().filter(|(key, _)| concerns(key)).map(|(key, text)| (key.clone(), *text)).collect()
    }

    fn after(&self, has: &Content, envelope: &Value) -> Content {
        let library = self.past.lock().unwrap()[envelope["commit"].as_str().unwrap()].clone();
        let delta = &envelope["delta"];
        if delta["truncated"] == true {
            return self.part(&library);
        }
        let keys = |list: &str| -> Vec<AssetKey> {
            let text = |asset: &Value, field: &str| asset[field].as_str().unwrap().to_owned();
            let key = |asset: &Value| AssetKey {
                collection: CollectionName::new(text(asset, "collection")),
                id: AssetId::new(text(asset, "id")),
            };
            delta[list].as_array().unwrap().iter().map(key).collect()
        };
        let mut has = has.clone();
        for key in keys("added").into_iter().chain(keys("changed")) {
            let text = library[&key];
            has.insert(key, text);
        }
        keys("removed").iter().for_each(|key| _ = has.remove(key));
        has
    }

    fn sighting(&self, index: usize) -> Result<Sighting, DispatchError> {
        let mut inside = self.lock();
        let round = inside.round;
        let taken = &mut inside.taken[index];
        taken.looks += 1;
        let ended = |conclusion: &str| Progress::Ended { conclusion: conclusion.to_owned() };
        let progress = match taken.fate {
            Fate::Vanishes => return Err(DispatchError::Refused { why: "there is no such run".to_owned() }),
            Fate::Fails(_) => ended("failure"),
            Fate::Hangs if taken.round == round => Progress::Running,
            Fate::Succeeds(looks) if taken.looks <= looks => Progress::Queued,
            _ => ended("success"),
        };
        Ok(Sighting { place: format!("run {index}"), run: Some(RunRef::new(index.to_string())), progress })
    }
}

#[async_trait]
impl Dispatcher for Receiver {
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError> {
        let mut inside = self.lock();
        let fate = inside.fates.pop_front().unwrap_or(Fate::Succeeds(0));
        // Nobody sees how a run ends that is not waited for.
        let is_seen = self.settings.wait.is_some() || !matches!(fate, Fate::Fails(_));
        let fate = if is_seen { fate } else { Fate::Succeeds(0) };
        let doubt = Outcome::Unknown { why: "reset".to_owned() };
        match fate {
            Fate::Refused => return Err(DispatchError::Refused { why: "403".to_owned() }),
            Fate::LostInDoubt => return Ok(doubt),
            _ => {}
        }
        let told = self.after(&inside.has, &dispatch.envelope);
        if fate != Fate::Fails(false) {
            inside.has = told.clone();
        }
        let (correlation, round) = (dispatch.correlation.to_string(), inside.round);
        inside.taken.push(Taken { correlation, fate, looks: 0, round, told });
        let run = (fate == Fate::Vanishes).then(|| RunRef::new((inside.taken.len() - 1).to_string()));
        Ok(if fate == Fate::ArrivesInDoubt { doubt } else { Outcome::Delivered { place: "there".into(), run } })
    }

    async fn find(&self, dispatch: &Dispatch, _: Timestamp) -> Result<Search, DispatchError> {
        let is_it = |taken: &Taken| taken.correlation == dispatch.correlation.as_str() && taken.fate != Fate::Vanishes;
        let at = self.lock().taken.iter().position(is_it);
        at.map_or(Ok(Search::Absent { others: 0 }), |at| self.sighting(at).map(Search::Found))
    }

    async fn look(&self, run: &RunRef) -> Result<Sighting, DispatchError> {
        self.sighting(run.as_str().parse().unwrap())
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// A state whose run is killed after some steps: nothing that comes later is recorded.
struct Mortal {
    state: Mutex<State>,
    steps_left: Mutex<Option<usize>>,
}

#[async_trait]
impl StateStore for Mortal {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    async fn load(&self) -> Result<State, StateError> {
        Ok(self.state.lock().unwrap().clone())
    }

    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
        if let Some(left) = self.steps_left.lock().unwrap().as_mut() {
            let why = || StateError::Unusable { place: "memory".into(), why: "killed".into() };
            *left = left.checked_sub(1).ok_or_else(why)?;
        }
        let mut state = self.state.lock().unwrap();
        assert_eq!(state.serial, expected);
        state.apply(change);
        Ok(state.serial)
    }
}

/// What one history happens to.
struct World {
    settings: BTreeMap<DownstreamName, Settings>,
    receivers: BTreeMap<DownstreamName, Arc<Receiver>>,
    past: Arc<Mutex<BTreeMap<String, Content>>>,
    store: Mortal,
    rounds: Vec<Content>,
}

impl World {
    fn new(settings: BTreeMap<DownstreamName, Settings>, fates: &[Vec<Fate>]) -> Self {
        let past = Arc::new(Mutex::new(BTreeMap::new()));
        let receivers = settings.iter().zip(fates).map(|((name, settings), fates)| {
            let inside = Mutex::new(Inside { fates: fates.clone().into(), ..Inside::default() });
            (name.clone(), Arc::new(Receiver { settings: settings.clone(), past: Arc::clone(&past), inside }))
        });
        Self {
            receivers: receivers.collect(),
            settings,
            past,
            store: Mortal { state: Mutex::new(State::new("org/library", "line")), steps_left: Mutex::default() },
            rounds: Vec::new(),
        }
    }

    fn planned(&self, content: &Content) -> Vec<Delivery> {
        let assets = content.iter().map(|(key, text)| (key.clone(), Sha256Hex::of(&[*text]))).collect();
        plan(&self.settings, &assets, &self.store.state.lock().unwrap(), &|_| Channel::Remote)
    }

    async fn run(&mut self, step: &Step) -> Vec<Receipt> {
        self.rounds.push(step.content.clone());
        *self.store.steps_left.lock().unwrap() = step.killed_after;
        let commit = CommitId::parse(&Sha256Hex::of(format!("{:?}", step.content).as_bytes()).as_str()[..40]).unwrap();
        self.past.lock().unwrap().insert(commit.to_string(), step.content.clone());
        for receiver in self.receivers.values() {
            receiver.lock().round = self.rounds.len();
        }
        let deliveries = self.planned(&step.content);
        let ways = self.receivers.iter().map(|(name, it)| (name.clone(), Arc::clone(it) as Arc<dyn Dispatcher>));
        let clock = Timestamp(i64::try_from(self.rounds.len()).unwrap());
        let mut silence = |_: &str| {};
        let means = Means {
            news: &Announcement { commit: Some(commit.clone()), ..Announcement::default() },
            before: &|commit| Announcement { commit: commit.cloned(), ..Announcement::default() },
            commit: Some(&commit),
            dispatchers: &ways.collect(),
            probe: None,
            store: &self.store,
            pace: &SteppedPace::default(),
            clock: &move || clock,
            voice: &Mutex::new(&mut silence),
        };
        apply(&deliveries, &means).await
    }

    /// Runs that are not killed, until nothing happens any more.
    async fn settle(&mut self, content: &Content) -> Result<(), TestCaseError> {
        let step = Step { content: content.clone(), killed_after: None };
        let mut last = Vec::new();
        for _ in 0..40 {
            let serial = self.store.state.lock().unwrap().serial;
            last = self.run(&step).await;
            if serial == self.store.state.lock().unwrap().serial {
                return Ok(());
            }
        }
        Err(TestCaseError::fail(format!("this goes on for ever: {last:?}")))
    }

    /// The state and the downstreams agree; who is in step has the last content, and who is not, is so with its whole group.
    fn check(&self, content: &Content) -> Result<(), TestCaseError> {
        let planned = self.planned(content);
        for one in &planned {
            let receiver = &self.receivers[&one.name];
            if one.action == Action::Withheld && one.known.delivered.is_none() {
                // It had nothing to which it could be brought back; what it was told stays in doubt.
                continue;
            }
            prop_assert_eq!(&one.known.intent, &None, "{}: {:?}", one.name, one.action);
            // What a run has left behind that failed is not known.
            let is_torn = {
                let inside = receiver.lock();
                let mut failed = inside.taken.iter().rev().take_while(|it| matches!(it.fate, Fate::Fails(_)));
                failed.any(|taken| taken.fate == Fate::Fails(true))
            };
            let has = receiver.lock().has.clone();
            match one.action {
                Action::None => prop_assert!(is_torn || has == receiver.part(content), "{}: {has:?}", one.name),
                Action::Withheld if !is_torn => {
                    let assets = has.iter().map(|(key, text)| (key.clone(), Sha256Hex::of(&[*text]))).collect();
                    let shown = Slice::new(&one.settings.receiver.identity(), assets).digest;
                    let known = one.known.delivered.as_ref().map(|delivered| &delivered.digest);
                    prop_assert_eq!(known, Some(&shown), "{}: {:?}", one.name, has);
                }
                Action::Withheld => {}
                other => prop_assert!(false, "{} is still to be served: {other:?}", one.name),
            }
        }
        Ok(())
    }

    /// Nobody was told twice of the same without a reason.
    fn check_doubles(&self) -> Result<(), TestCaseError> {
        for (name, receiver) in &self.receivers {
            let inside = receiver.lock();
            for (index, taken) in inside.taken.iter().enumerate() {
                let is_same = |other: &&Taken| other.correlation == taken.correlation && other.fate != Fate::Vanishes;
                let ids = inside.taken.iter().filter(is_same).count();
                prop_assert!(ids <= 1, "{} was told {} more than once", name, taken.correlation);
                let Some(next) = inside.taken.get(index + 1) else { continue };
                let mut between = self.rounds[taken.round - 1..next.round].iter();
                let is_same = between.all(|content| receiver.part(content) == taken.told) && taken.told == next.told;
                let has_failed = matches!(taken.fate, Fate::Fails(_) | Fate::Vanishes);
                prop_assert!(!is_same || has_failed, "{} was told the same twice", name);
            }
        }
        Ok(())
    }
}

fn key(collection: &str, id: &str) -> AssetKey {
    AssetKey { collection: CollectionName::new(collection), id: AssetId::new(id) }
}

fn any_content() -> impl Strategy<Value = Content> {
    let one = (prop_oneof!["products", "icons"], "[ab]", 0..2_u8);
    proptest::collection::vec(one, 1..4)
        .prop_map(|all| all.into_iter().map(|(of, id, text)| (key(&of, &id), text)).collect())
}

fn any_step() -> impl Strategy<Value = Step> {
    let killed_after = proptest::option::weighted(0.4, 0..12_usize);
    (any_content(), killed_after).prop_map(|(content, killed_after)| Step { content, killed_after })
}

/// Some steps, many of which serve what the step before them served.
fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((any_step(), proptest::bool::weighted(0.6)), 1..9).prop_map(|all| {
        let mut steps: Vec<Step> = Vec::new();
        for (step, is_again) in all {
            let content = steps.last().filter(|_| is_again).map_or(step.content, |last| last.content.clone());
            steps.push(Step { content, ..step });
        }
        steps
    })
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => (0..3_usize).prop_map(Fate::Succeeds),
        3 => any::<bool>().prop_map(Fate::Fails),
        1 => Just(Fate::Hangs),
        1 => Just(Fate::Vanishes),
        1 => Just(Fate::Refused),
        1 => Just(Fate::LostInDoubt),
        1 => Just(Fate::ArrivesInDoubt),
    ]
}

/// Up to four downstreams, each of which may need those before it.
fn any_settings() -> impl Strategy<Value = BTreeMap<DownstreamName, Settings>> {
    let on_failure =
        prop_oneof![1 => Just(OnFailure::Stop), 1 => Just(OnFailure::Continue), 3 => Just(OnFailure::Rollback)];
    let one = (proptest::collection::vec(any::<bool>(), 3), on_failure, proptest::bool::weighted(0.8), 0..4_usize);
    proptest::collection::vec(one, 1..5).prop_map(|all| {
        let names = ["a", "b", "c", "d"];
        let settings = |(at, (needs, on_failure, waits, of)): (usize, (Vec<bool>, OnFailure, bool, usize))| {
            let needs = names[..at].iter().zip(needs).filter(|(_, is_needed)| *is_needed);
            let when = match of {
                0 => "{collections: [icons]}",
                1 => "{collections: [products]}",
                _ => "{}",
            };
            let yaml = format!(
                "{{repo: o/{}, when: {when}{}}}",
                names[at],
                // Only who is waited for can fail.
                if waits || on_failure == OnFailure::Rollback { ", wait: 10m" } else { "" }
            );
            let mut settings: Settings = serde_yaml::from_str(&yaml).unwrap();
            settings.needs = needs.map(|(name, _)| DownstreamName::new(*name)).collect();
            settings.on_failure = on_failure;
            (DownstreamName::new(names[at]), settings)
        };
        all.into_iter().enumerate().map(settings).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn every_history_of_linked_downstreams_converges(
        settings in any_settings(),
        fates in proptest::collection::vec(proptest::collection::vec(any_fate(), 0..7), 4),
        steps in any_steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(settings, &fates);
            for step in &steps {
                world.run(step).await;
            }
            // Nothing else happens to the library: whatever has failed is tried again or taken back.
            let last = steps.last().unwrap().content.clone();
            world.settle(&last).await?;
            world.check(&last)?;
            // Something new is told to all of them.
            world.receivers.values().for_each(|receiver| receiver.lock().fates.clear());
            let new: Content = [(key("products", "new"), 9), (key("icons", "new"), 9)].into();
            let new = new.into_iter().chain(last).collect();
            world.settle(&new).await?;
            world.check(&new)?;
            prop_assert!(world.planned(&new).iter().all(|one| one.action == Action::None));
            world.check_doubles()
        })?;
    }
}
