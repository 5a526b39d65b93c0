//! The model that is compiled into the binary: no key, no server, no download.
//!
//! A static embedding (models/minilm-static): a text's vector is the mean of its tokens' rows. The matrix is read where
//! it lies in the binary; only the vocabulary has to be put into a table, at the first text. The first 64 or 128 columns
//! are smaller models of their own.

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
    /// How many columns are used; those that follow them in a row are passed over.
    dims: usize,
    /// How many bytes a row takes.
    width: usize,
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
                Ok(Self { rows, dims, width: dims * bits / 8, bits, digest, scales, values })
            }
            _ => Err("its size is not what its head says"),
        }
    }

    /// The first columns alone, an even number; none where there are not so many.
    fn cut(self, dims: usize) -> Option<Self> {
        (dims > 0 && dims.is_multiple_of(2) && dims <= self.dims).then_some(Self { dims, ..self })
    }

    fn scale(&self, row: usize) -> Option<f32> {
        self.scales.get(row * 4..row * 4 + 4).and_then(|b| b.try_into().ok()).map(f32::from_le_bytes)
    }

    /// The bytes of a row, as far as it is used.
    fn values(&self, row: usize) -> Option<&'static [u8]> {
        let start = row.checked_mul(self.width)?;
        self.values.get(start..start + self.dims * self.bits / 8)
    }

    /// Adds a row to `sum`; one beyond the end adds nothing.
    fn add(&self, row: usize, sum: &mut [f32]) {
        let (Some(scale), Some(values)) = (self.scale(row), self.values(row)) else { return };
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

    fn row(&self, row: usize) -> Option<Row> {
        let (scale, values) = (self.scale(row)?, self.values(row)?);
        let level = |byte: u8| i8::from_le_bytes([byte]);
        let levels = match self.bits {
            8 => values.iter().map(|value| level(*value)).collect(),
            _ => values.iter().flat_map(|value| [level(value & 15) - 8, level(value >> 4) - 8]).collect(),
        };
        Some(Row { scale, levels })
    }
}

/// A token's row of the matrix: `scale` × each level is a coordinate.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What each level is multiplied by.
    pub scale: f32,
    /// A whole number for each dimension, from −7 to 7 (from −127 to 127 in a matrix of eight bits).
    pub levels: Vec<i8>,
}

/// The static model in the binary.
pub struct Local {
    matrix: Matrix,
    tokenizer: OnceLock<WordPiece>,
}

impl Local {
    /// The sizes in which the model comes: all of its columns, and the prefixes that were measured.
    pub const DIMENSIONS: [usize; 3] = [64, 128, 256];
    /// The row of a token that is not in the vocabulary; it counts only where no token of a text is known.
    pub const UNKNOWN: u32 = UNKNOWN;

    /// Takes the model that was compiled in, with all of its dimensions; reads its head alone.
    pub fn new() -> Result<Self, ModelError> {
        let matrix = Matrix::read(MODEL).map_err(|why| unusable(why.to_owned()))?;
        Ok(Self { matrix, tokenizer: OnceLock::new() })
    }

    /// The same with fewer dimensions: vectors are the first coordinates, scaled to length 1 after the cut.
    pub fn with_dimensions(dimensions: usize) -> Result<Self, ModelError> {
        let whole = Self::new()?;
        let matrix = Self::DIMENSIONS.contains(&dimensions).then(|| whole.matrix.cut(dimensions)).flatten();
        match matrix {
            Some(matrix) => Ok(Self { matrix, ..whole }),
            None => Err(unusable(format!("it comes with 64, 128 or 256 dimensions, not {dimensions}"))),
        }
    }

