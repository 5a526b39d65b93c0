//! How large a schema is once its references are followed: what it may cost to check one value with it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// How many subschemas a schema may stand for.
pub const MAX_WEIGHT: usize = 200_000;
/// How many references may lead from one to the next; more would exhaust the stack of whoever follows them.
const MAX_CHAIN: usize = 200;

/// Counts the objects of a schema, those behind its own `#/…` references as often as they are referred to.
///
/// A reference that leads back to where it came from counts nothing: how often it is followed depends on the record.
pub fn weigh(schema: &Value) -> usize {
    Scale { root: schema, known: BTreeMap::new(), under_way: BTreeSet::new() }.weigh(schema, 0)
}

struct Scale<'s> {
    root: &'s Value,
    known: BTreeMap<&'s str, usize>,
    under_way: BTreeSet<&'s str>,
}

impl<'s> Scale<'s> {
    fn weigh(&mut self, value: &'s Value, chain: usize) -> usize {
        match value {
            Value::Array(items) => self.sum(items.iter(), chain),
            Value::Object(members) => {
                let target = ["$ref", "$dynamicRef"].iter().filter_map(|key| members.get(*key)?.as_str());
                let targets: Vec<&str> = target.filter_map(|target| target.strip_prefix('#')).collect();
                let behind = targets.into_iter().map(|target| self.behind(target, chain));
                let behind = behind.fold(0_usize, usize::saturating_add);
                self.sum(members.values(), chain).saturating_add(behind).saturating_add(1)
            }
            _ => 0,
        }
    }

    fn sum(&mut self, values: impl Iterator<Item = &'s Value>, chain: usize) -> usize {
        values.map(|value| self.weigh(value, chain)).fold(0, usize::saturating_add)
    }

    fn behind(&mut self, target: &'s str, chain: usize) -> usize {
        if chain >= MAX_CHAIN {
            return usize::MAX;
        }
        if let Some(known) = self.known.get(target) {
            return *known;
        }
        let Some(value) = self.root.pointer(target).filter(|_| self.under_way.insert(target)) else { return 0 };
        let weight = self.weigh(value, chain + 1);
        self.under_way.remove(target);
        self.known.insert(target, weight);
        weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn fan_out(levels: usize) -> Value {
        let step = |level: usize| {
            let next = format!("#/$defs/{}", level + 1);
            (level.to_string(), json!({"allOf": [{"$ref": next}, {"$ref": next}]}))
        };
        let mut steps: Map<String, Value> = (0..levels).map(step).collect();
        steps.insert(levels.to_string(), json!({"type": "string"}));
        json!({"$ref": "#/$defs/0", "$defs": steps})
    }

    #[test]
    fn a_schema_weighs_what_its_references_stand_for() {
        assert_eq!(weigh(&json!({"properties": {"a": {"type": "string"}}})), 3);
        assert!(weigh(&fan_out(8)) < MAX_WEIGHT);
        assert!(weigh(&fan_out(24)) > MAX_WEIGHT);
        assert!(weigh(&fan_out(300)) > MAX_WEIGHT);
    }

    #[test]
    fn a_recursive_schema_is_no_heavier_than_it_is_long() {
        let tree = json!({"properties": {"children": {"items": {"$ref": "#"}}}});
        assert!(weigh(&tree) < 20);
    }
}
