//! What changed from one schema to the next, rule by rule, in words, and what each change does to records.
//!
//! A change that is called compatible is so for every value: [`Changes::are_harmless`] rests on it. A change that is called
//! breaking may break a record; whether one can exist at all is for the proof and the records to say.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::rules;
use crate::catalog::place::child_pointer;
use crate::schema::keyword::{Role, keyword, subschemas};
use crate::schema::settings::{DraftName, FormatPolicy, Policy};
use crate::schema::suspicions::accepts_everything;

/// How many changes are told.
pub const MOST: usize = 500;
/// How deep schemas are followed.
const DEEPEST: usize = 400;

/// What a change does to records that follow the old schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// A record may have followed the old schema and not follow the new one.
    Breaking,
    /// It is not known.
    Unclear,
    /// Every record goes on to be valid, and more may become so.
    Compatible,
    /// No record is concerned.
    Neutral,
}

/// What could be done to a record to show a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Trial {
    /// Nothing that is known.
    None,
    /// Leave this member out.
    Without(String),
    /// Put one of these values there.
    With(Vec<Value>),
    /// Add this member.
    And(String),
}

/// One change of one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What it does to records.
    pub effect: Effect,
    /// What changed, in a word or two: `required`, `type`, `enum`.
    pub rule: &'static str,
    /// The JSON Pointer of the place in the new schema; in the old one for what is gone.
    pub pointer: String,
    /// The values that are concerned, as a pointer with `*` for any key or index; empty for the record itself.
    pub at: String,
    /// What changed, in a sentence.
    pub message: String,
    /// How a record would show it.
    pub trial: Trial,
}

/// All changes, and what may be concluded from them.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// In the order of the new schema.
    pub list: Vec<Change>,
    /// Members that the new schema introduces where the old one let everything pass, by the pointer of the old object
    /// schema and their name. Nothing is compatible for a record that has one by chance.
    pub introduced: Vec<Introduced>,
    /// Whether every rule was understood, so that the absence of a change means something.
    pub is_complete: bool,
}

/// A member that the new schema introduces where the old one let everything pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Introduced {
    /// The pointer of the old object schema.
    pub schema: String,
    /// The member.
    pub name: String,
    /// Where it stands in a record.
    pub at: String,
}

impl Changes {
    /// Whether no value that follows the old schema can break the new one, but for what is introduced.
    pub fn are_harmless(&self) -> bool {
        self.is_complete && self.list.iter().all(|change| change.effect >= Effect::Compatible)
    }
}

/// Works out what changed.
pub fn changes(old: &Value, new: &Value, policy: Policy) -> Changes {
    let drafts = (policy.draft_of(old), policy.draft_of(new));
    let mut walk = Walk {
        roots: (old, new),
        drafts,
        asserts_formats: policy.format == FormatPolicy::Assert,
        found: Vec::new(),
        introduced: BTreeSet::new(),
        seen: BTreeSet::new(),
        notes: 0,
        is_complete: is_plain(old) && is_plain(new) && drafts.0 == drafts.1,
    };
    if drafts.0 != drafts.1 {
        let message = format!("the draft was {} and is {}", drafts.0.as_str(), drafts.1.as_str());
        walk.tell(&Spot::root(), Effect::Unclear, "$schema", message, Trial::None);
    }
    walk.schemas(Some((old, "")), Some((new, "")), &Spot::root());
    walk.sum_up_notes();
    Changes { list: walk.found, introduced: walk.introduced.into_iter().collect(), is_complete: walk.is_complete }
}

/// Whether a schema has nothing in which one keyword changes what another far away means.
fn is_plain(root: &Value) -> bool {
    const FAR: [&str; 6] = [
        "unevaluatedProperties",
        "unevaluatedItems",
        "$dynamicRef",
        "$recursiveRef",
        "contentMediaType",
        "contentEncoding",
    ];
    subschemas(root).iter().all(|(pointer, schema)| {
        let Some(members) = schema.as_object() else { return true };
        let is_outward = members.get("$ref").and_then(Value::as_str).is_some_and(|target| local(target).is_none());
        let is_base = !pointer.is_empty() && (members.contains_key("$id") || members.contains_key("id"));
        !is_outward && !is_base && !FAR.iter().any(|name| members.contains_key(*name))
    })
}

/// The pointer that a reference into its own document has; none for an anchor or another document.
fn local(target: &str) -> Option<&str> {
    target.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'))
}

/// Whether a reference stands somewhere in a value.
pub(super) fn refers(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.contains_key("$ref") || members.values().any(refers),
        Value::Array(items) => items.iter().any(refers),
        _ => false,
    }
}

/// Whether rules stand beside a reference, and count.
fn is_ruled_reference(schema: &Value, draft: DraftName) -> bool {
    let is_rule = |name: &String| keyword(name).is_some_and(|keyword| keyword.role == Role::Rule);
    let Some(members) = schema.as_object() else { return false };
    draft > DraftName::Draft7 && members.contains_key("$ref") && members.keys().any(is_rule)
}

