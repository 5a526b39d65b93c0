//! Files that stand alike and say alike: the groups that become collections.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Glance;
use super::{counted, names};
use crate::catalog::collection::literal;
use crate::catalog::tree::Tree;
use crate::ids::RepoPath;

/// How many folders are joined to one star, whatever they are called, where each holds several records.
const MANY_FOLDERS: usize = 4;
/// How many levels of folders may become stars.
const MOST_STARS: usize = 3;
/// How many records at the root make a collection: programs leave files there.
const LEAST_AT_ROOT: usize = 3;

/// Files that stand alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// The names of the folders around them, outermost first; none where it may be any.
    pub(super) folders: Vec<Option<String>>,
    /// The one name that they have, if any.
    file: Option<String>,
    /// Their extensions.
    extensions: BTreeSet<String>,
    /// Their glances, in the order of their paths.
    pub(super) members: Vec<usize>,
    /// Keys that most of them have; empty where none can be read.
    core: BTreeSet<String>,
}

impl Group {
    /// The globs that match them.
    pub(super) fn globs(&self) -> Vec<String> {
        let part = |name: &Option<String>| name.as_deref().map_or_else(|| "*".to_owned(), literal);
        let folders: Vec<String> = self.folders.iter().map(part).collect();
        let with = |file: String| folders.iter().cloned().chain([file]).collect::<Vec<_>>().join("/");
        match &self.file {
            Some(file) => vec![with(literal(file))],
            None => self.extensions.iter().map(|extension| with(format!("*.{extension}"))).collect(),
        }
    }

    fn fixed(&self) -> usize {
        self.folders.iter().take_while(|name| name.is_some()).count()
    }

    /// The name of the innermost folder that is no star, and the folders around it.
    fn turn(&self) -> Option<(&[Option<String>], &str)> {
        let at = self.fixed().checked_sub(1)?;
        let name = self.folders.get(at)?.as_deref()?;
        Some((self.folders.get(..at)?, name))
    }
}

/// Puts files together.
pub(super) fn groups(glances: &[Glance], tree: &Tree) -> Vec<Group> {
    let mut groups = leaves(glances);
    for _ in 0..MOST_STARS {
        groups = joined(groups, glances);
    }
    let groups = alike(groups, glances);
    let (sure, rest): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(|group| is_collection(group, glances));
    if !sure.is_empty() {
        return sure;
    }
    // One product alone may be a library's first: a file that is called like it stands beside it.
    let first = rest.into_iter().filter_map(|group| first_of_its_kind(group, glances, tree)).next();
    first.into_iter().collect()
}

/// The files of one folder: together, or each alone where its name comes again in other folders.
fn leaves(glances: &[Glance]) -> Vec<Group> {
    let parent = |folder: &str| folder.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned());
    let named = glances.iter().filter(|glance| !glance.path.folder().is_empty());
    let recurring = counted(named.map(|glance| (parent(glance.path.folder()), glance.path.file_name())));
    let mut by_folder: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, glance) in glances.iter().enumerate() {
        by_folder.entry((glance.path.folder(), glance.path.extension())).or_default().push(at);
    }
    let mut groups = Vec::new();
    for ((folder, extension), members) in by_folder {
        let folders: Vec<Option<String>> =
            folder.split('/').filter(|name| !name.is_empty()).map(|name| Some(name.to_owned())).collect();
        let make = |file: Option<String>, members: Vec<usize>| {
            let core = core(&members, glances);
            Group { folders: folders.clone(), file, extensions: BTreeSet::from([extension.to_owned()]), members, core }
        };
        let path = |at: usize| glances.get(at).map(|glance| &glance.path);
        let file_name = |at: usize| path(at).map_or("", RepoPath::file_name);
        let is_foreign = |at: usize| path(at).is_some_and(names::is_read_by_programs);
        let is_own = |at: usize| path(at).is_some_and(|path| Some(path.stem()) == folder.rsplit('/').next());
        if let Some(own) = members.iter().copied().find(|at| is_own(*at)) {
            groups.push(make(Some(file_name(own).to_owned()), vec![own]));
            continue;
        }
        let keys = |at: usize| Some(glances.get(at)?.facts.as_ref()?.keys.as_ref());
        let common = core(&members, glances);
        // What says the same as its neighbours is one of them, even if a file in another folder is called like it.
        let is_like_the_others = |at: usize| keys(at).is_some_and(|keys| is_alike(keys, &common));
        let comes_again = |at: usize| {
            let is_known = recurring.get(&(parent(folder), file_name(at))).is_some_and(|count| *count > 1);
            is_known && (members.len() == 1 || !is_like_the_others(at))
        };
        let (again, mut rest): (Vec<usize>, Vec<usize>) =
            members.iter().copied().partition(|at| !folder.is_empty() && comes_again(*at));
        // Of a folder with many records some share their names with those of another folder.
        if again.len() * 3 >= members.len() {
            let named = again.into_iter().filter(|at| !is_foreign(*at));
            groups.extend(named.map(|at| make(Some(file_name(at).to_owned()), vec![at])));
        } else {
            rest = members;
        }
        let known: Vec<usize> = rest.iter().copied().filter(|at| !is_foreign(*at)).collect();
        let shared = core(&known, glances);
        let is_one_of_many = |at: usize| {
            let facts = glances.get(at).and_then(|glance| glance.facts.as_ref());
            !folder.is_empty() && known.len() > 2 && facts.is_some_and(|facts| is_alike(&facts.keys, &shared))
        };
        rest.retain(|at| !is_foreign(*at) || is_one_of_many(*at));
        match rest.as_slice() {
            [] => {}
            [one] if !folder.is_empty() => groups.push(make(Some(file_name(*one).to_owned()), rest.clone())),
            _ => groups.push(make(None, rest)),
        }
    }
    groups
}

