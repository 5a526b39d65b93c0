//! Looks at everything that a run would need, in the order in which a person would, and changes nothing.
//!
//! Each look has its own limit in time, and none keeps the next from being taken.

mod downstreams;
mod library;
mod stores;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use downstreams::{Means, Site, Way};
pub use library::{alignment, git, records, registry};
pub use stores::{index, manifest, model, release, state};

use crate::adapters::github::inspection::GitHubInspection;
use crate::adapters::notifier::Notifier;
use crate::diagnosis::{Conclusion, Diagnosis, token};

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(45);

/// A token, or an app's, and the way to ask about it.
pub struct Token {
    /// What the diagnosis calls it.
    pub label: String,
    /// The variable that holds it.
    pub variable: String,
    /// The way; else why there is none.
    pub inspection: Result<Arc<GitHubInspection>, String>,
}

/// What a look has found, or that it took too long.
async fn within(look: impl Future<Output = Conclusion>) -> Conclusion {
    let late = || Conclusion::unhealthy(format!("no answer within {} s: it is out of reach", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| late())
}

/// Looks at each token.
pub async fn tokens(diagnosis: &mut Diagnosis, tokens: &[Token]) {
    for Token { label, variable, inspection } in tokens {
        let conclusion = match inspection {
            Err(why) => Conclusion::unhealthy(why.clone()),
            Ok(inspection) => {
                within(async {
                    match inspection.token().await {
                        Ok(facts) => token::conclude(variable, &facts),
                        Err(error) => Conclusion::unhealthy(format!("{variable}: {error}")),
                    }
                })
                .await
            }
        };
        diagnosis.add(label, conclusion);
    }
}

/// Looks at each downstream, several at once; they stand in the order of their names.
pub async fn sites(diagnosis: &mut Diagnosis, sites: Vec<Site>) {
    downstreams::look(diagnosis, sites).await;
}

/// Looks at a channel of Slack, without telling it anything.
pub async fn slack(notifier: &dyn Notifier) -> Conclusion {
    within(async {
        match notifier.probe().await {
            Ok(()) => Conclusion::healthy("the webhook takes messages"),
            Err(error) => Conclusion::unhealthy(error.to_string()),
        }
    })
    .await
}
