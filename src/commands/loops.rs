//! Whether what is about to be delivered is nothing but a loop: the same values that programs change again and again.

use std::collections::{BTreeMap, BTreeSet};

use super::gather::Library;
use crate::adapters::worktree::{CommitContents, FileChange, History, PastCommit, Reach};
use crate::catalog::asset::{Asset, meaning};
use crate::catalog::collection::Collection;
use crate::catalog::pointer::PointerPattern;
use crate::catalog::record::Candidate;
use crate::catalog::tree::{Contents, Entry, EntryKind};
use crate::downstream::loops::{ALIKE, Author, Loop, Loops, Past, SYNC_LOOP, Touch, differing, loops, programs};
use crate::downstream::{Action, Delivery, Interest, OnLoop};
use crate::finding::words::count;
use crate::finding::{Finding, Span};
use crate::ids::{AssetKey, BlobId, CollectionName, CommitId, DownstreamName, RepoPath};

/// How far back it is looked: loops that are slower rebuild nobody's site all day.
const REACH: Reach = Reach { commits: 50, seconds: 24 * 60 * 60, files: 1_000, entries: 4_000_000 };
/// How many files may have changed since a delivery, for it to be known what they were.
const SINCE: Reach = Reach { files: 50_000, ..REACH };
/// How many records of one commit are read, in the order of their paths; they stand for those that are not.
const MOST_RECORDS: usize = 256;
/// How much of records is read in all, in bytes, and of one.
const MOST_BYTES: u64 = 32 * 1024 * 1024;
const MOST_BYTES_SINCE: u64 = 128 * 1024 * 1024;
const MOST_OF_ONE: u64 = 1024 * 1024;
/// How many pointers a sentence names, and how many records a finding.
const MOST_SAID: usize = 3;
const MOST_RELATED: usize = 9;

/// What was found before anything is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looked {
    /// The loops that have to do with what is to be delivered, as warnings at their records.
    pub findings: Vec<Finding>,
    /// The downstreams for which nothing but a loop is new, each with a sentence that says so; none where loops do not
    /// stop deliveries.
    pub withheld: BTreeMap<DownstreamName, String>,
    /// What could not be looked at, and why.
    pub note: Option<String>,
}

/// Looks at the last commits, where there is anything to be delivered that could be a loop's.
pub fn look(library: &Library, deliveries: &[Delivery]) -> Looked {
    let on_loop = library.config.settings.dispatch.on_loop;
    let news: Vec<&Delivery> = deliveries.iter().filter(|delivery| is_news(delivery)).collect();
    let Some(tip) = &library.tree.commit else { return Looked::default() };
    if on_loop == OnLoop::Off || news.is_empty() || library.is_dirty() {
        return Looked::default();
    }
    let history = match library.worktree.history(tip, &REACH) {
        Ok(history) => history,
        Err(error) => {
            return Looked { note: Some(format!("loops were not looked for: {error}")), ..Looked::default() };
        }
    };
    let note = history.is_cut_off.then(|| {
        let seen = match history.commits.len() {
            0 => "not looked for".to_owned(),
            seen => format!("looked for in {} alone", count(seen, "commit")),
        };
        format!("loops were {seen}: the clone is shallow (`fetch-depth: 50` in actions/checkout is enough)")
    });
    let mut records = Records::of(&library.config.collections, library.worktree.objects());
    let pasts = records.pasts(&history);
    let found = loops(&pasts);
    if found.is_empty() {
        return Looked { note, ..Looked::default() };
    }
    let programs = programs(&pasts);
    let by_people = history.commits.iter().zip(&pasts).filter(|(_, past)| !programs.contains(&past.author));
    let mut suspicion = Suspicion {
        library,
        tip,
        assets: assets(library, &news),
        loops: &found,
        of_people: by_people.map(|(commit, _)| commit).collect(),
        is_sampled: records.is_sampled,
        records,
    };
    let mut concerned: BTreeSet<RepoPath> = BTreeSet::new();
    let mut withheld = BTreeMap::new();
    for delivery in news {
        let Some(settings) = library.config.settings.downstreams.get(&delivery.name) else { continue };
        let interest = Interest::of(&settings.when);
        let caught = suspicion.caught(delivery, &interest);
        let own = suspicion.records_of(delivery).filter(|path| found.contains_key(*path));
        concerned.extend(own.filter(|path| caught.is_some() || interest.reads_whole(path)).cloned());
        withheld.extend(caught.map(|why| (delivery.name.clone(), why)));
    }
    if on_loop == OnLoop::Warn {
        withheld.clear();
    }
    let told = found.iter().filter(|(path, _)| concerned.contains(*path));
    Looked { findings: findings(library, told), withheld, note }
}

