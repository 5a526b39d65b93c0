//! Models that turn texts into vectors.

use async_trait::async_trait;

use crate::embedding::tokens::{Estimate, Tokens};

pub mod deterministic;
pub mod local;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod openai;
mod wordpiece;

/// Why texts could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A text has nothing to embed; models refuse it or answer with nonsense.
    #[error("text {index} of the batch is empty; leave empty texts out before embedding")]
    Empty {
        /// Which text of the batch.
        index: usize,
    },
    /// The model answered with something that is no vector for each text.
    #[error("the model {model} gave a bad answer: {why}; nothing of this batch was stored, run again")]
    Malformed {
        /// The model's fingerprint.
        model: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// The model does not take these texts; fewer of them, or others, it may.
    #[error("the model {model} does not take it: {why}")]
    Refused {
        /// The model's fingerprint or name.
        model: String,
        /// What it says, without any secret.
        why: String,
    },
    /// The model cannot be loaded or reached, or lets nobody in: nothing more is to be had from it now.
    #[error("the model {model} cannot be used: {why}")]
    Unavailable {
        /// The model's fingerprint or name.
        model: String,
        /// What it says, without any secret.
        why: String,
    },
}

/// The answer to one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// One vector for each text, in the order of the texts.
    pub vectors: Vec<Vec<f32>>,
    /// How many tokens the texts had, as the model counts (and charges for) them.
    pub tokens: u64,
}

/// What one request to a model may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Texts at most.
    pub texts: usize,
    /// Tokens at most, over all texts.
    pub tokens: u64,
    /// Tokens of one text at most.
    pub tokens_each: u64,
    /// How many requests may be under way at once.
    pub at_once: usize,
}

impl Default for Limits {
    /// A model in this process: no limits but those of memory.
    fn default() -> Self {
        Self { texts: 256, tokens: u64::MAX, tokens_each: u64::MAX, at_once: 1 }
    }
}

/// A model that turns texts into vectors of length 1.
#[async_trait]
pub trait EmbeddingModel: Send + Sync {
    /// Names the model so that equal fingerprints give equal vectors; it is known without loading the model.
    fn fingerprint(&self) -> String;

    /// How many coordinates a vector has; it is known without loading the model.
    fn dimension(&self) -> usize;

    /// What one request may hold.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// How many tokens a text has: never fewer than the model counts, as far as that can be known without it.
    fn tokens(&self, text: &str) -> u64 {
        (text.chars().count() as u64).div_ceil(4)
    }

    /// At which byte each token of a text begins, as [`Tokens`] has it; about, where the tokenizer is elsewhere.
    fn starts(&self, text: &str) -> Vec<usize> {
        Estimate.starts(text)
    }

    /// US dollars for a million tokens; none where it is free, or not known.
    fn price(&self) -> Option<f64> {
        None
    }

    /// Whether its vectors cost time or money, so that each is worth keeping.
    fn is_remote(&self) -> bool {
        false
    }

    /// One vector for each text, in order, finite, of length 1. A text of white space alone is [`ModelError::Empty`].
    async fn embed(&self, texts: &[&str]) -> Result<Embedded, ModelError>;
}

/// The tokens of a model, for those who cut texts by them.
#[derive(Clone, Copy)]
pub struct TokensOf<'a>(pub &'a dyn EmbeddingModel);

impl Tokens for TokensOf<'_> {
    fn starts(&self, text: &str) -> Vec<usize> {
        self.0.starts(text)
    }
}

/// Checks an answer before anything is built on it: the number of vectors, their dimension, finite, none of length 0.
pub fn verify(model: &dyn EmbeddingModel, texts: usize, answer: &Embedded) -> Result<(), ModelError> {
    let malformed = |why: String| Err(ModelError::Malformed { model: model.fingerprint(), why });
    if answer.vectors.len() != texts {
        return malformed(format!("{} vectors for {texts} texts", answer.vectors.len()));
    }
    for (index, vector) in answer.vectors.iter().enumerate() {
        if vector.len() != model.dimension() {
            return malformed(format!("vector {index} has {} dimensions, not {}", vector.len(), model.dimension()));
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !length.is_finite() || length < f32::EPSILON {
            return malformed(format!("vector {index} has the length {length}"));
        }
    }
    Ok(())
}

/// Refuses a batch with an empty text.
fn refuse_empty(texts: &[&str]) -> Result<(), ModelError> {
    match texts.iter().position(|text| text.trim().is_empty()) {
        Some(index) => Err(ModelError::Empty { index }),
        None => Ok(()),
    }
}

/// The vector scaled to length 1; one of length 0 stays as it is.
fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}

