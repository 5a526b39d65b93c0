//! What `schema diff` has found as an entry of a changelog: a heading and a list.

use std::fmt::Write as _;

use super::markdown::code_span;
use super::schema_diff::{Change, MOST_CHANGES, SchemaDiff, Verdict};
use crate::finding::words::count;

/// The entry.
fn entry(diff: &SchemaDiff) -> String {
    let mut out = format!("{}\n\n", heading(diff));
    let verdict = match diff.verdict {
        Verdict::Compatible => "Compatible: records that follow the old schema follow the new one.".to_owned(),
        Verdict::Breaking => match diff.records.as_ref().filter(|records| records.broken > 0) {
            Some(records) => {
                format!("**Breaking**: {} of {} no longer valid.", records.broken, count(records.followed, "record"))
            }
            None => "**Breaking**: a record can follow the old schema and not the new one.".to_owned(),
        },
        Verdict::Unknown => "It is not known whether records that follow the old schema follow the new one.".to_owned(),
    };
    let _ = writeln!(out, "{verdict}\n");
    for (effect, title) in
        [("breaking", "Breaking"), ("unclear", "Unclear"), ("compatible", "Compatible"), ("neutral", "Neutral")]
    {
        let changes: Vec<&Change> = diff.changes.iter().filter(|change| change.effect == effect).collect();
        for change in changes.iter().take(MOST_CHANGES) {
            let _ = writeln!(out, "- {title}: {}", code_span(&change.message));
        }
        if changes.len() > MOST_CHANGES {
            let _ = writeln!(out, "- {title}: {}", count(changes.len() - MOST_CHANGES, "more change"));
        }
    }
    out
}

/// The line by which an entry is found again.
fn heading(diff: &SchemaDiff) -> String {
    let code = |text: &str| code_span(text);
    match (&diff.new.name, &diff.new.version, &diff.old.version) {
        (Some(name), Some(new), Some(old)) if diff.new.name == diff.old.name && new != old => {
            format!("## {} {}, after {}", code(name), code(new), code(old))
        }
        _ => format!("## {}, after {}", code(&diff.new.label), code(&diff.old.label)),
    }
}

/// The changelog with the entry in it, above the earlier ones; nothing where it stands there already.
pub fn with_entry(changelog: Option<&str>, diff: &SchemaDiff) -> Option<String> {
    let entry = entry(diff);
    let Some(text) = changelog.filter(|text| !text.trim().is_empty()) else {
        return Some(format!("# Changelog\n\n{entry}"));
    };
    let wanted = heading(diff);
    if text.lines().any(|line| line.trim_end() == wanted) {
        return None;
    }
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut fence = false;
    let mut offset = 0;
    let mut at = text.len();
    for line in text.split_inclusive('\n') {
        fence ^= line.trim_start().starts_with("```");
        if line.starts_with("## ") && !fence {
            at = offset;
            break;
        }
        offset += line.len();
    }
    let (before, after) = text.split_at(at);
    let gap = match before {
        "" => "",
        _ if before.ends_with("\n\n") || before.ends_with("\r\n\r\n") => "",
        _ if before.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let tail = if after.is_empty() { "" } else { "\n" };
    let inserted = format!("{gap}{entry}{tail}").replace('\n', line_end);
    Some(format!("{before}{inserted}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema_diff::tests::diff;

    #[test]
    fn an_entry_goes_above_the_earlier_ones_and_never_twice() {
        let first = with_entry(None, &diff()).unwrap();
        insta::assert_snapshot!(first, @r"
        # Changelog

        ## `icon` `1.1.0`, after `1.0.0`

        **Breaking**: 2 of 3 records no longer valid.

        - Breaking: `/use-cases must be there now`
        - Compatible: `/use-cases may be there now`
        ");
        assert_eq!(with_entry(Some(&first), &diff()), None);
        let mut next = diff();
        next.old.version = Some("1.1.0".to_owned());
        next.new.version = Some("1.2.0".to_owned());
        let second = with_entry(Some(&first), &next).unwrap();
        let headings: Vec<&str> = second.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(headings, ["# Changelog", "## `icon` `1.2.0`, after `1.1.0`", "## `icon` `1.1.0`, after `1.0.0`"]);
        assert!(second.contains("\n\n## `icon` `1.1.0`"), "{second}");
    }

    #[test]
    fn what_is_there_is_kept_with_its_line_ends() {
        for text in [
            "# Notes\r\n\r\nOf our own.\r\n",
            "# Notes\n\nOf our own.",
            "## 1.0\n- x\n",
            "```\n## not a heading\n```\n",
        ] {
            let longer = with_entry(Some(text), &diff()).unwrap();
            assert_eq!(longer.contains("\r\n"), text.contains("\r\n"), "{longer:?}");
            assert!(!text.contains("\r\n") || !longer.replace("\r\n", "").contains('\n'), "{longer:?}");
            let without: String = text.lines().filter(|line| !longer.lines().any(|other| other == *line)).collect();
            assert_eq!(without, "", "{longer:?}");
            assert_eq!(with_entry(Some(&longer), &diff()), None);
        }
    }

    #[test]
    fn foreign_text_is_no_markup_in_a_changelog() {
        let mut hostile = diff();
        hostile.changes[0].message = "/x may no longer be \"<img src=x> @everyone\n# [a](http://b)\"".to_owned();
        hostile.new.label = "a`b\n# c".to_owned();
        hostile.new.name = None;
        let text = entry(&hostile);
        assert!(text.lines().all(|line| !line.starts_with("# ")), "{text}");
        assert_eq!(text.matches("<img").count(), text.matches("`/x may no longer be \"<img").count(), "{text}");
    }
}
