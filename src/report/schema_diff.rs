//! What `schema diff` has found, and the text of it for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::excerpt::Excerpts;
use super::human::{Style, finding};
use super::log_text::for_people;
use crate::finding::Finding;
use crate::finding::words::count;

/// How many changes and kinds a person gets to see at once.
pub(super) const MOST_CHANGES: usize = 40;
const MOST_KINDS: usize = 10;
const MOST_EXAMPLES: usize = 5;

/// What a schema's change does, as every renderer takes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchemaDiff {
    /// The schema that records follow now.
    pub old: Side,
    /// The schema that they shall follow.
    pub new: Side,
    /// Whether records that follow the old schema follow the new one.
    pub verdict: Verdict,
    /// What the verdict rests on, and what else was tried, in sentences.
    pub reasons: Vec<String>,
    /// What the verdict takes for granted, in sentences.
    pub assumptions: Vec<String>,
    /// What changed, rule by rule.
    pub changes: Vec<Change>,
    /// The part of the version that the change must move: `major`, `minor`, `patch` or `none`; nothing where it is unknown.
    pub bump: Option<String>,
    /// The part that did move, where both versions are known.
    pub moved: Option<String>,
    /// The downstreams that cannot read what follows the new schema.
    pub downstreams: Vec<LeftBehind>,
    /// What the records say, where there were any to ask.
    pub records: Option<Records>,
    /// What is wrong with the schemas and their versions.
    pub findings: Vec<Finding>,
}

/// One of the two schemas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Side {
    /// As reports call it: `product-metadata@1.0.0`, `HEAD~1:icon.schema.json`.
    pub label: String,
    /// Its file.
    pub path: String,
    /// Its name in the registry, where it is there.
    pub name: Option<String>,
    /// Its version, where it has one.
    pub version: Option<String>,
}

/// A downstream whose range of versions a schema leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftBehind {
    /// Its name.
    pub name: String,
    /// The versions that it accepts, as stockroom.yml has them.
    pub accepts: String,
}

/// Whether records that follow the old schema follow the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// All that can be do.
    Compatible,
    /// Some do not, or could not.
    Breaking,
    /// It is not known.
    #[default]
    Unknown,
}

impl Verdict {
    /// As people and programs call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Breaking => "breaking",
            Self::Unknown => "unknown",
        }
    }
}

/// One change of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `breaking`, `unclear`, `compatible` or `neutral`.
    pub effect: &'static str,
    /// Which rule: `required`, `type`, `enum`.
    pub rule: &'static str,
    /// Its place in the new schema, or in the old one for what is gone.
    pub pointer: String,
    /// The values that are concerned, with `*` for any key or index.
    pub at: String,
    /// What changed, in a sentence.
    pub message: String,
}

/// What the records say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Records {
    /// The commit or the work tree that they are of.
    pub moment: String,
    /// How many there are in the collections that use the schema.
    pub records: usize,
    /// How many of them follow the old schema.
    pub followed: usize,
    /// How many of those break the new one.
    pub broken: usize,
    /// In which ways they break it, the most frequent first.
    pub kinds: Vec<Kind>,
    /// The first of them, with all that is wrong.
    pub findings: Vec<Finding>,
}

/// A way in which records break the new schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The finding's code.
    pub code: &'static str,
    /// The values, with `*` for any index.
    pub at: String,
    /// What the first of them is told.
    pub message: String,
    /// How many records.
    pub records: usize,
}

/// The text for a terminal or a log.
pub fn human(diff: &SchemaDiff, style: Style, most: usize) -> String {
    let mut out = String::new();
    for one in diff.findings.iter().take(most) {
        finding(&mut out, one, &Excerpts::default(), style);
    }
    let shown = |side: &Side| for_people(&side.label);
    let verdict = match diff.verdict {
        Verdict::Compatible => style.good("compatible"),
        Verdict::Breaking => style.error("breaking"),
        Verdict::Unknown => style.warning("unknown"),
    };
    let _ = writeln!(out, "{} -> {}: {verdict}", shown(&diff.old), shown(&diff.new));
    for reason in diff.reasons.iter().chain(&diff.assumptions) {
        let _ = writeln!(out, "  {}", for_people(reason));
    }
    for change in diff.changes.iter().take(MOST_CHANGES) {
        let effect = match change.effect {
            "breaking" => style.error("breaking  "),
            "unclear" => style.warning("unclear   "),
            "compatible" => style.good("compatible"),
            _ => style.quiet("neutral   "),
        };
        let place =
            if change.pointer.is_empty() { String::new() } else { format!("  #{}", for_people(&change.pointer)) };
        let _ = writeln!(out, "  {effect}  {}{}", for_people(&change.message), style.quiet(&place));
    }
    if diff.changes.len() > MOST_CHANGES {
        let _ = writeln!(out, "  … and {}", count(diff.changes.len() - MOST_CHANGES, "more change"));
    }
    if let Some(records) = &diff.records {
        said_by_records(&mut out, records, style, most);
    }
    if let Some(line) = version(diff) {
        let _ = writeln!(out, "{}", for_people(&line));
    }
    for LeftBehind { name, accepts } in &diff.downstreams {
        let line = format!("downstream: {name} cannot read {}: it accepts {accepts}", diff.new.label);
        let _ = writeln!(out, "{}", for_people(&line));
    }
    out
}

