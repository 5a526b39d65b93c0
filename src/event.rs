//! What happened on GitHub, and what that asks of us.
//!
//! The payloads are those of GitHub's webhooks (docs.github.com/webhooks/webhook-events-and-payloads) as a runner puts
//! them into the file that `GITHUB_EVENT_PATH` names. Fields that we do not need are not looked at.

use serde_json::Value;

use crate::ids::CommitId;

/// What a workflow was started by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Commits came to a branch, or a tag was pushed.
    Push {
        /// Whether it was the repository's default branch.
        is_default_branch: bool,
        /// Whether the branch or tag is gone now.
        is_deleted: bool,
    },
    /// A pull request was opened or changed, or waits in the merge queue.
    Proposal {
        /// The commit that it would be merged into.
        base: CommitId,
        /// The proposed commit.
        head: CommitId,
        /// The number of the pull request; none for one that waits in the merge queue.
        number: Option<u64>,
    },
    /// A release was published.
    Release {
        /// Its tag.
        tag: String,
    },
    /// The clock started it, or a person on the default branch.
    Reconcile,
    /// Another repository, or whoever has the right to, says that something has happened.
    Dispatch,
    /// Anything else, by its name.
    Other(String),
}

/// What a delivery of a library's says, which reached this repository as an event or began its workflow. It is foreign data,
/// from whoever has the right to send such events or to begin the workflow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announced {
    /// Where the manifest is that it is about, if it is about one.
    pub manifest: Option<String>,
    /// Whether it takes back what the last one told.
    pub rollback: bool,
}

/// What an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Check and plan; no side effect and no secret.
    Propose,
    /// Check, then bring every target into step.
    Sync,
    /// Check, then build the manifest of this tag.
    Release {
        /// The tag.
        tag: String,
    },
    /// Nothing: the branch is gone.
    Nothing,
}

/// A payload that is not what its event's name promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload of the event {event:?} has no usable {field:?}; is GITHUB_EVENT_PATH the file of this run?")]
pub struct EventError {
    /// The event's name.
    pub event: String,
    /// The JSON Pointer of what is missing.
    pub field: &'static str,
}

impl Event {
    /// Reads an event by its name (`GITHUB_EVENT_NAME`) and its payload.
    pub fn parse(name: &str, payload: &Value) -> Result<Self, EventError> {
        let text = |field: &'static str| {
            let found = payload.pointer(field).and_then(Value::as_str);
            found.ok_or_else(|| EventError { event: name.to_owned(), field })
        };
        let commit = |field: &'static str| {
            CommitId::parse(text(field)?).map_err(|_| EventError { event: name.to_owned(), field })
        };
        let default = payload.pointer("/repository/default_branch").and_then(Value::as_str);
        let is_default_branch =
            |reference: &str| default.is_some_and(|branch| reference.strip_prefix("refs/heads/") == Some(branch));
        let is_pull_request = matches!(name, "pull_request" | "pull_request_target");
        Ok(match name {
            "push" => Self::Push {
                is_default_branch: is_default_branch(text("/ref")?),
                is_deleted: is_nothing(&commit("/after")?),
            },
            "merge_group" => {
                let (base, head) = (commit("/merge_group/base_sha")?, commit("/merge_group/head_sha")?);
                Self::Proposal { base, head, number: None }
            }
            "release" if payload.pointer("/action").and_then(Value::as_str) == Some("published") => {
                Self::Release { tag: text("/release/tag_name")?.to_owned() }
            }
            "schedule" => Self::Reconcile,
            "repository_dispatch" => Self::Dispatch,
            // A run by hand on another branch must not publish what is not merged.
            "workflow_dispatch" if is_default_branch(text("/ref")?) => Self::Reconcile,
            // A review of a pull request, say, is as much about what is proposed as the pull request itself.
            _ if is_pull_request || payload.pointer("/pull_request/base/sha").is_some() => {
                let number = payload.pointer("/pull_request/number").and_then(Value::as_u64);
                let (base, head) = (commit("/pull_request/base/sha")?, commit("/pull_request/head/sha")?);
                Self::Proposal { base, head, number }
            }
            other => Self::Other(other.to_owned()),
        })
    }

    /// What it asks for. A proposal never asks for more than words, whoever made it.
    pub fn work(&self) -> Work {
        match self {
            Self::Push { is_deleted: true, .. } => Work::Nothing,
            Self::Push { is_default_branch: true, .. } | Self::Reconcile => Work::Sync,
            Self::Release { tag } => Work::Release { tag: tag.clone() },
            Self::Push { .. } | Self::Proposal { .. } | Self::Dispatch | Self::Other(_) => Work::Propose,
        }
    }

    /// Whether what is checked out was put there by somebody who may write to the repository: a push to one of its branches
    /// or tags, a release, the clock, or a run by hand. Of any other event nobody knows whose files it looks at.
    pub fn is_of_a_writer(&self) -> bool {
        match self {
            Self::Push { .. } | Self::Release { .. } | Self::Reconcile => true,
            Self::Other(name) => matches!(name.as_str(), "release" | "workflow_dispatch"),
            Self::Proposal { .. } | Self::Dispatch => false,
        }
    }

    /// The commit that a proposal is compared with.
    pub fn base(&self) -> Option<&CommitId> {
        match self {
            Self::Proposal { base, .. } => Some(base),
            _ => None,
        }
    }

    /// The number of the pull request.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Proposal { number, .. } => *number,
            _ => None,
        }
    }

    /// The commit that is proposed.
    pub fn head(&self) -> Option<&CommitId> {
        match self {
            Self::Proposal { head, .. } => Some(head),
            _ => None,
        }
    }
}

