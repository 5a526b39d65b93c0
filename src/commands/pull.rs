//! Brings a folder to the state of a published manifest: admit the root, find the way, plan, fetch, and put into place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tokio::task::JoinSet;

use crate::adapters::download::{DownloadError, Wanted, download};
use crate::adapters::mirror_folder::{FolderError, MirrorFolder};
use crate::adapters::publication::{KnownRoot, ManifestSource, PublicationError, Stored, Web};
use crate::adapters::stop::{Stop, Stopped};
use crate::adapters::turn::Turn;
use crate::ids::Sha256Hex;
use crate::manifest::files::{copy_of, signature_of};
use crate::manifest::format::Root;
use crate::manifest::signature::{PublicKey, Signature, SignatureError};
use crate::mirror::admission::{Allowed, refuse_expired, refuse_older};
use crate::mirror::choice::Choice;
use crate::mirror::documents::{self, Document, MOST_ROOT, flaw};
use crate::mirror::draft::refuse_changed;
use crate::mirror::outcome::{Fetched, Outcome, Pulled};
use crate::mirror::plan::{Known, Losses, Origin, Plan, losses, plan};
use crate::mirror::record::Record;
use crate::mirror::route::{Arrival, Route};

/// How many requests are under way at once.
const AT_ONCE: usize = 8;
/// How many documents a pull must want before they are kept for a next one that takes up where this one ended.
const WORTH_KEEPING: usize = 4;
/// The largest signature.
const MOST_SIGNATURE: u64 = 8 << 10;

/// So many bytes more than a document may have are read of it.
const TOO_MANY: u64 = 64 << 10;

/// What is under way, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What there is to do, in a word or two.
    pub what: &'static str,
    /// How many of them are done.
    pub done: usize,
    /// How many there are.
    pub all: usize,
    /// How many bytes those have that are done.
    pub bytes: u64,
    /// How many bytes all of them have.
    pub all_bytes: u64,
}

/// What somebody wants to be pulled, and how.
pub struct Wish<'w> {
    /// The source, as it is shown.
    pub shown: String,
    /// What is wanted of it.
    pub choice: Choice,
    /// The key that must have signed it, if any.
    pub key: Option<PublicKey>,
    /// The SHA-256 of the root of the edition that is wanted; none for the newest one.
    pub edition: Option<Sha256Hex>,
    /// What may take the place of the edition that the folder has.
    pub allowed: Allowed,
    /// Whether files that cannot be fetched may stay away.
    pub keeps_going: bool,
    /// The time now, in seconds since 1970.
    pub now: i64,
    /// Who watches.
    pub watch: &'w (dyn Fn(Progress) + Sync),
}

/// A folder whose turn it is.
#[derive(Debug)]
pub struct Begun {
    folder: MirrorFolder,
    turn: Option<Turn>,
    record: Option<Record>,
    /// Whether a pull that had been killed was brought to its end.
    finished: bool,
    /// What that one has left, as somebody had changed it meanwhile.
    left: Vec<String>,
}

/// Takes the folder's turn, and brings a pull to its end that was killed among its renames.
pub fn begin(folder: MirrorFolder) -> Result<Begun, FolderError> {
    // A folder into which nothing was pulled yet is made when there is something to put into it.
    if !folder.is_followed()? {
        return Ok(Begun { folder, turn: None, record: None, finished: false, left: Vec::new() });
    }
    let turn = folder.turn()?;
    let finished = folder.finish()?;
    let (finished, left) = (finished.is_some(), finished.unwrap_or_default());
    Ok(Begun { record: folder.record()?, folder, turn: Some(turn), finished, left })
}

impl Begun {
    /// The root that the folder has of this source, and what the server calls it.
    pub fn known(&self, shown: &str) -> Option<KnownRoot> {
        let record = self.record.as_ref().filter(|record| record.source == shown)?;
        Some(KnownRoot { etag: record.etag.clone()?, bytes: self.folder.root(record)? })
    }

    /// Makes sure that nobody else changes the folder, and that there is room for what is fetched.
    fn hold(&mut self) -> Result<(), FolderError> {
        if self.turn.is_none() {
            self.turn = Some(self.folder.turn()?);
            if self.folder.record()?.is_some() {
                return Err(self.folder.busy());
            }
        }
        self.folder.prepare()
    }
}