/// What holds for the place that is looked at.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    /// In the new schema, or in the old one for what is gone.
    pub(super) pointer: String,
    /// In the record.
    pub(super) at: String,
    sense: Sense,
    depth: usize,
}

/// What it does to the whole when a part accepts less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sense {
    /// The whole accepts less.
    Same,
    /// The whole accepts more, as under `not`.
    Opposite,
    /// Either.
    Open,
}

impl Spot {
    fn root() -> Self {
        Self { pointer: String::new(), at: String::new(), sense: Sense::Same, depth: 0 }
    }

    /// The same values, at another pointer of the schema.
    pub(super) fn to(&self, pointer: &str) -> Self {
        Self { pointer: pointer.to_owned(), ..self.clone() }
    }

    /// The place of a keyword.
    pub(super) fn keyword(&self, name: &str) -> Self {
        Self { pointer: child_pointer(&self.pointer, name), ..self.clone() }
    }

    /// The values below this key or index.
    pub(super) fn below(&self, key: &str) -> Self {
        Self { at: child_pointer(&self.at, key), ..self.clone() }
    }

    /// Below a `not`.
    pub(super) fn negated(&self) -> Self {
        let sense = match self.sense {
            Sense::Same => Sense::Opposite,
            Sense::Opposite => Sense::Same,
            Sense::Open => Sense::Open,
        };
        Self { sense, ..self.clone() }
    }

    /// Where less and more both may break.
    pub(super) fn open(&self) -> Self {
        Self { sense: Sense::Open, ..self.clone() }
    }

    /// How a sentence calls the values.
    pub(super) fn subject(&self) -> String {
        if self.at.is_empty() { "the record".to_owned() } else { self.at.clone() }
    }
}

/// A schema and its pointer in its document.
pub(super) type Side<'s, 'p> = (&'s Value, &'p str);
pub(super) type Members = Map<String, Value>;

static ANYTHING: Value = Value::Bool(true);
static NO_MEMBERS: LazyLock<Members> = LazyLock::new(Members::new);

fn members(schema: &Value) -> &Members {
    schema.as_object().unwrap_or(&NO_MEMBERS)
}

pub(super) struct Walk<'s> {
    roots: (&'s Value, &'s Value),
    pub(super) drafts: (DraftName, DraftName),
    pub(super) asserts_formats: bool,
    found: Vec<Change>,
    introduced: BTreeSet<Introduced>,
    seen: BTreeSet<(Option<String>, Option<String>, Sense)>,
    notes: usize,
    is_complete: bool,
}

impl<'s> Walk<'s> {
    /// Notes a change, in the sense that the place gives it.
    pub(super) fn tell(&mut self, spot: &Spot, effect: Effect, rule: &'static str, message: String, trial: Trial) {
        let effect = match (spot.sense, effect) {
            (Sense::Opposite, Effect::Breaking) => Effect::Compatible,
            (Sense::Opposite, Effect::Compatible) => Effect::Breaking,
            (Sense::Open, Effect::Breaking | Effect::Compatible) => Effect::Unclear,
            (_, effect) => effect,
        };
        let is_known = |change: &Change| {
            (change.effect, change.pointer.as_str(), &change.message) == (effect, spot.pointer.as_str(), &message)
        };
        if self.found.iter().any(is_known) {
            return;
        }
        if self.found.len() >= MOST {
            self.is_complete = false;
            return;
        }
        let (pointer, at) = (spot.pointer.clone(), spot.at.clone());
        self.found.push(Change { effect, rule, pointer, at, message, trial });
    }

    /// Notes a member that comes new to an object whose old schema let everything pass.
    pub(super) fn introduce(&mut self, schema: &str, name: &str, spot: &Spot) -> bool {
        // Where accepting less may make the whole accept more, there is nothing to assume.
        if spot.sense != Sense::Same {
            return false;
        }
        self.introduced.insert(Introduced { schema: schema.to_owned(), name: name.to_owned(), at: spot.at.clone() });
        true
    }

    /// Says that a place was not understood.
    pub(super) fn give_up(&mut self) {
        self.is_complete = false;
    }

