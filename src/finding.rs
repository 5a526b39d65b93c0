//! What is wrong with the user's data, as sentences that say where and what to do.
//!
//! A finding is never an error of ours: a run that finds a hundred of them has done its job.

pub mod words;

use std::cmp::Reverse;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::RepoPath;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The data can be used, but somebody should look at it.
    Warning,
    /// The data breaks a rule; nothing is published while it does.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A kind of finding, with the id that people search for and the line of the reference page.
///
/// Each room declares its own and gives them out with `codes()`; `docs/finding-codes.md` is generated from those.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    /// Lower-case words joined by `-`; stable across versions.
    pub id: &'static str,
    /// What it means and how to mend it, in a sentence or two.
    pub meaning: &'static str,
}

/// A place in a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// The line of the last character, at least `line`.
    pub end_line: u32,
    /// The column after the last character.
    pub end_column: u32,
}

impl Span {
    /// One character wide at this place.
    pub fn at(line: u32, column: u32) -> Self {
        Self { line, column, end_line: line, end_column: column.saturating_add(1) }
    }

    /// The file as a whole, shown at its first character.
    pub fn start() -> Self {
        Self::at(1, 1)
    }
}

/// One thing that is wrong with the user's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub code: &'static Code,
    /// How bad.
    pub severity: Severity,
    /// In which file, relative to the library's root.
    pub path: RepoPath,
    /// Where in it.
    pub span: Span,
    /// The JSON Pointer (RFC 6901) of the value at fault; empty for the whole record or file.
    pub pointer: String,
    /// What is wrong: one sentence without markup. It may quote the user's data and is therefore hostile text.
    pub message: String,
    /// What to do next, where there is something to say.
    pub help: Option<String>,
    /// Other files that have a part in it, such as the one that has a value too that may stand only once.
    pub related: Vec<RepoPath>,
}

impl Finding {
    /// An error on the file as a whole; the `with_…` and `at` methods narrow it.
    pub fn error(code: &'static Code, path: RepoPath, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            path,
            span: Span::start(),
            pointer: String::new(),
            message: message.into(),
            help: None,
            related: Vec::new(),
        }
    }

    /// A warning on the file as a whole.
    pub fn warning(code: &'static Code, path: RepoPath, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, path, message) }
    }

    /// The same, at this place.
    #[must_use]
    pub fn at(self, span: Span) -> Self {
        Self { span, ..self }
    }

    /// The same, about the value at this JSON Pointer.
    #[must_use]
    pub fn about(self, pointer: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), ..self }
    }

    /// The same, with advice.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same, with another file that has a part in it.
    #[must_use]
    pub fn related(mut self, path: RepoPath) -> Self {
        self.related.push(path);
        self
    }

    /// Whether it stops a publication.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Puts findings into the order in which every report shows them: errors first, then by path and place.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| order(a).cmp(&order(b)));
}

fn order(f: &Finding) -> impl Ord + '_ {
    (Reverse(f.severity), f.path.as_str(), f.span, f.code.id, f.pointer.as_str(), f.message.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    static CODE: Code = Code { id: "test", meaning: "A test." };

    #[test]
    fn errors_come_before_warnings_and_then_the_order_of_the_file_counts() {
        let path = |p: &str| RepoPath::new(p);
        let mut findings = vec![
            Finding::warning(&CODE, path("a"), "w"),
            Finding::error(&CODE, path("b"), "second").at(Span::at(9, 1)),
            Finding::error(&CODE, path("b"), "first").at(Span::at(2, 7)),
        ];
        sort(&mut findings);
        assert_eq!(findings.iter().map(|f| f.message.as_str()).collect::<Vec<_>>(), ["first", "second", "w"]);
    }
}
