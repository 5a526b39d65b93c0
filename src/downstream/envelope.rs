//! What a downstream is told: the `client_payload` of the event, always within GitHub's limits.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::slice::Delta;
use crate::ids::{AssetKey, CommitId, CorrelationId, RepoSlug, Sha256Hex};

/// The most that a payload takes, in bytes of JSON; GitHub refuses 64 KB and more.
pub const MAX_PAYLOAD_BYTES: usize = 60_000;

/// The most properties at the payload's top; GitHub refuses an eleventh.
pub const MAX_KEYS: usize = 10;

/// A branch, tag or URL longer than this is left out: it is no name that a person gave.
const MAX_TEXT: usize = 4_000;

/// What is told to every downstream alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announcement {
    /// The library, `owner/name`; none outside GitHub.
    pub repository: Option<RepoSlug>,
    /// The commit that the manifest was made from.
    pub commit: Option<CommitId>,
    /// The branch or tag, in full: `refs/heads/main`.
    pub reference: Option<String>,
    /// Where the manifest can be read.
    pub manifest_url: Option<String>,
    /// The manifest's `digest`.
    pub manifest_digest: Option<Sha256Hex>,
    /// The schema versions in use, by the schema's name.
    pub schemas: BTreeMap<String, Vec<String>>,
    /// Whether it takes back what was told last: everything else is that of before.
    pub rollback: bool,
}

/// The `client_payload` that Stockroom sends with a `repository_dispatch` event, version 1.
///
/// Fields may be added, none is renamed or removed within a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Stockroom envelope")]
pub struct Envelope {
    /// The version of this format: 1.
    pub version: u32,
    /// The library that changed, `owner/name`; null outside GitHub.
    #[schemars(with = "Option<String>")]
    pub repository: Option<RepoSlug>,
    /// The commit that this is about, in full; null in a library without a commit.
    #[schemars(with = "Option<String>")]
    pub commit: Option<CommitId>,
    /// The branch or tag, in full (`refs/heads/main`); null when it is not known.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Where to read everything, and how to check it.
    pub manifest: ManifestMessage,
    /// What changed for this downstream since the last event that is known to have reached it.
    pub delta: DeltaMessage,
    /// The schema versions in use, by the schema's name; null when they do not fit: read the manifest then.
    pub schemas: Option<BTreeMap<String, Vec<String>>>,
    /// What the library tells this downstream beside the change: `payload` in stockroom.yml, filled in; null without one.
    #[serde(default)]
    pub extra: Option<Map<String, Value>>,
    /// The id of this delivery, the same when it is sent again. A workflow that puts it into its `run-name` can be found.
    #[schemars(with = "String")]
    pub correlation_id: CorrelationId,
}

/// The manifest that goes with an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestMessage {
    /// Where it can be read; null when it is published nowhere.
    pub url: Option<String>,
    /// Its `digest`, which is that of what it says and not of its bytes; null when there is none.
    #[schemars(with = "Option<String>")]
    pub digest: Option<Sha256Hex>,
}

/// What changed for a downstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeltaMessage {
    /// The assets that are new.
    #[schemars(with = "Vec<AssetKeySchema>")]
    pub added: Vec<AssetKey>,
    /// The assets that mean something else than before.
    #[schemars(with = "Vec<AssetKeySchema>")]
    pub changed: Vec<AssetKey>,
    /// The assets that are gone.
    #[schemars(with = "Vec<AssetKeySchema>")]
    pub removed: Vec<AssetKey>,
    /// Whether the lists may lack something, as they would be too long or the last event's fate is not known: compare
    /// with the manifest then.
    pub truncated: bool,
    /// How many assets were added, changed and removed in all.
    pub counts: DeltaCounts,
    /// Whether this takes back what the last delivery told, because another downstream failed: `commit` and `manifest` are
    /// those from before it.
    #[serde(default)]
    pub rollback: bool,
}

/// How many assets a change is about, whether they are listed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeltaCounts {
    /// New ones.
    pub added: usize,
    /// Changed ones.
    pub changed: usize,
    /// Removed ones.
    pub removed: usize,
}

/// An asset, unique across the library.
#[derive(JsonSchema)]
#[schemars(rename = "Asset")]
#[allow(dead_code, reason = "it only describes AssetKey, which knows nothing of schemas")]
struct AssetKeySchema {
    /// The collection it belongs to.
    collection: String,
    /// Its id within that collection.
    id: String,
}

/// How much an envelope may take, as its receiver counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The most bytes.
    pub bytes: usize,
    /// Whether the envelope goes as a text within JSON, in which every quotation mark takes two bytes.
    pub is_quoted: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self { bytes: MAX_PAYLOAD_BYTES, is_quoted: false }
    }
}

impl Room {
    /// How much of it a value takes, counted as if it were written in ASCII.
    fn taken<T: Serialize>(self, value: &T) -> usize {
        match serde_json::to_string(value) {
            Ok(json) if self.is_quoted => json_weight(&json),
            Ok(json) => weight(&json),
            Err(_) => usize::MAX,
        }
    }
}

