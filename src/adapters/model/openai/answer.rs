//! Reads an answer: one vector for each text, whatever their order, as base64 or as numbers.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::super::Embedded;

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not what was asked for.
    Malformed(String),
    /// All vectors have another length than expected: this one.
    Dimension(usize),
}

#[derive(Deserialize)]
struct Body {
    data: Vec<Item>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Coordinates,
}

#[derive(Deserialize, Default)]
struct Usage {
    total_tokens: Option<u64>,
    prompt_tokens: Option<u64>,
}

/// A vector, however it is written.
struct Coordinates(Vec<f32>);

impl<'de> Deserialize<'de> for Coordinates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Coordinates;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64 or an array of numbers")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Coordinates, E> {
                let bytes = STANDARD.decode(text).map_err(|_| E::custom("an embedding is no base64"))?;
                if bytes.len() % 4 != 0 {
                    return Err(E::custom("an embedding in base64 does not end with a whole number"));
                }
                let number = |four: &[u8]| four.try_into().map_or(f32::NAN, f32::from_le_bytes);
                Ok(Coordinates(bytes.chunks_exact(4).map(number).collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Coordinates, A::Error> {
                let mut vector = Vec::new();
                // What is no number is written as null.
                while let Some(number) = numbers.next_element::<Option<f32>>()? {
                    vector.push(number.unwrap_or(f32::NAN));
                }
                Ok(Coordinates(vector))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The vectors in the order of the texts, each of length 1. Without a count of tokens `estimate` stands for it.
pub(super) fn read(body: &[u8], texts: usize, dimension: usize, estimate: u64) -> Result<Embedded, Fault> {
    let malformed = |why: String| Err(Fault::Malformed(why));
    let body: Body = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(error) if body.first() == Some(&b'<') => {
            return malformed(format!("a web page came in the place of vectors ({error})"));
        }
        Err(error) => return malformed(format!("it cannot be read: {error}")),
    };
    if body.data.len() != texts {
        return malformed(format!("{} vectors for {texts} texts", body.data.len()));
    }
    let first = body.data.first().map(|item| item.embedding.0.len());
    if let Some(length) = first.filter(|length| *length != dimension && *length > 0)
        && body.data.iter().all(|item| item.embedding.0.len() == length)
    {
        return Err(Fault::Dimension(length));
    }
    let mut places: Vec<Option<Vec<f32>>> = vec![None; texts];
    for (position, item) in body.data.into_iter().enumerate() {
        let index = item.index.unwrap_or(position);
        let vector = unit(item.embedding.0, index, dimension).map_err(Fault::Malformed)?;
        match places.get_mut(index) {
            Some(place @ None) => *place = Some(vector),
            Some(Some(_)) => return malformed(format!("two vectors for text {index}")),
            None => return malformed(format!("a vector for text {index} of {texts}")),
        }
    }
    let usage = body.usage.unwrap_or_default();
    let tokens = usage.total_tokens.or(usage.prompt_tokens).filter(|tokens| *tokens > 0).unwrap_or(estimate);
    Ok(Embedded { vectors: places.into_iter().flatten().collect(), tokens })
}

/// The vector scaled to length 1, if it has one.
fn unit(mut vector: Vec<f32>, index: usize, dimension: usize) -> Result<Vec<f32>, String> {
    if vector.len() != dimension {
        return Err(format!("vector {index} has {} dimensions, not {dimension}", vector.len()));
    }
    // In double precision, where no square is too large or too small.
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if !length.is_finite() || length <= f64::from(f32::MIN_POSITIVE) {
        return Err(format!("vector {index} has the length {length}"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a coordinate of a vector of length 1 is between -1 and 1")]
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    Ok(vector)
}
