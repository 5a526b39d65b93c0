//! From a checked library to the plan for every target.

mod index;

pub use index::Index;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, SecondsFormat};
use rayon::prelude::*;

use self::index::{cached, indexed, indexing, is_out_of_reach, look_at_sources, own_index};
use super::excerpts::has_place;
use super::gather::Library;
use super::loops::{self, Looked};
use super::outside::Outside;
use super::places::{Found, Publishable};
use super::searchable;
use super::sources;
use crate::adapters::stop::Stopped;
use crate::catalog::asset::CompanionFile;
use crate::catalog::tree::{Entry, EntryKind};
use crate::downstream::{self, Announcement, Concerns, Slice};
pub use crate::downstream::{BadChoice, Choice};
use crate::embedding::plan::Actual;
use crate::embedding::{self, Wanted};
use crate::finding::Finding;
use crate::ids::{BlobId, CommitId, Sha256Hex, TargetName};
use crate::manifest::build::FileFacts;
use crate::manifest::format::{PublishedFinding, Source};
use crate::manifest::layout::Habits;
use crate::manifest::plan::{Action, Publication, plan as plan_publication, unread};
use crate::manifest::{self, Manifest, build};
pub use crate::plan::Plan;
use crate::plan::{Unread, embedding_target, is_source_target};
use crate::state::{Change, Delivered, State, TargetState, Timestamp};

/// How many files are hashed before their digests are remembered: what a run loses that ends in the middle.
const HASHED_AT_A_TIME: usize = 256;

/// Which targets are planned for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The places of the manifest.
    pub manifest: bool,
    /// The downstreams.
    pub dispatch: bool,
    /// The vector index.
    pub embed: bool,
    /// Whether more than a fifth of the indexed assets may vanish at once.
    pub allow_mass_delete: bool,
    /// Which of the downstreams, and whether they are told again what they have.
    pub choice: Choice,
}

impl Default for Scope {
    fn default() -> Self {
        Self { manifest: true, dispatch: true, embed: true, allow_mass_delete: false, choice: Choice::default() }
    }
}

impl Scope {
    fn restrict(&self, plan: &mut Plan, state: &State) -> anyhow::Result<()> {
        if !self.manifest {
            plan.publications.clear();
        }
        if !self.dispatch {
            plan.deliveries.clear();
        }
        if !self.embed {
            plan.indexes.clear();
            plan.unread.clear();
        }
        plan.deliveries = self.choice.restrict(std::mem::take(&mut plan.deliveries), state)?;
        Ok(())
    }
}

/// What should be, and what has to be done for it.
pub struct Desired {
    /// The manifest.
    pub publishable: Publishable,
    /// What each place holds, in the order of the places.
    pub found: Vec<Found>,
    /// The parts of the vector index, in the order of the plan's; none when the library has no index.
    pub indexes: Vec<Index>,
    /// What a downstream is told beside what changed for it.
    pub news: Announcement,
    /// What has to be done.
    pub plan: Plan,
    /// What the plan was made from: a target that has moved on since is left to the run that moved it.
    pub planned: State,
    /// What the index holds.
    pub indexed: Actual,
    /// Whether the index itself had to be asked, as the state could not tell.
    pub was_listed: bool,
    /// Whether the index holds something of which the state knows nothing and should, which is to be written down.
    pub is_index_strange: bool,
    /// Whether every place held the manifest already, also those that the scope leaves out.
    pub is_published: bool,
    /// Folders of this clone that have to get again what they are known to have had: a fresh checkout. That is no change.
    pub restored: BTreeSet<TargetName>,
    /// What was seen of loops, where something is to be delivered.
    pub loops: Looked,
}

impl Desired {
    /// Whether nothing is to be done and nothing to be found out: such a run changes nothing.
    pub fn is_settled(&self) -> bool {
        let is_idle = self.is_idle() && self.planned.run.is_none() && self.is_quiet() && !self.is_index_strange;
        self.plan.superseded.is_some() || is_idle
    }

