//! How much one record may ask for before it counts as an attack.
//!
//! What stockroom.yml says is as hostile as a pull request: each limit has a bound that no configuration goes beyond.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::read::MAX_VALUES;
use crate::finding::{self, Finding, Severity, codes};
use crate::ids::RepoPath;

codes! {
    MORE_FINDINGS "more-findings"
        "More is wrong with a file than is told: `limits.findings` in stockroom.yml bounds it (100 by default). Mend what \
         is told, then check again."
}

/// What one record may cost. The depth of its arrays and objects is limited to 64 for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How large its file may be, in bytes; 16 MiB when this is left out.
    #[schemars(range(min = 1, max = 67_108_864))]
    pub record_bytes: u64,
    /// How many values it may hold, YAML aliases counted as often as they are used; 500,000 when this is left out.
    #[schemars(range(min = 1, max = 500_000))]
    pub values: usize,
    /// How many findings are told of it, of all kinds together; 100 when this is left out.
    #[schemars(range(min = 1, max = 1_000))]
    pub findings: usize,
    /// How many seconds it may take to check; 10 when this is left out.
    #[schemars(range(min = 1, max = 120))]
    pub seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { record_bytes: 16 * 1024 * 1024, values: MAX_VALUES, findings: 100, seconds: 10 }
    }
}

impl Limits {
    /// How many findings of one kind are worth looking for: one more than are told, so that the cut is known.
    pub fn most_sought(&self) -> usize {
        self.findings.saturating_add(1)
    }
}

/// The finding that stands for those of a file that are not told: as bad as the worst of them.
pub fn more(path: &RepoPath, severity: Severity) -> Finding {
    let message = "more is wrong with this file; only the first findings are told";
    let finding = Finding { severity, ..Finding::error(&MORE_FINDINGS, path.clone(), message) };
    finding.help("mend these first and check again, or raise `limits.findings` in stockroom.yml")
}

/// Leaves at most so many findings of each file, errors first, and one that says so where others are left out.
pub fn bound(findings: &mut Vec<Finding>, most: usize) {
    let mut counts: BTreeMap<&RepoPath, (usize, Option<Severity>)> = BTreeMap::new();
    for finding in &*findings {
        let (count, cut) = counts.entry(&finding.path).or_default();
        if std::ptr::eq(finding.code, &MORE_FINDINGS) {
            *cut = (*cut).max(Some(finding.severity));
        } else {
            *count += 1;
        }
    }
    let over = counts.into_iter().filter(|(_, (count, cut))| *count > most || cut.is_some());
    let mut over: BTreeMap<RepoPath, (usize, Option<Severity>)> =
        over.map(|(path, (_, cut))| (path.clone(), (0, cut))).collect();
    if over.is_empty() {
        return;
    }
    finding::sort(findings);
    findings.retain(|finding| {
        let Some((told, cut)) = over.get_mut(&finding.path) else { return true };
        if std::ptr::eq(finding.code, &MORE_FINDINGS) {
            return false;
        }
        if *told == most {
            *cut = (*cut).max(Some(finding.severity));
            return false;
        }
        *told += 1;
        true
    });
    findings.extend(over.iter().filter_map(|(path, (_, cut))| Some(more(path, (*cut)?))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Code, Span};

    static CODE: Code = Code { id: "test", meaning: "A test." };

    fn bounded(mut findings: Vec<Finding>, most: usize) -> Vec<String> {
        bound(&mut findings, most);
        findings.iter().map(|f| format!("{} {} {}:{}", f.severity, f.code.id, f.path, f.span.line)).collect()
    }

    #[test]
    fn errors_come_before_warnings_and_the_cut_is_as_bad_as_what_it_cut() {
        let path = RepoPath::new("a");
        let error = |line| Finding::error(&CODE, path.clone(), "e").at(Span::at(line, 1));
        let warning = |line| Finding::warning(&CODE, path.clone(), "w").at(Span::at(line, 1));
        let other = Finding::error(&CODE, RepoPath::new("b"), "e");
        let all = vec![warning(1), error(3), other, error(2)];
        assert_eq!(bounded(all.clone(), 3), ["warning test a:1", "error test a:3", "error test b:1", "error test a:2"]);
        assert_eq!(
            bounded(all.clone(), 2),
            ["error test a:2", "error test a:3", "error test b:1", "warning more-findings a:1"]
        );
        assert_eq!(bounded(all, 1), ["error test a:2", "error test b:1", "error more-findings a:1"]);
    }

    #[test]
    fn what_was_cut_before_is_said_once() {
        let path = RepoPath::new("a");
        let cut = more(&path, Severity::Error);
        let twice = vec![cut.clone(), Finding::warning(&CODE, path, "w"), cut];
        assert_eq!(bounded(twice, 5), ["warning test a:1", "error more-findings a:1"]);
    }
}
