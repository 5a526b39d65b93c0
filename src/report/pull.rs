//! What `pull` did.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::human::Style;
use super::log_text::for_people;
use crate::mirror::outcome::{Outcome, Pulled};
use crate::mirror::plan::ROOT;
use crate::mirror::route::Way;

/// How many names a person gets to see of a kind.
const MOST_NAMES: usize = 20;

/// What `stockroom pull` did.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom pull, version 1")]
struct PullV1<'a> {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u8,
    /// Where the manifest is.
    source: &'a str,
    /// `unchanged`, `updated`, or `partial` where files could not be fetched.
    outcome: &'static str,
    /// The manifest that the folder has now.
    manifest: ManifestV1<'a>,
    /// How it was found out what has changed: `none` (nothing had), `deltas` or `shards`.
    way: &'static str,
    /// How many deltas or shards were read.
    steps: usize,
    /// The assets of the wanted collections.
    assets: AssetsV1,
    /// The files of the folder.
    files: FilesV1<'a>,
    /// What went over the network.
    network: NetworkV1,
    /// The id of the key that has signed the manifest; null where none was asked for.
    signed_by: Option<&'a str>,
    /// Whether an earlier pull that had been killed was brought to its end first.
    finished_earlier: bool,
    /// What there is to know beside it, in sentences.
    notes: Vec<String>,
}

/// A manifest in short.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PulledManifest")]
struct ManifestV1<'a> {
    /// The number of its edition.
    seq: u64,
    /// Its digest.
    digest: &'a str,
    /// The commit that it was made from; null where it is not known.
    commit: Option<&'a str>,
}

/// How many assets there are, and how many are other than before.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PulledAssets")]
struct AssetsV1 {
    /// All.
    total: usize,
    /// New ones.
    added: usize,
    /// Other than before.
    changed: usize,
    /// Gone.
    removed: usize,
}

/// What became of files.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PulledFiles")]
struct FilesV1<'a> {
    /// Fetched from their addresses.
    fetched: usize,
    /// Copied from others in the folder.
    copied: usize,
    /// Written, the assets' entries among them.
    written: usize,
    /// Taken away.
    removed: usize,
    /// In their places already.
    kept: usize,
    /// Wanted, and without an address.
    without_address: usize,
    /// Left as somebody has made them.
    left: Vec<NamedV1<'a>>,
    /// Wanted, and not to be had.
    missing: Vec<NamedV1<'a>>,
}

/// A file, and what there is to say of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PulledFile")]
struct NamedV1<'a> {
    /// Its path in the folder.
    path: &'a str,
    /// Why.
    why: &'a str,
}

/// What went over the network.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PulledNetwork")]
struct NetworkV1 {
    /// Requests.
    requests: u64,
    /// Bytes that came, after decompression.
    bytes: u64,
}

fn removed(pulled: &Pulled) -> usize {
    pulled.plan.remove.len() + pulled.plan.clear.len()
}

fn notes(pulled: &Pulled) -> Vec<String> {
    let mut notes = pulled.detours.clone();
    if let Some(before) = &pulled.came_from {
        notes.push(format!("the folder followed {before} before"));
    }
    notes
}

/// The report for a program.
pub fn json(pulled: &Pulled) -> String {
    let (way, steps) = match pulled.way {
        Way::Nowhere => ("none", 0),
        Way::Deltas(count) => ("deltas", count),
        Way::Shards { fetched, .. } => ("shards", fetched),
    };
    let (counts, plan) = (pulled.plan.assets, &pulled.plan);
    let (seq, digest, commit) = (pulled.root.seq, &pulled.root.digest, pulled.root.source.commit.as_deref());
    let missing = pulled.fetched.missing.iter().map(|(path, why)| NamedV1 { path, why });
    super::json::pretty(&PullV1 {
        version: 1,
        source: &pulled.source,
        outcome: word(pulled.outcome),
        manifest: ManifestV1 { seq, digest, commit },
        way,
        steps,
        assets: AssetsV1 { total: counts.all, added: counts.added, changed: counts.changed, removed: counts.removed },
        files: FilesV1 {
            fetched: pulled.fetched.files,
            copied: pulled.fetched.copied,
            written: plan.place.len(),
            removed: removed(pulled),
            kept: plan.kept,
            without_address: plan.unaddressed,
            left: plan.left.iter().map(|(path, why)| NamedV1 { path, why }).collect(),
            missing: missing.collect(),
        },
        network: NetworkV1 { requests: pulled.requests, bytes: pulled.bytes },
        signed_by: pulled.signed_by.as_deref(),
        finished_earlier: pulled.finished,
        notes: notes(pulled),
    })
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unchanged => "unchanged",
        Outcome::Updated => "updated",
        Outcome::Partial => "partial",
    }
}

/// The report for a person.
pub fn human(pulled: &Pulled, folder: &str, style: Style) -> String {
    let (mut out, plan, counts) = (String::new(), &pulled.plan, pulled.plan.assets);
    let folder = for_people(folder);
    if pulled.finished {
        let _ = writeln!(out, "an earlier pull that had been ended in the middle was brought to its end first");
    }
    for note in notes(pulled) {
        let _ = writeln!(out, "{}", for_people(&note));
    }
    let short = pulled.root.digest.get(..16).unwrap_or_default();
    let edition = format!("edition {}, digest {short}", pulled.root.seq);
    let _ = match pulled.outcome {
        Outcome::Unchanged => {
            writeln!(out, "{}: {folder} has {} assets ({edition})", style.good("in step"), counts.all)
        }
        Outcome::Updated | Outcome::Partial => {
            let changes = format!("{} added, {} changed, {} removed", counts.added, counts.changed, counts.removed);
            writeln!(out, "{}: {folder} has {} assets ({edition}): {changes}", style.good("updated"), counts.all)
        }
    };
    if !plan.is_empty() {
        let (fetched, copied) = (pulled.fetched.files, pulled.fetched.copied);
        let _ = writeln!(
            out,
            "files: {} written ({fetched} fetched, {copied} copied), {} removed, {} kept",
            plan.place.len(),
            removed(pulled),
            plan.kept
        );
    }
    if pulled.requests > 0 {
        let _ = writeln!(out, "{}", style.quiet(&format!("{} requests, {} bytes", pulled.requests, pulled.bytes)));
    }
    if let Some(key) = &pulled.signed_by {
        let _ = writeln!(out, "signed by {key}");
    }
    if plan.unaddressed > 0 {
        let _ = writeln!(out, "{} files have no address in the manifest and were not fetched", plan.unaddressed);
    }
    name_them(&mut out, &style.warning("left"), plan.left.iter().map(|(path, why)| (path.as_str(), *why)));
    let missing = pulled.fetched.missing.iter().map(|(path, why)| (path.as_str(), why.as_str()));
    name_them(&mut out, &style.error("missing"), missing);
    if !pulled.fetched.missing.is_empty() {
        let _ = writeln!(out, "the next pull tries the missing files again; {ROOT} is that of the source");
    }
    out
}

fn name_them<'a>(out: &mut String, head: &str, named: impl ExactSizeIterator<Item = (&'a str, &'a str)>) {
    let count = named.len();
    for (path, why) in named.take(MOST_NAMES) {
        let _ = writeln!(out, "{head} {}: {}", for_people(path), for_people(why));
    }
    if count > MOST_NAMES {
        let _ = writeln!(out, "{head}: and {} more", count - MOST_NAMES);
    }
}

/// The JSON Schema of [`json`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(PullV1<'static>).to_value()
}
