//! Alternatives: the branch that the record means is explained, and the others are not.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::discriminators::{Verdict, demands, judge};
use super::words::{all_of, choice, nearest, subject};
use super::{Aim, ENUM, Explanation, REQUIRED, Reading, SHAPE, about, fields, kinds, objections, origin, settle};
use crate::finding::words::quoted;

/// How many errors of a branch are looked at.
const MOST_ERRORS: usize = 100;
/// How many branches are explained to find the closest.
const MOST_CLOSE: usize = 20;

struct Branch<'a> {
    errors: &'a [ValidationError<'static>],
    schema: Option<&'a Value>,
}

/// A value fits none of the branches.
pub(super) fn none<'a>(
    error: &ValidationError<'_>,
    context: &'a [Vec<ValidationError<'static>>],
    reading: &'a Reading<'_>,
) -> Vec<Explanation> {
    if !reading.spend(context.len()) {
        return vec![unclear(error, context.len())];
    }
    let schemas = origin::at(reading.schema, error.evaluation_path().as_str()).and_then(Value::as_array);
    let schemas = schemas.filter(|schemas| schemas.len() == context.len());
    let branch = |(index, errors): (usize, &'a Vec<ValidationError<'static>>)| Branch {
        errors: errors.get(..MOST_ERRORS).unwrap_or(errors),
        schema: schemas.and_then(|schemas| schemas.get(index)),
    };
    let all: Vec<Branch<'_>> = context.iter().enumerate().map(branch).collect();
    if let Some(options) = listed(&all, error) {
        return vec![kinds::none_of(about(error, &ENUM, ""), error.instance(), &options, reading)];
    }
    let here = error.instance_path().as_str();
    let of_kind: Vec<&Branch<'_>> = all.iter().filter(|b| other_kinds(b.errors, here).is_none()).collect();
    if of_kind.is_empty() {
        let mut wanted: Vec<JsonType> = Vec::new();
        for kind in all.iter().filter_map(|branch| other_kinds(branch.errors, here)).flatten() {
            if !wanted.contains(&kind) {
                wanted.push(kind);
            }
        }
        if wanted.is_empty() {
            return vec![unclear(error, all.len())];
        }
        return vec![kinds::wrong_kind(error, &wanted, reading)];
    }
    meant(error, &unlisted(of_kind, error), reading)
}

/// The branches without those that list values of another kind alone, if that leaves any.
fn unlisted<'b, 'a>(branches: Vec<&'b Branch<'a>>, error: &ValidationError<'_>) -> Vec<&'b Branch<'a>> {
    let here = error.instance_path().as_str();
    let kind = std::mem::discriminant(error.instance().as_ref());
    let is_other = |branch: &&&Branch<'a>| {
        branch.errors.iter().filter(|error| error.instance_path().as_str() == here).any(|error| match error.kind() {
            Kind::Constant { expected_value } => std::mem::discriminant(expected_value.as_ref()) != kind,
            Kind::Enum { options } => {
                options.as_array().is_some_and(|all| all.iter().all(|one| std::mem::discriminant(one) != kind))
            }
            _ => false,
        })
    };
    let left: Vec<_> = branches.iter().filter(|branch| !is_other(branch)).copied().collect();
    if left.is_empty() { branches } else { left }
}

/// Finds the branch that was meant, by what tells the branches apart.
fn meant(error: &ValidationError<'_>, branches: &[&Branch<'_>], reading: &Reading<'_>) -> Vec<Explanation> {
    let here = error.instance_path().as_str();
    let mut left: Vec<&Branch<'_>> = branches.to_vec();
    if left.len() > 1 && left.iter().all(|branch| branch.schema.is_some()) {
        let demanded: Vec<_> = left
            .iter()
            .enumerate()
            .filter_map(|(index, branch)| Some((index, demands(reading, branch.schema?))))
            .collect();
        match judge(&demanded, error.instance()) {
            Verdict::Meant(indices) => {
                left = indices.into_iter().filter_map(|index| left.get(index).copied()).collect();
            }
            Verdict::Wrong(below, options) => {
                let value = error.instance().pointer(&below).unwrap_or(&Value::Null);
                let explanation = Explanation::new(&ENUM, format!("{here}{below}"), "");
                return vec![kinds::none_of(explanation, value, &options, reading)];
            }
            Verdict::Missing(below, options) => {
                if let Some(explanation) = untold(error, &left, &below, &options, reading) {
                    return vec![explanation];
                }
            }
            Verdict::Unclear => {}
        }
    } else {
        keep(&mut left, |branch| !branch.errors.iter().any(|error| is_discriminated(error, here)));
    }
    if let Some(explanation) = either(error, &left, reading) {
        return vec![explanation];
    }
    // Of the right form are those that miss nothing and know everything.
    keep(&mut left, |branch| !branch.errors.iter().any(|error| is_of_form(error, here)));
    closest(error, &left, branches.len(), reading)
}

