//! What may stand only once: ids in their collection, and the values that `unique` names.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::collection::{Collection, IdSource};
use super::pointer::PointerPattern;
use super::record::Record;
use crate::finding::{Finding, Span, codes};
use crate::ids::{AssetId, AssetKey, CollectionName, RepoPath};

codes! {
    DUPLICATE_ID "duplicate-id"
        "Two records of a collection have the same id. An id names one asset for good: change one of them."
    DUPLICATE_VALUE "duplicate-value"
        "A value that the collection's `unique` lets stand only once stands in two places."
}

/// The first whole number that no longer fits into 64 bits.
const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0;

/// A kind of value that stands only once.
#[derive(Debug, Clone)]
pub struct UniqueRule {
    /// Where it stands.
    pub pattern: PointerPattern,
    /// All values with one scope are compared with each other.
    pub scope: String,
}

impl UniqueRule {
    /// Values of one rule in one collection.
    pub fn within(pattern: PointerPattern, collection: &CollectionName, index: usize) -> Self {
        // No name of a collection holds a space, and what `across` names begins with one.
        Self { pattern, scope: format!("{collection} {index}") }
    }

    /// Values of all rules with this name.
    pub fn across(pattern: PointerPattern, name: &str) -> Self {
        Self { pattern, scope: format!(" {name}") }
    }
}

/// The values of a record that may stand only once, as (index of the rule, pointer, value as JSON text).
pub fn unique_values(record: &Record, collection: &Collection) -> Vec<(usize, String, String)> {
    let rules = collection.unique.iter().enumerate();
    rules
        .flat_map(|(index, rule)| {
            let found = rule.pattern.select(&record.document.value).into_iter();
            found
                .filter(|(_, value)| !value.is_null())
                .map(move |(pointer, value)| (index, pointer, same(value).to_string()))
        })
        .collect()
}

/// The value in the one spelling that all values equal to it have: `1.0` is the number `1`, and `"1"` is a text.
fn same(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(same_number(number)),
        Value::Array(items) => items.iter().map(same).collect(),
        Value::Object(members) => {
            let sorted: BTreeMap<&String, Value> = members.iter().map(|(name, value)| (name, same(value))).collect();
            sorted.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        other => other.clone(),
    }
}

/// A whole number without its fraction; any other one as it is.
fn same_number(number: &Number) -> Number {
    let whole = number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0 && value.abs() < TOO_LARGE);
    // All its digits are told, so it is the same number; minus nothing is nothing.
    let whole =
        whole.and_then(|value| format!("{value:.0}").trim_start_matches('-').parse::<u64>().ok().zip(Some(value)));
    match whole {
        Some((magnitude, value)) if value < 0.0 => {
            i64::try_from(magnitude).map_or(number.clone(), |n| Number::from(-n))
        }
        Some((magnitude, _)) => Number::from(magnitude),
        None => number.clone(),
    }
}

/// A finding on a record that is not in memory any more: its place is still to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocated {
    /// The index of the record in the order of paths.
    pub record: usize,
    /// The finding at the start of the file, about its pointer.
    pub finding: Finding,
}

/// Finds the places of findings; `place` is asked record by record.
pub fn located(mut findings: Vec<Unlocated>, mut place: impl FnMut(usize, &str) -> Span) -> Vec<Finding> {
    findings.sort_by_key(|unlocated| unlocated.record);
    let locate = |Unlocated { record, finding }| {
        let span = place(record, &finding.pointer);
        finding.at(span)
    };
    findings.into_iter().map(locate).collect()
}

/// Watches over what may stand only once; of two records that have the same, the one that is seen later bears the finding.
#[derive(Debug, Default)]
pub struct Uniqueness {
    ids: BTreeMap<AssetKey, RepoPath>,
    values: BTreeMap<String, BTreeMap<String, (RepoPath, String)>>,
    repeats: Vec<Unlocated>,
}

