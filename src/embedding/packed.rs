//! Vectors as bytes: one for a power of two and one for each coordinate.
//!
//! Powers of two are exact, so a vector that is read and written again keeps its bytes.

/// Bytes that cannot be a vector.
#[derive(Debug, thiserror::Error)]
#[error("a vector is empty")]
pub struct EmptyVector;

/// One byte k, then a signed byte for each coordinate: coordinate = byte × 2^k, with the least k that holds the largest.
pub fn packed(vector: &[f32]) -> Vec<u8> {
    let largest = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let power = (-100..=100_i8).find(|k| largest <= 127.0 * f32::from(*k).exp2()).unwrap_or(100);
    let step = f32::from(power).exp2();
    // The step was chosen so that every quotient is within a signed byte.
    #[allow(clippy::cast_possible_truncation)]
    let level = |x: &f32| (x / step).round().clamp(-127.0, 127.0) as i8;
    std::iter::once(power).chain(vector.iter().map(level)).flat_map(i8::to_le_bytes).collect()
}

/// The power of two and the levels of a packed vector.
pub fn levels(bytes: &[u8]) -> Result<(f32, impl Iterator<Item = f32>), EmptyVector> {
    let (power, levels) = bytes.split_first().ok_or(EmptyVector)?;
    let signed = |byte: u8| f32::from(i8::from_le_bytes([byte]));
    Ok((signed(*power).exp2(), levels.iter().map(move |byte| signed(*byte))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_keeps_the_direction_and_packing_again_keeps_the_bytes(vector in prop::collection::vec(-1.0_f32..1.0, 2..300)) {
            let once = packed(&vector);
            let (step, found) = levels(&once).unwrap();
            let found: Vec<f32> = found.map(|level| level * step).collect();
            prop_assert_eq!(packed(&found), once);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
            let cosine = dot(&vector, &found) / (dot(&vector, &vector) * dot(&found, &found)).sqrt();
            prop_assert!(cosine > 0.999 || dot(&vector, &vector) == 0.0, "{cosine}");
        }
    }
}