/// A root that is what its source says today.
pub struct Admitted {
    /// The root.
    pub root: Root,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What the source calls its newest root, where this is that one.
    pub etag: Option<String>,
    /// The id of the key that has signed it, where one was asked for.
    pub signed_by: Option<String>,
}

/// Fetches the root of an edition, or of the newest one, and verifies its signature where a key is given.
pub async fn admit(
    source: &dyn ManifestSource,
    edition: Option<&Sha256Hex>,
    key: Option<&PublicKey>,
) -> anyhow::Result<Admitted> {
    let place = source.place();
    let (bytes, etag) = match edition {
        Some(edition) => (root_of(source, edition).await?, None),
        None => {
            let root = source.root().await?;
            let absent = || anyhow!("there is no manifest at {place}: manifest.json is not there");
            let Stored { bytes, version } = root.ok_or_else(absent)?;
            (bytes, Some(version.0))
        }
    };
    let signed_by = match key {
        None => None,
        Some(key) => {
            let name = signature_of(&bytes);
            let signature = source.read(&name, MOST_SIGNATURE).await?;
            let signature = signature.ok_or(SignatureError::Absent(name));
            let signature = signature.with_context(|| format!("the manifest at {place} is not signed"))?;
            let verified = Signature::parse(&signature).and_then(|signature| key.verify(&bytes, &signature));
            verified.with_context(|| format!("the signature of the manifest at {place} is no good"))?;
            Some(key.id())
        }
    };
    let root = documents::root(&bytes).with_context(|| format!("the manifest at {place} cannot be used"))?;
    Ok(Admitted { root, bytes, etag, signed_by })
}

/// The root of one edition: the bytes that its name promises.
async fn root_of(source: &dyn ManifestSource, edition: &Sha256Hex) -> anyhow::Result<Vec<u8>> {
    let (place, name) = (source.place(), copy_of(edition));
    let bytes = source.read(&name, MOST_ROOT).await?.ok_or_else(|| {
        anyhow!(
            "{name} is not at {place}: an edition's files stay for a day after the next one, and an older Stockroom does not \
             publish this one. Name the place alone for its newest edition"
        )
    })?;
    let found = Sha256Hex::of(&bytes);
    if found != *edition {
        let why = format!("is not what its name says: its SHA-256 is {found}");
        return Err(flaw(&name, why)).with_context(|| format!("the edition at {place} cannot be used"));
    }
    Ok(bytes)
}

/// Brings the folder to the state of the manifest. Where it fails, nothing in the folder has changed, unless it says so.
pub async fn pull(
    mut begun: Begun,
    source: Arc<dyn ManifestSource>,
    web: &Web,
    wish: &Wish<'_>,
    stop: &Stop,
) -> anyhow::Result<Pulled> {
    let admitted = admit(&*source, wish.edition.as_ref(), wish.key.as_ref()).await?;
    let root = &admitted.root;
    let before = begun.record.take();
    refuse_unwanted(root, before.as_ref(), wish)?;
    let whole = before.clone().unwrap_or_else(|| Record::empty(&wish.shown, wish.choice.clone()));
    let mut record = whole.clone();
    let Losses { lost, entries } = losses(&record, &wish.choice, &mut begun.folder);
    record.forget(&lost);
    let held = before.is_some().then_some(&record);
    let route = Route::new(root, &wish.choice, held, lost.is_empty());
    let arrival = travel(route, &mut begun, &source, wish, stop).await?;
    let (way, detours) = (arrival.way, arrival.detours.clone());
    let (choice, root_bytes, shown) = (&wish.choice, &admitted.bytes, &wish.shown);
    let etag = admitted.etag.clone();
    let known =
        Known { root, root_bytes, source: shown, etag, choice, before: &whole, record: &record, entries, arrival };
    let mut plan = plan(known, &mut begun.folder)?;
    let (mut fetched, mut left) = (Fetched::default(), std::mem::take(&mut begun.left));
    let has_news = !plan.is_empty() || before.as_ref() != Some(&plan.record);
    if has_news {
        begun.hold()?;
        fetched = stage(&mut plan, &record, &begun.folder, web, wish, stop).await?;
        let _under_way = stop.hold()?;
        refuse_changed(&plan, &record, &mut begun.folder)?;
        left.extend(begun.folder.apply(&plan)?);
    } else if begun.turn.is_some() {
        // A pull that was killed at its very end may have left it.
        begun.folder.clear_staged();
    }
    let (requests, bytes) = web.traffic.so_far();
    let is_whole = fetched.missing.is_empty() && left.is_empty() && !plan.leaves_differences();
    plan.leave(left);
    let outcome = match (is_whole, plan.is_empty()) {
        (false, _) => Outcome::Partial,
        (true, true) => Outcome::Unchanged,
        (true, false) => Outcome::Updated,
    };
    let came_from = before.filter(|record| record.source != wish.shown).map(|record| record.source);
    let (finished, signed_by) = (begun.finished, admitted.signed_by);
    let root = admitted.root;
    Ok(Pulled {
        outcome,
        source: shown.clone(),
        root,
        way,
        detours,
        plan,
        fetched,
        requests,
        bytes,
        finished,
        signed_by,
        came_from,
    })
}

