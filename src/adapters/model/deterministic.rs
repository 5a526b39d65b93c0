//! A model in memory whose vectors follow from the words alone; it counts its calls and can be told to fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::{Embedded, EmbeddingModel, Limits, ModelError, normalised, refuse_empty};

/// Hashes words into coordinates: texts that share words are near each other, and that is all it knows.
#[derive(Debug)]
pub struct Deterministic {
    dimension: usize,
    batch_size: usize,
    fails_at: Option<usize>,
    calls: AtomicUsize,
    texts: AtomicUsize,
}

impl Deterministic {
    /// A model with this many coordinates.
    pub fn new(dimension: usize) -> Self {
        Self { dimension, batch_size: 256, fails_at: None, calls: AtomicUsize::new(0), texts: AtomicUsize::new(0) }
    }

    /// The same, taking this many texts a call.
    #[must_use]
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        Self { batch_size, ..self }
    }

    /// The same, failing from call `n` on, counted from 1.
    #[must_use]
    pub fn failing_at(self, n: usize) -> Self {
        Self { fails_at: Some(n), ..self }
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many texts it has embedded.
    pub fn texts(&self) -> usize {
        self.texts.load(Ordering::SeqCst)
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; self.dimension];
        for word in text.split_whitespace() {
            let hash = fnv(&word.to_lowercase());
            let slot = usize::try_from(hash % self.dimension.max(1) as u64).unwrap_or(0);
            if let Some(value) = vector.get_mut(slot) {
                *value += 1.0;
            }
        }
        normalised(vector)
    }
}

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[async_trait]
impl EmbeddingModel for Deterministic {
    fn fingerprint(&self) -> String {
        format!("deterministic-{}", self.dimension)
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn limits(&self) -> Limits {
        Limits { texts: self.batch_size, ..Limits::default() }
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embedded, ModelError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if self.fails_at.is_some_and(|n| call >= n) {
            return Err(ModelError::Unavailable { model: self.fingerprint(), why: "told to fail".to_owned() });
        }
        refuse_empty(texts)?;
        self.texts.fetch_add(texts.len(), Ordering::SeqCst);
        let tokens = texts.iter().map(|text| text.split_whitespace().count().max(1) as u64).sum();
        Ok(Embedded { vectors: texts.iter().map(|text| self.vector(text)).collect(), tokens })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_a_model() {
        super::super::conformance::holds(&Deterministic::new(4096)).await;
    }

    #[tokio::test]
    async fn it_fails_when_told_to_and_counts() {
        let model = Deterministic::new(8).failing_at(2);
        assert!(model.embed(&["a", "b"]).await.is_ok());
        assert!(model.embed(&["c"]).await.is_err());
        assert_eq!((model.calls(), model.texts()), (2, 2));
    }
}
