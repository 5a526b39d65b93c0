//! A GitHub App: who it is installed for, and tokens for just the repositories that are told.
//!
//! A token is asked for once for all repositories of an owner and renewed before it ends. The asking is a task of its own:
//! whoever waits for a token may stand still without anybody else having to wait for them.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::DateTime;
use http::Method;
use serde_json::{Map, Value, json};
use tokio::sync::{OnceCell, watch};

use answers::{Installation, Issued, date};

use super::api::{Server, said};
use super::app_key::AppKey;
use crate::adapters::http::{HttpError, Policy, Reply, link};
use crate::ids::RepoSlug;
use crate::secret::Secret;
use crate::state::Timestamp;

/// A token is renewed so long before it ends: what was begun with it may wait in a queue.
const MARGIN: Duration = Duration::from_secs(900);
/// How long a token lives where GitHub does not say.
const LIFE: Duration = Duration::from_secs(3_600);
/// GitHub lets a token name so many repositories; who has more gets one token for each so many.
const REPOSITORIES: usize = 500;
/// What is shorter is no token, and to take it out of texts would spoil them.
const SHORTEST: usize = 4;
/// For so many seconds we say who we are with the same words: GitHub takes them for nine minutes.
const SAME_WORDS: i64 = 240;

/// Told every secret that comes up, so that nothing shows it.
pub type Mask = Arc<dyn Fn(&str) + Send + Sync>;

/// What a token for a repository has to be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// To send an event and to look at the runs: `contents: write`, `actions: read`.
    Event,
    /// To start a workflow and to look at its run: `actions: write`.
    Workflow,
    /// To read files and runs: `contents: read`, `actions: read`.
    Look,
}

/// An app at one server.
pub struct App {
    key: AppKey,
    server: Server,
    targets: BTreeMap<String, BTreeMap<RepoSlug, BTreeSet<Use>>>,
    mask: Mask,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    grants: Mutex<BTreeMap<Group, watch::Receiver<Option<Grant>>>>,
    /// Everything that was ever issued, to be taken out of texts.
    issued: Mutex<Vec<Secret>>,
    /// What says who we are, and when it was signed.
    signed: Mutex<Option<(i64, Secret)>>,
    page: OnceCell<String>,
}

/// Repositories that one token is good for: those of an owner, in their order, so many at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    owner: String,
    number: usize,
}

/// What became of asking for a token: for some repositories there may be one, for others a sentence.
#[derive(Debug, Clone)]
struct Grant {
    token: Result<Secret, String>,
    refused: BTreeMap<RepoSlug, String>,
    /// By our clock for waits.
    until: Duration,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("id", &self.key.id()).finish_non_exhaustive()
    }
}

impl App {
    /// The app with this key at a server, for these repositories and no others.
    pub fn new(
        key: AppKey,
        server: Server,
        targets: impl IntoIterator<Item = (RepoSlug, Use)>,
        mask: Mask,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Arc<Self> {
        let mut by_owner: BTreeMap<String, BTreeMap<RepoSlug, BTreeSet<Use>>> = BTreeMap::new();
        for (repo, purpose) in targets {
            by_owner.entry(owner(&repo)).or_default().entry(repo).or_default().insert(purpose);
        }
        let (grants, issued, signed) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { key, server, targets: by_owner, mask, clock, grants, issued, signed, page: OnceCell::new() })
    }

    /// The app's id.
    pub fn id(&self) -> &str {
        self.key.id()
    }

    /// A token that is good for this repository for a quarter of an hour at least. The error is a sentence.
    pub async fn token(self: &Arc<Self>, repo: &RepoSlug) -> Result<Secret, String> {
        let mut grant = self.grant(repo);
        loop {
            let granted = grant.borrow_and_update().clone();
            match granted {
                Some(granted) => {
                    return match granted.refused.get(repo) {
                        Some(why) => Err(why.clone()),
                        None => granted.token,
                    };
                }
                None if grant.changed().await.is_err() => {
                    return Err("no token of the GitHub App could be asked for, as the process ends".to_owned());
                }
                None => {}
            }
        }
    }

