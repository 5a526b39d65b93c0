//! Who may change what the targets have.

use super::Timestamp;
use crate::ids::LockToken;

/// The right of one run to change what the targets have, until it is given back or expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// What its holder proves it with.
    pub token: LockToken,
    /// Whose it is, in words for people: `run 123 of deploy by alice`, `alice on laptop, process 77`.
    pub holder: String,
    /// When it was taken, or renewed.
    pub at: Timestamp,
    /// From when on anybody may take it.
    pub expires: Timestamp,
}

/// A wish for the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What the holder will prove it with. Who claims again with the token that has the lock renews it.
    pub token: LockToken,
    /// Whose it will be, in words for people.
    pub holder: String,
    /// For how many seconds.
    pub seconds: i64,
    /// Whether the claimant knows that no other holder is alive, so that a lock that has not expired may be taken over.
    pub alone: bool,
    /// The one lock of which the claimant knows that its holder is no more; another run may have taken its place meanwhile.
    pub abandoned: Option<LockToken>,
}

impl Claim {
    /// The lock that the claim gives at this time.
    pub fn granted(&self, now: Timestamp) -> Lock {
        let expires = Timestamp(now.0.saturating_add(self.seconds));
        Lock { token: self.token.clone(), holder: self.holder.clone(), at: now, expires }
    }

    /// Whether the claim may take the place of this lock now.
    ///
    /// A lock from the future was taken by a clock that differs from ours, which says nothing about its age.
    pub fn may_take(&self, lock: &Lock, now: Timestamp) -> bool {
        let is_abandoned = self.abandoned.as_ref() == Some(&lock.token);
        self.alone || is_abandoned || lock.token == self.token || lock.expires <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(token: &str, alone: bool) -> Claim {
        let (token, holder) = (LockToken::new(token), "somebody".to_owned());
        Claim { token, holder, seconds: 300, alone, abandoned: None }
    }

    #[test]
    fn a_lock_is_its_holder_s_until_it_expires() {
        let lock = claim("one", false).granted(Timestamp(1_000));
        let other = claim("two", false);
        assert!(!other.may_take(&lock, Timestamp(1_299)));
        assert!(other.may_take(&lock, Timestamp(1_300)));
        assert!(claim("one", false).may_take(&lock, Timestamp(1_001)), "its holder renews it");
        assert!(claim("two", true).may_take(&lock, Timestamp(1_001)), "no other holder is alive");
    }

    #[test]
    fn an_abandoned_lock_is_taken_over_and_the_one_that_has_taken_its_place_is_not() {
        let claim = Claim { abandoned: Some(LockToken::new("one")), ..claim("three", false) };
        let lock = |token| self::claim(token, false).granted(Timestamp(1_000));
        assert!(claim.may_take(&lock("one"), Timestamp(1_001)));
        assert!(!claim.may_take(&lock("two"), Timestamp(1_001)));
    }
}
