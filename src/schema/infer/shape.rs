//! What values that stand at one place of many records look like.
//!
//! A shape is a function of the values that it has seen, whatever their order: `see` and `merge` only add up counts, join
//! sets that are given up for good once they are too large, and remember whether something was ever so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::texts::Texts;
use crate::catalog::place::{Inside, Places};

/// How many members of different names are told apart; an object with more is a map.
pub(super) const MAX_MEMBERS: usize = 256;
/// How long a member's name may be, in bytes.
const MAX_NAME: usize = 200;
/// How many items of a list are compared with each other.
const MAX_COMPARED: usize = 1000;

/// The values at one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) seen: u64,
    pub(super) nulls: u64,
    pub(super) booleans: u64,
    pub(super) integers: u64,
    pub(super) numbers: u64,
    pub(super) texts: Texts,
    pub(super) lists: Option<Box<Lists>>,
    pub(super) objects: Option<Box<Objects>>,
}

/// The lists at one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lists {
    pub(super) seen: u64,
    pub(super) empty: u64,
    /// How many have two items or more, which could be equal.
    pub(super) several: u64,
    /// Whether one has equal items, or items that were not compared.
    pub(super) repeats: bool,
    pub(super) items: Shape,
}

/// The objects at one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Objects {
    pub(super) seen: u64,
    /// Whether what they hold lies too deep to be looked at.
    pub(super) is_closed: bool,
    pub(super) members: Members,
}

/// What objects hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Members {
    /// Members by their names.
    Named(BTreeMap<String, Member>),
    /// So many names that only the values say something.
    Any(Box<Shape>),
}

/// A member of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) shape: Shape,
    /// In how many objects its place among the others is known, and the sum of those places.
    pub(super) placed: u64,
    pub(super) place: u64,
}

impl Default for Members {
    fn default() -> Self {
        Self::Named(BTreeMap::new())
    }
}

impl Shape {
    /// Takes a value in, down to this depth; gives how many shapes that made.
    pub(super) fn see(&mut self, value: &Value, places: Option<&Places>, depth: usize) -> usize {
        self.seen += 1;
        match value {
            Value::Null => self.nulls += 1,
            Value::Bool(_) => self.booleans += 1,
            Value::Number(number) if number.is_f64() => self.numbers += 1,
            Value::Number(_) => self.integers += 1,
            Value::String(text) => self.texts.see(text),
            Value::Array(items) => return self.see_list(items, places, depth),
            Value::Object(members) => return self.see_object(members, places, depth),
        }
        0
    }

    fn see_list(&mut self, items: &[Value], places: Option<&Places>, depth: usize) -> usize {
        let mut made = usize::from(self.lists.is_none());
        let lists = self.lists.get_or_insert_default();
        lists.seen += 1;
        lists.empty += u64::from(items.is_empty());
        lists.several += u64::from(items.len() > 1);
        lists.repeats = lists.repeats || !are_distinct(items);
        if depth > 0 {
            let inside = match places.map(|places| &places.inside) {
                Some(Inside::Items(inside)) => inside.as_slice(),
                _ => &[],
            };
            for (index, item) in items.iter().enumerate() {
                made += lists.items.see(item, inside.get(index), depth - 1);
            }
        }
        made
    }

    fn see_object(&mut self, values: &serde_json::Map<String, Value>, places: Option<&Places>, depth: usize) -> usize {
        let objects = self.objects.get_or_insert_default();
        objects.seen += 1;
        if depth == 0 {
            objects.is_closed = objects.is_closed || !values.is_empty();
            return 0;
        }
        let places: BTreeMap<&str, (u64, &Places)> = match places.map(|places| &places.inside) {
            Some(Inside::Members(members)) => {
                (0..).zip(members).map(|(index, member)| (member.key.as_str(), (index, &member.value))).collect()
            }
            _ => BTreeMap::new(),
        };
        let mut made = 0;
        for (name, value) in values {
            let place = places.get(name.as_str());
            let inside = place.map(|(_, places)| *places);
            if let Members::Named(named) = &mut objects.members {
                if name.len() <= MAX_NAME && (named.len() < MAX_MEMBERS || named.contains_key(name)) {
                    let (count, member) = (named.len(), named.entry(name.clone()).or_default());
                    if let Some((index, _)) = place {
                        member.placed += 1;
                        member.place += index;
                    }
                    made += member.shape.see(value, inside, depth - 1);
                    made += named.len() - count;
                    continue;
                }
                objects.members.forget_names();
            }
            if let Members::Any(any) = &mut objects.members {
                made += any.see(value, inside, depth - 1);
            }
        }
        made
    }

