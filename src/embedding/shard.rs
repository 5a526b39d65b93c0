//! A share of the work, for runs that embed side by side.

use std::fmt;
use std::str::FromStr;

use crate::ids::Sha256Hex;

/// As many jobs as GitHub lets a matrix have.
pub const MAX_SHARDS: u16 = 256;

/// One of several shares of the texts: those whose digest says so. Equal texts are in the same share, whosever they are, so
/// none is paid for twice; and which share a text is in depends on nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    number: u16,
    of: u16,
}

impl Shard {
    /// All shares of so many.
    pub fn all(of: u16) -> impl Iterator<Item = Self> {
        (1..=of).map(move |number| Self { number, of })
    }

    /// Whether a text with this digest is in it.
    pub fn holds(&self, text: &Sha256Hex) -> bool {
        share(text, self.of) == self.number
    }

    /// Which one it is, from 1.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// How many there are.
    pub fn of(&self) -> u16 {
        self.of
    }
}

/// The share that a text with this digest is in, from 1 to `of`.
fn share(text: &Sha256Hex, of: u16) -> u16 {
    let head = text.as_str().get(..8).and_then(|head| u32::from_str_radix(head, 16).ok()).unwrap_or_default();
    // The remainder is less than `of`, so it fits.
    u16::try_from(head % u32::from(of.max(1))).unwrap_or_default() + 1
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parsed {
            Some((number, of)) if (1..=of).contains(&number) && of <= MAX_SHARDS => Ok(Self { number, of }),
            _ => Err(format!(
                "{text:?} is no shard: write I/N, such as 2/4, with I from 1 to N and N at most {MAX_SHARDS}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_shard_is_written_as_it_is_read() {
        for text in ["1/1", "2/4", "256/256"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        for bad in ["", "1", "0/4", "5/4", "1/0", "1/257", "a/b", "-1/4", "1/4/4"] {
            assert!(bad.parse::<Shard>().unwrap_err().contains("such as 2/4"), "{bad}");
        }
    }

    #[test]
    fn the_shares_are_about_equal() {
        let in_it = |shard: Shard| (0..1_000_u32).filter(|n| shard.holds(&Sha256Hex::of(&n.to_be_bytes()))).count();
        assert!(Shard::all(4).map(in_it).all(|count| (200..300).contains(&count)));
    }

    proptest! {
        #[test]
        fn each_text_is_in_exactly_one_share(text in any::<String>(), of in 1..=MAX_SHARDS) {
            let digest = Sha256Hex::of(text.as_bytes());
            prop_assert_eq!(Shard::all(of).filter(|shard| shard.holds(&digest)).count(), 1);
        }
    }
}