/// Whether it is to be told of changes of what it surely has. Who was never told, or perhaps of something else, is told.
fn is_news(delivery: &Delivery) -> bool {
    let is_known = delivery.known.delivered.is_some() && delivery.known.intent.is_none();
    delivery.action == Action::Deliver && is_known && !delivery.delta.changed.is_empty()
}

fn assets<'l>(library: &'l Library, news: &[&Delivery]) -> BTreeMap<&'l AssetKey, &'l Asset> {
    let changed: BTreeSet<&AssetKey> = news.iter().flat_map(|delivery| &delivery.delta.changed).collect();
    let concerned = library.assets.iter().filter(|asset| changed.contains(&asset.key));
    concerned.map(|asset| (&asset.key, asset)).collect()
}

/// Reads records as commits had them, as far as the means go.
struct Records<'l> {
    collections: &'l [Collection],
    contents: CommitContents,
    /// How many bytes may still be read.
    left: u64,
    /// What records said in the commit that was looked at last: the one before it wrote that.
    last: BTreeMap<RepoPath, (BlobId, Option<serde_json::Value>)>,
    /// Whether there were more records than are read.
    is_sampled: bool,
}

impl<'l> Records<'l> {
    fn of(collections: &'l [Collection], contents: CommitContents) -> Self {
        Self { collections, contents, left: MOST_BYTES, last: BTreeMap::new(), is_sampled: false }
    }

    fn collection(&self, path: &RepoPath) -> Option<&'l Collection> {
        self.collections.iter().find(|collection| collection.holds(path))
    }

    /// What the commits did to records, each in turn. Those of people are not read.
    fn pasts(&mut self, history: &History) -> Vec<Past> {
        let author = |past: &PastCommit| Author { name: past.name.clone(), email: past.email.clone() };
        let mut commits: BTreeMap<Author, usize> = BTreeMap::new();
        history.commits.iter().for_each(|past| *commits.entry(author(past)).or_default() += 1);
        let is_suspect = |author: &Author| author.is_program() || commits.get(author).is_some_and(|n| *n >= ALIKE);
        let past = |commit: &PastCommit| {
            let author = author(commit);
            let (touches, has_more) = match is_suspect(&author) {
                true => self.touches(commit),
                false => (BTreeMap::new(), true),
            };
            Past { author, subject: commit.subject.clone(), touches, has_more }
        };
        history.commits.iter().map(past).collect()
    }

    fn touches(&mut self, commit: &PastCommit) -> (BTreeMap<RepoPath, Touch>, bool) {
        let (mut touches, mut has_more) = (BTreeMap::new(), !commit.is_whole);
        self.is_sampled |= has_more;
        for FileChange { path, before, after } in &commit.changes {
            let (Some(collection), Some(before), Some(after)) = (self.collection(path), before, after) else {
                has_more = true;
                continue;
            };
            let touch = match touches.len() < MOST_RECORDS {
                true => self.touch(collection, path, before, after),
                false => {
                    self.is_sampled = true;
                    Some(Touch::Unknown)
                }
            };
            touches.extend(touch.map(|touch| (path.clone(), touch)));
        }
        (touches, has_more)
    }

    /// What was done to a record; nothing where it means the same.
    fn touch(&mut self, collection: &Collection, path: &RepoPath, before: &BlobId, after: &BlobId) -> Option<Touch> {
        let now = match self.last.remove(path) {
            Some((blob, value)) if blob == *after => value,
            _ => self.meaning(collection, path, after),
        };
        let then = self.meaning(collection, path, before);
        let differing = then.as_ref().zip(now.as_ref()).and_then(|(then, now)| differing(then, now));
        self.last.insert(path.clone(), (before.clone(), then));
        match differing {
            Some(pointers) if pointers.is_empty() => None,
            Some(pointers) => Some(Touch::Values { collection: collection.name.clone(), pointers }),
            None => Some(Touch::Unknown),
        }
    }

    /// What a record meant, by the collection as it is now.
    fn meaning(&mut self, collection: &Collection, path: &RepoPath, blob: &BlobId) -> Option<serde_json::Value> {
        let entry = Entry { path: path.clone(), blob: blob.clone(), kind: EntryKind::File };
        let (_, bytes) = self.contents.head(&entry, 0).ok()?;
        if bytes > MOST_OF_ONE || bytes > self.left {
            self.is_sampled = true;
            return None;
        }
        self.left -= bytes;
        let record = Candidate { collection, entry: &entry }.load(&self.contents).0?;
        Some(meaning(collection, record.document.value))
    }
}

