//! Downstreams that are linked by `needs`, in either direction: what is rolled back, is rolled back for all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{OnFailure, Settings};
use crate::ids::{DownstreamName, Sha256Hex};

/// Downstreams that are linked, where the failure of one takes back what the others were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Which one it is.
    pub number: usize,
    /// The digest of all that its members are to have: what failed once is not the same when anything of it differs.
    pub digest: Sha256Hex,
}

impl Group {
    /// The groups by number, from the number, the name and the digest of each member.
    pub(super) fn all<'a>(
        members: impl Iterator<Item = (usize, &'a DownstreamName, &'a Sha256Hex)>,
    ) -> BTreeMap<usize, Self> {
        let mut lines: BTreeMap<usize, String> = BTreeMap::new();
        for (number, name, digest) in members {
            // The length stands before the name, so that no name can pass for two lines.
            let line = format!("{digest} {} {name}\n", name.as_str().len());
            lines.entry(number).or_default().push_str(&line);
        }
        let group =
            |(number, lines): (usize, String)| (number, Self { number, digest: Sha256Hex::of(lines.as_bytes()) });
        lines.into_iter().map(group).collect()
    }
}

/// For each downstream the number of its group; those of one group are linked with each other by `needs`.
pub fn groups(all: &BTreeMap<DownstreamName, Settings>) -> BTreeMap<&DownstreamName, usize> {
    let mut linked: BTreeMap<&DownstreamName, Vec<&DownstreamName>> = BTreeMap::new();
    for (name, settings) in all {
        for need in settings.needs.iter().filter_map(|need| all.get_key_value(need)).map(|(need, _)| need) {
            linked.entry(name).or_default().push(need);
            linked.entry(need).or_default().push(name);
        }
    }
    let mut of: BTreeMap<&DownstreamName, usize> = BTreeMap::new();
    for (number, name) in all.keys().enumerate() {
        let mut reached = vec![name];
        while let Some(name) = reached.pop() {
            if !of.contains_key(name) {
                of.insert(name, number);
                reached.extend(linked.get(name).into_iter().flatten());
            }
        }
    }
    of
}

/// The numbers of the groups in which somebody's failure takes back what the others were told.
pub fn taken_back(
    all: &BTreeMap<DownstreamName, Settings>,
    groups: &BTreeMap<&DownstreamName, usize>,
) -> BTreeSet<usize> {
    let those = all.iter().filter(|(_, settings)| settings.on_failure == OnFailure::Rollback);
    those.filter_map(|(name, _)| groups.get(name).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(entries: &[(&str, &str)]) -> BTreeMap<DownstreamName, Settings> {
        entries.iter().map(|(name, yaml)| (DownstreamName::new(*name), serde_yaml::from_str(yaml).unwrap())).collect()
    }

    #[test]
    fn whoever_is_linked_by_needs_is_of_one_group() {
        let all = all(&[
            ("a", "{repo: o/a, needs: [d]}"),
            ("b", "{repo: o/b, needs: [c]}"),
            ("c", "{repo: o/c, on_failure: rollback}"),
            ("d", "repo: o/d"),
            ("e", "{repo: o/e, needs: [c, unknown]}"),
            ("f", "repo: o/f"),
        ]);
        let of = groups(&all);
        let same = |x: &str, y: &str| of[&DownstreamName::new(x)] == of[&DownstreamName::new(y)];
        assert!(same("a", "d") && same("b", "c") && same("b", "e"));
        assert!(!same("a", "b") && !same("f", "a") && !same("f", "b"));
        assert_eq!(taken_back(&all, &of), [of[&DownstreamName::new("b")]].into());
    }
}
