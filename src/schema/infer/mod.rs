//! A schema from the records alone: it accepts all of them, and says as much as they give evidence for.
//!
//! Each record is seen once and none is kept: an [`Inference`] holds counts and a bounded number of distinct keys and
//! values. What it holds depends on which records were seen, never on their order, so that partial inferences can be made
//! side by side and put together.

mod conclude;
mod layout;
mod names;
mod shape;
mod texts;

use serde_json::Value;

use crate::catalog::place::{Places, child_pointer};
use shape::{Members, Shape};

pub use layout::Json;

/// How many shapes of values an inference holds; beyond that the innermost are given up.
const MAX_SHAPES: usize = 20_000;
/// How deep it looks to begin with.
const MAX_DEPTH: usize = 24;

/// What is to be said beside the evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Style {
    /// The schema's title.
    pub title: Option<String>,
    /// Whether members that no record has are forbidden.
    pub strict: bool,
}

/// What the records seen so far have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inference {
    root: Shape,
    depth: usize,
    shapes: usize,
}

impl Default for Inference {
    fn default() -> Self {
        Self { root: Shape::default(), depth: MAX_DEPTH, shapes: 1 }
    }
}

impl Inference {
    /// Takes a record in. Its places, where they are known, tell in which order its members stand.
    pub fn see(&mut self, record: &Value, places: Option<&Places>) {
        self.shapes += self.root.see(record, places, self.depth);
        self.keep_bounds();
    }

    /// Takes in all that another inference has seen.
    #[must_use]
    pub fn merge(mut self, mut other: Self) -> Self {
        let depth = self.depth.min(other.depth);
        self.root.cut(depth);
        other.root.cut(depth);
        self.root.merge(other.root);
        self.depth = depth;
        self.shapes = self.root.size();
        self.keep_bounds();
        self
    }

    /// How many records were seen.
    pub fn records(&self) -> u64 {
        self.root.seen
    }

    /// The schema.
    pub fn schema(&self, style: &Style) -> Json {
        conclude::schema(&self.root, style)
    }

    /// Members that are of one kind in some records and of another kind in others, which is seldom meant: the pointer,
    /// and how many values there are of each kind.
    pub fn mixed(&self) -> Vec<(String, Vec<(&'static str, u64)>)> {
        let mut found = Vec::new();
        mixed(&self.root, "", &mut found);
        found
    }

    /// The pointers of values that by their names and contents tell when a program last touched the record.
    pub fn touched(&self) -> Vec<String> {
        let mut found = Vec::new();
        touched(&self.root, "", &mut found);
        found
    }

    fn keep_bounds(&mut self) {
        while self.shapes > MAX_SHAPES {
            self.shapes = self.root.size();
            if self.shapes > MAX_SHAPES {
                self.depth = self.depth.saturating_sub(1);
                self.root.cut(self.depth);
            }
        }
    }
}

fn touched(shape: &Shape, pointer: &str, found: &mut Vec<String>) {
    let Some(objects) = &shape.objects else { return };
    let Members::Named(members) = &objects.members else { return };
    for (name, member) in members {
        let pointer = child_pointer(pointer, name);
        let is_moment = names::tells_last_touch(name) && member.shape.texts.are_moments();
        if is_moment || (names::is_of_sync(name) && member.shape.texts.seen > 0) {
            found.push(pointer);
        } else {
            touched(&member.shape, &pointer, found);
        }
    }
}

fn mixed(shape: &Shape, pointer: &str, found: &mut Vec<(String, Vec<(&'static str, u64)>)>) {
    let kinds = shape.kinds();
    if kinds.len() > 1 {
        found.push((pointer.to_owned(), kinds));
    }
    if let Some(lists) = &shape.lists {
        mixed(&lists.items, &format!("{pointer}/*"), found);
    }
    if let Some(objects) = &shape.objects {
        match &objects.members {
            Members::Named(members) => {
                members.iter().for_each(|(name, member)| mixed(&member.shape, &child_pointer(pointer, name), found));
            }
            Members::Any(any) => mixed(any, &format!("{pointer}/*"), found),
        }
    }
}

#[cfg(test)]
mod tests;