impl Envelope {
    /// The envelope for one downstream. `complete` is false when the downstream may have had more than `delta` starts from.
    ///
    /// What would exceed the limits is left out, from the end of the lists on; the counts always tell the whole.
    pub fn new(news: &Announcement, delta: &Delta, complete: bool, correlation: &CorrelationId) -> Self {
        Self::within(Room::default(), news, delta, complete, correlation, None)
    }

    /// The same with what is told beside the change, which is never cut, for a receiver with so much room.
    pub fn within(
        room: Room,
        news: &Announcement,
        delta: &Delta,
        complete: bool,
        correlation: &CorrelationId,
        extra: Option<Map<String, Value>>,
    ) -> Self {
        let short = |text: &Option<String>| text.clone().filter(|text| weight(text) <= MAX_TEXT);
        let counts =
            DeltaCounts { added: delta.added.len(), changed: delta.changed.len(), removed: delta.removed.len() };
        let mut envelope = Self {
            version: 1,
            repository: news.repository.clone().filter(|slug| weight(slug.as_str()) <= MAX_TEXT),
            commit: news.commit.clone(),
            reference: short(&news.reference),
            manifest: ManifestMessage { url: short(&news.manifest_url), digest: news.manifest_digest.clone() },
            delta: DeltaMessage {
                added: Vec::new(),
                changed: Vec::new(),
                removed: Vec::new(),
                truncated: !complete,
                counts,
                rollback: news.rollback,
            },
            schemas: Some(news.schemas.clone()),
            extra,
            correlation_id: correlation.clone(),
        };
        if room.taken(&envelope) > room.bytes / 2 {
            envelope.schemas = None;
        }
        envelope.fill(delta, room);
        envelope
    }

    /// Lists as much of `delta` as fits.
    fn fill(&mut self, delta: &Delta, room: Room) {
        let mut left = room.bytes.min(MAX_PAYLOAD_BYTES).saturating_sub(room.taken(self));
        let mut cut = false;
        let lists = [
            (&delta.added, &mut self.delta.added),
            (&delta.changed, &mut self.delta.changed),
            (&delta.removed, &mut self.delta.removed),
        ];
        for (wanted, list) in lists {
            for key in wanted {
                // One more for the comma. Nothing is listed after the first that does not fit: the order stays whole.
                let size = room.taken(key) + 1;
                cut = cut || size > left;
                if cut {
                    break;
                }
                left -= size;
                list.push(key.clone());
            }
        }
        self.delta.truncated |= cut;
    }

    /// The payload as it is sent.
    pub fn payload(&self) -> Value {
        // A struct of texts, numbers and maps with text keys always has a JSON form.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

/// How many bytes the JSON form takes when every character beyond ASCII is written as `\uXXXX`, the longest that it can become.
fn json_weight<T: Serialize>(value: &T) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |json| weight(&json))
}

pub(super) fn weight(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 6 * c.len_utf16() }).sum()
}

