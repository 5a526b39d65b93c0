//! What a change touched, and how the findings are divided by it.

use std::collections::BTreeSet;

use super::Check;
use crate::finding::Finding;
use crate::finding::words::count;
use crate::ids::RepoPath;

/// What a change touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// What the change is counted from, for people: a commit or the name that was given.
    pub since: String,
    /// How far it reaches.
    pub extent: Extent,
}

/// How far a change reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// Every verdict may have changed.
    Everything {
        /// Why: the end of a sentence that begins with "because".
        why: String,
    },
    /// These files, and the records that they belong to.
    Files(BTreeSet<RepoPath>),
}

/// How many findings lie within a change, and how many elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Division {
    /// In what the change touched.
    pub touched: usize,
    /// In what it left alone.
    pub elsewhere: usize,
}

impl Touched {
    /// Whether the change touched what the finding is about.
    pub fn holds(&self, finding: &Finding) -> bool {
        match &self.extent {
            Extent::Everything { .. } => true,
            Extent::Files(files) => {
                files.contains(&finding.path) || finding.related.iter().any(|path| files.contains(path))
            }
        }
    }
}

impl Check {
    /// How many findings lie within the change and how many elsewhere; none where no change is looked at.
    pub fn division(&self) -> Option<Division> {
        let touched = self.touched.as_ref()?;
        let within = self.findings.iter().filter(|finding| touched.holds(finding)).count();
        Some(Division { touched: within, elsewhere: self.findings.len() - within })
    }

    /// The division as a sentence, such as `3 findings in what was touched since a1b2c3d, 12 elsewhere`. It may hold names
    /// that are foreign.
    pub fn division_said(&self) -> Option<String> {
        let (touched, division) = (self.touched.as_ref()?, self.division()?);
        Some(match &touched.extent {
            Extent::Everything { why } => format!("everything counts as touched, because {why}"),
            Extent::Files(_) => {
                let here = count(division.touched, "finding");
                format!("{here} in what was touched since {}, {} elsewhere", touched.since, division.elsewhere)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{NO_VERSION, WRONG_TYPE, check};

    fn of(files: &[&str]) -> Touched {
        let files = files.iter().map(|path| RepoPath::new(*path)).collect();
        Touched { since: "a1b2c3d".to_owned(), extent: Extent::Files(files) }
    }

    fn findings() -> Vec<Finding> {
        let error = |path: &str| Finding::error(&WRONG_TYPE, RepoPath::new(path), path);
        let warning = |path: &str| Finding::warning(&NO_VERSION, RepoPath::new(path), path);
        vec![error("a"), error("b"), warning("a"), warning("c"), error("d").related(RepoPath::new("c"))]
    }

    fn order(check: &Check) -> Vec<&str> {
        check.findings.iter().map(|finding| finding.message.as_str()).collect()
    }

    #[test]
    fn touched_findings_come_first_among_those_that_are_equally_bad() {
        let check = check(findings()).touching(of(&["b", "c"]));
        assert_eq!(order(&check), ["b", "d", "a", "c", "a"]);
        assert_eq!(check.division(), Some(Division { touched: 3, elsewhere: 2 }));
        assert_eq!(check.division_said().as_deref(), Some("3 findings in what was touched since a1b2c3d, 2 elsewhere"));
    }

    #[test]
    fn without_a_change_nothing_is_divided() {
        let check = check(findings());
        assert_eq!((check.division(), check.division_said()), (None, None));
        assert_eq!(order(&check), ["a", "b", "d", "a", "c"]);
    }

    #[test]
    fn everything_is_said_with_its_reason() {
        let everything = Extent::Everything { why: "stockroom.yml was changed".to_owned() };
        let check = check(findings()).touching(Touched { since: "x".to_owned(), extent: everything });
        assert_eq!(check.division(), Some(Division { touched: 5, elsewhere: 0 }));
        assert_eq!(
            check.division_said().as_deref(),
            Some("everything counts as touched, because stockroom.yml was changed")
        );
    }
}
