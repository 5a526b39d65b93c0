//! Check runs and comments.

use serde_json::{Value, json};

use super::answers::Answer;
use super::contract::Contract;
use super::{Grant, Repo};

/// Whom the workflow's own token is.
pub const WORKFLOW: &str = "github-actions[bot]";

/// A comment on an issue or a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commentary {
    pub id: u64,
    pub issue: u64,
    pub login: String,
    pub body: String,
}

/// Answers what is about check runs and comments; none for anything else.
pub(super) fn answer(
    repo: &mut Repo,
    grant: Grant,
    template: &str,
    path: &str,
    query: &str,
    body: &[u8],
) -> Option<Answer> {
    let number = |at: usize| path.split('/').nth(at).and_then(|part| part.parse::<u64>().ok()).unwrap_or_default();
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let denied = || Answer::error(403, "Resource not accessible by integration");
    let writes = !body.is_empty();
    Some(match template {
        "/repos/{owner}/{repo}/check-runs"
        | "/repos/{owner}/{repo}/check-runs/{check_run_id}"
        | "/repos/{owner}/{repo}/issues/{issue_number}/comments"
        | "/repos/{owner}/{repo}/issues/comments/{comment_id}"
            if writes && !grant.allows(("checks", "write")) =>
        {
            denied()
        }
        "/repos/{owner}/{repo}/check-runs" => {
            repo.check_runs.push(told);
            Answer::json(201, &check_run(repo.check_runs.len()))
        }
        "/repos/{owner}/{repo}/check-runs/{check_run_id}" => {
            let id = usize::try_from(number(5)).unwrap_or_default();
            let Some(run) = id.checked_sub(1).and_then(|at| repo.check_runs.get_mut(at)) else {
                return Some(Answer::error(404, "Not Found"));
            };
            // GitHub adds the annotations of each request to those that are there.
            let more = told["output"]["annotations"].as_array().cloned().unwrap_or_default();
            run["output"]["annotations"].as_array_mut().expect("a list").extend(more);
            Answer::json(200, &check_run(id))
        }
        "/repos/{owner}/{repo}/issues/{issue_number}/comments" if writes => {
            let id = 1 + u64::try_from(repo.comments.len()).expect("few comments");
            let body = told["body"].as_str().unwrap_or_default().to_owned();
            repo.comments.push(Commentary { id, issue: number(5), login: WORKFLOW.to_owned(), body });
            Answer::json(201, &comment(repo.comments.last().expect("just added")))
        }
        "/repos/{owner}/{repo}/issues/{issue_number}/comments" => {
            let page: usize = query.split("page=").last().and_then(|page| page.parse().ok()).unwrap_or(1);
            let of_issue = repo.comments.iter().filter(|held| held.issue == number(5));
            let listed: Vec<Value> = of_issue.skip((page - 1) * 100).take(100).map(comment).collect();
            Answer::json(200, &json!(listed))
        }
        "/repos/{owner}/{repo}/issues/comments/{comment_id}" => {
            let Some(held) = repo.comments.iter_mut().find(|held| held.id == number(6)) else {
                return Some(Answer::error(404, "Not Found"));
            };
            held.body = told["body"].as_str().unwrap_or_default().to_owned();
            Answer::json(200, &comment(held))
        }
        _ => return None,
    })
}

fn check_run(id: usize) -> Value {
    let mut body = Contract::get().example("check-run-example-of-completed-conclusion");
    body["id"] = json!(id);
    body
}

fn comment(held: &Commentary) -> Value {
    let mut body = Contract::get().example("issue-comment");
    body["id"] = json!(held.id);
    body["body"] = json!(held.body);
    body["user"]["login"] = json!(held.login);
    body
}
