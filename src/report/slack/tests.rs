use proptest::prelude::*;

use super::rules::{complaints, specials};
use super::*;
use crate::ids::TargetName;
use crate::report::course::Course;
use crate::report::runner_parser::hostile_text;
use crate::report::targets::tests::{busy, idle, run};

fn news<'a>(sync: &'a Sync, repo: Option<&'a RepoSlug>) -> News<'a> {
    let page = Some("https://github.com/org/library/actions/runs/7");
    News { sync, repository: repo, server: "https://github.com", page, seconds: 75 }
}

#[test]
fn a_message_tells_who_was_told_and_what_failed() {
    let mut sync = run(
        busy(),
        &[(Outcome::Done, "13 assets published"), (Outcome::Failed, "it's <down> & out"), (Outcome::Done, "")],
    );
    let repo = RepoSlug::parse("org/library").unwrap();
    let run = Some("https://github.com/org/site/actions/runs/1".to_owned());
    sync.courses.insert(TargetName::new("downstream/addon"), Course { run, ..Course::default() });
    let message = message(&news(&sync, Some(&repo)));
    assert_eq!(complaints(&message), [""; 0]);
    insta::assert_json_snapshot!(message, @r#"
    {
      "blocks": [
        {
          "text": {
            "emoji": false,
            "text": "org/library: 1 of 3 targets failed",
            "type": "plain_text"
          },
          "type": "header"
        },
        {
          "fields": [
            {
              "text": "*Repository*\norg/library",
              "type": "mrkdwn",
              "verbatim": true
            },
            {
              "text": "*Commit*\n<https://github.com/org/library/commit/a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1|a1a1a1a>",
              "type": "mrkdwn",
              "verbatim": true
            },
            {
              "text": "*Duration*\n1 min 15 s",
              "type": "mrkdwn",
              "verbatim": true
            },
            {
              "text": "*Repositories told*\n0",
              "type": "mrkdwn",
              "verbatim": true
            },
            {
              "text": "*Assets*\n13: 12 added, 0 changed, 1 removed",
              "type": "mrkdwn",
              "verbatim": true
            },
            {
              "text": "*Embeddings*\n1 embedded, 2 deleted",
              "type": "mrkdwn",
              "verbatim": true
            }
          ],
          "type": "section"
        },
        {
          "text": {
            "text": ":x: *downstream/addon* failed (<https://github.com/org/site/actions/runs/1|the run>)\nit's &lt;down&gt; &amp; out",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        },
        {
          "text": {
            "text": ":white_check_mark: *manifest* done\n13 assets published",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        },
        {
          "text": {
            "text": ":white_check_mark: *outbox/site* done",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        },
        {
          "elements": [
            {
              "text": "<https://github.com/org/library/actions/runs/7|the run>",
              "type": "mrkdwn",
              "verbatim": true
            }
          ],
          "type": "context"
        }
      ],
      "text": "org/library: 1 of 3 targets failed"
    }
    "#);
}

#[test]
fn only_what_is_asked_for_is_told() {
    use Occasion::{Change, Failure};
    let quiet = run(idle(), &[(Outcome::Unchanged, "in step")]);
    let changed = run(busy(), &[(Outcome::Done, "")]);
    let failed = run(busy(), &[(Outcome::Failed, "")]);
    let wanted = |on: &[Occasion]| [&quiet, &changed, &failed].map(|sync| is_wanted(sync, on));
    assert_eq!(wanted(&[Failure]), [false, false, true]);
    assert_eq!(wanted(&[Change]), [false, true, false]);
    assert_eq!(wanted(&[Failure, Change]), [false, true, true]);
}

#[test]
fn many_targets_and_long_texts_stay_within_the_limits() {
    let mut sync = run(busy(), &[(Outcome::Done, "")]);
    let long = "&*".repeat(10_000);
    let result = |n| TargetResult {
        name: TargetName::new(format!("downstream/{n}")),
        outcome: Outcome::Failed,
        message: long.clone(),
    };
    sync.results = (0..500).map(result).collect();
    let message = message(&news(&sync, None));
    assert_eq!(complaints(&message), [""; 0]);
    assert!(message.to_string().contains("and 470 more targets"));
    assert_eq!(complaints(&failure(&long, None, None)), [""; 0]);
}

#[test]
fn an_address_that_is_none_is_no_link() {
    for bad in ["javascript:alert(1)", "https://a|b", "https://a>b", "https://a b", "!here"] {
        assert_eq!(link(bad, "x"), None, "{bad}");
    }
    assert_eq!(link("https://a/?b&c", "d|e").as_deref(), Some("<https://a/?b&amp;c|d/e>"));
}

proptest! {
    #[test]
    fn foreign_text_mentions_and_links_nobody(text in hostile_text(), name in hostile_text()) {
        let text = format!("{text}<!channel> <@U1> <https://evil|ok>");
        let mut sync = run(busy(), &[(Outcome::Failed, &text)]);
        sync.results[0].name = TargetName::new(format!("downstream/{name}"));
        let message = message(&news(&sync, None));
        prop_assert_eq!(complaints(&message), [""; 0]);
        prop_assert_eq!(specials(&message), ["https://github.com/org/library/actions/runs/7|the run"]);
    }
}
