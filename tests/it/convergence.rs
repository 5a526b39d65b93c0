//! Whatever goes wrong, in whichever order, while the library moves on and goes back: one quiet run later every downstream
//! has the last content, and the run after that has nothing to do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::Value;
use stockroom::adapters::dispatcher::{self, Dispatch, DispatchError, Dispatcher, Outcome, Progress, RunRef, Sighting};
use stockroom::adapters::http::SteppedPace;
use stockroom::adapters::state_store::{StateError, StateStore};
use stockroom::commands::dispatch::{Means, Settled, apply};
use stockroom::downstream::{Announcement, Channel, Settings, plan};
use stockroom::ids::{AssetId, AssetKey, CollectionName, DownstreamName, Sha256Hex};
use stockroom::state::{Change, Serial, State, Timestamp};

/// The library at one moment: texts by id.
type Content = BTreeMap<String, u8>;

/// What becomes of the request that sends the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    Refused,
    LostInDoubt,
    ArrivesInDoubt,
}

/// What becomes of the search for an event.
#[derive(Debug, Clone, Copy)]
enum Search {
    Works,
    /// The receiver's runs do not show the id.
    Hidden,
    Forbidden,
    Down,
}

/// One run: the library as it is then, what befalls the run, and after how many recorded steps it is killed.
#[derive(Debug, Clone)]
struct Step {
    content: Content,
    fate: Fate,
    search: Search,
    killed_after: Option<usize>,
}

/// A downstream that does what the events say, and reads the manifest when they say that they do not tell all.
struct Receiver {
    manifest: Content,
    fate: Fate,
    search: Search,
    has: Content,
    ids: Vec<String>,
}

struct Way(Arc<Mutex<Receiver>>);

impl Receiver {
    fn take(&mut self, dispatch: &Dispatch) {
        self.ids.push(dispatch.correlation.to_string());
        let delta = &dispatch.envelope["delta"];
        if delta["truncated"] == true {
            self.has = self.manifest.clone();
            return;
        }
        let ids = |list: &str| -> Vec<String> {
            let id = |asset: &Value| asset["id"].as_str().unwrap().to_owned();
            delta[list].as_array().unwrap().iter().map(id).collect()
        };
        for id in ids("added").into_iter().chain(ids("changed")) {
            let text = self.manifest[&id];
            self.has.insert(id, text);
        }
        for id in ids("removed") {
            self.has.remove(&id);
        }
    }
}

#[async_trait]
impl Dispatcher for Way {
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError> {
        let mut receiver = self.0.lock().unwrap();
        let doubt = || Ok(Outcome::Unknown { why: "reset".into() });
        match receiver.fate {
            Fate::Refused => Err(DispatchError::NotAllowed { why: "403".into() }),
            Fate::LostInDoubt => doubt(),
            fate => {
                receiver.take(dispatch);
                if fate == Fate::Arrives {
                    Ok(Outcome::Delivered { place: "there".into(), run: None })
                } else {
                    doubt()
                }
            }
        }
    }

    async fn find(&self, dispatch: &Dispatch, _: Timestamp) -> Result<dispatcher::Search, DispatchError> {
        let receiver = self.0.lock().unwrap();
        let absent = dispatcher::Search::Absent { others: 0 };
        match receiver.search {
            Search::Works => {
                let found = receiver.ids.iter().find(|id| **id == dispatch.correlation.as_str());
                Ok(found.map_or(absent, |id| {
                    dispatcher::Search::Found(Sighting { place: id.clone(), run: None, progress: Progress::Still })
                }))
            }
            Search::Hidden => Ok(absent),
            Search::Forbidden => Err(DispatchError::NotAllowed { why: "403".into() }),
            Search::Down => Err(DispatchError::Unavailable { why: "503".into() }),
        }
    }

    async fn look(&self, run: &RunRef) -> Result<Sighting, DispatchError> {
        Err(DispatchError::Refused { why: format!("{run} is no run") })
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

fn run(
    step: &Step,
    settings: &BTreeMap<DownstreamName, Settings>,
    store: &Mortal,
    receiver: &Arc<Mutex<Receiver>>,
) -> Settled {
    {
        let mut receiver = receiver.lock().unwrap();
        receiver.manifest = step.content.clone();
        (receiver.fate, receiver.search) = (step.fate, step.search);
    }
    *store.steps_left.lock().unwrap() = step.killed_after;
    let key = |id: &String| AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) };
    let assets = step.content.iter().map(|(id, text)| (key(id), Sha256Hex::of(&[*text]))).collect();
    let state = store.state.lock().unwrap().clone();
    let clock = Timestamp(state.serial.0.cast_signed());
    let deliveries = plan(settings, &assets, &state, &|_| Channel::Remote);
    let dispatchers =
        settings.keys().map(|name| (name.clone(), Arc::new(Way(Arc::clone(receiver))) as Arc<dyn Dispatcher>));
    let mut silence = |_: &str| {};
    let means = Means {
        news: &Announcement::default(),
        commit: None,
        dispatchers: &dispatchers.collect(),
        store,
        pace: &SteppedPace::default(),
        clock: &move || clock,
        before: &|_| Announcement::default(),
        probe: None,
        voice: &Mutex::new(&mut silence),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(apply(&deliveries, &means)).remove(0).result
}

fn any_step() -> impl Strategy<Value = Step> {
    let content = proptest::collection::btree_map("[ab]", 0..2_u8, 0..3);
    let fate =
        prop_oneof![Just(Fate::Arrives), Just(Fate::Refused), Just(Fate::LostInDoubt), Just(Fate::ArrivesInDoubt)];
    let search = prop_oneof![Just(Search::Works), Just(Search::Hidden), Just(Search::Forbidden), Just(Search::Down)];
    (content, fate, search, proptest::option::of(0..4_usize)).prop_map(|(content, fate, search, killed_after)| Step {
        content,
        fate,
        search,
        killed_after,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]
    #[test]
    fn every_history_of_faults_converges(steps in proptest::collection::vec(any_step(), 1..8), last in any_step()) {
        let settings = serde_yaml::from_str("website: {repo: org/website}").unwrap();
        let store = Mortal { state: Mutex::new(State::new("org/library", "line")), steps_left: Mutex::default() };
        let receiver = Receiver {
            manifest: Content::new(), fate: Fate::Arrives, search: Search::Works, has: Content::new(), ids: Vec::new(),
        };
        let receiver = Arc::new(Mutex::new(receiver));
        for step in &steps {
            run(step, &settings, &store, &receiver);
        }
        let quiet = Step { fate: Fate::Arrives, search: Search::Works, killed_after: None, ..last };
        run(&quiet, &settings, &store, &receiver);
        prop_assert_eq!(&receiver.lock().unwrap().has, &quiet.content);
        prop_assert_eq!(run(&quiet, &settings, &store, &receiver), Settled::Unchanged);
    }
}
