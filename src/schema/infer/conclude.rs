//! From what was seen to a schema.

use serde_json::Value;

use super::layout::Json;
use super::shape::{Lists, Member, Members, Objects, Shape, whole};
use super::texts::{SLUG, Texts};
use super::{Style, names};

/// How many texts must have a format before it is a rule.
const FORMAT_EVIDENCE: u64 = 3;
/// How many texts must match before a pattern is a rule, or before none being empty is one.
const TEXT_EVIDENCE: u64 = 5;
/// How many texts must have been seen before the values themselves are the rule, and how often each at an average.
const CHOICE_EVIDENCE: (u64, u64) = (10, 4);
/// How many lists must have been seen before something that none of them does is forbidden.
const LIST_EVIDENCE: u64 = 20;
/// How many objects must have a member before it is required.
const MEMBER_EVIDENCE: u64 = 2;
/// How many names an object has at least that may be a map.
const MAP_EVIDENCE: usize = 20;

/// The schema of records of this shape.
pub(super) fn schema(root: &Shape, style: &Style) -> Json {
    let comment = format!("Inferred by stockroom from {} records; tighten it where you know more.", root.seen);
    let mut members = vec![("$schema".to_owned(), scalar("https://json-schema.org/draft/2020-12/schema"))];
    if let Some(title) = &style.title {
        members.push(("title".to_owned(), scalar(title.as_str())));
    }
    members.push(("$comment".to_owned(), scalar(comment)));
    let rule = Conclusion { style, is_root: true }.of(root, "");
    if let Json::Object(rule) = rule {
        members.extend(rule);
    }
    Json::Object(members)
}

fn scalar(value: impl Into<Value>) -> Json {
    Json::Scalar(value.into())
}

type Keywords = Vec<(String, Json)>;

#[derive(Clone, Copy)]
struct Conclusion<'a> {
    style: &'a Style,
    is_root: bool,
}

impl Conclusion<'_> {
    fn inside(self) -> Self {
        Self { is_root: false, ..self }
    }

    /// What is said of values of this shape, at a member (or in a list at a member) of this name.
    fn of(self, shape: &Shape, name: &str) -> Json {
        let mut keywords = Keywords::new();
        let types = types(shape);
        // Of a member that is always null nothing is known: the first value will be the news.
        if types.is_empty() || types == ["null"] {
            return Json::Object(keywords);
        }
        let kinds: Vec<Json> = types.iter().map(|kind| scalar(*kind)).collect();
        let kind = match <[Json; 1]>::try_from(kinds) {
            Ok([one]) => one,
            Err(several) => Json::List(several),
        };
        keywords.push(("type".to_owned(), kind));
        if shape.texts.seen > 0 {
            let has_texts_alone = types.iter().all(|kind| matches!(*kind, "string" | "null"));
            of_texts(&mut keywords, shape, name, has_texts_alone);
        }
        if let Some(lists) = &shape.lists {
            self.of_lists(&mut keywords, lists, name);
        }
        if let Some(objects) = &shape.objects {
            self.of_objects(&mut keywords, objects, name);
        }
        Json::Object(keywords)
    }

    fn of_lists(self, keywords: &mut Keywords, lists: &Lists, name: &str) {
        if lists.seen >= LIST_EVIDENCE && lists.empty == 0 {
            keywords.push(("minItems".to_owned(), scalar(1)));
        }
        if lists.several >= LIST_EVIDENCE && !lists.repeats {
            keywords.push(("uniqueItems".to_owned(), scalar(true)));
        }
        if lists.items.seen > 0 {
            keywords.push(("items".to_owned(), self.inside().of(&lists.items, name)));
        }
    }

    fn of_objects(self, keywords: &mut Keywords, objects: &Objects, name: &str) {
        if objects.is_closed {
            return;
        }
        let inside = self.inside();
        let named = match &objects.members {
            Members::Any(any) => {
                keywords.push(("additionalProperties".to_owned(), inside.of(any, name)));
                return;
            }
            Members::Named(named) => named,
        };
        if !self.is_root && is_map(objects.seen, &named.values().collect::<Vec<_>>()) {
            let any = whole(named.values().cloned());
            keywords.push(("additionalProperties".to_owned(), inside.of(&any, name)));
            return;
        }
        let mut members: Vec<(&String, &Member)> = named.iter().collect();
        // As the records have them, at an average; what never had a place comes in the order of its names.
        members.sort_by_key(|(_, member)| mean(member));
        let is_required = |member: &Member| objects.seen >= MEMBER_EVIDENCE && member.shape.seen == objects.seen;
        let required = members.iter().filter(|(_, member)| is_required(member)).map(|(name, _)| scalar(name.as_str()));
        let required: Vec<Json> = required.collect();
        if !required.is_empty() {
            keywords.push(("required".to_owned(), Json::List(required)));
        }
        if !members.is_empty() {
            let of_member = |(name, member): (&String, &Member)| {
                let rule = Some(()).filter(|()| self.is_root).and_then(|()| of_version(name, member, objects.seen));
                (name.clone(), rule.unwrap_or_else(|| inside.of(&member.shape, name)))
            };
            keywords.push(("properties".to_owned(), Json::Object(members.into_iter().map(of_member).collect())));
        }
        if self.style.strict {
            keywords.push(("additionalProperties".to_owned(), scalar(false)));
        }
    }
}