fn keep<'b, 'a>(branches: &mut Vec<&'b Branch<'a>>, fits: impl Fn(&Branch<'a>) -> bool) {
    let left: Vec<_> = branches.iter().filter(|branch| fits(branch)).copied().collect();
    if !left.is_empty() {
        *branches = left;
    }
}

/// The discriminator is missing: that is all there is to say.
fn untold(
    error: &ValidationError<'_>,
    branches: &[&Branch<'_>],
    below: &str,
    options: &[Value],
    reading: &Reading<'_>,
) -> Option<Explanation> {
    let (parent, _) = below.rsplit_once('/')?;
    let name = crate::catalog::place::segments(below).last()?;
    let parent = format!("{}{parent}", error.instance_path().as_str());
    let lacks = |branch: &&Branch<'_>| {
        branch.errors.iter().any(|error| {
            let is_here = error.instance_path().as_str() == parent;
            is_here && matches!(error.kind(), Kind::Required { property } if property.as_str() == Some(&name))
        })
    };
    if !branches.iter().all(lacks) {
        return None;
    }
    let object = reading.record.pointer(&parent).unwrap_or(&Value::Null);
    let first = options.first().cloned().unwrap_or_default();
    let explanation = fields::missing(&parent, object, &name, &first, reading);
    let is_added = explanation.help.as_deref().is_some_and(|help| help.starts_with("add it"));
    if !is_added {
        return Some(explanation);
    }
    let options: Vec<String> = options.iter().map(|option| reading.spelling.value(option)).collect();
    Some(explanation.help(format!("add it, with {}", choice(&options))))
}

/// Branches that differ in what they require: one of several fields is missing.
fn either(error: &ValidationError<'_>, branches: &[&Branch<'_>], reading: &Reading<'_>) -> Option<Explanation> {
    let here = error.instance_path().as_str();
    let mut names = Vec::new();
    for branch in branches {
        let lacking = branch.errors.iter().map(|error| match error.kind() {
            Kind::Required { property } if error.instance_path().as_str() == here => property.as_str(),
            _ => None,
        });
        names.push(lacking.collect::<Option<Vec<&str>>>().filter(|names| !names.is_empty())?);
    }
    if names.len() < 2 {
        return None;
    }
    let quote = |names: &Vec<&str>| all_of(&names.iter().map(|name| quoted(name)).collect::<Vec<_>>());
    let mut choices: Vec<String> = names.iter().map(quote).collect();
    choices.dedup();
    let message = if choices.len() == 1 {
        format!("the field {} is missing", choice(&choices))
    } else {
        format!("one of the fields {} is missing", choice(&choices))
    };
    let present = error.instance().as_object().into_iter().flat_map(serde_json::Map::keys);
    let near = present.filter_map(|name| Some((name, nearest(name, names.iter().flatten().copied())?))).next();
    let help = match near {
        Some((there, near)) => format!("there is {}: should it be {}?", quoted(there), quoted(near)),
        None => {
            let first = names.first().and_then(|names| names.first()).copied().unwrap_or_default();
            format!("add one of them, as in {}", reading.spelling.member(first, &"…".into()))
        }
    };
    Some(about(error, &REQUIRED, message).aim(Aim::Opening).help(help))
}

