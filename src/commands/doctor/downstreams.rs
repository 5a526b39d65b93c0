//! Looks at downstreams: whether each is there, and whether it would take what is sent to it.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::within;
use crate::adapters::github::inspection::GitHubInspection;
use crate::adapters::health::HttpProbe;
use crate::adapters::http::Pace;
use crate::adapters::reach::Reach;
use crate::diagnosis::reception::{Wanted, reception};
use crate::diagnosis::repository::{conclude, conclude_reception};
use crate::diagnosis::{Conclusion, Diagnosis, Health};
use crate::downstream::Health as Gate;
use crate::ids::{DownstreamName, RepoSlug};
use crate::secret::Secret;

/// How many are looked at at once.
const AT_ONCE: usize = 6;

/// A downstream to be looked at.
pub struct Site {
    /// Its name.
    pub name: DownstreamName,
    /// How it is reached.
    pub way: Way,
    /// Whether its runs are awaited.
    pub is_awaited: bool,
    /// What must be seen of it after a delivery.
    pub gate: Option<Gate>,
    /// What servers that are no GitHub are asked with.
    pub means: Means,
}

/// What servers that are no GitHub are asked with.
#[derive(Clone)]
pub struct Means {
    /// The client.
    pub client: reqwest::Client,
    /// The clock for waits.
    pub pace: Arc<dyn Pace>,
}

/// How a downstream is reached.
pub enum Way {
    /// There is no secret for it, so that its deliveries go to the outbox.
    Outbox {
        /// The variable that holds none.
        variable: String,
        /// Where the outbox is, for people.
        folder: String,
    },
    /// Through GitHub's API.
    GitHub {
        /// Its repository.
        repo: RepoSlug,
        /// What it must listen to.
        wanted: Wanted,
        /// The way there; else why there is none.
        inspection: Result<Arc<GitHubInspection>, String>,
    },
    /// An address that takes POSTs.
    Webhook {
        /// The address.
        url: Secret,
    },
    /// A project on GitLab.
    GitLab {
        /// The server.
        server: String,
        /// The project.
        project: String,
        /// The branch or tag whose pipeline is triggered.
        reference: String,
        /// What reads there, where there is something.
        token: Option<Secret>,
    },
    /// Nothing can be asked.
    Unasked(Conclusion),
}

/// Looks at all of them.
pub(super) async fn look(diagnosis: &mut Diagnosis, sites: Vec<Site>) {
    let names: Vec<DownstreamName> = sites.iter().map(|site| site.name.clone()).collect();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut looks = JoinSet::new();
    for (at, site) in sites.into_iter().enumerate() {
        let turns = Arc::clone(&turns);
        looks.spawn(async move {
            // Nobody closes it: without a turn it would be looked at all the same.
            let _turn = turns.acquire_owned().await.ok();
            (at, within(site.look()).await)
        });
    }
    let mut found: Vec<Option<Conclusion>> = vec![None; names.len()];
    while let Some(looked) = looks.join_next().await {
        let Ok((at, conclusion)) = looked else { continue };
        if let Some(place) = found.get_mut(at) {
            *place = Some(conclusion);
        }
    }
    for (name, conclusion) in names.into_iter().zip(found) {
        let conclusion =
            conclusion.unwrap_or_else(|| Conclusion::unhealthy("it could not be looked at: please report this"));
        diagnosis.add(format!("downstream/{name}"), conclusion);
    }
}

impl Site {
    async fn look(&self) -> Conclusion {
        let reached = self.reach().await;
        match &self.gate {
            None => reached,
            Some(gate) => reached.and(self.gate(gate).await),
        }
    }