/// Joins groups that differ in the name of one folder, one level further out.
fn joined(groups: Vec<Group>, glances: &[Glance]) -> Vec<Group> {
    type Place = (Vec<Option<String>>, usize, bool);
    let mut places: BTreeMap<Place, Vec<Group>> = BTreeMap::new();
    let mut done = Vec::new();
    for group in groups {
        match group.turn().map(|(around, _)| around.to_vec()) {
            Some(around) => {
                let place = (around, group.folders.len(), group.members.len() > 1);
                places.entry(place).or_default().push(group);
            }
            None => done.push(group),
        }
    }
    for ((_, _, is_many), siblings) in places {
        for cluster in clusters(siblings) {
            match is_joined(&cluster, is_many) {
                true => done.push(join(cluster, glances)),
                false => done.extend(cluster),
            }
        }
    }
    done.sort_by(|a, b| a.members.cmp(&b.members));
    done
}

/// Whether folders are only a way of sorting: each holds one record, or there are many, or they are numbered.
fn is_joined(cluster: &[Group], is_many: bool) -> bool {
    let names: BTreeSet<&str> = cluster.iter().filter_map(|group| Some(group.turn()?.1)).collect();
    let is_number = |name: &&str| name.len() <= 2 || name.chars().all(|c| c.is_ascii_digit() || c == '-');
    names.len() > 1 && (!is_many || names.len() >= MANY_FOLDERS || names.iter().all(is_number))
}

fn join(cluster: Vec<Group>, glances: &[Glance]) -> Group {
    let files: BTreeSet<Option<String>> = cluster.iter().map(|group| group.file.clone()).collect();
    let file = match files.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => one.clone(),
        _ => None,
    };
    let mut members: Vec<usize> = cluster.iter().flat_map(|group| group.members.iter().copied()).collect();
    members.sort_unstable();
    let extensions = cluster.iter().flat_map(|group| group.extensions.clone()).collect();
    let turn = cluster.first().map_or(0, Group::fixed).saturating_sub(1);
    let mut folders = cluster.into_iter().next().map(|group| group.folders).unwrap_or_default();
    if let Some(name) = folders.get_mut(turn) {
        *name = None;
    }
    let core = core(&members, glances);
    Group { folders, file, extensions, members, core }
}

/// Groups whose records share their keys. What cannot be read goes with the most.
fn clusters(groups: Vec<Group>) -> Vec<Vec<Group>> {
    let (readable, unreadable): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(|group| !group.core.is_empty());
    let mut clusters: Vec<Vec<Group>> = Vec::new();
    for group in readable {
        match clusters
            .iter_mut()
            .find(|cluster| cluster.first().is_some_and(|first| is_alike(&first.core, &group.core)))
        {
            Some(cluster) => cluster.push(group),
            None => clusters.push(vec![group]),
        }
    }
    match clusters.iter_mut().max_by_key(|cluster| cluster.len()) {
        Some(largest) => largest.extend(unreadable),
        None => clusters.extend(unreadable.into_iter().map(|group| vec![group])),
    }
    clusters
}

/// The same globs with other notations: one collection.
fn alike(groups: Vec<Group>, glances: &[Glance]) -> Vec<Group> {
    let mut kept: Vec<Group> = Vec::new();
    for group in groups {
        let same = |other: &&mut Group| {
            other.folders == group.folders
                && other.file.is_none()
                && group.file.is_none()
                && is_alike(&other.core, &group.core)
        };
        match kept.iter_mut().find(same) {
            Some(other) => {
                other.members.extend(&group.members);
                other.members.sort_unstable();
                other.extensions.extend(group.extensions);
                other.core = core(&other.members, glances);
            }
            None => kept.push(group),
        }
    }
    kept
}

/// Keys that four of five readable members have.
fn core(members: &[usize], glances: &[Glance]) -> BTreeSet<String> {
    let facts: Vec<_> = members.iter().filter_map(|at| glances.get(*at)?.facts.as_ref()).collect();
    let counts = counted(facts.iter().flat_map(|facts| facts.keys.iter()));
    counts.into_iter().filter(|(_, count)| count * 5 >= facts.len() * 4).map(|(key, _)| key.clone()).collect()
}

/// Whether at least half of the keys of the smaller set are in the other.
fn is_alike(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let shared = a.intersection(b).count();
    shared > 0 && shared * 2 >= a.len().min(b.len())
}

fn readable(group: &Group, glances: &[Glance]) -> usize {
    group.members.iter().filter(|at| glances.get(**at).is_some_and(|glance| glance.facts.is_some())).count()
}

/// Whether there are several records that have most of their keys in common.
fn is_collection(group: &Group, glances: &[Glance]) -> bool {
    let least = if group.folders.is_empty() { LEAST_AT_ROOT } else { 2 };
    let count = readable(group, glances);
    let facts = group.members.iter().filter_map(|at| glances.get(*at)?.facts.as_ref());
    let keys: usize = facts.map(|facts| facts.keys.len()).sum();
    count >= least && !group.core.is_empty() && group.core.len() * count * 3 >= keys
}

/// A single record in a folder of its own, with a file that is called like it.
fn first_of_its_kind(mut group: Group, glances: &[Glance], tree: &Tree) -> Option<Group> {
    let ([only], false) = (group.members.as_slice(), group.core.is_empty()) else { return None };
    let path = &glances.get(*only)?.path;
    let is_companion = |name: &str| name != path.file_name() && name.contains(path.stem());
    tree.folder(path.folder()).find(|entry| is_companion(entry.path.file_name()))?;
    let turn = group.fixed().checked_sub(1)?;
    *group.folders.get_mut(turn)? = None;
    group.file = None;
    Some(group)
}