    /// Compares two schemas for the same values; where one is missing, everything passes.
    pub(super) fn schemas(&mut self, old: Option<Side<'s, '_>>, new: Option<Side<'s, '_>>, spot: &Spot) {
        if spot.depth > DEEPEST {
            self.is_complete = false;
            return;
        }
        // Where rules stand beside one of two references, each is compared with its like.
        let is_ruled = |side: Option<Side<'s, '_>>, draft| side.is_some_and(|side| is_ruled_reference(side.0, draft));
        let stays = is_ruled(old, self.drafts.0) || is_ruled(new, self.drafts.1);
        let old = old.map(|side| (if stays { (side.0, side.1.to_owned()) } else { self.followed(side, true) }, side.1));
        let new =
            new.map(|side| (if stays { (side.0, side.1.to_owned()) } else { self.followed(side, false) }, side.1));
        let is_referred = [&old, &new].into_iter().flatten().any(|((_, target), written)| target != written);
        let name = |side: &Option<((&Value, String), &str)>| side.as_ref().map(|((_, target), _)| target.clone());
        // A finite value comes to its end: what holds for all smaller ones may be supposed.
        if is_referred && !self.seen.insert((name(&old), name(&new), spot.sense)) {
            return;
        }
        let pointer = name(&new).or(name(&old)).unwrap_or_default();
        let spot = Spot { pointer, depth: spot.depth + 1, ..spot.clone() };
        let (old, old_at) = old.map_or((&ANYTHING, String::new()), |(side, _)| side);
        let (new, new_at) = new.map_or((&ANYTHING, String::new()), |(side, _)| side);
        match (old, new) {
            (Value::Bool(false), Value::Bool(false)) => {}
            (Value::Bool(false), _) => {
                let message = format!("{} may be there now", spot.subject());
                self.tell(&spot, Effect::Compatible, "allowed", message, Trial::None);
            }
            (_, Value::Bool(false)) => {
                let message = format!("{} may not be there any more", spot.subject());
                let trial = Trial::With(vec![Value::Null, Value::from("x"), Value::from(0)]);
                self.tell(&spot, Effect::Breaking, "allowed", message, trial);
            }
            _ => {
                let pair = Pair { old: members(old), new: members(new), old_at: &old_at, new_at: &new_at };
                rules::compare(self, &pair, &spot);
                self.count_notes(&pair);
            }
        }
    }

    /// The same, unless both are missing.
    pub(super) fn schemas_if_any(&mut self, old: Option<Side<'s, '_>>, new: Option<Side<'s, '_>>, spot: &Spot) {
        if old.is_some() || new.is_some() {
            self.schemas(old, new, spot);
        }
    }

    /// The schema behind a reference that stands beside rules.
    pub(super) fn behind(&self, members: &'s Members, is_old: bool) -> Option<(&'s Value, &'s str)> {
        let root = if is_old { self.roots.0 } else { self.roots.1 };
        let pointer = members.get("$ref").and_then(Value::as_str).and_then(local)?;
        Some((root.pointer(pointer)?, pointer))
    }

    /// The schema that a lone reference stands for, and its pointer.
    fn followed(&self, side: Side<'s, '_>, is_old: bool) -> (&'s Value, String) {
        let (root, draft) = if is_old { (self.roots.0, self.drafts.0) } else { (self.roots.1, self.drafts.1) };
        let (mut schema, mut pointer) = (side.0, side.1.to_owned());
        for _ in 0..200 {
            let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(local) else { break };
            let Some(found) = root.pointer(target).filter(|_| !is_ruled_reference(schema, draft)) else { break };
            (schema, pointer) = (found, target.to_owned());
        }
        (schema, pointer)
    }

    /// Whether a schema refuses nothing.
    pub(super) fn is_open(&self, schema: &Value, is_old: bool) -> bool {
        accepts_everything(schema, if is_old { self.roots.0 } else { self.roots.1 })
    }

    /// Counts the notes for people and programs that differ.
    fn count_notes(&mut self, pair: &Pair<'s, '_>) {
        let names: BTreeSet<&String> = pair.old.keys().chain(pair.new.keys()).collect();
        let is_note = |name: &&&String| keyword(name).is_none_or(|keyword| keyword.role == Role::Note);
        let differ = names.iter().filter(is_note).filter(|name| pair.old.get(**name) != pair.new.get(**name));
        self.notes += differ.count();
    }

    fn sum_up_notes(&mut self) {
        if self.notes > 0 {
            let places = if self.notes == 1 { "one place".to_owned() } else { format!("{} places", self.notes) };
            let message = format!("titles, descriptions and other notes differ in {places}");
            self.tell(&Spot::root(), Effect::Neutral, "notes", message, Trial::None);
        }
    }
}

/// Two object schemas for the same values.
pub(super) struct Pair<'s, 'p> {
    pub(super) old: &'s Members,
    pub(super) new: &'s Members,
    pub(super) old_at: &'p str,
    pub(super) new_at: &'p str,
}

impl<'s> Pair<'s, '_> {
    /// What stands behind a keyword on both sides.
    pub(super) fn both(&self, name: &str) -> (Option<&'s Value>, Option<&'s Value>) {
        (self.old.get(name), self.new.get(name))
    }

    /// What stands behind a keyword on both sides, where it differs.
    pub(super) fn differing(&self, name: &str) -> Option<(Option<&'s Value>, Option<&'s Value>)> {
        Some(self.both(name)).filter(|(old, new)| old != new)
    }

    /// The pointers of a keyword on both sides.
    pub(super) fn pointers(&self, name: &str) -> (String, String) {
        (child_pointer(self.old_at, name), child_pointer(self.new_at, name))
    }
}
