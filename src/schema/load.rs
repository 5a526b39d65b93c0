//! How many objections a schema may raise to one value: what it may cost to work all of them out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Add;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// What a reference to another file counts: its schema is not at hand.
const ELSEWHERE: usize = 20;
/// Below this no reference is followed any more; no record is nested as deep.
const MOST_LEVELS: usize = 1_000;

/// What may be objected to at a place, and at most at any one place below it.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    here: usize,
    below: usize,
}

impl Load {
    fn most(self) -> usize {
        self.here.max(self.below)
    }
}

impl Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { here: self.here.saturating_add(other.here), below: self.below.saturating_add(other.below) }
    }
}

/// The loads of a schema that were asked for, each by the depth of the records.
#[derive(Debug, Default)]
pub struct Loads(Mutex<BTreeMap<usize, usize>>);

impl Loads {
    /// How many objections the schema may raise to one value of a record that is nested so deep.
    ///
    /// All branches that look at the same value count together. A schema that leads back to itself once stays as it
    /// is; one that does so by two branches doubles with every level.
    pub fn of(&self, schema: &Value, depth: usize) -> usize {
        let depth = depth.min(MOST_LEVELS);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(depth).or_insert_with(|| load(schema, depth))
    }
}

fn load(schema: &Value, depth: usize) -> usize {
    let mut scale = Scale { root: schema, known: BTreeMap::new(), under_way: BTreeSet::new() };
    // From the bottom up, so that no step needs more of the stack than one level.
    (0..=depth).map(|levels| scale.load(schema, levels).most()).max().unwrap_or(0)
}

struct Scale<'s> {
    root: &'s Value,
    known: BTreeMap<(&'s str, usize), Load>,
    under_way: BTreeSet<(&'s str, usize)>,
}

impl<'s> Scale<'s> {
    fn load(&mut self, schema: &'s Value, levels: usize) -> Load {
        let Value::Object(members) = schema else {
            return Load { here: usize::from(*schema == Value::Bool(false)), below: 0 };
        };
        let mut load = Load::default();
        // What looks at members or items: of named ones each is looked at by one, the others look at any.
        let (mut named, mut any) = (0_usize, 0_usize);
        for (key, value) in members {
            match key.as_str() {
                "$ref" | "$dynamicRef" | "$recursiveRef" => load = load + self.behind(value, levels),
                "allOf" => load = load + self.sum(value, levels),
                "anyOf" | "oneOf" => load = load + self.sum(value, levels) + Load { here: 1, below: 0 },
                "then" | "else" => load = load + self.load(value, levels),
                "dependentSchemas" | "dependencies" => load = load + self.sum(value, levels),
                "required" => load.here = load.here.saturating_add(value.as_array().map_or(1, Vec::len)),
                "dependentRequired" => {
                    let names = value.as_object().into_iter().flatten().filter_map(|(_, names)| names.as_array());
                    load.here = names.map(Vec::len).fold(load.here, usize::saturating_add);
                }
                "properties" | "prefixItems" if levels > 0 => {
                    named = inner(value).map(|value| self.load(value, levels - 1).most()).fold(named, usize::max);
                }
                "patternProperties" if levels > 0 => {
                    let all = inner(value).map(|value| self.load(value, levels - 1).most());
                    any = all.fold(any, usize::saturating_add);
                }
                "items" if levels > 0 && value.is_array() => {
                    named = inner(value).map(|value| self.load(value, levels - 1).most()).fold(named, usize::max);
                }
                "additionalProperties" | "unevaluatedProperties" | "items" | "additionalItems" | "unevaluatedItems"
                    if levels > 0 =>
                {
                    let it = self.load(value, levels - 1).most();
                    any = any.saturating_add(it);
                    load.here = load.here.saturating_add(usize::from(value.is_boolean()));
                }
                "propertyNames" => load = load + self.load(value, levels),
                "$defs" | "definitions" | "properties" | "patternProperties" | "if" | "$id" | "$schema" | "title"
                | "description" | "$comment" | "default" | "examples" => {}
                _ => load.here = load.here.saturating_add(1),
            }
        }
        load.below = load.below.saturating_add(named.saturating_add(any));
        load
    }

    fn sum(&mut self, branches: &'s Value, levels: usize) -> Load {
        inner(branches).map(|branch| self.load(branch, levels)).fold(Load::default(), Add::add)
    }

    fn behind(&mut self, target: &'s Value, levels: usize) -> Load {
        let Some(pointer) = target.as_str().and_then(|target| target.strip_prefix('#')) else {
            return Load { here: ELSEWHERE, below: ELSEWHERE };
        };
        if let Some(known) = self.known.get(&(pointer, levels)) {
            return *known;
        }
        if !self.under_way.insert((pointer, levels)) {
            return Load::default();
        }
        // A name instead of a pointer may stand for anything in the schema.
        let load = self.load(self.root.pointer(pointer).unwrap_or(self.root), levels);
        self.under_way.remove(&(pointer, levels));
        self.known.insert((pointer, levels), load);
        load
    }
}

fn inner(schemas: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match schemas {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_looks_at_the_same_value_counts_together() {
        let one = json!({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
        assert_eq!(load(&one, 1), 1);
        assert_eq!(load(&json!({"required": ["a", "b", "c"], "allOf": [one, {"type": "object"}]}), 1), 4);
    }

    #[test]
    fn one_way_back_is_free_and_two_double_with_every_level() {
        let tree = json!({"type": "object", "properties": {"children": {"items": {"$ref": "#"}}}});
        assert_eq!(load(&tree, 60), load(&tree, 4));
        let back = json!({"$ref": "#"});
        let twice = json!({"type": "object", "additionalProperties": {"anyOf": [back, back, {"type": "null"}]}});
        assert!(load(&twice, 3) < 100);
        assert!(load(&twice, 50) > 1 << 49);
        let named = json!({"$anchor": "a", "additionalProperties": {"anyOf": [{"$ref": "#a"}, {"$ref": "#a"}]}});
        assert!(load(&named, 50) > 1 << 40);
        assert_eq!(load(&twice, 1_000), usize::MAX);
    }
}
