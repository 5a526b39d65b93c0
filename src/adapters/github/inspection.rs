//! Looking at a token and at a repository on GitHub, without changing anything.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::GitHub;
use crate::adapters::http::{Policy, Reply};
use crate::diagnosis::reception::{MAX_WORKFLOW, Wanted, Workflow};
use crate::diagnosis::repository::RepositoryFacts;
use crate::diagnosis::token::{TokenFacts, TokenKind};
use crate::ids::RepoSlug;

/// More workflow files of one repository are not read.
const MOST_FILES: usize = 30;
/// Where GitHub looks for workflows.
const FOLDER: &str = ".github/workflows";
/// One part of a path in an address.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// A longer text is no name that GitHub gives.
const MAX_TEXT: usize = 200;

/// Why something could not be looked at, and what to do about it. The text holds no token and no URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unseen {
    /// The sentence.
    pub why: String,
}

/// A workflow file by its path, as it can be understood.
pub type WorkflowFile = (String, Result<Workflow, String>);

fn unseen<T>(why: impl Into<String>) -> Result<T, Unseen> {
    Err(Unseen { why: why.into() })
}

/// Looks through GitHub's API.
pub struct GitHubInspection {
    github: GitHub,
    kind: TokenKind,
}

impl GitHubInspection {
    /// Looks through this API, with a token of this kind.
    pub fn new(github: GitHub, kind: TokenKind) -> Self {
        Self { github, kind }
    }

    fn said(&self, reply: &Reply) -> String {
        self.github.api.said(reply)
    }

    async fn get(&self, path: &str) -> Result<Reply, Unseen> {
        // Who wants to know how things are does not wait for minutes.
        let policy = Policy { deadline: Duration::from_secs(15), attempts: 2, ..Policy::idempotent() };
        let reply = self.github.api.call(&policy, Method::GET, path, None).await;
        reply.map_err(|error| Unseen { why: format!("GitHub does not answer: {error}") })
    }

    /// What the token is.
    pub async fn token(&self) -> Result<TokenFacts, Unseen> {
        // The one question that costs nothing and that every token may ask.
        let reply = self.get("/rate_limit").await?;
        match reply.status {
            401 => {
                return unseen(format!("GitHub does not know this token (401{}): make a new one", self.said(&reply)));
            }
            // An Enterprise Server that does not count answers 404.
            200 | 404 => {}
            status => {
                return unseen(format!("GitHub answered {status}{} when asked about the token", self.said(&reply)));
            }
        }
        let number = |name: &str| json(&reply)?.pointer("/resources/core")?.get(name)?.as_u64();
        let rate = number("remaining").zip(number("limit"));
        let user = self.get("/user").await?;
        let login = if user.status == 200 { json(&user).and_then(|user| text(&user, "login")) } else { None };
        let header = |name: &str| header(&user.headers, name).or_else(|| header(&reply.headers, name));
        let scopes = header("x-oauth-scopes").map(|scopes| {
            scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
        });
        let expires = header("github-authentication-token-expiration");
        Ok(TokenFacts { kind: self.kind, login, scopes, expires, rate })
    }

    /// What the repository is.
    pub async fn repository(&self, repo: &RepoSlug) -> Result<RepositoryFacts, Unseen> {
        let reply = self.get(&format!("/repos/{}/{}", repo.owner(), repo.name())).await?;
        let said = self.said(&reply);
        match reply.status {
            200 => {}
            // Its address by number says nothing of its new name.
            301 | 302 | 307 | 308 => {
                return unseen(format!("{repo} has another name now: correct `repo` in stockroom.yml"));
            }
            401 => return unseen(format!("GitHub does not know the token (401{said}): make a new one")),
            403 | 404 => {
                return unseen(format!(
                    "{repo} is out of the token's reach ({}{said}): the name is wrong, or the token needs `contents: write` \
                     there; the job's own GITHUB_TOKEN reaches no other repository",
                    reply.status
                ));
            }
            status => return unseen(format!("GitHub answered {status}{said} when asked about {repo}")),
        }
        let Some(body) = json(&reply) else { return unseen("what came back is not what GitHub answers") };
        let is = |key: &str| body.get(key).and_then(Value::as_bool).unwrap_or_default();
        Ok(RepositoryFacts {
            full_name: text(&body, "full_name"),
            is_archived: is("archived"),
            is_disabled: is("disabled"),
            default_branch: text(&body, "default_branch"),
            // It is the role of a person; an app has none.
            may_push: body.pointer("/permissions/push").and_then(Value::as_bool).filter(|_| self.kind.is_personal()),
        })
    }

