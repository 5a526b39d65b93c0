//! Workflow runs of a repository: found by the correlation id in their title, and looked at until they end.

use chrono::{DateTime, SecondsFormat};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::{DispatchError, Progress, RunRef, Search, Sighting};
use crate::adapters::github::GitHub;
use crate::adapters::http::{Policy, link};
use crate::ids::{CorrelationId, RepoSlug};
use crate::state::Timestamp;

/// Pages of a hundred runs that are looked through.
const PAGES: u32 = 5;

/// The search for a run begins this much earlier, as our clock and GitHub's may differ.
const CLOCK_SLACK: i64 = 3_600;

/// The runs of one repository that one kind of event begins.
pub(super) struct Runs {
    pub github: GitHub,
    pub repo: RepoSlug,
    /// `repository_dispatch` or `workflow_dispatch`.
    pub event: &'static str,
    pub policy: Policy,
}

impl Runs {
    /// The run that shows the id, among those begun since then.
    pub(super) async fn find(&self, correlation: &CorrelationId, since: Timestamp) -> Result<Search, DispatchError> {
        let mut others = 0;
        for page in 1..=PAGES {
            let runs = self.page(since, page).await?;
            if let Some(run) = runs.iter().find(|run| run.shows(correlation)) {
                return Ok(Search::Found(run.sighting(&self.repo)));
            }
            // With the slack for clocks taken away, as those before can have nothing to do with it.
            others += runs.iter().filter(|run| !run.shows_any() && run.is_since(since)).count();
            if runs.len() < 100 {
                break;
            }
        }
        Ok(Search::Absent { others })
    }

    /// The run with this id.
    pub(super) async fn look(&self, run: &RunRef) -> Result<Sighting, DispatchError> {
        let repo = &self.repo;
        let id = run
            .as_str()
            .parse::<u64>()
            .map_err(|_| DispatchError::Refused { why: format!("{:?} names no run of {repo}", run.as_str()) })?;
        let path = format!("/repos/{}/{}/actions/runs/{id}", repo.owner(), repo.name());
        let body = self.get(&path, &format!("run {id} of {repo}")).await?;
        let run = Run::deserialize(&body).unwrap_or_default();
        // It was asked for by its id, whatever an older server leaves out.
        Ok(Run { id: Some(id), ..run }.sighting(repo))
    }

    async fn page(&self, since: Timestamp, page: u32) -> Result<Vec<Run>, DispatchError> {
        let what = format!("the runs of {}", self.repo);
        let body = self.get(&runs_path(&self.repo, self.event, since, page), &what).await?;
        parse_runs(&body).ok_or_else(|| strange(&what))
    }

    async fn get(&self, path: &str, what: &str) -> Result<Value, DispatchError> {
        let policy = Policy { idempotent: true, ..self.policy };
        let reply = self
            .github
            .api
            .look(&policy, path)
            .await
            .map_err(|error| DispatchError::Unavailable { why: format!("{what} cannot be looked at: {error}") })?;
        match reply.status {
            200 => serde_json::from_slice(&reply.body).map_err(|_| strange(what)),
            status => {
                let advice = self.github.api.advice(&reply, "actions: read", self.repo.as_str());
                Err(DispatchError::NotAllowed { why: format!("{what} cannot be looked at ({status}): {advice}") })
            }
        }
    }
}

fn strange(what: &str) -> DispatchError {
    let why = format!("{what} cannot be looked at: what came back is not what GitHub answers");
    DispatchError::Unavailable { why }
}

fn runs_path(repo: &RepoSlug, event: &str, since: Timestamp, page: u32) -> String {
    let since = DateTime::from_timestamp(since.0.saturating_sub(CLOCK_SLACK), 0).unwrap_or_default();
    let created = format!(">={}", since.to_rfc3339_opts(SecondsFormat::Secs, true));
    let created = utf8_percent_encode(&created, NON_ALPHANUMERIC);
    let (owner, name) = (repo.owner(), repo.name());
    format!("/repos/{owner}/{name}/actions/runs?event={event}&created={created}&per_page=100&page={page}")
}

/// A workflow run. Older servers leave fields out.
#[derive(Debug, Default, Deserialize)]
struct Run {
    id: Option<u64>,
    display_title: Option<String>,
    html_url: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    created_at: Option<String>,
}

impl Run {
    /// Whether the run's title holds the id, and not only as a part of a longer one.
    fn shows(&self, correlation: &CorrelationId) -> bool {
        let part_of_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let id = correlation.as_str();
        let Some(title) = self.display_title.as_deref() else { return false };
        title.match_indices(id).any(|(at, _)| {
            let before = title.get(..at).and_then(|text| text.chars().next_back());
            let after = title.get(at + id.len()..).and_then(|text| text.chars().next());
            !before.is_some_and(part_of_id) && !after.is_some_and(part_of_id)
        })
    }

