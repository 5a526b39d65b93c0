//! Looks at downstreams: whether each is there, and whether it would take what is sent to it.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::within;
use crate::adapters::github::inspection::GitHubInspection;
use crate::diagnosis::reception::{Wanted, reception};
use crate::diagnosis::repository::{conclude, conclude_reception};
use crate::diagnosis::{Conclusion, Diagnosis};
use crate::ids::{DownstreamName, RepoSlug};

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
    /// It cannot be asked without telling it something.
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
        match &self.way {
            Way::Outbox { variable, folder } => Conclusion::degraded(format!(
                "{variable} is not set, so its deliveries are not sent but written to the outbox, the folder {folder}, as the \
                 bodies of the requests: set it to a token with `contents: write` there, and the next run tells it"
            )),
            Way::Unasked(conclusion) => conclusion.clone(),
            Way::GitHub { inspection: Err(why), .. } => Conclusion::unhealthy(why.clone()),
            Way::GitHub { repo, wanted, inspection: Ok(inspection) } => {
                let repository = match inspection.repository(repo).await {
                    Ok(facts) => conclude(repo, &facts),
                    Err(error) => return Conclusion::unhealthy(error.to_string()),
                };
                match inspection.workflows(repo).await {
                    Ok(files) => repository.and(conclude_reception(&reception(wanted, &files), self.is_awaited)),
                    Err(error) => repository.and(Conclusion::degraded(error.to_string())),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Health;

    fn site(name: &str, way: Way) -> Site {
        Site { name: DownstreamName::new(name), way, is_awaited: false }
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