/// Explains the branch with the fewest objections, if no other has nearly as few.
fn closest(
    error: &ValidationError<'_>,
    branches: &[&Branch<'_>],
    all: usize,
    reading: &Reading<'_>,
) -> Vec<Explanation> {
    let mut told: Vec<(Vec<Explanation>, &Branch<'_>)> = branches
        .iter()
        .take(MOST_CLOSE)
        .map(|branch| {
            let said = branch.errors.iter().flat_map(|error| objections(error, reading)).take(MOST_ERRORS).collect();
            (settle::settle(said), *branch)
        })
        .collect();
    told.sort_by_key(|(said, _)| said.len());
    let counts: Vec<usize> = told.iter().map(|(said, _)| said.len()).collect();
    let Some((said, branch)) = told.into_iter().next() else { return vec![unclear(error, all)] };
    let is_clear = match counts.as_slice() {
        [first, second, ..] => first * 2 <= *second,
        _ => branches.len() == 1,
    };
    if is_clear && !said.is_empty() {
        return said;
    }
    let title = branch.schema.and_then(|schema| schema.get("title")).and_then(Value::as_str);
    let title = title.map(|title| format!(", {},", quoted(title))).unwrap_or_default();
    let mut why: Vec<String> = said.iter().take(2).map(|explanation| explanation.message.clone()).collect();
    why.dedup();
    let explanation = unclear(error, all);
    vec![if why.is_empty() {
        explanation
    } else {
        explanation.help(format!("the closest one{title} says: {}", why.join("; ")))
    }]
}

fn unclear(error: &ValidationError<'_>, count: usize) -> Explanation {
    let message = format!("{} fits none of the {count} forms allowed here", subject(error.instance()));
    about(error, &SHAPE, message).aim(Aim::Opening)
}

/// A value fits several branches of which it may fit one.
pub(super) fn several(
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
    reading: &Reading<'_>,
) -> Explanation {
    let schemas = origin::at(reading.schema, error.evaluation_path().as_str()).and_then(Value::as_array);
    let schemas = schemas.filter(|schemas| schemas.len() == context.len()).map(Vec::as_slice).unwrap_or_default();
    let fitting: Vec<&Value> =
        schemas.iter().zip(context).filter(|(_, errors)| errors.is_empty()).map(|(s, _)| s).collect();
    let all: Vec<Vec<&str>> = fitting.iter().map(|schema| required(reading.schema, schema)).collect();
    let own = |index: usize, name: &&&str| {
        !all.iter().enumerate().any(|(other, names)| other != index && names.contains(*name))
    };
    let telling: Option<Vec<String>> = all
        .iter()
        .enumerate()
        .map(|(index, names)| names.iter().find(|name| own(index, name)).map(|n| quoted(n)))
        .collect();
    match telling.filter(|names| names.len() > 1) {
        Some(names) => about(error, &SHAPE, format!("the fields {} exclude each other", all_of(&names)))
            .aim(Aim::Opening)
            .help("keep one of them"),
        None => {
            let titles: Vec<String> = fitting.iter().filter_map(|s| s.get("title")?.as_str()).map(quoted).collect();
            let message =
                format!("{} fits more than one of the forms that exclude each other", subject(error.instance()));
            let explanation = about(error, &SHAPE, message).aim(Aim::Opening);
            if titles.len() > 1 {
                explanation.help(format!("it fits {}: it may fit one", all_of(&titles)))
            } else {
                explanation
            }
        }
    }
}

/// The fields that a branch requires.
fn required<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s str> {
    let parts = origin::together(root, schema).into_iter();
    parts.filter_map(|part| part.get("required")?.as_array()).flatten().filter_map(Value::as_str).collect()
}

/// The kinds that a branch wants instead of the value's own; none if it is of the right kind.
fn other_kinds(errors: &[ValidationError<'static>], pointer: &str) -> Option<Vec<JsonType>> {
    errors.iter().filter(|error| error.instance_path().as_str() == pointer).find_map(|error| match error.kind() {
        Kind::Type { kind: TypeKind::Single(kind) } => Some(vec![*kind]),
        Kind::Type { kind: TypeKind::Multiple(kinds) } => Some(kinds.iter().collect()),
        Kind::FalseSchema => Some(Vec::new()),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            let kinds: Option<Vec<_>> = context.iter().map(|errors| other_kinds(errors, pointer)).collect();
            Some(kinds?.into_iter().flatten().collect())
        }
        _ => None,
    })
}

/// Whether an error says that its branch was never meant, for branches whose schema is not at hand.
fn is_discriminated(error: &ValidationError<'_>, pointer: &str) -> bool {
    let Some(below) = error.instance_path().as_str().strip_prefix(pointer) else { return false };
    matches!(error.kind(), Kind::Constant { .. } | Kind::Enum { .. }) && below.matches('/').count() <= 1
}

/// Whether an error is about which fields there are.
fn is_of_form(error: &ValidationError<'_>, pointer: &str) -> bool {
    let is_form = matches!(
        error.kind(),
        Kind::Required { .. }
            | Kind::AdditionalProperties { .. }
            | Kind::UnevaluatedProperties { .. }
            | Kind::FalseSchema
    );
    is_form && error.instance_path().as_str() == pointer
}

/// The values that the branches list, when that is all they do.
fn listed(branches: &[Branch<'_>], error: &ValidationError<'_>) -> Option<Vec<Value>> {
    let here = error.instance_path().as_str();
    let mut options = Vec::new();
    for error in branches.iter().flat_map(|branch| branch.errors) {
        if error.instance_path().as_str() != here {
            return None;
        }
        match error.kind() {
            Kind::Constant { expected_value } => options.push(expected_value.as_ref().clone()),
            Kind::Enum { options: more } => options.extend(more.as_array().into_iter().flatten().cloned()),
            _ => return None,
        }
    }
    (!options.is_empty()).then_some(options)
}
