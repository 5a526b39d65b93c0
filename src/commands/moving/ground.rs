//! What stands at the destination of a move, and whether a state may come there.

use anyhow::anyhow;

use crate::state::moving::{Copying, Standing};

/// What is at the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ground {
    /// Nothing that anybody could miss.
    Empty,
    /// A copy of this state that was begun and is as good as it was.
    Partial(Copying),
    /// What is left of this state from before it was moved away, or a copy of what it was earlier: it is replaced.
    Outdated,
    /// The whole state: it was moved here before.
    Done,
}

/// Says what is at the destination, or why nothing may come there.
pub fn ground(from: &str, to: &str, source: &Standing, destination: Option<&Standing>) -> anyhow::Result<Ground> {
    let is_moved = source.moved_to.is_some();
    let elsewhere = || anyhow!("the state at {from} was moved to {} before", source.moved_to.as_deref().unwrap_or(""));
    let Some(there) = destination.filter(|there| !there.is_empty()) else {
        return if is_moved { Err(elsewhere()) } else { Ok(Ground::Empty) };
    };
    if there.lineage != source.lineage {
        return Err(anyhow!(
            "at {to} there is another state of this library: it was made apart from the one at {from} and has seen {} changes. \
             Look which one is right with `stockroom state show`, and move the other one away or delete it",
            there.serial.0
        ));
    }
    if let Some(copying) = &there.copying {
        let is_current = copying.serial == source.serial && copying.from == from;
        return match (is_current, is_moved) {
            (true, _) => Ok(Ground::Partial(copying.clone())),
            (false, false) => Ok(Ground::Outdated),
            (false, true) => Err(elsewhere()),
        };
    }
    match (is_moved, there.moved_to.is_some()) {
        (true, false) => Ok(Ground::Done),
        (false, true) if there.serial <= source.serial => Ok(Ground::Outdated),
        (true, true) => Err(anyhow!("both the state at {from} and the one at {to} say that they were moved away")),
        (false, _) => Err(anyhow!(
            "the same state is in use at {from} (change {}) and at {to} (change {}). Look which one is right with `stockroom \
             state show`, and move the other one away or delete it",
            source.serial.0,
            there.serial.0
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Serial;
    use crate::state::row::Table;

    fn standing(serial: u64) -> Standing {
        Standing {
            library: "org/library:".to_owned(),
            lineage: "line".to_owned(),
            serial: Serial(serial),
            run: None,
            mark: None,
            targets: 0,
            moved_to: None,
            copying: None,
        }
    }

    fn copying(serial: u64) -> Standing {
        let (from, serial) = ("here".to_owned(), Serial(serial));
        let copying = Copying { from, serial, table: Table::Assets, after: None, rows: 1 };
        Standing { copying: Some(copying), ..standing(serial.0) }
    }

    fn moved(serial: u64) -> Standing {
        Standing { moved_to: Some("there".to_owned()), ..standing(serial) }
    }

    fn judged(source: &Standing, destination: Option<&Standing>) -> Result<Ground, String> {
        ground("here", "there", source, destination).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_place_and_the_remains_of_the_same_state_may_be_filled() {
        assert_eq!(judged(&standing(5), None), Ok(Ground::Empty));
        let unused = Standing { lineage: "other".to_owned(), ..standing(0) };
        assert_eq!(judged(&standing(5), Some(&unused)), Ok(Ground::Empty));
        assert_eq!(judged(&standing(5), Some(&moved(5))), Ok(Ground::Outdated));
        assert_eq!(judged(&standing(5), Some(&copying(4))), Ok(Ground::Outdated));
    }

    #[test]
    fn a_copy_is_gone_on_with_while_it_is_as_good_as_it_was() {
        let partial = copying(5);
        let expected = Ok(Ground::Partial(partial.copying.clone().unwrap()));
        assert_eq!(judged(&standing(5), Some(&partial)), expected);
        assert_eq!(judged(&moved(5), Some(&partial)), expected, "killed after the source was marked");
        assert_eq!(judged(&moved(5), Some(&standing(9))), Ok(Ground::Done));
    }

    #[test]
    fn nothing_that_is_in_use_is_written_over() {
        let other = Standing { lineage: "other".to_owned(), ..standing(3) };
        for (source, destination) in [
            (standing(5), Some(other.clone())),
            (standing(5), Some(standing(5))),
            (standing(5), Some(moved(6))),
            (moved(5), None),
            (moved(5), Some(moved(5))),
            (moved(5), Some(copying(4))),
            (moved(5), Some(other)),
        ] {
            assert!(judged(&source, destination.as_ref()).is_err(), "{source:?} to {destination:?}");
        }
    }
}
