//! What each downstream should be told now, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::group::{Group, groups, taken_back};
use super::interest::Concerns;
use super::settings::{OnFailure, Settings};
use super::slice::{Delta, Slice};
use crate::ids::{AssetKey, CorrelationId, DownstreamName, Sha256Hex, TargetName};
use crate::state::{Intent, State, TargetState};

/// The way to a downstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Its receiver itself.
    Remote,
    /// A file in a folder, where there is no token. Kept apart in the state, so that a token later makes it a real event.
    Outbox,
}

/// What is to be done for a downstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It has everything.
    None,
    /// It is told.
    Deliver,
    /// It may have been told by an earlier run: find out, else tell it again under the same id.
    Resolve,
    /// A rollback was not finished: it gets again what it had before.
    Restore,
    /// It was rolled back, so it is not told the same again by itself.
    Withheld,
}

/// The plan for one downstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The downstream.
    pub name: DownstreamName,
    /// The name under which the state knows it on this way.
    pub target: TargetName,
    /// What stockroom.yml says of it.
    #[serde(skip)]
    pub settings: Settings,
    /// Those of one number are linked by `needs`, where the failure of one takes back what the others were told; none where
    /// nothing is taken back.
    #[serde(skip)]
    pub group: Option<Group>,
    /// The way to it.
    pub channel: Channel,
    /// Whether others wait for what becomes of it: then a run that cannot be seen has not passed.
    #[serde(skip)]
    pub is_gate: bool,
    /// What is to be done.
    pub action: Action,
    /// Why, in a sentence.
    pub why: String,
    /// How many assets are new for it.
    pub added: usize,
    /// How many mean something else.
    pub changed: usize,
    /// How many are gone.
    pub removed: usize,
    /// Its place in the order: a wave begins when the one before it is done.
    pub wave: usize,
    /// The downstreams that must have theirs first.
    pub needs: Vec<DownstreamName>,
    /// The id that goes with the event.
    pub correlation: CorrelationId,
    /// Whether the delta tells all; not so when it is not known what the downstream has.
    pub complete: bool,
    /// What it should have.
    #[serde(skip)]
    pub slice: Slice,
    /// What is different from what it has.
    #[serde(skip)]
    pub delta: Delta,
    /// What was known of the target when this was planned: if that has changed since, another run was faster.
    #[serde(skip)]
    pub known: TargetState,
}

impl Channel {
    /// The name under which the state keeps a downstream that is reached this way.
    pub fn target(self, name: &DownstreamName) -> TargetName {
        match self {
            Self::Remote => TargetName::new(format!("downstream/{name}")),
            Self::Outbox => TargetName::new(format!("outbox/{name}")),
        }
    }
}

/// The plan for every downstream, ordered by wave and name.
///
/// `concerns` holds the digest of what each asset is to each; `channel` says how a downstream is reached.
pub fn plan(
    all: &BTreeMap<DownstreamName, Settings>,
    concerns: &Concerns,
    state: &State,
    channel: &dyn Fn(&DownstreamName) -> Channel,
) -> Vec<Delivery> {
    let waves = waves(all);
    let mut deliveries: Vec<_> = all
        .iter()
        .map(|(name, settings)| {
            let wave = waves.get(name).copied().unwrap_or_default();
            delivery(name, settings, concerns.of(&settings.when), state, channel(name), wave)
        })
        .collect();
    deliveries.sort_by(|a, b| (a.wave, &a.name).cmp(&(b.wave, &b.name)));
    let needed: BTreeSet<&DownstreamName> = all.values().flat_map(|settings| &settings.needs).collect();
    for one in &mut deliveries {
        one.is_gate |= needed.contains(&one.name);
    }
    let linked = groups(all);
    let taken_back = taken_back(all, &linked);
    let is_taken_back = |number: &usize| taken_back.contains(number);
    let of: Vec<Option<usize>> =
        deliveries.iter().map(|one| linked.get(&one.name).copied().filter(is_taken_back)).collect();
    let groups =
        Group::all(of.iter().zip(&deliveries).filter_map(|(of, one)| Some(((*of)?, &one.name, &one.slice.digest))));
    for (delivery, of) in deliveries.iter_mut().zip(of) {
        delivery.group = of.and_then(|number| groups.get(&number).cloned());
    }
    withhold(&mut deliveries);
    deliveries
}