#[cfg(test)]
pub(crate) mod conformance {
    //! What every model promises.

    use super::*;

    /// Runs all of it against one model.
    pub(crate) async fn holds(model: &dyn EmbeddingModel) {
        order_and_shape(model).await;
        the_same_text_gives_the_same_vector_whatever_is_beside_it(model).await;
        odd_texts_have_vectors(model).await;
        empty_batches_and_empty_texts(model).await;
        tokens_begin_where_cutting_may_rely_on_it(model);
        assert_eq!(model.fingerprint(), model.fingerprint());
        assert!(model.fingerprint().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
        let Limits { texts, tokens, tokens_each, at_once } = model.limits();
        assert!(texts > 0 && tokens > 0 && tokens_each > 0 && at_once > 0);
        assert!(model.tokens("hex bolt") > 0 && model.tokens("") == 0);
    }

    async fn vectors(model: &dyn EmbeddingModel, texts: &[&str]) -> Vec<Vec<f32>> {
        let answer = model.embed(texts).await.unwrap();
        verify(model, texts.len(), &answer).unwrap();
        assert!(answer.tokens >= texts.len() as u64, "{} tokens", answer.tokens);
        for vector in &answer.vectors {
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!((length - 1.0).abs() < 1e-4, "length {length}");
        }
        answer.vectors
    }

    async fn order_and_shape(model: &dyn EmbeddingModel) {
        let texts: Vec<String> = (0..600).map(|i| format!("part number {i} of the gearbox")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let together = vectors(model, &texts).await;
        for index in [0, 1, 299, 599] {
            assert_eq!(together[index], vectors(model, &[texts[index]]).await[0], "text {index}");
        }
        assert_ne!(together[0], together[1]);
    }

    async fn the_same_text_gives_the_same_vector_whatever_is_beside_it(model: &dyn EmbeddingModel) {
        let alone = vectors(model, &["hex bolt"]).await;
        let among = vectors(model, &["a much longer text about wooden chairs", "hex bolt", "hex bolt"]).await;
        assert_eq!(alone[0], among[1]);
        assert_eq!(alone[0], among[2]);
    }

    async fn odd_texts_have_vectors(model: &dyn EmbeddingModel) {
        vectors(model, &["!", "\u{200d}", "𓀀𓁐", "日本語", "[UNK]", "\u{0}a", &"x".repeat(5_000)]).await;
        // As long as it may be: a model may say that it takes no longer ones.
        let most = usize::try_from(model.limits().tokens_each / 2).unwrap_or(usize::MAX);
        vectors(model, &[&"long ".repeat(most.min(20_000))]).await;
    }

    fn tokens_begin_where_cutting_may_rely_on_it(model: &dyn EmbeddingModel) {
        for text in
            ["A hex bolt, M3 to M64.", "naïve  façade—coöperate", "日本語のテキスト 漢字", " a\u{200d}b [UNK] ", ""]
        {
            let starts = model.starts(text);
            assert!(starts.is_sorted() && starts.iter().all(|at| text.is_char_boundary(*at)), "{text:?}: {starts:?}");
            let apart: usize = text.split_whitespace().map(|word| model.starts(word).len()).sum();
            assert_eq!(starts.len(), apart, "{text:?}");
        }
    }

    async fn empty_batches_and_empty_texts(model: &dyn EmbeddingModel) {
        assert!(vectors(model, &[]).await.is_empty());
        for bad in ["", " ", "\n\t "] {
            let error = model.embed(&["fine", bad]).await.unwrap_err();
            assert!(matches!(error, ModelError::Empty { index: 1 }), "{error}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_no_vector_for_each_text_is_refused() {
        let model = super::deterministic::Deterministic::new(2);
        let answer = |vectors: &[&[f32]]| Embedded { vectors: vectors.iter().map(|v| v.to_vec()).collect(), tokens: 1 };
        assert!(verify(&model, 1, &answer(&[&[0.0, 1.0]])).is_ok());
        for (bad, why) in [
            (answer(&[]), "0 vectors for 1 texts"),
            (answer(&[&[1.0]]), "vector 0 has 1 dimensions, not 2"),
            (answer(&[&[0.0, 0.0]]), "vector 0 has the length 0"),
            (answer(&[&[f32::NAN, 0.0]]), "vector 0 has the length NaN"),
            (answer(&[&[f32::INFINITY, 0.0]]), "vector 0 has the length inf"),
        ] {
            assert!(verify(&model, 1, &bad).unwrap_err().to_string().contains(why));
        }
    }
}