    fn servers(&self) -> Reach<'_> {
        Reach { client: &self.means.client, pace: &*self.means.pace }
    }

    async fn reach(&self) -> Conclusion {
        match &self.way {
            Way::Outbox { variable, folder } => Conclusion::degraded(format!(
                "{variable} is not set, so its deliveries are not sent but written to the outbox, the folder {folder}, as the \
                 bodies of the requests: set it, and the next run tells it"
            )),
            Way::Unasked(conclusion) => conclusion.clone(),
            Way::GitHub { inspection: Err(why), .. } => Conclusion::unhealthy(why.clone()),
            Way::GitHub { repo, wanted, inspection: Ok(inspection) } => self.github(repo, wanted, inspection).await,
            Way::Webhook { url } => match self.servers().knock(url.reveal()).await {
                Ok(status @ (404 | 410)) => Conclusion::degraded(format!(
                    "the server answers {status} to a look at the webhook's address: see whether that is still the right one"
                )),
                Ok(status) => Conclusion::healthy(format!(
                    "the server of the webhook answers ({status}); whether it takes the signature only a delivery shows"
                )),
                Err(why) => Conclusion::unhealthy(format!("the server of the webhook does not answer: {why}")),
            },
            Way::GitLab { server, project, reference, token } => {
                self.gitlab(server, project, reference, token.as_ref()).await
            }
        }
    }

    async fn github(&self, repo: &RepoSlug, wanted: &Wanted, inspection: &GitHubInspection) -> Conclusion {
        let repository = match inspection.repository(repo).await {
            Ok(facts) => conclude(repo, &facts),
            Err(error) => return Conclusion::unhealthy(error.to_string()),
        };
        if repository.health != Health::Healthy {
            return repository;
        }
        match inspection.workflows(repo, wanted).await {
            Ok(files) => repository.and(conclude_reception(&reception(wanted, &files), self.is_awaited)),
            Err(error) => repository.and(Conclusion::degraded(error.to_string())),
        }
    }

    async fn gitlab(&self, server: &str, project: &str, reference: &str, token: Option<&Secret>) -> Conclusion {
        let part = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let api = format!("{}/api/v4/projects/{}", server.trim_end_matches('/'), part(project));
        let trigger = "whether the trigger token is right only a delivery shows";
        match self.servers().gitlab(&api, token).await {
            Ok(reply) if reply.status == 200 => {}
            Ok(reply) if matches!(reply.status, 401 | 403 | 404) && token.is_none() => {
                return Conclusion::healthy(format!(
                    "the server answers, and shows the project {project} to nobody without a token; {trigger}"
                ));
            }
            Ok(reply) => {
                return Conclusion::unhealthy(format!(
                    "GitLab answers {} when asked for the project {project}: correct its name, or give the token `read_api` there",
                    reply.status
                ));
            }
            Err(why) => return Conclusion::unhealthy(format!("GitLab does not answer: {why}")),
        }
        let branch = format!("{api}/repository/commits/{}", part(reference));
        match self.servers().gitlab(&branch, token).await {
            Ok(reply) if reply.status == 404 => Conclusion::unhealthy(format!(
                "the project {project} has no branch or tag {reference:?}: correct `ref`"
            )),
            _ => Conclusion::healthy(format!("the project {project} is there; {trigger}")),
        }
    }

    async fn gate(&self, gate: &Gate) -> Conclusion {
        let Gate { status, pointer, .. } = gate;
        let probe = HttpProbe::new(self.means.client.clone(), Arc::clone(&self.means.pace));
        let reply = match probe.look(gate).await {
            Ok(reply) => reply,
            Err(why) => return Conclusion::unhealthy(format!("the address of `health` does not answer: {why}")),
        };
        if reply.status != *status {
            let found = reply.status;
            return Conclusion::degraded(format!("the address of `health` answers {found}, where {status} is wanted"));
        }
        let body = serde_json::from_slice::<serde_json::Value>(&reply.body).ok();
        match pointer {
            Some(pointer) if body.as_ref().and_then(|body| body.pointer(pointer)).is_none() => {
                Conclusion::degraded(format!(
                    "the address of `health` answers, and has nothing at {pointer}: correct `pointer`, or what the address says"
                ))
            }
            _ => Conclusion::healthy("the address of `health` answers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::http::{SteppedPace, client};

    fn site(name: &str, way: Way) -> Site {
        let means = Means { client: client().unwrap(), pace: Arc::new(SteppedPace::default()) };
        Site { name: DownstreamName::new(name), way, is_awaited: false, gate: None, means }
    }

    #[tokio::test]
    async fn each_downstream_is_told_of_in_its_place() {
        let outbox = || Way::Outbox { variable: "TOKEN".into(), folder: "outbox/x".into() };
        let sites = (0..20).map(|n| match n % 2 {
            0 => site(&format!("d{n}"), outbox()),
            _ => site(&format!("d{n}"), Way::Unasked(Conclusion::healthy("well"))),
        });
        let mut diagnosis = Diagnosis::default();
        look(&mut diagnosis, sites.collect()).await;
        let told = |at: usize| (diagnosis.services[at].name.as_str(), diagnosis.services[at].conclusion.health);
        assert_eq!(told(0), ("downstream/d0", Health::Degraded));
        assert_eq!(told(19), ("downstream/d19", Health::Healthy));
        assert!(diagnosis.services[0].conclusion.message.contains("outbox, the folder outbox/x"));
    }
}
