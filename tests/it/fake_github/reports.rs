//! What is said on commits: statuses and deployments.

#![allow(dead_code, reason = "not every test asks for all of it")]

use serde_json::{Value, json};

use super::FakeGitHub;
use super::Repo;
use super::answers::Answer;
use super::contract::Contract;

impl FakeGitHub {
    /// The commit statuses of a repository, oldest first: the bodies, each with its commit as `sha`.
    pub fn statuses(&self, slug: &str) -> Vec<Value> {
        self.world().repos.get(slug).map(|repo| repo.statuses.clone()).unwrap_or_default()
    }

    /// The deployments of a repository, oldest first: the bodies, each with its `statuses`.
    pub fn deployments(&self, slug: &str) -> Vec<Value> {
        self.world().repos.get(slug).map(|repo| repo.deployments.clone()).unwrap_or_default()
    }
}

/// Answers what is about statuses and deployments; none for anything else.
pub fn answer(repo: &mut Repo, template: &str, path: &str, body: &[u8]) -> Option<Answer> {
    let part = |at: usize| path.split('/').nth(at).unwrap_or_default();
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    Some(match template {
        "/repos/{owner}/{repo}/statuses/{sha}" => {
            let context = told["context"].as_str().unwrap_or("default").to_owned();
            let of_commit =
                repo.statuses.iter().filter(|status| status["sha"] == part(5) && status["context"] == context);
            // GitHub's own limit; and a description has 140 characters at most.
            if of_commit.count() >= 1_000 || told["description"].as_str().is_some_and(|d| d.chars().count() > 140) {
                return Some(Answer::error(422, "Validation Failed"));
            }
            let mut kept = told.clone();
            kept["sha"] = json!(part(5));
            repo.statuses.push(kept);
            let mut shown = with(Contract::get().example("status"), &told, &["state", "description", "target_url"]);
            (shown["context"], shown["id"]) = (json!(context), json!(repo.statuses.len()));
            Answer::json(201, &shown)
        }
        "/repos/{owner}/{repo}/deployments" => {
            let mut kept = told.clone();
            kept["statuses"] = json!([]);
            repo.deployments.push(kept);
            let mut shown = with(Contract::get().example("deployment"), &told, &["environment", "ref", "description"]);
            shown["id"] = json!(repo.deployments.len());
            Answer::json(201, &shown)
        }
        "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses" => {
            let at = part(5).parse::<usize>().ok().and_then(|id| id.checked_sub(1));
            let Some(deployment) = at.and_then(|at| repo.deployments.get_mut(at)) else {
                return Some(Answer::error(404, "Not Found"));
            };
            deployment["statuses"].as_array_mut().expect("a list").push(told.clone());
            let shown = with(Contract::get().example("deployment-status"), &told, &["state", "description"]);
            Answer::json(201, &shown)
        }
        _ => return None,
    })
}

fn with(mut example: Value, told: &Value, keys: &[&str]) -> Value {
    for key in keys {
        if !told[*key].is_null() {
            example[*key] = told[*key].clone();
        }
    }
    example
}