    /// Whether the title holds what looks like a correlation id.
    fn shows_any(&self) -> bool {
        let title = self.display_title.as_deref().unwrap_or_default();
        let is_hex = |text: &str| text.bytes().take(16).filter(u8::is_ascii_hexdigit).count() == 16;
        title.match_indices("sr-").any(|(at, found)| title.get(at + found.len()..).is_some_and(is_hex))
    }

    /// Whether it was begun at that moment or later, as far as clocks of a minute's difference can tell.
    fn is_since(&self, since: Timestamp) -> bool {
        let created = self.created_at.as_deref().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        created.is_none_or(|created| created.timestamp() >= since.0.saturating_sub(60))
    }

    fn sighting(&self, repo: &RepoSlug) -> Sighting {
        let place = self
            .html_url
            .as_deref()
            .and_then(link)
            .map(str::to_owned)
            .or_else(|| self.id.map(|id| format!("run {id} of {repo}")));
        let progress = match (self.status.as_deref(), &self.conclusion) {
            (Some("completed") | None, Some(conclusion)) => Progress::Ended { conclusion: word(conclusion) },
            (Some("in_progress"), _) => Progress::Running,
            _ => Progress::Queued,
        };
        Sighting {
            place: place.unwrap_or_else(|| format!("a run of {repo}")),
            run: self.id.map(|id| RunRef::new(id.to_string())),
            progress,
        }
    }
}

/// A conclusion as it is repeated and kept: one of GitHub's words, or one that says that it was none.
fn word(conclusion: &str) -> String {
    let is_word = conclusion.len() <= 40 && conclusion.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word { conclusion } else { "unknown" }.to_owned()
}

fn parse_runs(body: &Value) -> Option<Vec<Run>> {
    let runs = body.get("workflow_runs")?.as_array()?;
    // A run that does not look like one is as good as none, but it counts for the paging.
    Some(runs.iter().map(|run| Run::deserialize(run).unwrap_or_default()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titled(title: &str) -> Run {
        Run { display_title: Some(title.to_owned()), ..Run::default() }
    }

    #[test]
    fn an_id_is_found_whole_or_not_at_all() {
        let shows = |title: &str| titled(title).shows(&CorrelationId::new("sr-ab12"));
        assert!(shows("Rebuild (sr-ab12)") && shows("sr-ab12") && shows("x sr-ab123 sr-ab12"));
        assert!(!shows("sr-ab123") && !shows("xsr-ab12") && !shows("sr-ab1") && !shows(""));
    }

    #[test]
    fn a_title_with_another_deliverys_id_is_known() {
        assert!(titled("Rebuild (sr-0123456789abcdef)").shows_any());
        assert!(!titled("Rebuild sr-short").shows_any() && !titled("asset-updated").shows_any());
    }

    #[test]
    fn a_list_of_runs_may_lack_fields() {
        let body = br#"{"workflow_runs": [{}, {"id": 3}, {"id": "three"}, {"display_title": "t"}]}"#;
        assert_eq!(parse_runs(&serde_json::from_slice(body).unwrap()).unwrap().len(), 4);
        assert!(parse_runs(&Value::Array(Vec::new())).is_none());
    }

    #[test]
    fn runs_are_asked_for_from_a_little_before() {
        let repo = RepoSlug::parse("org/website").unwrap();
        let path = runs_path(&repo, "repository_dispatch", Timestamp(1_445_412_480), 2);
        let wanted = "/repos/org/website/actions/runs?event=repository_dispatch\
            &created=%3E%3D2015%2D10%2D21T06%3A28%3A00Z&per_page=100&page=2";
        assert_eq!(path, wanted);
    }

    #[test]
    fn a_run_has_ended_when_it_says_how() {
        let progress = |status: Option<&str>, conclusion: Option<&str>| {
            let (status, conclusion) = (status.map(str::to_owned), conclusion.map(str::to_owned));
            Run { status, conclusion, ..Run::default() }.sighting(&RepoSlug::parse("o/r").unwrap()).progress
        };
        let ended = Progress::Ended { conclusion: "failure".into() };
        assert_eq!(progress(Some("completed"), Some("failure")), ended);
        assert_eq!(progress(Some("in_progress"), None), Progress::Running);
        for waits in [Some("queued"), Some("waiting"), Some("pending"), Some("completed"), None] {
            assert_eq!(progress(waits, None), Progress::Queued, "{waits:?}");
        }
    }
}
