//! Annotations on the lines at fault, as GitHub shows them beside a diff.

use super::Check;
use super::log_text::shortened;
use super::workflow_command::Command;
use crate::finding::words::count;
use crate::finding::{Finding, Severity};

/// GitHub shows so many annotations of a kind per step; a composite action counts as one step.
const MOST_OF_A_KIND: usize = 10;
/// GitHub cuts a message that is longer.
const MESSAGE_LIMIT: usize = 4096;

/// The ten worst errors and the ten first warnings, a notice that counts the rest, and one on the change that is looked at.
///
/// `folder` is where the library lies in the checkout, empty for its root.
pub fn check(check: &Check, folder: &str) -> Vec<Command> {
    let of_kind = |kind| check.findings.iter().filter(move |f| f.severity == kind).take(MOST_OF_A_KIND);
    let shown = of_kind(Severity::Error).chain(of_kind(Severity::Warning));
    let mut commands: Vec<Command> = shown.map(|finding| annotation(finding, folder)).collect();
    let unsaid = check.findings.len() - commands.len();
    if unsaid > 0 {
        commands.push(Command::notice(&format!("{}; see the job summary", count(unsaid, "more finding"))));
    }
    commands.extend(check.division_said().map(|said| Command::notice(&shortened(&said, MESSAGE_LIMIT))));
    commands
}

fn annotation(finding: &Finding, folder: &str) -> Command {
    let message = match &finding.help {
        Some(help) => format!("{}\nhelp: {help}", finding.message),
        None => finding.message.clone(),
    };
    let message = shortened(&message, MESSAGE_LIMIT);
    let command = match finding.severity {
        Severity::Error => Command::error(&message),
        Severity::Warning => Command::warning(&message),
    };
    let path = match folder.trim_end_matches('/') {
        "" | "." => finding.path.as_str().to_owned(),
        folder => format!("{folder}/{}", finding.path),
    };
    let span = finding.span;
    command.file(&path).at(span.line, span.end_line.max(span.line), span.column).title(finding.code.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Span;
    use crate::ids::RepoPath;
    use crate::report::runner_parser::commands;
    use crate::report::touched::{Extent, Touched};
    use crate::report::tests::{NO_VERSION, WRONG_TYPE, check as check_of, three_findings};

    fn check_text(of: &Check, folder: &str) -> String {
        check(of, folder).iter().map(|command| format!("{command}\n")).collect()
    }

    #[test]
    fn each_finding_is_an_annotation_on_its_line() {
        insta::assert_snapshot!(check_text(&check_of(three_findings()), ""), @r#"
        ::error file=Hex Bolt/hex.json,line=4,col=12,endLine=4,title=wrong-type::/price is a string, not a number%0Ahelp: write 4.5 without quotes
        ::warning file=Hex Bolt/hex.json,line=1,col=1,endLine=1,title=no-version::the record names no schema version%0Ahelp: add "schema_version": "1.1.0"
        ::warning file=new%0Aline.json,line=1,col=1,endLine=1,title=no-version::::error::the record names none
        "#);
    }

    #[test]
    fn at_most_ten_of_a_kind_and_the_rest_is_counted() {
        let error = |n: u32| Finding::error(&WRONG_TYPE, RepoPath::new("a.json"), "e").at(Span::at(n, 1));
        let warning = |n: u32| Finding::warning(&NO_VERSION, RepoPath::new("a.json"), "w").at(Span::at(n, 1));
        let findings = (1..=25).map(error).chain((1..=11).map(warning)).collect();
        let commands = check(&check_of(findings), "");
        let names: Vec<&str> = commands.iter().map(Command::name).collect();
        assert_eq!(names, [vec!["error"; 10], vec!["warning"; 10], vec!["notice"]].concat());
        assert_eq!(commands[20].data(), "16 more findings; see the job summary");
    }

    #[test]
    fn what_lies_elsewhere_is_counted_in_a_notice() {
        let touched = Touched { since: "a1b2c3d".to_owned(), extent: Extent::Files([RepoPath::new("a")].into()) };
        let commands = check(&check_of(vec![]).touching(touched), "");
        assert_eq!(commands[0].name(), "notice");
        assert_eq!(commands[0].data(), "0 findings in what was touched since a1b2c3d, 0 elsewhere");
    }

    #[test]
    fn the_folder_of_the_library_leads_the_path() {
        let text = check_text(&check_of(three_findings()), "assets/");
        assert!(text.contains("::error file=assets/Hex Bolt/hex.json,line=4"), "{text}");
    }

    #[test]
    fn a_message_beyond_the_limit_is_cut_and_one_command_stays_one() {
        let long = Finding::error(&WRONG_TYPE, RepoPath::new("a"), "x\n::error::".repeat(2000));
        let read = commands(&check_text(&check_of(vec![long]), ""));
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].data.chars().count(), MESSAGE_LIMIT);
    }
}
