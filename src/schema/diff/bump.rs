//! Which part of a version a change moves.

use semver::Version;

/// The part of a version that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bump {
    /// The versions are the same.
    None,
    /// `1.2.3` to `1.2.4`.
    Patch,
    /// `1.2.3` to `1.3.0`.
    Minor,
    /// `1.2.3` to `2.0.0`; before 1.0, `0.2.3` to `0.3.0`.
    Major,
}

impl Bump {
    /// As people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }

    /// The part that moved between two versions; nothing where the second is the older one.
    pub fn between(old: &Version, new: &Version) -> Option<Self> {
        if new < old {
            return None;
        }
        Some(if !are_akin(old, new) {
            Self::Major
        } else if (new.major, new.minor) != (old.major, old.minor) && new.major > 0 {
            Self::Minor
        } else if new != old {
            Self::Patch
        } else {
            Self::None
        })
    }

    /// The version that the move leads to.
    pub fn of(self, version: &Version) -> Version {
        let Version { major, minor, patch, .. } = *version;
        match self {
            Self::None => version.clone(),
            Self::Patch => Version::new(major, minor, patch + 1),
            Self::Minor if major == 0 => Version::new(0, minor, patch + 1),
            Self::Minor => Version::new(major, minor + 1, 0),
            Self::Major if major == 0 => Version::new(0, minor + 1, 0),
            Self::Major => Version::new(major + 1, 0, 0),
        }
    }
}

/// Whether records of the older version must follow the newer one: the same major version, or minor before 1.0. What is
/// not released yet promises nothing.
pub fn are_akin(old: &Version, new: &Version) -> bool {
    let is_same = old.major == new.major && (old.major > 0 || old.minor == new.minor);
    is_same && (old.pre.is_empty() || old == new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_moved_is_the_first_that_differs() {
        let between = |old: &str, new: &str| Bump::between(&old.parse().unwrap(), &new.parse().unwrap());
        for (old, new, bump) in [
            ("1.2.3", "1.2.3", Some(Bump::None)),
            ("1.2.3", "1.2.4", Some(Bump::Patch)),
            ("1.2.3", "1.3.0", Some(Bump::Minor)),
            ("1.2.3", "2.0.0", Some(Bump::Major)),
            ("0.2.3", "0.3.0", Some(Bump::Major)),
            ("0.2.3", "0.2.4", Some(Bump::Patch)),
            ("1.10.0", "1.9.0", None),
            ("2.0.0-beta.1", "2.0.0", Some(Bump::Major)),
        ] {
            assert_eq!(between(old, new), bump, "{old} {new}");
        }
    }

    #[test]
    fn a_move_leads_to_the_next_version() {
        let of = |bump: Bump, version: &str| bump.of(&version.parse().unwrap()).to_string();
        assert_eq!(
            [of(Bump::Major, "1.2.3"), of(Bump::Minor, "1.2.3"), of(Bump::Patch, "1.2.3")],
            ["2.0.0", "1.3.0", "1.2.4"]
        );
        assert_eq!([of(Bump::Major, "0.2.3"), of(Bump::Minor, "0.2.3")], ["0.3.0", "0.2.4"]);
    }
}