/// Loops, and all that can clear what is to be delivered from being their work.
struct Suspicion<'l> {
    library: &'l Library,
    tip: &'l CommitId,
    assets: BTreeMap<&'l AssetKey, &'l Asset>,
    loops: &'l Loops,
    /// The commits that people made, the newest first.
    of_people: Vec<&'l PastCommit>,
    is_sampled: bool,
    records: Records<'l>,
}

impl<'l> Suspicion<'l> {
    fn records_of(&self, delivery: &Delivery) -> impl Iterator<Item = &'l RepoPath> {
        let assets = delivery.delta.changed.iter().filter_map(|key| self.assets.get(key));
        assets.map(|asset| &asset.record).collect::<Vec<_>>().into_iter()
    }

    /// A sentence where nothing but loops is new for a downstream: every asset that changed for it is a record of a loop, no
    /// person touched it since the last delivery, and since then no other value of it became another one. Where any of that
    /// cannot be seen, it is delivered.
    fn caught(&mut self, delivery: &Delivery, interest: &Interest) -> Option<String> {
        let delta = &delivery.delta;
        if !delta.added.is_empty() || !delta.removed.is_empty() {
            return None;
        }
        let changed: Vec<&Asset> =
            delta.changed.iter().map(|key| self.assets.get(key).copied()).collect::<Option<_>>()?;
        // Cheap, and clears most deliveries before any file is read.
        let pointers: Vec<BTreeSet<String>> =
            changed.iter().map(|asset| self.pointers(asset)).collect::<Option<_>>()?;
        let told = delivery.known.delivered.as_ref()?.commit.as_ref()?;
        let since = Since::new(self, told)?;
        self.records.left = MOST_BYTES_SINCE;
        for (asset, pointers) in changed.iter().zip(&pointers) {
            self.is_idle(asset, pointers, &since, interest).then_some(())?;
        }
        let said: BTreeSet<&String> = pointers.iter().flatten().collect();
        let authors = changed.iter().filter_map(|asset| self.loops.get(&asset.record)).flat_map(|one| &one.authors);
        let authors: BTreeSet<&str> = authors.map(String::as_str).collect();
        Some(format!(
            "nothing is new for it but a loop: {} of {}, which {} changes again and again",
            listed(said.into_iter().map(String::as_str)),
            count(changed.len(), "record"),
            listed(authors.into_iter())
        ))
    }

    /// The pointers that loop in an asset's record. Where not all records were read, those that were stand for the others of
    /// their collection.
    fn pointers(&self, asset: &Asset) -> Option<BTreeSet<String>> {
        if let Some(found) = self.loops.get(&asset.record) {
            return Some(found.pointers.clone());
        }
        let of_collection = self.loops.values().filter(|found| found.collection == asset.key.collection);
        let pointers: BTreeSet<String> = of_collection.flat_map(|found| found.pointers.clone()).collect();
        Some(pointers).filter(|pointers| self.is_sampled && !pointers.is_empty())
    }

    fn is_idle(&mut self, asset: &Asset, pointers: &BTreeSet<String>, since: &Since, interest: &Interest) -> bool {
        let path = &asset.record;
        if since.of_people.contains(path) || since.has_other_files(asset, interest) {
            return false;
        }
        let Some(collection) = self.records.collection(path) else { return false };
        let Some(before) = since.records.get(path) else { return false };
        let Some(before) = self.records.meaning(collection, path, before) else { return false };
        let differing = differing(&interest.part(path, &before), &interest.part(path, &asset.meaning));
        differing.is_some_and(|differing| !differing.is_empty() && differing.is_subset(pointers))
    }
}

/// What has changed since a downstream was told the last time.
struct Since {
    /// The files that people changed.
    of_people: BTreeSet<RepoPath>,
    /// The records that changed, as they were.
    records: BTreeMap<RepoPath, BlobId>,
    /// The other files that changed, and the folders that they are in, at whatever depth.
    files: BTreeSet<RepoPath>,
    folders: BTreeSet<String>,
}