    /// Whether some place or source could not be read, so that the plan cannot say what it lacks.
    pub fn is_partial(&self) -> bool {
        self.found.iter().any(|found| found.trouble.is_some()) || self.plan.unread.iter().any(|one| one.is_trouble)
    }

    /// Whether nothing is to be done that any other clone could see.
    fn is_idle(&self) -> bool {
        self.plan.is_empty_but_for(&self.restored)
    }

    /// Whether no target of the plan has anything under way or a failure that is over.
    fn is_quiet(&self) -> bool {
        let plan = &self.plan;
        let indexes = plan.indexes.iter().map(|index| &index.target);
        let mut of_ours = plan.publications.iter().map(|publication| &publication.target).chain(indexes);
        // A downstream that was never told and that nothing concerns keeps its failure: there is nothing to tell it.
        let is_quiet =
            |target: TargetState| target.intent.is_none() && target.failure.is_none() && target.delivered.is_some();
        let is_done =
            |target: TargetState| target.intent.is_none() && (target.failure.is_none() || target.delivered.is_none());
        // What is remembered of a source's files is what spares the next run to fetch them.
        let is_known = |index: &Index| {
            let known = self.planned.target(&index.target).delivered;
            index.texts.is_none() || known.is_some_and(|known| known.assets == index.assets)
        };
        of_ours.all(|name| is_quiet(self.planned.target(name)))
            && (plan.indexes.is_empty() || self.indexes.iter().all(is_known))
            && plan.deliveries.iter().all(|delivery| is_done(self.planned.target(&delivery.target)))
    }
}

/// What the targets hold now.
struct Present {
    state: State,
    found: Vec<Found>,
    vectors: Actual,
    /// The sources of the index that were not read.
    unread: Vec<Unread>,
    /// The texts whose vectors are at hand though no store holds them.
    cached: BTreeSet<Sha256Hex>,
    /// Whether `vectors` had to be asked of the index itself.
    is_listed: bool,
    /// Whether the state should have known of it.
    is_strange: bool,
}

/// What a library amounts to.
struct Made {
    publishable: Publishable,
    concerns: Concerns,
    indexes: Vec<Index>,
}

/// Works out what should be and compares it with what is.
///
/// Changes nothing, except that the digests of files are remembered if `remember` is set.
pub async fn plan(library: &Library, outside: &Outside, scope: Scope, remember: bool) -> anyhow::Result<Desired> {
    let mut made = make(library, outside, remember).await?;
    let state = outside.state.load().await?;
    let mut present = Present {
        state,
        found: Vec::new(),
        unread: Vec::new(),
        vectors: Actual::new(),
        cached: BTreeSet::new(),
        is_listed: false,
        is_strange: false,
    };
    for (_, target) in &outside.targets {
        // A place that cannot be read holds no other one up.
        present.found.push(made.publishable.look(target.as_ref()).await.unwrap_or_else(Found::unread));
    }
    if let Some(signal) = outside.stop().asked() {
        return Err(Stopped(signal).into());
    }
    if library.config.settings.embed.is_some() {
        match indexed(outside, &present.state).await {
            Ok(found) => {
                (present.vectors, present.is_listed) = found;
                if scope.embed {
                    let found = look_at_sources(library, outside, &made.indexes, &present).await;
                    made.indexes.extend(found.indexes);
                    present.unread = found.unread;
                }
                present.cached = cached(outside, &made.indexes, &present.vectors).await;
                present.is_strange = present.is_listed && !present.vectors.is_empty() && !outside.index_apart;
            }
            // A store that does not answer holds nothing else up.
            Err(error) if is_out_of_reach(&error) => {
                made.indexes.clear();
                let (target, why) = (embedding_target(), error.to_string());
                present.unread.push(Unread { target, why, is_trouble: true });
            }
            Err(error) => return Err(error),
        }
    }
    let is_forced = scope.choice.force;
    let mut desired = compare(library, outside, made, present, &scope)?;
    if let Some(newer) = unseen(library, outside, &desired).await {
        desired.plan = desired.plan.superseded_by(newer);
    }
    desired.loops = loops::look(library, &desired.plan.deliveries);
    if is_forced {
        desired.loops.withheld.clear();
    }
    for delivery in &mut desired.plan.deliveries {
        if let Some(why) = desired.loops.withheld.get(&delivery.name) {
            delivery.action = downstream::Action::Withheld;
            delivery.why.clone_from(why);
        }
    }
    Ok(desired)
}