/// A mean place, in thousandths.
fn mean(member: &Member) -> u64 {
    (member.place.saturating_mul(1000)).checked_div(member.placed).unwrap_or(u64::MAX)
}

/// The version of the schema, which is the same in all records that follow it.
fn of_version(name: &str, member: &Member, records: u64) -> Option<Json> {
    let (texts, choices) = (&member.shape.texts, member.shape.texts.choices.as_ref()?);
    let (only, _) = choices.first_key_value().filter(|_| choices.len() == 1)?;
    let is_everywhere = texts.seen == records && member.shape.seen == records;
    (names::is_schema_version(name) && is_everywhere)
        .then(|| Json::Object(vec![("const".to_owned(), scalar(only.as_str()))]))
}

fn types(shape: &Shape) -> Vec<&'static str> {
    let kinds = [
        ("string", shape.texts.seen > 0),
        ("integer", shape.integers > 0 && shape.numbers == 0),
        ("number", shape.numbers > 0),
        ("boolean", shape.booleans > 0),
        ("array", shape.lists.is_some()),
        ("object", shape.objects.is_some()),
        ("null", shape.nulls > 0),
    ];
    kinds.into_iter().filter(|(_, is_seen)| *is_seen).map(|(kind, _)| kind).collect()
}

/// Whether the names are data: many of them, each in a few objects only, and all for the same kind of value.
fn is_map(objects: u64, members: &[&Member]) -> bool {
    let Some(first) = members.first() else { return false };
    let present: u64 = members.iter().map(|member| member.shape.seen).sum();
    let places = objects.saturating_mul(u64::try_from(members.len()).unwrap_or(u64::MAX));
    let is_alike = members.iter().all(|member| types(&member.shape) == types(&first.shape));
    let is_one_required = members.iter().any(|member| member.shape.seen == objects);
    members.len() >= MAP_EVIDENCE && is_alike && !is_one_required && present.saturating_mul(3) <= places
}

fn of_texts(keywords: &mut Keywords, shape: &Shape, name: &str, has_texts_alone: bool) {
    let texts = &shape.texts;
    if has_texts_alone && let Some(choices) = choices(texts, name) {
        let mut values: Vec<Json> = choices.into_iter().map(scalar).collect();
        values.extend((shape.nulls > 0).then_some(Json::Scalar(Value::Null)));
        keywords.push(("enum".to_owned(), Json::List(values)));
    } else if let Some(format) = texts.format(FORMAT_EVIDENCE) {
        keywords.push(("format".to_owned(), scalar(format)));
    } else if let Some(pattern) = pattern(texts, name) {
        keywords.push(("pattern".to_owned(), scalar(pattern)));
    } else if texts.seen >= TEXT_EVIDENCE && texts.empty == 0 {
        keywords.push(("minLength".to_owned(), scalar(1)));
    }
}

/// The few values that there are, where the next record is unlikely to bring another.
///
/// How likely that is, the share of values that were seen only once tells (Good and Turing): so there may be none.
fn choices<'t>(texts: &'t Texts, name: &str) -> Option<Vec<&'t str>> {
    let choices = texts.choices.as_ref().filter(|choices| choices.len() > 1)?;
    let (least, each) = CHOICE_EVIDENCE;
    let wanted = u64::try_from(choices.len()).ok()?.saturating_mul(each).max(least);
    let is_closed = texts.seen >= wanted && choices.values().all(|count| *count > 1);
    let is_rule = is_closed && !names::is_open(name) && texts.format(1).is_none() && texts.version_pattern().is_none();
    is_rule.then(|| choices.keys().map(String::as_str).collect())
}

fn pattern(texts: &Texts, name: &str) -> Option<&'static str> {
    if texts.seen < TEXT_EVIDENCE || texts.variety() < 2 {
        return None;
    }
    if names::is_version(name) {
        return texts.version_pattern();
    }
    (names::is_slug(name) && texts.are_slugs()).then_some(SLUG)
}