    /// The text without any secret of this app.
    pub fn redacted(&self, text: &str) -> String {
        let issued = lock(&self.issued);
        issued.iter().fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), "***"))
    }

    /// The group of a repository. The groups behind the last one hold what nobody has named.
    fn group(&self, repo: &RepoSlug) -> Group {
        let owner = owner(repo);
        let named = self.targets.get(&owner);
        let place =
            named.and_then(|repos| repos.keys().position(|one| one == repo).or(Some(repos.len() + REPOSITORIES)));
        Group { owner, number: place.unwrap_or_default() / REPOSITORIES }
    }

    /// The repositories of a group with what the token has to be good for.
    fn members(&self, group: &Group) -> BTreeMap<RepoSlug, BTreeSet<Use>> {
        let all = self.targets.get(&group.owner).into_iter().flatten();
        let members = all.skip(group.number.saturating_mul(REPOSITORIES)).take(REPOSITORIES);
        members.map(|(repo, uses)| (repo.clone(), uses.clone())).collect()
    }

    /// What is known or being asked about the group of this repository; the asking is begun where it is due.
    fn grant(self: &Arc<Self>, repo: &RepoSlug) -> watch::Receiver<Option<Grant>> {
        let now = self.server.budget().pace().now();
        let group = self.group(repo);
        let mut grants = lock(&self.grants);
        if let Some(known) = grants.get(&group) {
            let is_good = match &*known.borrow() {
                Some(grant) => grant.until > now,
                None => known.has_changed().is_ok(),
            };
            if is_good {
                return known.clone();
            }
        }
        let (give, take) = watch::channel(None);
        let (app, mut repos) = (Arc::clone(self), self.members(&group));
        repos.entry(repo.clone()).or_default();
        grants.insert(group, take.clone());
        tokio::spawn(async move {
            let granted = app.ask(repos).await;
            // Nobody may be left who wants it.
            let _ = give.send(Some(granted));
        });
        take
    }

    async fn ask(&self, repos: BTreeMap<RepoSlug, BTreeSet<Use>>) -> Grant {
        let mut refused = BTreeMap::new();
        // A refusal is remembered for a little while: what is missing is mended by people.
        let mut until = self.server.budget().pace().now() + Duration::from_secs(60);
        let token = match self.issue(repos, &mut refused).await {
            Ok((token, life)) => {
                until = self.server.budget().pace().now() + life.saturating_sub(MARGIN).max(Duration::from_secs(60));
                Ok(token)
            }
            Err(why) => Err(why),
        };
        Grant { token, refused, until }
    }

    /// One token for all of the repositories that the app may reach; the others are told why not.
    async fn issue(
        &self,
        mut repos: BTreeMap<RepoSlug, BTreeSet<Use>>,
        refused: &mut BTreeMap<RepoSlug, String>,
    ) -> Result<(Secret, Duration), String> {
        let mut found = None;
        // Most often the first repository answers for all.
        while let Some(repo) = repos.keys().next().cloned() {
            match self.installation(&repo).await? {
                Ok(installation) => {
                    found = Some(installation);
                    break;
                }
                Err(why) => {
                    repos.remove(&repo);
                    refused.insert(repo, why);
                }
            }
        }
        let Some(installation) = found else { return Err(refused.values().next().cloned().unwrap_or_default()) };
        let permissions = self.permissions(&installation, &repos.values().flatten().copied().collect())?;
        match self.access_token(&installation, repos.keys(), &permissions).await? {
            Ok(issued) => Ok(issued),
            Err(why) => {
                // One of them may be outside of the installation, which GitHub does not name.
                let mut inside = BTreeSet::new();
                for repo in repos.keys() {
                    match self.installation(repo).await? {
                        Ok(_) => drop(inside.insert(repo.clone())),
                        Err(why) => drop(refused.insert(repo.clone(), why)),
                    }
                }
                if inside.is_empty() || inside.len() == repos.len() {
                    return Err(why);
                }
                self.access_token(&installation, inside.iter(), &permissions).await?
            }
        }
    }

    /// The installation that reaches a repository; or a sentence why none does.
    async fn installation(&self, repo: &RepoSlug) -> Result<Result<Installation, String>, String> {
        let path = format!("/repos/{}/{}/installation", repo.owner(), repo.name());
        let reply = self.call(Method::GET, &path, None).await?;
        match reply.status {
            200 => {
                let read = serde_json::from_slice::<Installation>(&reply.body);
                let installation = read.map_err(|_| self.strange("its installation"))?;
                if installation.suspended_at.is_some() {
                    let page = installation.page().unwrap_or("its page");
                    let app = self.key.id();
                    return Ok(Err(format!("the GitHub App {app} is suspended for {repo}: unsuspend it at {page}")));
                }
                Ok(Ok(installation))
            }
            404 => Ok(Err(format!(
                "the GitHub App {} is not installed on {repo}, or the repository does not exist; install it at {}",
                self.key.id(),
                self.page().await
            ))),
            _ => Err(self.refused(&reply)),
        }
    }

    /// What a token is asked for; or a sentence that names what the installation lacks and where it is given.
    fn permissions(&self, installation: &Installation, uses: &BTreeSet<Use>) -> Result<Map<String, Value>, String> {
        let has = |name: &str, level: &str| {
            let given = installation.permissions.get(name).map_or("", String::as_str);
            given == level || (given == "write" || given == "admin") && level == "read"
        };
        let contents = if uses.contains(&Use::Event) { "write" } else { "read" };
        let actions = if uses.contains(&Use::Workflow) { "write" } else { "read" };
        let mut needed = vec![("contents", contents, uses.contains(&Use::Event))];
        needed.push(("actions", actions, uses.contains(&Use::Workflow)));
        let mut asked = Map::from_iter([("metadata".to_owned(), json!("read"))]);
        for (name, level, is_needed) in needed {
            if has(name, level) || installation.permissions.is_empty() {
                asked.insert(name.to_owned(), json!(level));
            } else if is_needed {
                let page = installation.page().unwrap_or("the page of the installation");
                return Err(format!(
                    "the GitHub App {} has no permission `{name}: {level}`: add it among the app's permissions, then \
                     accept it at {page}",
                    self.key.id()
                ));
            }
        }
        Ok(asked)
    }

    async fn access_token<'r>(
        &self,
        installation: &Installation,
        repos: impl Iterator<Item = &'r RepoSlug>,
        permissions: &Map<String, Value>,
    ) -> Result<Result<(Secret, Duration), String>, String> {
        let path = format!("/app/installations/{}/access_tokens", installation.id);
        let names: Vec<&str> = repos.map(RepoSlug::name).collect();
        let body = json!({"repositories": names, "permissions": permissions});
        let reply = self.call(Method::POST, &path, Some(&body)).await?;
        match reply.status {
            201 => {
                let issued = serde_json::from_slice::<Issued>(&reply.body).ok();
                let issued =
                    issued.filter(|issued| issued.token.len() >= SHORTEST).ok_or_else(|| self.strange("a token"))?;
                let token = Secret::new(issued.token);
                self.keep_out(&token);
                let seconds = |text: &str| DateTime::parse_from_rfc3339(text).ok().map(|date| date.timestamp());
                let ends = issued.expires_at.as_deref().and_then(seconds);
                // By GitHub's own clock, which may differ from ours.
                let life = ends.zip(date(&reply)).and_then(|(ends, now)| u64::try_from(ends - now).ok());
                Ok(Ok((token, life.map_or(LIFE, Duration::from_secs).min(LIFE))))
            }
            422 => Ok(Err(self.refused(&reply))),
            _ => Err(self.refused(&reply)),
        }
    }

    /// Where the app is installed by its owner.
    async fn page(&self) -> &str {
        self.page.get_or_init(|| self.ask_for_page()).await
    }

    async fn ask_for_page(&self) -> String {
        let page = match self.call(Method::GET, "/app", None).await {
            Ok(reply) if reply.status == 200 => serde_json::from_slice::<Value>(&reply.body).ok(),
            _ => None,
        };
        let page = page.as_ref().and_then(|app| app.get("html_url")?.as_str()).and_then(link);
        page.map_or_else(|| "its page".to_owned(), |page| format!("{page}/installations/new"))
    }

    /// A request in the name of the app itself; once more by GitHub's clock where ours is wrong.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, String> {
        let now = (self.clock)().0;
        let known = lock(&self.signed).clone().filter(|(at, _)| (0..SAME_WORDS).contains(&(now - at)));
        let token = known.map_or_else(|| self.sign(now), |(_, token)| Ok(token))?;
        let reply = self.call_as(&token, method.clone(), path, body).await?;
        match date(&reply) {
            Some(theirs) if reply.status == 401 && theirs.abs_diff(now) > 30 => {
                self.call_as(&self.sign(theirs)?, method, path, body).await
            }
            _ => Ok(reply),
        }
    }

    fn sign(&self, now: i64) -> Result<Secret, String> {
        let token = self.key.sign(now)?;
        self.keep_out(&token);
        *lock(&self.signed) = Some((now, token.clone()));
        Ok(token)
    }

    /// Keeps a secret out of all texts from now on.
    fn keep_out(&self, secret: &Secret) {
        (self.mask)(secret.reveal());
        lock(&self.issued).push(secret.clone());
    }

    async fn call_as(&self, token: &Secret, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, String> {
        // A second token for the same repositories does no harm.
        let reply = self.server.call(&Policy::idempotent(), token, method, path, body).await;
        reply.map_err(|error: HttpError| format!("no token for the GitHub App {}: {error}", self.key.id()))
    }

    fn refused(&self, reply: &Reply) -> String {
        let (id, status, said) = (self.key.id(), reply.status, said(reply, &|text| self.redacted(text)));
        match status {
            401 => format!(
                "GitHub does not accept the key of the GitHub App {id} (401{said}): the key is another app's or was \
                 deleted, or `id` is wrong"
            ),
            _ => format!("GitHub gives no token for the GitHub App {id} ({status}{said})"),
        }
    }

    fn strange(&self, what: &str) -> String {
        format!("GitHub does not answer as it should to the GitHub App {} asking for {what}", self.key.id())
    }
}

fn owner(repo: &RepoSlug) -> String {
    repo.owner().to_ascii_lowercase()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