/// Refuses an edition that is over, or takes the folder back, or lacks what is wanted.
fn refuse_unwanted(root: &Root, before: Option<&Record>, wish: &Wish<'_>) -> anyhow::Result<()> {
    let refused = || format!("the manifest at {} is not taken", wish.shown);
    refuse_expired(root, wish.now).with_context(refused)?;
    refuse_older(root, before, wish.allowed).with_context(refused)?;
    match wish.choice.missing(root).as_slice() {
        [] => Ok(()),
        [missing, ..] => {
            let there: Vec<&str> = root.collections.keys().map(String::as_str).collect();
            Err(anyhow!("the manifest has no collection {missing:?}; it has {}", there.join(", ")))
        }
    }
}

/// Fetches what the route wants until it is at its end.
async fn travel(
    mut route: Route<'_>,
    begun: &mut Begun,
    source: &Arc<dyn ManifestSource>,
    wish: &Wish<'_>,
    stop: &Stop,
) -> anyhow::Result<Arrival> {
    loop {
        let mut wants = route.wants();
        if wants.is_empty() {
            return route.arrival().ok_or_else(|| anyhow!("the way to the manifest has no end"));
        }
        let is_many = wants.len() > WORTH_KEEPING;
        if is_many {
            begun.hold()?;
        }
        let (all, all_bytes) = (wants.len(), sum(wants.iter().map(|want| want.bytes)));
        let (mut done, mut bytes, mut under_way) = (0, 0, JoinSet::new());
        while !(wants.is_empty() && under_way.is_empty()) {
            refuse_if_asked(stop)?;
            while under_way.len() < AT_ONCE {
                let Some(want) = wants.pop() else { break };
                let (source, folder) = (Arc::clone(source), begun.folder.clone());
                under_way.spawn(async move { document(&*source, &folder, want, is_many).await });
            }
            let Some(came) = under_way.join_next().await else { break };
            let (document, came) = came??;
            route.take(&document, came.as_deref())?;
            (done, bytes) = (done + 1, sum([bytes, document.bytes]));
            (wish.watch)(Progress { what: "parts of the manifest", done, all, bytes, all_bytes });
        }
    }
}

/// A document: from what an earlier pull has kept, else from the source.
async fn document(
    source: &dyn ManifestSource,
    folder: &MirrorFolder,
    want: Document,
    is_kept: bool,
) -> anyhow::Result<(Document, Option<Vec<u8>>)> {
    if is_kept && let Some(bytes) = folder.staged_bytes(&want.sha256).filter(|bytes| want.refuse_other(bytes).is_ok()) {
        return Ok((want, Some(bytes)));
    }
    let came = read(source, &want).await?;
    if let Some(bytes) = came.as_deref().filter(|bytes| is_kept && want.refuse_other(bytes).is_ok()) {
        folder.stage(&want.sha256, bytes)?;
    }
    Ok((want, came))
}

/// A document; where it is somewhat larger than it may be, as a web page in its place often is, so that its flaw can be told.
pub async fn read(source: &dyn ManifestSource, want: &Document) -> Result<Option<Vec<u8>>, PublicationError> {
    source.read(&want.path, want.bytes.saturating_add(TOO_MANY)).await
}

fn refuse_if_asked(stop: &Stop) -> Result<(), Stopped> {
    stop.asked().map_or(Ok(()), |signal| Err(Stopped(signal)))
}