/// The JSON Schema of the envelope, for the receiving side to check against.
pub fn envelope_schema() -> Value {
    schemars::schema_for!(Envelope).to_value()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{AssetId, CollectionName, TargetName};

    fn correlation() -> CorrelationId {
        CorrelationId::of(&TargetName::new("downstream/website"), &Sha256Hex::of(b"slice"), "salt")
    }

    fn keys(ids: impl IntoIterator<Item = String>) -> Vec<AssetKey> {
        ids.into_iter()
            .map(|id| AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) })
            .collect()
    }

    fn news() -> Announcement {
        Announcement {
            repository: RepoSlug::parse("org/library").ok(),
            commit: CommitId::parse(&"a".repeat(40)).ok(),
            reference: Some("refs/heads/main".into()),
            manifest_url: Some("https://cdn.example/manifest.json".into()),
            manifest_digest: Some(Sha256Hex::of(b"manifest")),
            rollback: false,
            schemas: [("product-metadata".to_owned(), vec!["1.0.0".to_owned(), "1.1.0".to_owned()])].into(),
        }
    }

    #[test]
    fn a_small_change_is_told_in_full() {
        let delta = Delta { added: keys(["Hex Bolt".into()]), changed: vec![], removed: keys(["Nut".into()]) };
        let envelope = Envelope::new(&news(), &delta, true, &correlation());
        insta::assert_snapshot!(serde_json::to_string_pretty(&envelope.payload()).unwrap(), @r#"
    {
      "commit": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "correlation_id": "sr-fea636176eb17501",
      "delta": {
        "added": [
          {
            "collection": "products",
            "id": "Hex Bolt"
          }
        ],
        "changed": [],
        "counts": {
          "added": 1,
          "changed": 0,
          "removed": 1
        },
        "removed": [
          {
            "collection": "products",
            "id": "Nut"
          }
        ],
        "rollback": false,
        "truncated": false
      },
      "extra": null,
      "manifest": {
        "digest": "05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f",
        "url": "https://cdn.example/manifest.json"
      },
      "ref": "refs/heads/main",
      "repository": "org/library",
      "schemas": {
        "product-metadata": [
          "1.0.0",
          "1.1.0"
        ]
      },
      "version": 1
    }
    "#);
    }

    #[test]
    fn a_large_change_keeps_its_counts_and_says_that_it_was_cut() {
        let delta = Delta {
            added: keys((0..10).map(|i| format!("new {i}"))),
            changed: keys((0..10_000).map(|i| format!("asset {i}"))),
            removed: keys(["gone".into()]),
        };
        let envelope = Envelope::new(&news(), &delta, true, &correlation());
        assert_eq!(envelope.delta.added.len(), 10);
        assert!(envelope.delta.changed.len() > 500, "{}", envelope.delta.changed.len());
        assert_eq!(envelope.delta.removed, []);
        assert!(envelope.delta.truncated);
        assert_eq!(envelope.delta.counts, DeltaCounts { added: 10, changed: 10_000, removed: 1 });
    }

    #[test]
    fn a_delta_from_an_uncertain_start_is_marked() {
        assert!(Envelope::new(&news(), &Delta::default(), false, &correlation()).delta.truncated);
    }

    #[test]
    fn what_is_too_long_to_be_meant_is_left_out() {
        let mut news = news();
        news.reference = Some("é".repeat(2_000));
        news.schemas = (0..5_000).map(|i| (format!("schema-{i}"), vec!["1.0.0".to_owned()])).collect();
        let envelope = Envelope::new(&news, &Delta::default(), true, &correlation());
        assert_eq!((envelope.reference, envelope.schemas), (None, None));
    }

    #[test]
    fn the_payload_agrees_with_its_schema() {
        let schema = envelope_schema();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let delta = Delta { added: keys(["a".into()]), ..Delta::default() };
        let mut payload = Envelope::new(&news(), &delta, true, &correlation()).payload();
        assert!(validator.is_valid(&payload), "{payload}");
        let extra = serde_json::json!({"environment": "prod", "n": 3}).as_object().cloned();
        let told = Envelope::within(Room::default(), &news(), &delta, true, &correlation(), extra).payload();
        assert!(validator.is_valid(&told) && told["extra"]["n"] == 3, "{told}");
        assert!(validator.is_valid(&Envelope::new(&Announcement::default(), &delta, true, &correlation()).payload()));
        payload["delta"]["added"][0] = Value::from("products/a");
        assert!(!validator.is_valid(&payload), "an asset is named by its collection and its id");
    }

    #[test]
    fn what_is_told_beside_is_never_cut_and_leaves_no_room_that_there_is_not() {
        let delta = Delta { changed: keys((0..10_000).map(|i| format!("asset {i}"))), ..Delta::default() };
        let extra = serde_json::json!({"note": "\"".repeat(7_000)}).as_object().cloned();
        let room = Room { bytes: 40_000, is_quoted: true };
        let envelope = Envelope::within(room, &news(), &delta, true, &correlation(), extra.clone());
        let quoted = Value::from(envelope.payload().to_string()).to_string().len();
        assert!(quoted <= 40_000 && quoted > 39_000, "{quoted}");
        assert!(envelope.extra == extra && envelope.delta.truncated && envelope.delta.counts.changed == 10_000);
        let none = Envelope::within(Room { bytes: 10, is_quoted: true }, &news(), &delta, true, &correlation(), extra);
        assert!(none.delta.changed.is_empty() && none.schemas.is_none());
    }

    fn any_ids() -> impl Strategy<Value = Vec<AssetKey>> {
        let id = prop_oneof![4 => "[a-z $]{1,40}", 1 => "\\PC{0,80}", 1 => any::<char>().prop_map(|c| c.to_string().repeat(8_000))];
        (proptest::collection::vec(id, 0..6), 1..1_000usize).prop_map(|(ids, times)| {
            keys((0..times).flat_map(|i| ids.iter().map(move |id| format!("{i}{id}"))).take(1_000))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn every_payload_is_within_the_limits(
            (added, changed, removed) in (any_ids(), any_ids(), any_ids()),
            texts in proptest::array::uniform2(proptest::option::of(("\\PC{0,4}", 0..5_000usize))),
            noted in 0..15_000_usize,
            (names, versions) in (0..80_usize, proptest::collection::vec("\\PC{0,12}", 0..100)),
        ) {
            let [reference, manifest_url] = texts.map(|text| text.map(|(text, times)| text.repeat(times)));
            let schemas = (0..names).map(|i| (format!("schema-{i}"), versions.clone())).collect();
            let news = Announcement { reference, manifest_url, schemas, ..news() };
            let delta = Delta { added, changed, removed };
            let extra = serde_json::json!({"note": "x".repeat(noted)}).as_object().cloned();
            let payload = Envelope::within(Room::default(), &news, &delta, true, &correlation(), extra).payload();
            prop_assert!(json_weight(&payload) <= MAX_PAYLOAD_BYTES);
            prop_assert!(payload.as_object().unwrap().len() <= MAX_KEYS);
            let listed = |list: &str| payload["delta"][list].as_array().unwrap().len();
            let all = listed("added") + listed("changed") + listed("removed");
            let wanted = delta.added.len() + delta.changed.len() + delta.removed.len();
            prop_assert_eq!(payload["delta"]["truncated"].as_bool().unwrap(), all < wanted);
        }
    }
}