    /// The matrix as far as it is used, row by row in the order of the vocabulary: for those who ship it elsewhere.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let matrix = self.matrix;
        (0..matrix.rows).filter_map(move |row| matrix.row(row))
    }

    /// The tokens, one a line, in the order of the rows; those that continue a word begin with `##`.
    pub fn vocabulary() -> &'static str {
        VOCABULARY
    }

    fn tokenizer(&self) -> &WordPiece {
        self.tokenizer.get_or_init(|| WordPiece::new(VOCABULARY))
    }

    /// The vector of one text, which waits for nobody.
    pub fn vector(&self, text: &str) -> Vec<f32> {
        self.one(text).0
    }

    /// The vector of one text and the number of its tokens.
    fn one(&self, text: &str) -> (Vec<f32>, u64) {
        let rows = self.tokenizer().rows(text);
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

fn unusable(why: String) -> ModelError {
    ModelError::Unavailable { model: "minilm-static".to_owned(), why }
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

    fn starts(&self, text: &str) -> Vec<usize> {
        self.tokenizer().starts(text)
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
    use crate::adapters::model::TokensOf;
    use crate::embedding::chunk::cut_by;
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

    #[tokio::test]
    async fn it_is_a_model_with_128_dimensions() {
        super::super::conformance::holds(&Local::with_dimensions(128).unwrap()).await;
    }

    #[tokio::test]
    async fn it_is_a_model_with_64_dimensions() {
        super::super::conformance::holds(&Local::with_dimensions(64).unwrap()).await;
    }

    #[test]
    fn a_smaller_model_is_the_first_columns_of_the_whole_one_and_named_otherwise() {
        let whole = Local::new().unwrap();
        let text = "A parametric hex bolt, from M3 to M64.";
        for dimensions in Local::DIMENSIONS {
            let local = Local::with_dimensions(dimensions).unwrap();
            let expected = normalised(whole.one(text).0[..dimensions].to_vec());
            let found = local.one(text).0;
            assert!(found.len() == dimensions && cosine(&found, &expected) > 0.99999, "{dimensions}");
            assert!((found.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4);
            assert_eq!(local.dimension(), dimensions);
            assert!(local.fingerprint().starts_with(&format!("minilm-static-{dimensions}-")));
        }
        assert_eq!(Local::with_dimensions(256).unwrap().fingerprint(), whole.fingerprint());
        for bad in [0, 1, 63, 65, 200, 257, 512, usize::MAX] {
            let error = Local::with_dimensions(bad).unwrap_err().to_string();
            assert!(error.contains("64, 128 or 256"), "{error}");
        }
    }

    #[test]
    fn tokens_begin_as_many_as_there_are() {
        let tokenizer = WordPiece::new(VOCABULARY);
        for case in cases() {
            let starts = tokenizer.starts(&case.text).len();
            // A special token is a word between brackets there.
            let brackets = 2 * case.text.matches(['[', ']']).count();
            assert!(starts >= case.ids.len() && starts <= case.ids.len() + brackets, "{:?}: {starts}", case.text);
        }
        assert_eq!(tokenizer.starts("hex bolt, M3"), [0, 1, 4, 8, 10]);
    }

    #[test]
    fn a_chunk_has_no_more_tokens_than_was_asked_for() {
        let local = Local::new().unwrap();
        let words: Vec<String> = cases().into_iter().map(|case| case.text).collect();
        let text = words.join(" ").repeat(3);
        for (max, overlap) in [(20, 5), (50, 20), (200, 40)] {
            let pieces = cut_by(&text, max, overlap, &TokensOf(&local));
            assert!(pieces.len() > text.len() / (max * 32), "{} pieces", pieces.len());
            for piece in pieces {
                let tokens = local.tokenizer().rows(piece).len();
                assert!(tokens <= max, "{tokens} tokens, not {max}: {piece:?}");
            }
        }
    }

    #[test]
    fn rows_and_vocabulary_are_all_that_a_vector_needs() {
        let local = Local::with_dimensions(64).unwrap();
        let rows: Vec<Row> = local.rows().collect();
        assert_eq!(rows.len(), Local::vocabulary().lines().count());
        assert!(rows.iter().all(|row| row.levels.len() == 64 && row.levels.iter().all(|level| level.abs() <= 7)));
        let tokens = WordPiece::new(VOCABULARY).rows("a hex bolt");
        let mut sum = vec![0.0; 64];
        for row in tokens.iter().filter(|row| **row != Local::UNKNOWN).map(|row| &rows[*row as usize]) {
            sum.iter_mut().zip(&row.levels).for_each(|(sum, level)| *sum += row.scale * f32::from(*level));
        }
        assert_eq!(normalised(sum), local.one("a hex bolt").0);
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
        assert_eq!(matrix.row(1), Some(Row { scale: 0.5, levels: vec![127, -127] }));
        assert!(matrix.row(2).is_none() && matrix.cut(4).is_none() && matrix.cut(1).is_none());
    }

    #[test]
    fn near_meanings_are_nearer_than_far_ones() {
        let local = Local::new().unwrap();
        let vector = |text: &str| local.one(text).0;
        let bolt = vector("a steel bolt");
        assert!(cosine(&bolt, &vector("metal screw and nut")) > cosine(&bolt, &vector("a bowl of tomato soup")) + 0.1);
    }
}