/// Has everything staged that the plan places; what stays away is taken out of the plan, where that is allowed.
async fn stage(
    plan: &mut Plan,
    before: &Record,
    folder: &MirrorFolder,
    web: &Web,
    wish: &Wish<'_>,
    stop: &Stop,
) -> anyhow::Result<Fetched> {
    let (mut fetched, mut wanted) = (Fetched::default(), BTreeMap::new());
    for placement in &plan.place {
        match &placement.origin {
            Origin::Bytes(bytes) => folder.stage(placement.sha256.as_str(), bytes)?,
            Origin::Copy(path) if folder.stage_copy(&placement.sha256, path)? => fetched.copied += 1,
            Origin::Copy(path) => return Err(anyhow!("{path} has changed while it was being copied; pull again")),
            Origin::Address(url) => {
                wanted.insert(placement.sha256.clone(), (url.clone(), placement.bytes));
            }
        }
    }
    wanted.retain(|sha256, (_, bytes)| !folder.is_staged(sha256, *bytes));
    folder.refuse_overflow(wanted.iter().map(|(sha256, (_, bytes))| (sha256, *bytes)))?;
    let failed = fetch(wanted, folder, web, wish, stop, &mut fetched).await?;
    let first = failed.values().next();
    if let (false, Some(why)) = (wish.keeps_going, first) {
        let more =
            if failed.len() > 1 { format!(" ({} more files likewise)", failed.len() - 1) } else { String::new() };
        return Err(anyhow!(
            "a file cannot be fetched: {why}{more}. Nothing in the folder has changed; --keep-going takes the rest without it"
        ));
    }
    for placement in plan.place.extract_if(.., |placement| failed.contains_key(&placement.sha256)) {
        let why = failed.get(&placement.sha256).cloned().unwrap_or_default();
        match before.placed.get(&placement.path) {
            Some(placed) => plan.record.placed.insert(placement.path.clone(), placed.clone()),
            None => plan.record.placed.remove(&placement.path),
        };
        fetched.missing.push((placement.path, why));
    }
    Ok(fetched)
}

/// Fetches files, several at once; gives those that cannot be had, and why.
async fn fetch(
    wanted: BTreeMap<Sha256Hex, (String, u64)>,
    folder: &MirrorFolder,
    web: &Web,
    wish: &Wish<'_>,
    stop: &Stop,
    fetched: &mut Fetched,
) -> anyhow::Result<BTreeMap<Sha256Hex, String>> {
    let (all, all_bytes) = (wanted.len(), sum(wanted.values().map(|(_, bytes)| *bytes)));
    let (mut done, mut failed, mut under_way) = (0, BTreeMap::new(), JoinSet::new());
    let mut left: Vec<_> = wanted.into_iter().rev().collect();
    while !(left.is_empty() && under_way.is_empty()) {
        refuse_if_asked(stop)?;
        while under_way.len() < AT_ONCE {
            let Some((sha256, (url, bytes))) = left.pop() else { break };
            let (web, to) = (web.clone(), folder.staged(sha256.as_str()));
            under_way.spawn(async move {
                let wanted = Wanted { url, bytes, sha256, to };
                let came = download(&web, &wanted).await;
                (wanted, came)
            });
        }
        let Some(came) = under_way.join_next().await else { break };
        match came? {
            (wanted, Ok(())) => {
                (fetched.files, fetched.bytes) = (fetched.files + 1, sum([fetched.bytes, wanted.bytes]));
            }
            (wanted, Err(DownloadError::Refused(why))) => {
                failed.insert(wanted.sha256, why);
                if !wish.keeps_going {
                    // What is under way is dropped; its beginning stays for the next pull.
                    return Ok(failed);
                }
            }
            (_, Err(error @ DownloadError::Disk { .. })) => return Err(error.into()),
        }
        done += 1;
        (wish.watch)(Progress { what: "files", done, all, bytes: fetched.bytes, all_bytes });
    }
    Ok(failed)
}

/// How many bytes those are together: sizes are what somebody says they are, so their sum may be beyond all numbers.
pub(super) fn sum(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

/// The collections by name, for a choice; none where nobody has named any.
pub fn collections(names: &[String]) -> Option<BTreeSet<String>> {
    Some(names.iter().cloned().collect()).filter(|names: &BTreeSet<String>| !names.is_empty())
}
