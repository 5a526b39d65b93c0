//! The model that is compiled into the binary: no key, no server, no download.
//!
//! A static embedding (models/minilm-static): a text's vector is the mean of its tokens' rows. The matrix is read where
//! it lies in the binary; only the vocabulary has to be put into a table, at the first text.

use std::sync::OnceLock;

use async_trait::async_trait;
use rayon::prelude::*;

use super::wordpiece::{UNKNOWN, WordPiece};
use super::{Embedded, EmbeddingModel, ModelError, normalised, refuse_empty};

static MODEL: &[u8] = include_bytes!("../../../models/minilm-static/model.bin");
static VOCABULARY: &str = include_str!("../../../models/minilm-static/vocab.txt");

/// Where the matrix lies in a `model.bin` (models/minilm-static/README.md has the format).
#[derive(Debug, Clone, Copy)]
struct Matrix {
    rows: usize,
    dims: usize,
    bits: usize,
    digest: [u8; 32],
    scales: &'static [u8],
    values: &'static [u8],
}

impl Matrix {
    fn read(bytes: &'static [u8]) -> Result<Self, &'static str> {
        let number = |at: usize| {
            let four = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
            four.and_then(|n| usize::try_from(n).ok()).ok_or("its head is cut off")
        };
        if !bytes.starts_with(b"SRSTATIC") || number(8)? != 1 {
            return Err("it is not a static embedding of format 1");
        }
        let (rows, dims, bits) = (number(12)?, number(16)?, number(20)?);
        let digest = bytes.get(24..56).and_then(|b| b.try_into().ok()).ok_or("its head is cut off")?;
        let body = bytes.get(56..).ok_or("its head is cut off")?;
        let sizes = rows.checked_mul(4).zip(rows.checked_mul(dims).and_then(|n| n.checked_mul(bits)));
        match sizes {
            Some((scales, values)) if body.len() == scales + values / 8 && matches!(bits, 4 | 8) && dims % 2 == 0 => {
                let (scales, values) = body.split_at(scales);
                Ok(Self { rows, dims, bits, digest, scales, values })
            }
            _ => Err("its size is not what its head says"),
        }
    }

    /// Adds a row to `sum`; one beyond the end adds nothing.
    fn add(&self, row: usize, sum: &mut [f32]) {
        let width = self.dims * self.bits / 8;
        let scale = self.scales.get(row * 4..row * 4 + 4).and_then(|b| b.try_into().ok()).map(f32::from_le_bytes);
        let (Some(scale), Some(values)) = (scale, self.values.get(row * width..(row + 1) * width)) else { return };
        if self.bits == 8 {
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += scale * f32::from(i8::from_le_bytes([*value]));
            }
        } else {
            for (pair, value) in sum.chunks_exact_mut(2).zip(values) {
                pair[0] += scale * (f32::from(value & 15) - 8.0);
                pair[1] += scale * (f32::from(value >> 4) - 8.0);
            }
        }
    }
}

/// The static model in the binary.
pub struct Local {
    matrix: Matrix,
    tokenizer: OnceLock<WordPiece>,
}

impl Local {
    /// Takes the model that was compiled in; reads its head alone.
    pub fn new() -> Result<Self, ModelError> {
        let unusable = |why: &str| ModelError::Unavailable { model: "minilm-static".to_owned(), why: why.to_owned() };
        let matrix = Matrix::read(MODEL).map_err(unusable)?;
        Ok(Self { matrix, tokenizer: OnceLock::new() })
    }

    /// The vector of one text and the number of its tokens.
    fn one(&self, text: &str) -> (Vec<f32>, u64) {
        let rows = self.tokenizer.get_or_init(|| WordPiece::new(VOCABULARY)).rows(text);
        let mut sum = vec![0.0; self.matrix.dims];
        let known = rows.iter().filter(|row| **row != UNKNOWN);
        known.for_each(|row| self.matrix.add(usize::try_from(*row).unwrap_or(usize::MAX), &mut sum));
        if sum.iter().all(|x| *x == 0.0) {
            // No token is known. Such texts share the place of the unknown token rather than having none.
            self.matrix.add(1, &mut sum);
        }
        // The mean has the direction of the sum.
        (normalised(sum), rows.len().max(1) as u64)
    }
}