impl Since {
    /// None where not all of it can be seen.
    fn new(suspicion: &Suspicion<'_>, told: &CommitId) -> Option<Self> {
        let worktree = &suspicion.library.worktree;
        if !worktree.descends(suspicion.tip, told) {
            return None;
        }
        let (changes, is_whole) = worktree.differences(told, suspicion.tip, &SINCE)?;
        let newer = suspicion.of_people.iter().take_while(|commit| worktree.descends(&commit.commit, told));
        let newer: Vec<&&PastCommit> = newer.collect();
        if !is_whole || newer.iter().any(|commit| !commit.is_whole) {
            return None;
        }
        let of_people = newer.iter().flat_map(|commit| commit.changes.iter().map(|change| change.path.clone()));
        let mut since = Self {
            of_people: of_people.collect(),
            records: BTreeMap::new(),
            files: BTreeSet::new(),
            folders: BTreeSet::new(),
        };
        for FileChange { path, before, .. } in changes {
            let folders = std::iter::successors(Some(path.folder()), |at| Some(at.rsplit_once('/')?.0));
            if suspicion.records.collection(&path).is_none() {
                since.folders.extend(folders.map(str::to_owned));
            }
            since.files.insert(path.clone());
            since.records.extend(before.map(|blob| (path, blob)));
        }
        Some(since)
    }

    /// Whether a file changed that is the asset's, or that was and has gone: any beside the record may have been.
    fn has_other_files(&self, asset: &Asset, interest: &Interest) -> bool {
        let counts = |path: &RepoPath| interest.is_whole() || interest.matches(path);
        let is_beside = interest.reads_files() && self.folders.contains(asset.record.folder());
        is_beside || asset.files.iter().any(|file| self.files.contains(&file.path) && counts(&file.path))
    }
}

/// A warning for each kind of loop, at the first of its records.
fn findings<'f>(library: &Library, found: impl Iterator<Item = (&'f RepoPath, &'f Loop)>) -> Vec<Finding> {
    type Kind<'f> = (&'f CollectionName, &'f BTreeSet<String>, &'f BTreeSet<String>);
    let mut kinds: BTreeMap<Kind<'_>, Vec<(&RepoPath, usize)>> = BTreeMap::new();
    for (path, one) in found {
        kinds.entry((&one.collection, &one.pointers, &one.authors)).or_default().push((path, one.commits));
    }
    let finding = |((collection, pointers, authors), records): (Kind<'_>, Vec<(&RepoPath, usize)>)| {
        let ((first, _), others) = records.split_first()?;
        let commits = records.iter().map(|(_, commits)| *commits).max().unwrap_or_default();
        let message = format!(
            "a loop: {} changed nothing but {} of {} again and again, in {commits} commits within a day",
            listed(authors.iter().map(String::as_str)),
            listed(pointers.iter().map(String::as_str)),
            count(records.len(), "record"),
        );
        let known = library.config.collections.iter().find(|it| it.name == *collection)?;
        let volatile = known.settings.volatile.iter().chain(pointers);
        let volatile: Vec<String> = volatile.map(|text| serde_json::Value::from(text.as_str()).to_string()).collect();
        let help = format!(
            "if these values mean nothing to those who read the library, write below {collection} in {}: volatile: [{}]; \
             if they do, set `dispatch: {{ on_loop: off }}`",
            library.config.path,
            volatile.join(", ")
        );
        let (place, pointer) = place(library, known, first, pointers);
        let finding = Finding::warning(&SYNC_LOOP, (*first).clone(), message).at(place).about(pointer).help(help);
        Some(others.iter().take(MOST_RELATED).fold(finding, |finding, (path, _)| finding.related((*path).clone())))
    };
    kinds.into_iter().filter_map(finding).collect()
}

/// Where the first of the values is in a record.
fn place(library: &Library, collection: &Collection, path: &RepoPath, pointers: &BTreeSet<String>) -> (Span, String) {
    let entry = library.tree.get(path.as_str());
    let record = entry.and_then(|entry| Candidate { collection, entry }.load(library.contents.as_ref()).0);
    let Some(record) = record else { return (Span::start(), String::new()) };
    let exact = |text: &String| {
        let found = PointerPattern::new(text).select(&record.document.value);
        found.into_iter().next().map(|(pointer, _)| pointer)
    };
    match pointers.iter().find_map(exact) {
        Some(pointer) => (record.document.places().nearest(&pointer), pointer),
        None => (Span::start(), String::new()),
    }
}

/// The first few, and how many more there are.
fn listed<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let texts: Vec<&str> = texts.collect();
    let more = texts.len().saturating_sub(MOST_SAID);
    let said: Vec<&str> = texts.into_iter().take(MOST_SAID).collect();
    match (said.as_slice(), more) {
        ([], _) => "somebody".to_owned(),
        ([one], _) => (*one).to_owned(),
        ([others @ .., last], 0) => format!("{} and {last}", others.join(", ")),
        (said, more) => format!("{} and {more} more", said.join(", ")),
    }
}

#[cfg(test)]
mod tests;
