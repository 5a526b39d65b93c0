//! What tokens may do, and how GitHub says that they may not.

#![allow(dead_code, reason = "not every test asks for all of it")]

use super::answers::Answer;
use super::{FakeGitHub, World};

/// What a token may do with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Read it: `contents: read`, `actions: read`.
    Read,
    /// Send events to it, but not list its runs: `contents: write`.
    Send,
    /// Both: `contents: write`, `actions: read`.
    SendAndList,
    /// Begin its workflows too: `contents: write`, `actions: write`.
    Start,
    /// What a workflow's own token can be given: `checks: write`, `pull-requests: write`.
    Review,
    /// Say on its commits what became of them: `contents: read`, `statuses: write`, `deployments: write`.
    Report,
    /// What a GitHub App's token was asked for.
    App(Permissions),
}

/// The permissions that the fake knows.
const PERMISSIONS: [&str; 7] =
    ["contents", "actions", "checks", "pull_requests", "statuses", "deployments", "metadata"];

/// Permissions of a token: the place of one in the list, and whether it is for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions {
    reads: u32,
    writes: u32,
}

impl Permissions {
    /// These, as `("contents", "write")`.
    pub fn of(list: &[(&str, &str)]) -> Self {
        let mut permissions = Self::default();
        for (name, level) in list {
            let bit = bit(name);
            permissions.reads |= bit;
            permissions.writes |= if *level == "write" { bit } else { 0 };
        }
        permissions
    }

    /// Whether this one, in writing or not, is among them. Whoever may write may read.
    pub fn has(self, name: &str, level: &str) -> bool {
        let held = if level == "write" { self.writes } else { self.reads };
        held & bit(name) != 0 || name == "metadata"
    }
}

fn bit(name: &str) -> u32 {
    let at = PERMISSIONS.iter().position(|known| *known == name.replace('-', "_"));
    1 << at.unwrap_or_else(|| panic!("the fake knows no permission {name}"))
}

impl Grant {
    fn permissions(self) -> Permissions {
        Permissions::of(match self {
            Self::Read => &[("contents", "read"), ("actions", "read")],
            Self::Send => &[("contents", "write")],
            Self::SendAndList => &[("contents", "write"), ("actions", "read")],
            Self::Start => &[("contents", "write"), ("actions", "write")],
            Self::Review => &[("checks", "write"), ("pull_requests", "write")],
            Self::Report => &[("contents", "read"), ("statuses", "write"), ("deployments", "write")],
            Self::App(permissions) => return permissions,
        })
    }

    /// Whether a permission, `read` or `write`, goes with it.
    pub fn allows(self, (name, level): Needed) -> bool {
        self.permissions().has(name, level)
    }
}

/// A permission and its level.
pub type Needed = (&'static str, &'static str);

/// What an operation needs.
pub fn needed(method: &str, template: &str) -> Option<Needed> {
    let what = template.strip_prefix("/repos/{owner}/{repo}")?;
    let level = if method == "GET" { "read" } else { "write" };
    Some(match what {
        "" => ("metadata", "read"),
        "/dispatches" => ("contents", "write"),
        _ if what.starts_with("/actions/") => ("actions", level),
        _ if what.starts_with("/contents/") || what.starts_with("/branches/") => ("contents", level),
        _ if what.starts_with("/statuses/") => ("statuses", level),
        _ if what.starts_with("/deployments") => ("deployments", level),
        _ if what.starts_with("/check-runs") => ("checks", level),
        _ if what.starts_with("/issues/") && level == "write" => ("pull_requests", level),
        _ => return None,
    })
}

/// The refusal of what a token may not do.
pub fn denied(token: &str) -> Answer {
    Answer::error(
        403,
        match token.starts_with("ghs_") {
            true => "Resource not accessible by integration",
            false => "Resource not accessible by personal access token",
        },
    )
}

/// What GitHub says of the token and of what the operation wants, with whatever it answers.
pub fn told(world: &World, token: &str, needed: Option<Needed>, answer: Answer) -> Answer {
    if token.starts_with("ghp_") {
        let scopes = world.scopes.get(token).map_or("repo", String::as_str);
        return answer.with("x-oauth-scopes", scopes).with("x-accepted-oauth-scopes", "repo");
    }
    match needed {
        Some((name, level)) => answer.with("x-accepted-github-permissions", &format!("{name}={level}")),
        None => answer,
    }
}

impl FakeGitHub {
    /// Makes a token known and lets it do this with a repository. A known token sees no other repository.
    pub fn allow(&self, token: &str, slug: &str, grant: Grant) -> &Self {
        self.world().grants.entry(token.to_owned()).or_default().insert(slug.to_owned(), grant);
        self
    }

    /// The scopes of a classic personal access token (`ghp_…`): what its answers say, not what it may do.
    pub fn scopes(&self, token: &str, scopes: &str) -> &Self {
        self.world().scopes.insert(token.to_owned(), scopes.to_owned());
        self
    }
}
