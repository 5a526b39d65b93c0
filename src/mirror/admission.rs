//! Whether an edition may take the place of the one that a folder has.

use chrono::DateTime;

use super::record::Record;
use crate::manifest::format::Root;

/// What may take the place of the edition that a folder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// A later edition of the same library.
    Forward,
    /// An earlier one of the same library too.
    Back,
    /// Whatever is offered.
    Anything,
}

/// Why an edition is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The folder has a later edition.
    #[error(
        "it is edition {found}, and the folder has edition {held} already: somebody may be showing an old one, or the place \
         is another or was set up anew. --allow-older takes it all the same"
    )]
    Older {
        /// The number of the edition that is offered.
        found: u64,
        /// The number of the edition that the folder has.
        held: u64,
    },
    /// The same number stands for something else than before.
    #[error(
        "it is edition {seq} like the one that the folder has, and holds something else: one of the two was not published in \
         the ordinary way, or at another place. --allow-older takes it all the same"
    )]
    Replaced {
        /// The number.
        seq: u64,
    },
    /// It is that of another library.
    #[error(
        "it is that of the repository {found:?}, and the folder follows {held:?}: pull it into a folder of its own. Where the \
         repository has another name now, or the folder is to be the other's from now on, --allow-older takes it all the same"
    )]
    Stranger {
        /// The repository of the edition that is offered.
        found: String,
        /// The repository that the folder follows.
        held: String,
    },
    /// It is past the moment until which it may be relied on.
    #[error(
        "it was to be relied on until {expires} and has not been renewed: the library is not published any more, or somebody is \
         holding newer editions back. Ask whoever publishes it"
    )]
    Expired {
        /// The moment.
        expires: String,
    },
    /// The moment until which it may be relied on is none.
    #[error("its `expires` is no moment: {expires:?}")]
    NoMoment {
        /// What stands there.
        expires: String,
    },
}

/// Refuses an edition that takes a folder back, or is another library's. What the source is called says nothing: there are
/// many names for one place.
pub fn refuse_older(root: &Root, held: Option<&Record>, allowed: Allowed) -> Result<(), Refusal> {
    let Some(held) = held.filter(|_| allowed != Allowed::Anything) else { return Ok(()) };
    if let (Some(found), Some(held)) = (&root.source.repository, &held.repository)
        && found != held
    {
        return Err(Refusal::Stranger { found: found.clone(), held: held.clone() });
    }
    match held {
        held if root.seq < held.seq && allowed != Allowed::Back => {
            Err(Refusal::Older { found: root.seq, held: held.seq })
        }
        held if root.seq == held.seq && root.digest != held.digest => Err(Refusal::Replaced { seq: root.seq }),
        _ => Ok(()),
    }
}

/// Refuses an edition that may not be relied on any more, at so many seconds since 1970.
pub fn refuse_expired(root: &Root, now: i64) -> Result<(), Refusal> {
    let Some(expires) = &root.expires else { return Ok(()) };
    match DateTime::parse_from_rfc3339(expires) {
        Err(_) => Err(Refusal::NoMoment { expires: expires.clone() }),
        Ok(moment) if moment.timestamp() < now => Err(Refusal::Expired { expires: expires.clone() }),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::choice::Choice;
    use super::super::fixture;
    use super::*;

    #[test]
    fn an_edition_takes_the_place_of_an_earlier_one_alone() {
        let library = fixture::Library::of(&[("products", "a", 1)]);
        let root = |seq: u64| Root { seq, ..library.publish(1, None).root() };
        let held =
            |seq: u64, digest: &str| Record { seq, digest: digest.to_owned(), ..Record::empty("x", Choice::default()) };
        let digest = root(1).digest;
        assert_eq!(refuse_older(&root(5), None, Allowed::Forward), Ok(()));
        assert_eq!(refuse_older(&root(5), Some(&held(5, &digest)), Allowed::Forward), Ok(()));
        assert_eq!(refuse_older(&root(6), Some(&held(5, "other")), Allowed::Forward), Ok(()));
        assert_eq!(
            refuse_older(&root(5), Some(&held(5, "other")), Allowed::Forward),
            Err(Refusal::Replaced { seq: 5 })
        );
        assert_eq!(
            refuse_older(&root(4), Some(&held(5, "other")), Allowed::Forward),
            Err(Refusal::Older { found: 4, held: 5 })
        );
        assert_eq!(refuse_older(&root(4), Some(&held(5, "other")), Allowed::Anything), Ok(()));
        assert_eq!(refuse_older(&root(4), Some(&held(5, "other")), Allowed::Back), Ok(()));
        let replaced = refuse_older(&root(5), Some(&held(5, "other")), Allowed::Back);
        assert_eq!(replaced, Err(Refusal::Replaced { seq: 5 }));
    }

    #[test]
    fn another_library_does_not_take_the_place_of_the_one_that_the_folder_follows() {
        let library = fixture::Library::of(&[("products", "a", 1)]);
        let of = |repository: Option<&str>| repository.map(str::to_owned);
        let taken = |found: Option<&str>, held: Option<&str>, allowed: Allowed| {
            let mut root = Root { seq: 9, ..library.publish(1, None).root() };
            root.source.repository = of(found);
            let held = Record { seq: 1, repository: of(held), ..Record::empty("x", Choice::default()) };
            refuse_older(&root, Some(&held), allowed)
        };
        let told = taken(Some("b/b"), Some("a/a"), Allowed::Back).unwrap_err().to_string();
        assert!(
            told.contains("the repository \"b/b\", and the folder follows \"a/a\"") && told.contains("--allow-older")
        );
        assert_eq!(taken(Some("b/b"), Some("a/a"), Allowed::Anything), Ok(()));
        for (found, held) in [(None, None), (Some("a/a"), None), (None, Some("a/a")), (Some("a/a"), Some("a/a"))] {
            assert_eq!(taken(found, held, Allowed::Forward), Ok(()));
        }
    }

    #[test]
    fn an_edition_may_be_relied_on_until_it_expires() {
        let library = fixture::Library::of(&[]);
        let root = |expires: &str| Root { expires: Some(expires.to_owned()), ..library.publish(1, None).root() };
        assert_eq!(refuse_expired(&library.publish(1, None).root(), i64::MAX), Ok(()));
        assert_eq!(refuse_expired(&root("1970-01-01T00:01:40Z"), 100), Ok(()));
        assert!(matches!(refuse_expired(&root("1970-01-01T00:01:40Z"), 101), Err(Refusal::Expired { .. })));
        assert!(matches!(refuse_expired(&root("tomorrow"), 0), Err(Refusal::NoMoment { .. })));
    }
}