/// Holds back what a group was rolled back from: the member that failed remembers what it was.
fn withhold(deliveries: &mut [Delivery]) {
    let failed = |one: &Delivery| {
        let group = one.group.as_ref()?;
        let withheld = one.known.withheld.as_ref().filter(|withheld| withheld.digest == group.digest)?;
        Some((group.number, withheld.why.clone()))
    };
    let held: BTreeMap<usize, String> = deliveries.iter().filter_map(failed).collect();
    for one in deliveries {
        let Some(why) = one.group.as_ref().and_then(|group| held.get(&group.number)) else { continue };
        (one.action, one.why) = match (one.action, &one.known) {
            (Action::None, _) => continue,
            (_, TargetState { intent: Some(_), delivered: Some(_), .. }) => {
                (Action::Restore, format!("it is not yet brought back to what it had before ({why})"))
            }
            _ => (
                Action::Withheld,
                format!("{why}. It is told when the library changes, or by `stockroom dispatch --force`"),
            ),
        };
    }
}

fn delivery(
    name: &DownstreamName,
    settings: &Settings,
    assets: &BTreeMap<AssetKey, Sha256Hex>,
    state: &State,
    channel: Channel,
    wave: usize,
) -> Delivery {
    let target = channel.target(name);
    let known = state.target(&target);
    let identity = settings.receiver.identity();
    let slice = Slice::of(&identity, &settings.when, assets);
    let received = received(&identity, &known);
    let delta = Delta::between(&received.clone().unwrap_or_default(), &slice.assets);
    let (action, why) = decide(&slice, received.is_some().then_some(&delta), &known);
    let first = CorrelationId::of(&target, &slice.digest, &salt(state, &known));
    let (correlation, is_first) = match &known.intent {
        Some(Intent { correlation, digest, .. }) if *digest == slice.digest => {
            (correlation.clone(), *correlation == first)
        }
        // By its id the next run knows that there was something else, of which nobody knows whether it has arrived.
        Some(Intent { correlation, .. }) => {
            (CorrelationId::of(&target, &slice.digest, &format!("after\0{correlation}")), false)
        }
        None => (first, true),
    };
    Delivery {
        name: name.clone(),
        target,
        settings: settings.clone(),
        group: None,
        is_gate: settings.on_failure == OnFailure::Rollback,
        channel,
        action,
        why,
        added: delta.added.len(),
        changed: delta.changed.len(),
        removed: delta.removed.len(),
        wave,
        needs: settings.needs.clone(),
        correlation,
        // Who was never told may know more than nothing: an earlier state may have been lost.
        complete: is_first && known.delivered.is_some() && received.is_some() && !is_torn(&known),
        slice,
        delta,
        known,
    }
}

/// The assets that the repository is known to have; `None` when it had something that is not known: what went to another
/// receiver of the same name.
fn received(receiver: &str, known: &TargetState) -> Option<BTreeMap<AssetKey, Sha256Hex>> {
    let Some(delivered) = &known.delivered else { return Some(BTreeMap::new()) };
    let then = Slice::new(receiver, delivered.assets.clone());
    (then.digest == delivered.digest).then_some(then.assets)
}

fn decide(slice: &Slice, delta: Option<&Delta>, known: &TargetState) -> (Action, String) {
    let delivered = known.delivered.as_ref();
    match &known.intent {
        Some(intent) if intent.digest == slice.digest => {
            let unknown =
                if intent.arrived.is_some() { "did not see it pass" } else { "did not learn whether it arrived" };
            (Action::Resolve, format!("an earlier run sent {} and {unknown}", intent.correlation))
        }
        // Even if what was delivered before equals the slice: the event in between may have arrived.
        Some(intent) => {
            (Action::Deliver, format!("something else, {}, may have arrived in between", intent.correlation))
        }
        None if delivered.is_some_and(|delivered| delivered.digest == slice.digest) => match is_torn(known) {
            true => (Action::Deliver, "a run of it has failed with something else since".to_owned()),
            false => (Action::None, "in step".to_owned()),
        },
        None if delivered.is_none() && slice.assets.is_empty() => (Action::None, "no asset concerns it".to_owned()),
        None if delivered.is_none() => (Action::Deliver, "nothing was delivered to it yet".to_owned()),
        None => (Action::Deliver, because(delta)),
    }
}