    /// Takes in all that another shape has seen.
    pub(super) fn merge(&mut self, other: Self) {
        self.seen += other.seen;
        self.nulls += other.nulls;
        self.booleans += other.booleans;
        self.integers += other.integers;
        self.numbers += other.numbers;
        self.texts.merge(other.texts);
        if let Some(theirs) = other.lists {
            let ours = self.lists.get_or_insert_default();
            ours.seen += theirs.seen;
            ours.empty += theirs.empty;
            ours.several += theirs.several;
            ours.repeats = ours.repeats || theirs.repeats;
            ours.items.merge(theirs.items);
        }
        if let Some(theirs) = other.objects {
            let ours = self.objects.get_or_insert_default();
            ours.seen += theirs.seen;
            ours.is_closed = ours.is_closed || theirs.is_closed;
            ours.members.merge(theirs.members);
        }
    }

    /// Forgets what lies deeper than this.
    pub(super) fn cut(&mut self, depth: usize) {
        if let Some(lists) = &mut self.lists {
            match depth {
                0 => lists.items = Self::default(),
                _ => lists.items.cut(depth - 1),
            }
        }
        if let Some(objects) = &mut self.objects {
            let is_empty = matches!(&objects.members, Members::Named(named) if named.is_empty());
            match (&mut objects.members, depth) {
                (members, 0) => {
                    objects.is_closed = objects.is_closed || !is_empty;
                    *members = Members::default();
                }
                (Members::Named(named), _) => named.values_mut().for_each(|member| member.shape.cut(depth - 1)),
                (Members::Any(any), _) => any.cut(depth - 1),
            }
        }
    }

    /// How many values there are of each kind, null left out and all numbers as one.
    pub(super) fn kinds(&self) -> Vec<(&'static str, u64)> {
        let kinds = [
            ("text", self.texts.seen),
            ("number", self.integers + self.numbers),
            ("boolean", self.booleans),
            ("list", self.lists.as_ref().map_or(0, |lists| lists.seen)),
            ("object", self.objects.as_ref().map_or(0, |objects| objects.seen)),
        ];
        kinds.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// How many shapes it is made of.
    pub(super) fn size(&self) -> usize {
        let items = self.lists.as_ref().map_or(0, |lists| lists.items.size());
        let members = self.objects.as_ref().map_or(0, |objects| match &objects.members {
            Members::Named(named) => named.values().map(|member| member.shape.size()).sum(),
            Members::Any(any) => any.size(),
        });
        1 + items + members
    }
}

impl Members {
    fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Named(ours), Self::Named(theirs)) => {
                for (name, member) in theirs {
                    let own = ours.entry(name).or_default();
                    own.placed += member.placed;
                    own.place += member.place;
                    own.shape.merge(member.shape);
                }
                if ours.len() > MAX_MEMBERS {
                    self.forget_names();
                }
            }
            (_, mut theirs) => {
                self.forget_names();
                theirs.forget_names();
                if let (Self::Any(ours), Self::Any(theirs)) = (self, theirs) {
                    ours.merge(*theirs);
                }
            }
        }
    }

    fn forget_names(&mut self) {
        if let Self::Named(named) = self {
            *self = Self::Any(Box::new(whole(std::mem::take(named).into_values())));
        }
    }
}

/// All values of these members as one shape.
pub(super) fn whole(members: impl Iterator<Item = Member>) -> Shape {
    let mut whole = Shape::default();
    members.for_each(|member| whole.merge(member.shape));
    whole
}

/// Whether no two items are equal, as far as that can be told of texts and few items.
fn are_distinct(items: &[Value]) -> bool {
    let mut seen = BTreeSet::new();
    items.len() <= MAX_COMPARED && items.iter().all(|item| item.as_str().is_some_and(|text| seen.insert(text)))
}
