//! The model as a file for a program in a browser: a matrix of four bits a value, and its vocabulary.

use sha2::{Digest as _, Sha256};

/// Packs the rows of a matrix, each a factor and levels from −7 to 7, and the tokens that they are of, one a line: the format
/// of models/minilm-static, with the vocabulary behind the matrix.
pub fn bytes(dimensions: usize, rows: impl Iterator<Item = (f32, Vec<i8>)>, vocabulary: &str) -> Vec<u8> {
    let (mut count, mut scales, mut values) = (0_u32, Vec::new(), Vec::new());
    let nibble = |level: &i8| (level.clamp(&-7, &7) + 8).to_le_bytes()[0];
    for (scale, levels) in rows {
        count += 1;
        scales.extend(scale.to_le_bytes());
        values.extend(levels.chunks(2).map(|pair| pair.iter().rev().fold(0, |byte, level| byte << 4 | nibble(level))));
    }
    let digest = Sha256::new().chain_update(&scales).chain_update(&values).chain_update(vocabulary).finalize();
    let mut bytes = b"SRSTATIC".to_vec();
    for number in [1, count, u32::try_from(dimensions).unwrap_or_default(), 4] {
        bytes.extend(number.to_le_bytes());
    }
    for part in [digest.as_slice(), &scales, &values, vocabulary.as_bytes()] {
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_levels_share_a_byte_the_first_one_in_its_low_half() {
        let file = bytes(2, [(0.5, vec![-7, 7]), (1.0, vec![0, 1])].into_iter(), "a\n##b\n");
        assert_eq!(file[..8], *b"SRSTATIC");
        assert_eq!(file[8..24], [1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0]);
        assert_eq!(file[56..64], [0.5_f32.to_le_bytes(), 1.0_f32.to_le_bytes()].concat());
        assert_eq!(file[64..], *b"\xf1\x98a\n##b\n");
        assert_eq!(file[24..56], *Sha256::digest(&file[56..]));
    }
}