    /// The workflow files on the default branch that may take a delivery, by their paths, each as it can be understood.
    pub async fn workflows(&self, repo: &RepoSlug, wanted: &Wanted) -> Result<Vec<WorkflowFile>, Unseen> {
        let contents = format!("/repos/{}/{}/contents/{FOLDER}", repo.owner(), repo.name());
        let reply = self.get(&contents).await?;
        match reply.status {
            200 => {}
            404 => return Ok(Vec::new()),
            status => {
                let said = self.said(&reply);
                return unseen(format!(
                    "the workflows of {repo} cannot be read ({status}{said}): give the token `contents: read` there"
                ));
            }
        }
        let body = json(&reply);
        let Some(listed) = body.as_ref().and_then(Value::as_array) else {
            return unseen(format!("{FOLDER} of {repo} is no folder"));
        };
        let may_take = |name: &String| match wanted {
            Wanted::Event(_) => is_workflow(name),
            Wanted::Manual { file, .. } => name == file,
        };
        let mut names = listed.iter().filter_map(|entry| text(entry, "name")).filter(may_take);
        let disabled = self.disabled(repo).await?;
        let mut files = Vec::new();
        for name in names.by_ref().take(MOST_FILES) {
            let reply = self.get(&format!("{contents}/{}", utf8_percent_encode(&name, PART))).await?;
            let path = format!("{FOLDER}/{name}");
            let is_disabled = disabled.contains(&path);
            let read = workflow(&reply).map(|read| if is_disabled { read.disabled() } else { read });
            files.push((path, read));
        }
        if let Some(next) = names.next() {
            files.push((format!("{FOLDER}/{next}"), Err(format!("no more than {MOST_FILES} of them are read"))));
        }
        Ok(files)
    }

    /// The paths of the workflows that are switched off; none where the token may not see that.
    async fn disabled(&self, repo: &RepoSlug) -> Result<BTreeSet<String>, Unseen> {
        let reply =
            self.get(&format!("/repos/{}/{}/actions/workflows?per_page=100", repo.owner(), repo.name())).await?;
        let body = json(&reply).filter(|_| reply.status == 200).unwrap_or_default();
        let listed = body.get("workflows").and_then(Value::as_array).into_iter().flatten();
        let disabled = listed.filter(|one| text(one, "state").is_some_and(|state| state.starts_with("disabled_")));
        Ok(disabled.filter_map(|one| text(one, "path")).collect())
    }
}

fn is_workflow(name: &str) -> bool {
    [".yml", ".yaml"].iter().any(|ending| name.ends_with(ending))
}

fn workflow(reply: &Reply) -> Result<Workflow, String> {
    let body = json(reply).filter(|_| reply.status == 200).ok_or("GitHub does not show it")?;
    let size = body.get("size").and_then(Value::as_u64);
    let encoded = body.get("content").and_then(Value::as_str).unwrap_or_default();
    if size.is_some_and(|size| usize::try_from(size).is_ok_and(|size| size > MAX_WORKFLOW))
        || encoded.len() > 2 * MAX_WORKFLOW
    {
        return Err(format!("it is larger than {} KB", MAX_WORKFLOW / 1024));
    }
    let encoded: Vec<u8> = encoded.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(encoded).map_err(|_| "GitHub gives it in a way that is not known".to_owned())?;
    Workflow::read(&bytes)
}

fn json(reply: &Reply) -> Option<Value> {
    serde_json::from_slice(&reply.body).ok()
}

fn text(body: &Value, key: &str) -> Option<String> {
    body.get(key)?.as_str().filter(|text| !text.is_empty() && text.len() <= MAX_TEXT).map(str::to_owned)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().filter(|text| text.len() <= MAX_TEXT * 4).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(body: &Value) -> Reply {
        Reply { body: body.to_string().into_bytes(), ..Reply::with_status(200) }
    }

    #[test]
    fn a_file_comes_in_lines_of_base64() {
        let mut encoded = STANDARD.encode("on: repository_dispatch\nrun-name: ${{ inputs.correlation_id }}\n");
        encoded.insert(20, '\n');
        assert!(workflow(&answer(&json!({"size": 50, "content": encoded}))).is_ok());
        assert!(workflow(&answer(&json!({"size": 50, "content": "§"}))).is_err());
        assert_eq!(workflow(&Reply::with_status(404)), Err("GitHub does not show it".to_owned()));
        let large = workflow(&answer(&json!({"size": 10_000_000, "content": ""})));
        assert_eq!(large, Err("it is larger than 256 KB".to_owned()));
    }

    #[test]
    fn only_yaml_files_are_workflows() {
        assert!(is_workflow("a.yml") && is_workflow("b.yaml") && !is_workflow("README.md"));
    }
}
