//! A downstream that does what its events say.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;

use super::end_state::{Asset, EndState};

/// What it has: each asset with the digest of what it means.
pub type Stock = BTreeMap<Asset, String>;

/// Takes the events in the order in which they came and gives what the receiver then has.
///
/// Of an asset that is added or changed it fetches what the event's commit has; of an event that may lack something it takes
/// everything anew.
pub fn after(events: &[Value], had: Stock, collections: &[&str], all: &BTreeMap<String, Rc<EndState>>) -> Stock {
    let mut stock = had;
    for event in events {
        let payload = &event["client_payload"];
        let commit = payload["commit"].as_str().unwrap();
        let there = all.get(commit).unwrap_or_else(|| panic!("an event tells of {commit}")).assets(collections);
        let delta = &payload["delta"];
        if delta["truncated"] == true {
            stock = there;
            continue;
        }
        for asset in assets(&delta["added"]).chain(assets(&delta["changed"])) {
            let digest = there.get(&asset).unwrap_or_else(|| panic!("{asset:?} is told of and not there"));
            stock.insert(asset, digest.clone());
        }
        for asset in assets(&delta["removed"]) {
            stock.remove(&asset);
        }
    }
    stock
}

fn assets(list: &Value) -> impl Iterator<Item = Asset> + '_ {
    let text = |asset: &Value, key: &str| asset[key].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(move |asset| (text(asset, "collection"), text(asset, "id")))
}

/// Asserts that no content was told under two ids and no two contents under one; gives how many events came twice.
pub fn duplicates(events: &[Value]) -> usize {
    let mut told: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut ids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for event in events {
        let payload = &event["client_payload"];
        let id = payload["correlation_id"].as_str().unwrap();
        let first = told.entry(id).or_insert(payload);
        assert_eq!(*first, payload, "two events have the id {id}");
        ids.entry(payload["commit"].as_str().unwrap()).or_default().insert(id);
    }
    for (commit, ids) in ids {
        assert_eq!(ids.len(), 1, "commit {commit} was told under {ids:?}");
    }
    events.len() - told.len()
}