impl Uniqueness {
    /// Takes note of a record's id and unique values.
    pub fn see(
        &mut self,
        record: usize,
        path: &RepoPath,
        key: &AssetKey,
        collection: &Collection,
        values: &[(usize, String, String)],
    ) {
        let repeated = self.ids.get(key).cloned();
        let told_at = repeated.as_ref().and_then(|first| match &collection.id {
            IdSource::Pointer(pointer) => Some((first, pointer.exact())),
            _ => None,
        });
        if let Some(first) = &repeated {
            let message = format!("the id {:?} is taken: {} has it too", key.id.as_str(), first);
            let help = match &collection.id {
                IdSource::Folder => {
                    "records that share a folder need `id` in stockroom.yml, for example `id: \"{stem}\"`".to_owned()
                }
                _ => "give one of the two another id".to_owned(),
            };
            let pointer = match &collection.id {
                IdSource::Pointer(pointer) => pointer.exact(),
                _ => String::new(),
            };
            let finding = Finding::error(&DUPLICATE_ID, path.clone(), message).about(pointer).help(help);
            let finding = finding.related(first.clone());
            self.repeats.push(Unlocated { record, finding });
        } else {
            self.ids.insert(key.clone(), path.clone());
        }
        for (rule, pointer, text) in values {
            let Some(scope) = collection.unique.get(*rule).map(|rule| &rule.scope) else { continue };
            let most = collection.limits.most_sought();
            let told = self.repeats.iter().rev().take_while(|repeat| repeat.record == record).take(most).count();
            if told == most {
                break;
            }
            let seen = match self.values.get_mut(scope) {
                Some(seen) => seen,
                None => self.values.entry(scope.clone()).or_default(),
            };
            if let Some((first, place)) = seen.get(text) {
                if told_at.as_ref().is_some_and(|(other, at)| *other == first && at == pointer) {
                    continue;
                }
                let shown = match serde_json::from_str(text) {
                    Ok(Value::String(value)) => format!("{value:?}"),
                    Ok(Value::Number(value)) => value.to_string(),
                    _ => format!("{text:?}"),
                };
                let message = format!("the value {shown} may stand only once, and {first} has it at {place}");
                let finding = Finding::error(&DUPLICATE_VALUE, path.clone(), message).about(pointer.clone());
                let finding = finding.help("give one of the two another value").related(first.clone());
                self.repeats.push(Unlocated { record, finding });
            } else {
                seen.insert(text.clone(), (path.clone(), pointer.clone()));
            }
        }
    }

    /// Whether a record of this collection has this id.
    pub fn has(&self, key: &AssetKey) -> bool {
        self.ids.contains_key(key)
    }

    /// The ids of a collection, in their order.
    pub fn ids<'u>(&'u self, collection: &CollectionName) -> impl Iterator<Item = &'u str> + use<'u> {
        let collection = collection.clone();
        let from = AssetKey { collection: collection.clone(), id: AssetId::new("") };
        let keys = self.ids.range(from..).map(|(key, _)| key);
        keys.take_while(move |key| key.collection == collection).map(|key| key.id.as_str())
    }

    /// Everything that stood twice.
    pub fn repeats(self) -> Vec<Unlocated> {
        self.repeats
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_have_one_spelling_and_a_text_is_no_number() {
        let spelt = |text: &str| same(&serde_json::from_str(text).unwrap()).to_string();
        for (one, other) in
            [("1", "1.0"), ("-2", "-2.0e0"), ("0", "-0.0"), ("[1, {\"a\": 2}]", "[1.0, {\"a\": 2.0}]"), ("100", "1e2")]
        {
            assert_eq!(spelt(one), spelt(other), "{one} {other}");
        }
        for (one, other) in
            [("1", "\"1\""), ("1", "1.5"), ("true", "\"true\""), ("9007199254740993", "9007199254740992.0")]
        {
            assert_ne!(spelt(one), spelt(other), "{one} {other}");
        }
        assert_eq!(same(&json!(1e300)), json!(1e300));
    }
}