/// What a sync would do after a merge, if every target is in step with `base` before it. Reads no target.
pub async fn plan_merge(library: &Library, base: &Library, outside: &Outside) -> anyhow::Result<Plan> {
    let made = make(library, outside, false).await?;
    let before = make(base, outside, false).await?;
    let mut state = State::new("", "");
    for (name, settings) in &base.config.settings.downstreams {
        let slice = Slice::of(&settings.receiver.identity(), &settings.when, before.concerns.of(&settings.when));
        let delivered = Delivered {
            commit: base.tree.commit.clone(),
            digest: slice.digest,
            assets: slice.assets,
            at: Timestamp(0),
        };
        state.apply(&Change::Deliver { target: outside.channel(name).target(name), delivered });
    }
    let held = |chunk: &Wanted| {
        let Wanted { id, asset, path, index, hash, .. } = chunk.clone();
        let (asset, path) = ((*asset).clone(), (*path).clone());
        (id, embedding::Held { asset, path, index, hash, certain: true })
    };
    let vectors = before.indexes.iter().map(|index| (index.namespace.clone(), index.wanted.iter().map(held).collect()));
    let targets = outside.targets.iter();
    let places = targets.map(|(_, target)| before.publishable.held_after(target.as_ref(), &made.publishable));
    let present = Present {
        state,
        found: places.collect::<anyhow::Result<_>>()?,
        unread: library.config.settings.embed.as_ref().map(|embed| sources::left_out(embed).unread).unwrap_or_default(),
        vectors: vectors.collect(),
        cached: BTreeSet::new(),
        is_listed: false,
        is_strange: false,
    };
    Ok(compare(library, outside, made, present, &Scope::default())?.plan)
}

async fn make(library: &Library, outside: &Outside, remember: bool) -> anyhow::Result<Made> {
    let facts = file_facts(library, outside, remember).await?;
    let settings = &library.config.settings;
    let manifest = build(&library.assets, &facts, &settings.manifest, source(library, outside))?;
    let concerns = Concerns::new(&settings.downstreams, manifest.assets.clone(), &library.assets, &facts);
    let habits = outside.targets.iter().map(|(_, target)| target.habits());
    let means = ((outside.clock)(), outside.sign.clone());
    let published =
        manifest::settings::Settings { search: Some(searchable::is_wanted(settings)), ..settings.manifest.clone() };
    let mut publishable = Publishable::new(manifest, published, shown_findings(library), means, habits)?;
    publishable.search = searchable::search(library)?;
    let indexes = match &settings.embed {
        Some(settings) => vec![own_index(library, outside, settings)?],
        None => Vec::new(),
    };
    Ok(Made { publishable, concerns, indexes })
}

/// What there is to look at, as far as it is published: for the catalogue page.
fn shown_findings(library: &Library) -> Vec<PublishedFinding> {
    let page = &library.config.settings.manifest.page;
    let shown = if page.is_wanted() && page.findings() { library.check.findings.as_slice() } else { &[] };
    let published = |finding: &Finding| PublishedFinding {
        code: finding.code.id.to_owned(),
        severity: finding.severity.to_string(),
        path: finding.path.to_string(),
        line: has_place(finding).then_some(finding.span.line),
        message: finding.message.clone(),
        help: finding.help.clone(),
    };
    shown.iter().map(published).collect()
}