/// Whether a run of it has failed since the last delivery, so that nobody knows what of that it has.
fn is_torn(known: &TargetState) -> bool {
    known.intent.is_none() && known.withheld.is_some() && known.failure.is_some()
}

fn because(delta: Option<&Delta>) -> String {
    let Some(delta) = delta else { return "what its receiver has is not known".to_owned() };
    let counts = [(delta.added.len(), "added"), (delta.changed.len(), "changed"), (delta.removed.len(), "removed")];
    counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect::<Vec<_>>().join(", ")
}

/// What makes the id of a delivery unique: the delivery before it, and what failed since. It is the same until this one has
/// ended, and never again after it, even when the library returns to an earlier content.
fn salt(state: &State, known: &TargetState) -> String {
    let mut salt = state.lineage.clone();
    let last = known.delivered.as_ref().map(|delivered| (&delivered.digest, delivered.at));
    let failed = known.withheld.as_ref().map(|withheld| (&withheld.digest, withheld.at));
    for (digest, at) in last.into_iter().chain(failed) {
        // Writing to a String cannot fail.
        let _ = write!(salt, "\0{digest}\0{}", at.0);
    }
    salt
}

/// For each downstream the longest way to one that needs nothing. Members of a cycle, which the config refuses, come last.
pub fn waves(all: &BTreeMap<DownstreamName, Settings>) -> BTreeMap<&DownstreamName, usize> {
    let known = |name: &DownstreamName| all.get_key_value(name).map(|(name, _)| name);
    let mut open: BTreeMap<&DownstreamName, usize> = BTreeMap::new();
    let mut after: BTreeMap<&DownstreamName, Vec<&DownstreamName>> = BTreeMap::new();
    for (name, settings) in all {
        let needs: BTreeSet<&DownstreamName> = settings.needs.iter().filter_map(known).collect();
        open.insert(name, needs.len());
        needs.into_iter().for_each(|need| after.entry(need).or_default().push(name));
    }
    let mut waves: BTreeMap<&DownstreamName, usize> = BTreeMap::new();
    let mut ready: Vec<&DownstreamName> =
        open.iter().filter(|(_, needs)| **needs == 0).map(|(name, _)| *name).collect();
    let mut wave = 0;
    while !ready.is_empty() {
        waves.extend(ready.iter().map(|name| (*name, wave)));
        wave += 1;
        let freed = ready.iter().filter_map(|name| after.get(name)).flatten();
        let mut next = Vec::new();
        for name in freed {
            if let Some(needs) = open.get_mut(name) {
                *needs -= 1;
                if *needs == 0 {
                    next.push(*name);
                }
            }
        }
        ready = next;
    }
    for name in all.keys() {
        waves.entry(name).or_insert(wave);
    }
    waves
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{AssetId, CollectionName};
    use crate::state::{Change, Delivered, Timestamp};

    fn name(name: &str) -> DownstreamName {
        DownstreamName::new(name)
    }

    fn all(entries: &[(&str, &str)]) -> BTreeMap<DownstreamName, Settings> {
        entries.iter().map(|(key, yaml)| (name(key), serde_yaml::from_str(yaml).unwrap())).collect()
    }

    fn website() -> BTreeMap<DownstreamName, Settings> {
        all(&[("website", "repo: org/website")])
    }

    fn concerns(of: &[(&str, &str)]) -> Concerns {
        let key = |id: &str| AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) };
        of.iter().map(|(id, text)| (key(id), Sha256Hex::of(text.as_bytes()))).collect()
    }

    fn one(settings: &BTreeMap<DownstreamName, Settings>, of: &[(&str, &str)], state: &State) -> Delivery {
        plan(settings, &concerns(of), state, &|_| Channel::Remote).remove(0)
    }

    fn intend(state: &mut State, delivery: &Delivery) {
        let intent = Intent {
            correlation: delivery.correlation.clone(),
            digest: delivery.slice.digest.clone(),
            at: Timestamp(state.serial.0.cast_signed()),
            arrived: None,
        };
        state.apply(&Change::Intend { target: delivery.target.clone(), intent });
    }

    fn deliver(state: &mut State, delivery: &Delivery) {
        let at = Timestamp(state.serial.0.cast_signed());
        let Slice { assets, digest } = delivery.slice.clone();
        let delivered = Delivered { commit: None, digest, assets, at };
        state.apply(&Change::Deliver { target: delivery.target.clone(), delivered });
    }

    fn had(state: &mut State, of: &[(&str, &str)]) {
        let delivery = one(&website(), of, state);
        deliver(state, &delivery);
    }

    fn state() -> State {
        State::new("org/library", "line")
    }

    #[test]
    fn a_plan_says_what_and_why() {
        let mut state = state();
        had(&mut state, &[("bolt", "1"), ("nut", "1")]);
        let delivery = one(&website(), &[("bolt", "2"), ("screw", "1")], &state);
        insta::assert_snapshot!(serde_json::to_string_pretty(&delivery).unwrap(), @r#"
        {
          "name": "website",
          "target": "downstream/website",
          "channel": "remote",
          "action": "deliver",
          "why": "1 added, 1 changed, 1 removed",
          "added": 1,
          "changed": 1,
          "removed": 1,
          "wave": 0,
          "needs": [],
          "correlation": "sr-0bd94d25205af9c1",
          "complete": true
        }
        "#);
    }

    #[test]
    fn a_downstream_that_has_everything_is_left_alone() {
        let mut state = state();
        had(&mut state, &[("bolt", "1")]);
        let again = one(&website(), &[("bolt", "1")], &state);
        assert_eq!((again.action, again.why.as_str()), (Action::None, "in step"));
        assert_eq!(one(&website(), &[], &State::new("l", "x")).why, "no asset concerns it");
    }

    #[test]
    fn an_unknown_outcome_is_resolved_under_its_own_id() {
        let mut state = state();
        let first = one(&website(), &[("bolt", "1")], &state);
        intend(&mut state, &first);
        let again = one(&website(), &[("bolt", "1")], &state);
        assert_eq!((again.action, &again.correlation), (Action::Resolve, &first.correlation));
        assert!(
            !first.complete && !again.complete,
            "who was never told may still know something of an earlier state's"
        );
    }

    #[test]
    fn a_return_to_what_was_delivered_is_told_when_something_may_have_come_between() {
        let mut state = state();
        had(&mut state, &[("bolt", "1")]);
        let between = one(&website(), &[("bolt", "2")], &state);
        intend(&mut state, &between);
        let back = one(&website(), &[("bolt", "1")], &state);
        assert_eq!((back.action, back.complete), (Action::Deliver, false));
    }

    #[test]
    fn after_an_event_in_doubt_everything_is_told_whatever_the_library_becomes() {
        let mut state = state();
        had(&mut state, &[("bolt", "1")]);
        let lost = one(&website(), &[("bolt", "2")], &state);
        intend(&mut state, &lost);
        let mut ids = std::collections::BTreeSet::from([lost.correlation]);
        for of in [&[("bolt", "3")][..], &[("bolt", "1")], &[("bolt", "2")], &[]] {
            let next = one(&website(), of, &state);
            assert_eq!((next.action, next.complete), (Action::Deliver, false));
            assert!(ids.insert(next.correlation.clone()));
            intend(&mut state, &next);
            let again = one(&website(), of, &state);
            assert_eq!((again.action, again.complete), (Action::Resolve, false), "the doubt outlives another run");
            assert_eq!(again.known.delivered.unwrap().assets.len(), 1, "what it had before is still known");
        }
    }

    #[test]
    fn going_back_and_forth_never_uses_an_id_twice() {
        let mut state = state();
        let mut seen = std::collections::BTreeSet::new();
        for text in ["1", "2", "1", "2", "1"] {
            let delivery = one(&website(), &[("bolt", text)], &state);
            assert!(seen.insert(delivery.correlation.clone()), "{text}");
            assert_eq!(one(&website(), &[("bolt", text)], &state).correlation, delivery.correlation);
            deliver(&mut state, &delivery);
        }
    }

    #[test]
    fn a_downstream_that_moved_is_told_everything() {
        let mut state = state();
        had(&mut state, &[("bolt", "1")]);
        let moved = one(&all(&[("website", "repo: org/elsewhere")]), &[("bolt", "1")], &state);
        assert_eq!((moved.action, moved.added, moved.complete), (Action::Deliver, 1, false));
    }

    #[test]
    fn what_went_to_the_outbox_is_still_to_be_sent_to_github() {
        let mut state = state();
        let settings = website();
        let outbox = plan(&settings, &concerns(&[("bolt", "1")]), &state, &|_| Channel::Outbox).remove(0);
        assert_eq!(outbox.target.as_str(), "outbox/website");
        deliver(&mut state, &outbox);
        assert_eq!(one(&settings, &[("bolt", "1")], &state).action, Action::Deliver);
    }

    #[test]
    fn a_downstream_waits_for_those_that_it_needs() {
        let all = all(&[
            ("addon", "{repo: o/a, needs: [website, cdn]}"),
            ("cdn", "{repo: o/c}"),
            ("docs", "{repo: o/d, needs: [cdn]}"),
            ("website", "{repo: o/w, needs: [docs]}"),
        ]);
        let order: Vec<_> = plan(&all, &concerns(&[("a", "1")]), &state(), &|_| Channel::Remote)
            .into_iter()
            .map(|delivery| (delivery.wave, delivery.name.to_string()))
            .collect();
        let wanted = [(0, "cdn"), (1, "docs"), (2, "website"), (3, "addon")];
        assert_eq!(order, wanted.map(|(wave, name)| (wave, name.to_owned())));
    }

    fn any_downstreams() -> impl Strategy<Value = BTreeMap<DownstreamName, Settings>> {
        // Needs point only to earlier letters, hence never in a circle.
        proptest::collection::vec(proptest::collection::vec(any::<prop::sample::Index>(), 0..3), 1..8).prop_map(
            |needs| {
                let letter = |i: usize| char::from(b'a' + u8::try_from(i).unwrap());
                let entry = |(i, picks): (usize, &Vec<prop::sample::Index>)| {
                    let needs = picks.iter().filter(|_| i > 0).map(|pick| letter(pick.index(i.max(1))).to_string());
                    let needs = needs.collect::<Vec<_>>().join(", ");
                    (letter(i).to_string(), format!("{{repo: o/{}, needs: [{needs}]}}", letter(i)))
                };
                let entries: Vec<_> = needs.iter().enumerate().map(entry).collect();
                all(&entries.iter().map(|(name, yaml)| (name.as_str(), yaml.as_str())).collect::<Vec<_>>())
            },
        )
    }

    proptest! {
        #[test]
        fn waves_respect_needs(all in any_downstreams()) {
            let waves = waves(&all);
            for (name, settings) in &all {
                prop_assert!(settings.needs.iter().all(|need| waves[need] < waves[name]));
            }
        }

        #[test]
        fn the_second_plan_is_empty(all in any_downstreams(), ids in proptest::collection::btree_set("[a-d]", 0..4)) {
            let concerns = concerns(&ids.iter().map(|id| (id.as_str(), "1")).collect::<Vec<_>>());
            let mut state = state();
            for delivery in plan(&all, &concerns, &state.clone(), &|_| Channel::Remote) {
                if delivery.action != Action::None {
                    deliver(&mut state, &delivery);
                }
            }
            let again = plan(&all, &concerns, &state, &|_| Channel::Remote);
            prop_assert!(again.iter().all(|delivery| delivery.action == Action::None));
        }
    }
}
