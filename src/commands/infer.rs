//! A schema from the records of a collection, or of any files.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use globset::GlobMatcher;
use rayon::prelude::*;

use super::open::{Place, open};
use crate::adapters::worktree::Worktree;
use crate::catalog::collection::{Collection, glob};
use crate::catalog::read::Format;
use crate::catalog::record::load;
use crate::catalog::tree::{Contents, Entry, Tree};
use crate::finding::{Finding, sort};
use crate::schema::infer::Inference;

pub use crate::schema::infer::Style;

/// Which records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those of this collection.
    Collection(String),
    /// Those of the one collection that there is.
    OnlyCollection,
    /// Files, all below folders, and what globs match; relative to the library's folder.
    Files(Vec<String>),
}

/// What came of an inference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inferred {
    /// The schema as the text of a file.
    pub schema: String,
    /// How many records it was inferred from.
    pub records: usize,
    /// What is wrong with records that were left out.
    pub findings: Vec<Finding>,
}

/// Infers the schema of the wanted records as they are now.
pub fn infer(place: &Place, which: &Which, style: &Style) -> anyhow::Result<Inferred> {
    let (inference, findings) = match which {
        Which::Files(texts) => {
            let worktree = Worktree::open(&place.folder)?;
            let tree = worktree.tree_now()?;
            from_records(&matching(&tree, texts)?, &worktree.disk())
        }
        Which::Collection(_) | Which::OnlyCollection => {
            let opened = open(place)?;
            let collection = collection(&opened.config.collections, which)?;
            let entries: Vec<&Entry> = opened.tree.entries.iter().filter(|e| collection.holds(&e.path)).collect();
            from_records(&entries, opened.contents.as_ref())
        }
    };
    if inference.records() == 0 {
        let why = if findings.is_empty() { "there is no record" } else { "no record can be read" };
        let named: Vec<String> = findings.iter().take(3).map(|f| format!("{}: {}", f.path, f.message)).collect();
        let named = if named.is_empty() { String::new() } else { format!(" ({})", named.join("; ")) };
        return Err(anyhow!("{why} to infer a schema from{named}"));
    }
    let records = usize::try_from(inference.records()).unwrap_or(usize::MAX);
    Ok(Inferred { schema: inference.schema(style).to_text(), records, findings })
}

/// What the readable ones of these records have in common, and what is wrong with the others.
pub fn from_records(entries: &[&Entry], contents: &dyn Contents) -> (Inference, Vec<Finding>) {
    let see = |(mut inference, mut findings): (Inference, Vec<Finding>), entry: &&Entry| {
        match load(entry, contents) {
            (Some(record), _) => inference.see(&record.document.value, Some(&record.document.places())),
            (None, why) => findings.extend(why),
        }
        (inference, findings)
    };
    let join = |(a, mut findings): (Inference, Vec<Finding>), (b, more): (Inference, Vec<Finding>)| {
        findings.extend(more);
        (a.merge(b), findings)
    };
    let (inference, mut findings) = entries.par_iter().fold(Default::default, see).reduce(Default::default, join);
    sort(&mut findings);
    (inference, findings)
}

/// Writes a file that does not exist yet; a link in its place is not followed.
pub fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => anyhow!("{} is there already, and is left as it is", path.display()),
        _ => anyhow!("{} cannot be written: {error}", path.display()),
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("{} cannot be written", path.display()))
}

fn collection<'c>(collections: &'c [Collection], which: &Which) -> anyhow::Result<&'c Collection> {
    let names = collections.iter().map(|collection| collection.name.as_str()).collect::<Vec<_>>().join(", ");
    match (which, collections) {
        (Which::Collection(name), _) => {
            let found = collections.iter().find(|collection| collection.name.as_str() == name);
            found.ok_or_else(|| anyhow!("there is no collection {name:?}; stockroom.yml has {names}"))
        }
        (_, [only]) => Ok(only),
        _ => Err(anyhow!("name one collection with --collection: {names}; or files and globs")),
    }
}

/// The files that these texts name; each must name one that may be a record.
fn matching<'t>(tree: &'t Tree, texts: &[String]) -> anyhow::Result<Vec<&'t Entry>> {
    let mut wanted = Vec::new();
    for text in texts {
        let wish = Wish::new(text)?;
        let found: Vec<&Entry> = tree.entries.iter().filter(|entry| wish.is_for(entry)).collect();
        if found.is_empty() {
            return Err(anyhow!(
                "{text:?} names no JSON, YAML, TOML or Markdown file of the library (that git does not ignore)"
            ));
        }
        wanted.extend(found);
    }
    wanted.sort_by(|a, b| a.path.cmp(&b.path));
    wanted.dedup_by(|a, b| a.path == b.path);
    Ok(wanted)
}

/// What one text names: a file, the files below a folder, or what a glob matches.
struct Wish {
    path: String,
    folder: String,
    glob: Option<GlobMatcher>,
}

impl Wish {
    fn new(text: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if text.starts_with('/') || parts.contains(&"..") {
            return Err(anyhow!("{text:?} leaves the library; name files relative to its folder"));
        }
        let path = parts.join("/");
        let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
        let is_glob = path.contains(['*', '?', '[', '{']);
        let glob = is_glob.then(|| glob(&path)).transpose().map_err(|why| anyhow!("{text:?}: {why}"))?;
        Ok(Self { path, folder, glob: glob.map(|glob| glob.compile_matcher()) })
    }

    fn is_for(&self, entry: &Entry) -> bool {
        let path = entry.path.as_str();
        let is_named = path == self.path;
        let is_matched = path.starts_with(&self.folder) || self.glob.as_ref().is_some_and(|glob| glob.is_match(path));
        is_named || (is_matched && Format::of(&entry.path).is_some())
    }
}