fn source(library: &Library, outside: &Outside) -> Source {
    let commit = library.tree.commit.as_ref();
    let facts = commit.and_then(|commit| library.worktree.facts(commit));
    let date = facts.as_ref().and_then(|(_, seconds)| DateTime::from_timestamp(*seconds, 0));
    Source {
        repository: outside.repository.as_ref().map(ToString::to_string),
        commit: commit.map(ToString::to_string),
        tree: facts.map(|(tree, _)| tree),
        date: date.map(|date| date.to_rfc3339_opts(SecondsFormat::Secs, true)),
        modified: library.is_dirty(),
    }
}

fn compare(
    library: &Library,
    outside: &Outside,
    made: Made,
    present: Present,
    scope: &Scope,
) -> anyhow::Result<Desired> {
    let Made { publishable, concerns, indexes } = made;
    let settings = &library.config.settings;
    let publications = outside.targets.iter().zip(&present.found).map(|((name, target), found)| {
        let (offer, layout) = (publishable.offer(target.as_ref()), publishable.layout(target.habits())?);
        if let Some(trouble) = &found.trouble {
            return Ok(unread(name.clone(), target.place(), &offer, trouble.to_string()));
        }
        Ok(plan_publication(name.clone(), target.place(), &offer, layout, found.held.as_ref())?)
    });
    let mut plan = Plan {
        commit: library.tree.commit.clone(),
        dirty: library.is_dirty(),
        superseded: None,
        refusal: None,
        publications: publications.collect::<anyhow::Result<_>>()?,
        deliveries: downstream::plan(&settings.downstreams, &concerns, &present.state, &|name| outside.channel(name)),
        indexes: indexes.iter().map(|index| indexing(index, library.assets.len(), outside, &present, scope)).collect(),
        unread: present.unread.clone(),
    };
    let restored = restored(outside, &plan, &present);
    let is_published = plan.publications.iter().all(|publication| publication.action == Action::None);
    scope.restrict(&mut plan, &present.state)?;
    plan.refusal = plan.mass_delete().filter(|_| !scope.allow_mass_delete);
    if let Some(newer) = newer(library, outside, &present) {
        plan = plan.superseded_by(newer);
    }
    let news = announcement(library, outside, &publishable.manifest);
    let Present {
        state: planned, found, vectors: indexed, is_listed: was_listed, is_strange: is_index_strange, ..
    } = present;
    Ok(Desired {
        publishable,
        found,
        indexes,
        news,
        plan,
        planned,
        indexed,
        was_listed,
        is_index_strange,
        is_published,
        restored,
        loops: Looked::default(),
    })
}

/// The folders of this clone that lack what the state knows them to have had.
fn restored(outside: &Outside, plan: &Plan, present: &Present) -> BTreeSet<TargetName> {
    let own = outside.targets.iter().zip(&present.found);
    let own = own.filter(|((_, target), found)| target.is_own() && found.trouble.is_none());
    let own: BTreeSet<&TargetName> = own.map(|((name, _), _)| name).collect();
    let is_restored = |publication: &&Publication| {
        let known = present.state.target(&publication.target);
        let had = known.delivered.is_some_and(|delivered| delivered.digest == publication.digest);
        publication.action != Action::None && had && known.intent.is_none() && own.contains(&publication.target)
    };
    plan.publications.iter().filter(is_restored).map(|publication| publication.target.clone()).collect()
}

/// A commit of this repository that some target has and that descends from the one to be served, if there is one.
///
/// Files that differ from their commit are what somebody has in hand now: they are served.
fn newer(library: &Library, outside: &Outside, present: &Present) -> Option<CommitId> {
    let ours = library.tree.commit.as_ref().filter(|_| !library.is_dirty())?;
    let served = served_commits(&present.state);
    let served: BTreeSet<CommitId> = served.chain(published(outside, &present.found)).filter(|it| it != ours).collect();
    let worktree = &library.worktree;
    served.into_iter().find(|commit| worktree.descends(commit, ours) && worktree.is_kept(commit))
}

