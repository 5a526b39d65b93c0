//! Reads the lines that a report shows below its findings.

use std::collections::BTreeMap;

use super::gather::Library;
use crate::catalog::place::Lines;
use crate::catalog::read::{MAX_RECORD_BYTES, SYNTAX};
use crate::finding::{Finding, Span};
use crate::ids::RepoPath;
use crate::report::excerpt::{Excerpt, Excerpts};
use crate::secret::tokens::starred;

/// What stands at the places of the first `most` findings. A file that cannot be read has nothing to show.
pub fn excerpts(library: &Library, most: usize) -> Excerpts {
    let mut places: BTreeMap<&RepoPath, Vec<Span>> = BTreeMap::new();
    for finding in library.check.findings.iter().take(most).filter(|finding| has_place(finding)) {
        places.entry(&finding.path).or_default().push(finding.span);
    }
    let mut excerpts = Excerpts::default();
    for (path, spans) in places {
        let Some(entry) = library.tree.get(path.as_str()) else { continue };
        let Ok(bytes) = library.contents.read(entry, MAX_RECORD_BYTES) else { continue };
        add(&mut excerpts, path, &String::from_utf8_lossy(&bytes), spans);
    }
    excerpts
}

/// Whether a finding is about a place in its file. The first character may stand for all of it, except to a parser.
pub(super) fn has_place(finding: &Finding) -> bool {
    finding.span != Span::start() || finding.code == &SYNTAX
}

/// Words of keys whose values are secrets, or addresses that may hold one.
const SECRETIVE: [&str; 8] = ["token", "secret", "hook", "trigger", "key", "sign", "url", "health"];

/// What stands at the places of findings that are all in this configuration, of which nothing is known to be right.
///
/// A token may stand in it where a reference to one belongs: no line is shown that could hold it.
pub fn in_config(text: &str, findings: &[Finding]) -> Excerpts {
    let lines: Vec<&str> = text.lines().collect();
    let is_secretive = |text: &str, end: &str| {
        let text = text.to_lowercase();
        SECRETIVE.iter().any(|word| text.contains(&format!("{word}{end}")))
    };
    let names_token = |number: usize| lines.get(number).is_some_and(|line| is_secretive(line, ":"));
    let may_be_secret = |finding: &Finding| {
        let line = usize::try_from(finding.span.line).unwrap_or(0);
        // Its value can stand on the line below its key.
        is_secretive(&finding.pointer, "") || [1, 2].iter().any(|back| line.checked_sub(*back).is_some_and(names_token))
    };
    let mut excerpts = Excerpts::default();
    for finding in findings.iter().filter(|finding| has_place(finding) && !may_be_secret(finding)) {
        add(&mut excerpts, &finding.path, text, vec![finding.span]);
    }
    excerpts
}

fn add(excerpts: &mut Excerpts, path: &RepoPath, text: &str, spans: Vec<Span>) {
    // A secret stands in no report; as many characters stand in its place, so that marks stay where they belong.
    let text = starred(text.strip_prefix('\u{feff}').unwrap_or(text));
    let lines = Lines::new(&text);
    for span in spans {
        let Some((line, marked)) = lines.line_with(span) else { continue };
        if let Some(excerpt) = Excerpt::new(line, marked) {
            excerpts.insert(path.clone(), span, excerpt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_bracket_that_opens_the_file_is_shown_and_a_finding_on_the_whole_file_shows_nothing() {
        let finding = |code| Finding::error(code, RepoPath::new("a.json"), "x");
        let shown = |code| in_config("{\"a\": 1", &[finding(code)]);
        assert_ne!(shown(&SYNTAX), Excerpts::default());
        assert_eq!(shown(&crate::catalog::read::NOT_AN_OBJECT), Excerpts::default());
    }

    #[test]
    fn the_lines_of_a_broken_configuration_are_shown_except_where_a_token_may_be() {
        let text = "version: 1\ncolections: {}\ncollections: {a: {metadata: '*.json'}}\ndownstreams:\n  web:\n    repo: o/r\n    \
                    token:\n      ghp_secret\n    wat: 1\n";
        let error = Config::read(&RepoPath::new("stockroom.yml"), text.as_bytes().to_vec()).unwrap_err();
        assert_eq!(error.problems.len(), 3, "{error:?}");
        let shown = format!("{:?}", in_config(&error.text, &error.problems));
        assert!(shown.contains("colections: {}") && shown.contains("wat: 1") && !shown.contains("ghp_"), "{shown}");
    }
}