#[async_trait]
impl EmbeddingModel for Local {
    fn fingerprint(&self) -> String {
        let digest = hex::encode(self.matrix.digest.get(..4).unwrap_or_default());
        format!("minilm-static-{}-{digest}", self.matrix.dims)
    }

    fn dimension(&self) -> usize {
        self.matrix.dims
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embedded, ModelError> {
        refuse_empty(texts)?;
        let (vectors, tokens): (Vec<_>, Vec<u64>) = texts.par_iter().map(|text| self.one(text)).unzip();
        Ok(Embedded { vectors, tokens: tokens.into_iter().sum() })
    }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("fingerprint", &self.fingerprint()).field("rows", &self.matrix.rows).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use sha2::{Digest as _, Sha256};

    /// One text of fixture.json, which scripts/make-model.py makes with the reference tokenizer and the f16 original.
    #[derive(Deserialize)]
    struct Case {
        text: String,
        ids: Vec<u32>,
        vector: Option<String>,
        cosine: Option<f32>,
    }

    fn cases() -> Vec<Case> {
        serde_json::from_str(include_str!("fixture.json")).unwrap()
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    #[tokio::test]
    async fn it_is_a_model() {
        super::super::conformance::holds(&Local::new().unwrap()).await;
    }

    #[test]
    fn it_cuts_texts_as_the_reference_tokenizer_does() {
        let tokenizer = WordPiece::new(VOCABULARY);
        for case in cases() {
            assert_eq!(tokenizer.rows(&case.text), case.ids, "{:?}", case.text);
        }
    }

    #[test]
    fn its_vectors_are_those_of_the_original_but_for_the_rounding() {
        let local = Local::new().unwrap();
        let mut cosines = Vec::new();
        for case in cases() {
            let (Some(vector), Some(expected)) = (case.vector, case.cosine) else { continue };
            let original: Vec<f32> =
                hex::decode(vector).unwrap().into_iter().map(|b| f32::from(i8::from_le_bytes([b]))).collect();
            let found = cosine(&local.one(&case.text).0, &original);
            // The script computed what the rounded matrix must give: a mistake in reading it cannot hide in the rounding.
            assert!((found - expected).abs() < 2e-3, "{:?}: {found}, expected {expected}", case.text);
            cosines.push(found);
        }
        let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
        assert!(cosines.len() > 50 && mean > 0.988, "{} texts, mean {mean}", cosines.len());
        assert!(cosines.iter().all(|c| *c > 0.97));
    }

    #[test]
    fn its_fingerprint_is_the_digest_of_what_was_compiled_in() {
        let matrix = Matrix::read(MODEL).unwrap();
        let digest = Sha256::new().chain_update(&MODEL[56..]).chain_update(VOCABULARY).finalize();
        assert_eq!(matrix.digest.as_slice(), digest.as_slice());
        assert_eq!(VOCABULARY.lines().count(), matrix.rows);
    }

    #[test]
    fn a_model_file_that_is_cut_off_is_refused() {
        for bad in [&b""[..], b"SRSTATIC", &MODEL[..60], &MODEL[..MODEL.len() - 1], &VOCABULARY.as_bytes()[..100]] {
            assert!(Matrix::read(bad).is_err());
        }
    }

    #[test]
    fn rows_of_eight_bits_are_read_too() {
        let mut file = b"SRSTATIC".to_vec();
        [1_u32, 2, 2, 8].iter().for_each(|n| file.extend(n.to_le_bytes()));
        file.extend([0; 32]);
        [1.0_f32, 0.5].iter().for_each(|s| file.extend(s.to_le_bytes()));
        file.extend([1_i8, -1, 127, -127].iter().map(|v| v.to_le_bytes()[0]));
        let matrix = Matrix::read(file.leak()).unwrap();
        let mut sum = vec![0.0, 0.0];
        matrix.add(1, &mut sum);
        matrix.add(2, &mut sum);
        assert_eq!(sum, [63.5, -63.5]);
    }

    #[test]
    fn near_meanings_are_nearer_than_far_ones() {
        let local = Local::new().unwrap();
        let vector = |text: &str| local.one(text).0;
        let bolt = vector("a steel bolt");
        assert!(cosine(&bolt, &vector("metal screw and nut")) > cosine(&bolt, &vector("a bowl of tomato soup")) + 0.1);
    }
}