/// The commits of this repository that targets are known to have.
fn served_commits(state: &State) -> impl Iterator<Item = CommitId> {
    let targets = state.targets.iter().filter(|(name, _)| !is_source_target(name));
    targets.filter_map(|(_, target)| target.delivered.as_ref()?.commit.clone())
}

/// The commits of this repository that the places say to have.
fn published<'a>(outside: &'a Outside, found: &'a [Found]) -> impl Iterator<Item = CommitId> {
    let followed = outside.targets.iter().zip(found);
    // A release stands for its tag, whatever came after it.
    let followed = followed.filter(|((_, target), _)| target.habits() == Habits::Followed);
    let sources = followed.filter_map(|(_, found)| found.held.as_ref().map(|held| &held.root.source));
    let repository = outside.repository.as_ref().map(ToString::to_string);
    let ours = sources.filter(move |source| !source.modified && source.repository == repository);
    ours.filter_map(|source| CommitId::parse(source.commit.as_deref()?).ok())
}

/// A commit that some target has and that this clone lacks, where origin's branch is not at the commit to be served: whoever
/// served it had seen more than this clone has. Asked for only then, as that takes a request.
async fn unseen(library: &Library, outside: &Outside, desired: &Desired) -> Option<CommitId> {
    let ours = library.tree.commit.as_ref().filter(|_| !library.is_dirty())?;
    if desired.plan.superseded.is_some() || desired.is_settled() {
        return None;
    }
    let served = served_commits(&desired.planned);
    let served = served.chain(published(outside, &desired.found));
    let lacking = served.collect::<BTreeSet<_>>().into_iter().find(|commit| !library.worktree.has(commit))?;
    let ask = outside.tip.clone()?;
    let tip = tokio::task::spawn_blocking(move || ask()).await.ok().flatten()?;
    (tip != *ours && !library.worktree.descends(ours, &tip)).then_some(lacking)
}

fn announcement(library: &Library, outside: &Outside, manifest: &Manifest) -> Announcement {
    Announcement {
        repository: outside.repository.clone(),
        commit: library.tree.commit.clone(),
        // Another commit than HEAD's has no branch that we know of.
        reference: library.head.branch.clone().filter(|_| library.head.commit == library.tree.commit),
        manifest_url: outside.targets.iter().find_map(|(_, target)| target.address()),
        rollback: false,
        manifest_digest: Some(manifest.digest.clone()),
        schemas: manifest
            .schemas
            .iter()
            .map(|(name, versions)| (name.clone(), versions.keys().cloned().collect()))
            .collect(),
    }
}

/// Sizes and digests of all files of the assets; what was hashed once is known by its git object id.
async fn file_facts(library: &Library, outside: &Outside, remember: bool) -> anyhow::Result<FileFacts> {
    let files: BTreeMap<&BlobId, &CompanionFile> =
        library.assets.iter().flat_map(|asset| &asset.files).map(|file| (&file.blob, file)).collect();
    let blobs: Vec<BlobId> = files.keys().map(|blob| (*blob).clone()).collect();
    let mut facts: FileFacts = outside.state.known(&blobs).await?;
    let unknown: Vec<&CompanionFile> = files.into_values().filter(|file| !facts.contains_key(&file.blob)).collect();
    // Threads share the contents; the repository itself belongs to one thread.
    let contents = library.contents.as_ref();
    let hash = |file: &&CompanionFile| {
        let entry = Entry { path: file.path.clone(), blob: file.blob.clone(), kind: EntryKind::File };
        let fact = contents.fact(&entry).map_err(|error| anyhow!("the file {} cannot be read: {error}", file.path))?;
        Ok((file.blob.clone(), fact))
    };
    for page in unknown.chunks(HASHED_AT_A_TIME) {
        if let Some(signal) = outside.stop().asked() {
            return Err(Stopped(signal).into());
        }
        let hashed: FileFacts = page.par_iter().map(hash).collect::<anyhow::Result<_>>()?;
        if remember {
            outside.state.remember(&hashed).await.context("the digests of files could not be remembered")?;
        }
        facts.extend(hashed);
    }
    Ok(facts)
}