fn said_by_records(out: &mut String, records: &Records, style: Style, most: usize) {
    let _ = writeln!(
        out,
        "{} of {}: {} the old schema, {} of those the new one",
        count(records.records, "record"),
        for_people(&records.moment),
        if records.followed == 1 { "1 follows".to_owned() } else { format!("{} follow", records.followed) },
        if records.broken == 1 { "1 breaks".to_owned() } else { format!("{} break", records.broken) },
    );
    for kind in records.kinds.iter().take(MOST_KINDS) {
        let place = if kind.at.is_empty() { String::new() } else { format!("{}: ", for_people(&kind.at)) };
        let _ =
            writeln!(out, "  {}: {place}{} [{}]", count(kind.records, "record"), for_people(&kind.message), kind.code);
    }
    for one in records.findings.iter().take(most.min(MOST_EXAMPLES)) {
        finding(out, one, &Excerpts::default(), style);
    }
}

/// What follows for the version.
fn version(diff: &SchemaDiff) -> Option<String> {
    let bump = diff.bump.as_deref();
    Some(match (bump, diff.moved.as_deref()) {
        (Some("none"), _) => "version: nothing that counts has changed".to_owned(),
        (Some(bump), Some(moved)) if bump == moved => format!("version: a {bump} change, and the version says so"),
        (Some(bump), Some("none")) => format!("version: a {bump} change, and the version is the same"),
        (Some(bump), Some(moved)) => format!("version: a {bump} change; the version moved its {moved} part"),
        (Some(bump), None) => format!("version: a {bump} change"),
        (None, _) => "version: a major change, unless you know that no record can break".to_owned(),
    })
}

/// Adds up in which ways records break, from each record's findings.
pub fn kinds<'f>(broken: impl Iterator<Item = &'f [Finding]>) -> Vec<Kind> {
    let mut kinds: BTreeMap<(&'static str, String, Option<&'f str>), Kind> = BTreeMap::new();
    for findings in broken {
        let mut seen = std::collections::BTreeSet::new();
        for finding in findings {
            let at = without_indexes(&finding.pointer);
            // Which member is missing stands in the message alone.
            let message = (finding.code.id == "required").then_some(finding.message.as_str());
            if !seen.insert((finding.code.id, at.clone(), message)) {
                continue;
            }
            let kind = kinds.entry((finding.code.id, at.clone(), message)).or_insert_with(|| Kind {
                code: finding.code.id,
                at,
                message: finding.message.clone(),
                records: 0,
            });
            kind.records += 1;
        }
    }
    let mut kinds: Vec<Kind> = kinds.into_values().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.records));
    kinds
}

fn without_indexes(pointer: &str) -> String {
    let is_index = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = pointer.split('/').map(|part| if is_index(part) { "*" } else { part }).collect();
    parts.join("/")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::finding::Code;
    use crate::ids::RepoPath;

    static REQUIRED: Code = Code { id: "required", meaning: "A member is missing." };

    pub(crate) fn diff() -> SchemaDiff {
        let side = |version: &str| Side {
            label: format!("icon@{version}"),
            path: format!("schemas/icon/v{version}.json"),
            name: Some("icon".to_owned()),
            version: Some(version.to_owned()),
        };
        let change = |effect, rule, pointer: &str, message: &str| Change {
            effect,
            rule,
            pointer: pointer.to_owned(),
            at: String::new(),
            message: message.to_owned(),
        };
        let broken = |path: &str| Finding::error(&REQUIRED, RepoPath::new(path), "\"use-cases\" is missing");
        let (a, b) = (vec![broken("a.json")], vec![broken("b.json")]);
        SchemaDiff {
            old: side("1.0.0"),
            new: side("1.1.0"),
            verdict: Verdict::Breaking,
            reasons: vec!["2 of 3 records that follow the old schema break the new one".to_owned()],
            assumptions: vec![],
            changes: vec![
                change("breaking", "required", "/required", "/use-cases must be there now"),
                change("compatible", "member", "/properties/use-cases", "/use-cases may be there now"),
            ],
            bump: Some("major".to_owned()),
            moved: Some("minor".to_owned()),
            downstreams: vec![LeftBehind { name: "addon".to_owned(), accepts: "~1.0".to_owned() }],
            records: Some(Records {
                moment: "HEAD".to_owned(),
                records: 4,
                followed: 3,
                broken: 2,
                kinds: kinds([a.as_slice(), b.as_slice()].into_iter()),
                findings: a,
            }),
            findings: vec![],
        }
    }

    #[test]
    fn people_read_the_verdict_first_and_the_version_last() {
        insta::assert_snapshot!(human(&diff(), Style::Plain, 20), @r#"
        icon@1.0.0 -> icon@1.1.0: breaking
          2 of 3 records that follow the old schema break the new one
          breaking    /use-cases must be there now  #/required
          compatible  /use-cases may be there now  #/properties/use-cases
        4 records of HEAD: 3 follow the old schema, 2 break of those the new one
          2 records: "use-cases" is missing [required]
        a.json:1:1: error: "use-cases" is missing [required]
        version: a major change; the version moved its minor part
        downstream: addon cannot read icon@1.1.0: it accepts ~1.0
        "#);
    }
}
