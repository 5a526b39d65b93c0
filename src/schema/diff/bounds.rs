//! Rules that are numbers: limits of size and value.

use serde_json::Value;

use super::changes::{Effect, Pair, Spot, Trial, Walk};

/// A keyword, what it bounds, and whether from below.
const LIMITS: [(&str, &str, bool); 10] = [
    ("minimum", "at least", true),
    ("exclusiveMinimum", "more than", true),
    ("maximum", "at most", false),
    ("exclusiveMaximum", "less than", false),
    ("minLength", "at least that many characters long:", true),
    ("maxLength", "at most that many characters long:", false),
    ("minItems", "with at least that many items:", true),
    ("maxItems", "with at most that many items:", false),
    ("minProperties", "with at least that many members:", true),
    ("maxProperties", "with at most that many members:", false),
];

/// Compares the limits.
pub(super) fn compare(walk: &mut Walk<'_>, pair: &Pair<'_, '_>, spot: &Spot) {
    for (name, words, is_lower) in LIMITS {
        let Some((old, new)) = pair.differing(name) else { continue };
        limit(walk, spot, name, words, is_lower, old, new);
    }
    multiple(walk, pair, spot);
    if let Some((old, new)) = pair.differing("uniqueItems") {
        let is_set = |value: Option<&Value>| value == Some(&Value::Bool(true));
        let place = spot.keyword("uniqueItems");
        match (is_set(old), is_set(new)) {
            (false, true) => {
                let message = format!("no item of {} may stand twice any more", spot.subject());
                let twice = |value: &str| Value::Array(vec![value.into(), value.into()]);
                walk.tell(&place, Effect::Breaking, "uniqueItems", message, Trial::With(vec![twice("x")]));
            }
            (true, false) => {
                let message = format!("items of {} may stand twice now", spot.subject());
                walk.tell(&place, Effect::Compatible, "uniqueItems", message, Trial::None);
            }
            _ => {}
        }
    }
}

fn limit(
    walk: &mut Walk<'_>,
    spot: &Spot,
    name: &str,
    words: &str,
    is_lower: bool,
    old: Option<&Value>,
    new: Option<&Value>,
) {
    let (place, subject) = (spot.keyword(name), spot.subject());
    // True and false beside `minimum` in draft 4: a limit of another kind.
    if [old, new].into_iter().flatten().any(Value::is_boolean) {
        let message = format!("{subject} has another limit: {name} is not what it was");
        walk.tell(&place, Effect::Unclear, "limit", message, Trial::None);
        return;
    }
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    let (effect, message) = match (number(old), number(new)) {
        (None, Some(_)) => (Effect::Breaking, format!("{subject} must be {words} {} now", shown(new))),
        (Some(_), None) => (Effect::Compatible, format!("{subject} need not be {words} {} any more", shown(old))),
        (Some(before), Some(after)) => {
            let is_tighter = if is_lower { after > before } else { after < before };
            // Two texts of one number, or two integers beyond what a double tells apart.
            #[allow(clippy::float_cmp, reason = "equality is the question")]
            if before == after {
                let is_same = old.map(ToString::to_string) == new.map(ToString::to_string) || before.abs() < 9e15;
                if !is_same {
                    walk.tell(&place, Effect::Unclear, "limit", format!("{subject} has another limit"), Trial::None);
                }
                return;
            }
            let effect = if is_tighter { Effect::Breaking } else { Effect::Compatible };
            (effect, format!("{subject} must be {words} {} now, and not {} as before", shown(new), shown(old)))
        }
        (None, None) => return,
    };
    walk.tell(&place, effect, "limit", message, Trial::With(samples(name, old, new)));
}

fn shown(value: Option<&Value>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// Values at the old border, which the new one may shut out.
fn samples(name: &str, old: Option<&Value>, new: Option<&Value>) -> Vec<Value> {
    const LONGEST: u64 = 5000;
    let size = |value: Option<&Value>| value.and_then(Value::as_u64).filter(|size| *size <= LONGEST);
    let sizes = || {
        let (old, new) = (size(old), size(new));
        let near = [old, new.map(|size| size + 1), new.and_then(|size| size.checked_sub(1))];
        near.into_iter().flatten().filter_map(|size| usize::try_from(size).ok())
    };
    match name {
        "minLength" | "maxLength" => sizes().map(|size| Value::from("x".repeat(size))).collect(),
        "minItems" | "maxItems" => {
            sizes().map(|size| Value::Array((0..size).map(|n| Value::from(format!("x{n}"))).collect())).collect()
        }
        "minProperties" | "maxProperties" => {
            sizes().map(|size| Value::Object((0..size).map(|n| (format!("x{n}"), Value::Null)).collect())).collect()
        }
        _ => {
            let beyond = new.and_then(Value::as_i64).map(|n| [n.saturating_sub(1), n.saturating_add(1)]);
            let beyond = beyond.into_iter().flatten().map(Value::from);
            [old, new].into_iter().flatten().filter(|value| value.is_number()).cloned().chain(beyond).collect()
        }
    }
}

fn multiple(walk: &mut Walk<'_>, pair: &Pair<'_, '_>, spot: &Spot) {
    let Some((old, new)) = pair.differing("multipleOf") else { return };
    let (place, subject) = (spot.keyword("multipleOf"), spot.subject());
    let whole = |value: Option<&Value>| value.and_then(Value::as_u64).filter(|n| *n > 0);
    let (effect, message) = match (old, new) {
        (Some(_), None) => (Effect::Compatible, format!("{subject} need not be a multiple of {} any more", shown(old))),
        (Some(_), Some(_)) => {
            let divides = match (whole(old), whole(new)) {
                (Some(old), Some(new)) => old % new == 0,
                _ => false,
            };
            let effect = if divides { Effect::Compatible } else { Effect::Breaking };
            (effect, format!("{subject} must be a multiple of {} now, and not of {} as before", shown(new), shown(old)))
        }
        _ => (Effect::Breaking, format!("{subject} must be a multiple of {} now", shown(new))),
    };
    let samples = old.cloned().into_iter().chain([1, 2, 3, 5, 7].map(Value::from)).collect();
    walk.tell(&place, effect, "limit", message, Trial::With(samples));
}
