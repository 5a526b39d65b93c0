//! Looks at what a run keeps: the state, the index, the places of the manifest.

use super::within;
use crate::adapters::model::EmbeddingModel;
use crate::adapters::publication::PublishTarget;
use crate::adapters::state_store::{StateError, Store, present};
use crate::adapters::vector_store::{Description, VectorStore};
use crate::diagnosis::Conclusion;
use crate::finding::words::count;
use crate::state::Serial;

/// How the state is.
pub async fn state(store: &dyn Store) -> Conclusion {
    within(async {
        match present(store).await {
            Ok(Ok(state)) if state.serial == Serial(0) => {
                Conclusion::healthy(format!("{}: nothing was done yet", store.place()))
            }
            Ok(Ok(state)) => {
                let failing: Vec<_> = state.targets.iter().filter(|(_, target)| target.failure.is_some()).collect();
                let said = format!("{}, {}", store.place(), count(state.targets.len(), "target"));
                match failing.first() {
                    None => Conclusion::healthy(said),
                    Some((name, _)) => Conclusion::degraded(format!(
                        "{said}; the last run failed at {} of them, such as {name}: `stockroom status` says why",
                        failing.len()
                    )),
                }
            }
            Ok(Err(away)) => Conclusion::degraded(away),
            Err(error @ (StateError::Damaged { .. } | StateError::Old { .. } | StateError::Foreign { .. })) => {
                Conclusion::degraded(error.to_string())
            }
            Err(error) => Conclusion::unhealthy(error.to_string()),
        }
    })
    .await
}

/// How the vector index is.
pub async fn index(store: &dyn VectorStore) -> Conclusion {
    within(async {
        match store.describe().await {
            Ok(Description { server, chunks: 0 }) => {
                Conclusion::healthy(format!("{server}: the vector index is empty; a sync fills it"))
            }
            Ok(Description { server, chunks }) => {
                let chunks = usize::try_from(chunks).unwrap_or(usize::MAX);
                Conclusion::healthy(format!("{server}: {} in the vector index", count(chunks, "chunk")))
            }
            Err(error) => Conclusion::unhealthy(error.to_string()),
        }
    })
    .await
}

/// How the model is: it embeds a word, and what that cost is told.
pub async fn model(model: &dyn EmbeddingModel) -> Conclusion {
    within(async {
        match model.embed(&["stockroom"]).await {
            Ok(answer) => {
                let cost = if model.is_remote() { cost(answer.tokens, model.price()) } else { String::new() };
                Conclusion::healthy(format!("the model {} answers{cost}", model.fingerprint()))
            }
            Err(error) => Conclusion::unhealthy(format!("the model {} does not answer: {error}", model.fingerprint())),
        }
    })
    .await
}

/// What a question to a model cost.
fn cost(tokens: u64, price: Option<f64>) -> String {
    let asked = format!(" (one word was asked for: {}", count(tokens, "token"));
    match price.map(|price| price * tokens as f64) {
        None => format!("{asked})"),
        Some(millionths) if millionths < 1.0 => format!("{asked}, less than $0.000001)"),
        Some(millionths) => format!("{asked}, ${:.6})", millionths / 1e6),
    }
}

/// How a place of the manifest is.
pub async fn manifest(target: &dyn PublishTarget) -> Conclusion {
    within(async {
        match target.root().await {
            Ok(Some(_)) => Conclusion::healthy(format!("{} can be read, and holds a manifest", target.place())),
            Ok(None) => Conclusion::healthy(format!("{} can be read; nothing is published there yet", target.place())),
            Err(error) => Conclusion::unhealthy(error.to_string()),
        }
    })
    .await
}

/// How the place is that only runs for a release publish to.
pub fn release(has_token: bool) -> Conclusion {
    match has_token {
        true => {
            Conclusion::healthy("the release that a run is for gets the manifest; the token needs `contents: write`")
        }
        false => Conclusion::degraded(
            "the release that a run is for gets the manifest, and here is no token for it: in the workflow give the action \
             `github-token`, and the job `permissions: contents: write`",
        ),
    }
}