impl Announced {
    /// What an event of this name tells with this payload; none where it is no delivery.
    pub fn of(name: &str, payload: &Value) -> Option<Self> {
        let envelope = match name {
            "repository_dispatch" => payload.get("client_payload").cloned().unwrap_or_default(),
            "workflow_dispatch" => {
                let text = payload.pointer("/inputs/envelope").and_then(Value::as_str)?;
                serde_json::from_str(text).ok().filter(Value::is_object)?
            }
            _ => return None,
        };
        Some(Self {
            manifest: envelope.pointer("/manifest/url").and_then(Value::as_str).map(str::to_owned),
            rollback: envelope.pointer("/delta/rollback") == Some(&Value::Bool(true)),
        })
    }
}

/// GitHub writes zeros where there is no commit.
fn is_nothing(commit: &CommitId) -> bool {
    commit.as_str().bytes().all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn push(reference: &str, after: &str) -> Work {
        let payload = json!({
            "ref": reference, "before": "0".repeat(40), "after": after, "repository": {"default_branch": "main"}
        });
        Event::parse("push", &payload).unwrap().work()
    }

    #[test]
    fn only_a_push_to_the_default_branch_syncs() {
        assert_eq!(push("refs/heads/main", &"a".repeat(40)), Work::Sync);
        assert_eq!(push("refs/heads/feature", &"a".repeat(40)), Work::Propose);
        assert_eq!(push("refs/tags/main", &"a".repeat(40)), Work::Propose);
        assert_eq!(push("refs/heads/main", &"0".repeat(40)), Work::Nothing);
    }

    #[test]
    fn a_proposal_has_no_side_effect_even_with_the_rights_of_its_target() {
        let payload = json!({"number": 7, "pull_request": {
            "base": {"sha": "b".repeat(40)}, "head": {"sha": "c".repeat(40)}}});
        for name in ["pull_request", "pull_request_target"] {
            let event = Event::parse(name, &payload).unwrap();
            assert_eq!((event.work(), event.base().unwrap().short()), (Work::Propose, "bbbbbbb"));
        }
    }

    #[test]
    fn a_review_is_a_proposal_and_a_comment_is_nobody_s() {
        let payload = json!({"pull_request": {
            "number": 7, "base": {"sha": "b".repeat(40)}, "head": {"sha": "c".repeat(40)}}});
        for name in ["pull_request_review", "pull_request_review_comment", "one_of_tomorrow"] {
            let event = Event::parse(name, &payload).unwrap();
            assert_eq!(
                (event.work(), event.base().unwrap().short(), event.number()),
                (Work::Propose, "bbbbbbb", Some(7))
            );
            assert!(!event.is_of_a_writer(), "{name}");
        }
        let comment = json!({"issue": {"number": 7, "pull_request": {"url": "https://api.github.com/x"}}});
        for name in ["issue_comment", "workflow_run", "check_suite", "repository_dispatch"] {
            let event = Event::parse(name, &comment).unwrap();
            assert_eq!((event.base(), event.is_of_a_writer()), (None, false), "{name}");
        }
        assert!(Event::parse("schedule", &Value::Null).unwrap().is_of_a_writer());
        assert!(Event::parse("release", &json!({"action": "edited"})).unwrap().is_of_a_writer());
    }

    #[test]
    fn a_payload_of_another_event_is_refused_by_field() {
        let error = Event::parse("push", &json!({"ref": "refs/heads/main", "after": "short"})).unwrap_err();
        assert_eq!(error.field, "/after");
    }

    #[test]
    fn an_event_that_nobody_knows_is_looked_at_and_not_acted_upon() {
        assert_eq!(Event::parse("star", &json!({})).map(|event| event.work()), Ok(Work::Propose));
        assert_eq!(Event::parse("release", &json!({"action": "edited"})).map(|event| event.work()), Ok(Work::Propose));
    }

    /// One of GitHub's own payloads.
    macro_rules! payload {
        ($name:literal) => {
            serde_json::from_str::<Value>(include_str!(concat!("../tests/fixtures/github/events/", $name, ".json")))
                .unwrap()
        };
    }

    fn commit(text: &str) -> CommitId {
        CommitId::parse(text).unwrap()
    }

    #[test]
    fn github_s_own_push_is_read() {
        let branch = Event::parse("push", &payload!("push-branch")).unwrap();
        assert_eq!(branch, Event::Push { is_default_branch: true, is_deleted: false });
        assert_eq!((branch.work(), branch.base()), (Work::Sync, None));
        let tag = Event::parse("push", &payload!("push-tag")).unwrap();
        assert_eq!(tag, Event::Push { is_default_branch: false, is_deleted: false });
        assert_eq!(tag.work(), Work::Propose);
    }

    #[test]
    fn github_s_own_proposals_are_read() {
        let (base, opened) = ("f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "ec26c3e57ca3a959ca5aad62de7213c562f8c821");
        for payload in [payload!("pull_request-opened"), payload!("pull_request-synchronize")] {
            let event = Event::parse("pull_request", &payload).unwrap();
            assert_eq!(event, Event::Proposal { base: commit(base), head: commit(opened), number: Some(2) });
            assert_eq!(event.work(), Work::Propose);
        }
        let queued = Event::parse("merge_group", &payload!("merge_group")).unwrap();
        let Event::Proposal { base, head, number: None } = &queued else { panic!("{queued:?}") };
        assert_ne!(base, head);
        assert_eq!((queued.work(), queued.base()), (Work::Propose, Some(base)));
    }

    #[test]
    fn github_s_own_release_names_its_tag() {
        let event = Event::parse("release", &payload!("release-published")).unwrap();
        let Event::Release { tag } = &event else { panic!("{event:?}") };
        assert_eq!(payload!("release-published")["release"]["tag_name"], *tag);
        assert_eq!(event.work(), Work::Release { tag: tag.clone() });
    }

    #[test]
    fn the_clock_and_a_person_ask_for_everything() {
        let by_hand = Event::parse("workflow_dispatch", &payload!("workflow_dispatch"));
        assert_eq!(by_hand, Ok(Event::Reconcile));
        let mut elsewhere = payload!("workflow_dispatch");
        elsewhere["ref"] = "refs/heads/feature".into();
        assert_eq!(Event::parse("workflow_dispatch", &elsewhere).map(|event| event.work()), Ok(Work::Propose));
        // The payload of a schedule says nothing that counts.
        assert_eq!(Event::parse("schedule", &Value::Null).map(|event| event.work()), Ok(Work::Sync));
        let told = Event::parse("repository_dispatch", &payload!("repository_dispatch"));
        assert_eq!(told, Ok(Event::Dispatch));
    }

    #[test]
    fn a_delivery_is_read_from_an_event_or_the_input_of_a_workflow() {
        let of = |name: &str, payload: &Value| Announced::of(name, payload);
        let told = of("repository_dispatch", &payload!("repository_dispatch"));
        assert_eq!(told, Some(Announced::default()));
        let envelope = json!({"manifest": {"url": "https://example.com/manifest.json"}, "delta": {"rollback": true}});
        let manifest = Some("https://example.com/manifest.json".to_owned());
        let wanted = Some(Announced { manifest, rollback: true });
        assert_eq!(of("repository_dispatch", &json!({"client_payload": envelope})), wanted);
        assert_eq!(of("workflow_dispatch", &json!({"inputs": {"envelope": envelope.to_string()}})), wanted);
        // Whatever else is begun by hand is no delivery, and nothing but `true` takes back.
        let by_hand = [json!(null), json!("{"), json!("[1]"), envelope.clone(), json!("")];
        for envelope in by_hand {
            assert_eq!(of("workflow_dispatch", &json!({"inputs": {"envelope": envelope}})), None, "{envelope}");
        }
        assert_eq!(of("workflow_dispatch", &payload!("workflow_dispatch")), None);
        assert_eq!(of("push", &json!({"client_payload": envelope})), None);
        for word in [json!("true"), json!(1), json!(null)] {
            let payload = json!({"client_payload": {"delta": {"rollback": word}}});
            assert_eq!(of("repository_dispatch", &payload), Some(Announced::default()));
        }
    }

    #[test]
    fn a_payload_under_the_name_of_another_event_is_refused() {
        for name in ["push", "pull_request", "merge_group"] {
            let error = Event::parse(name, &payload!("release-published")).unwrap_err();
            assert_eq!(error.event, name);
        }
    }
}
