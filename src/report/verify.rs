//! What `verify` found.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::human::Style;
use super::log_text::for_people;
use crate::manifest::format::Root;
use crate::mirror::proof::Proof;

/// How many problems a person gets to see.
const MOST_PROBLEMS: usize = 200;

/// What `stockroom verify` found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom verify, version 1")]
struct VerifyV1<'a> {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u8,
    /// Where the manifest is.
    source: &'a str,
    /// Whether nothing is wrong.
    valid: bool,
    /// The number of the edition; null where the root cannot be read.
    seq: Option<u64>,
    /// The digest; null where the root cannot be read.
    digest: Option<&'a str>,
    /// Until when it may be relied on; null where it does not say.
    expires: Option<&'a str>,
    /// The id of the key that has signed it; null where none was asked for.
    signed_by: Option<&'a str>,
    /// How many assets it has.
    assets: usize,
    /// How many files they have.
    files: usize,
    /// How many of these were fetched and hashed.
    files_fetched: usize,
    /// How many documents were looked at.
    documents: usize,
    /// How many bytes they have.
    bytes: u64,
    /// What is wrong.
    problems: Vec<ProblemV1<'a>>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct ProblemV1<'a> {
    /// The file beside the root, or the address of an asset's file.
    file: &'a str,
    /// What is wrong with it: the rest of a sentence that begins with the file.
    message: &'a str,
}

/// What is to be told.
#[derive(Debug, Clone, Copy)]
pub struct Told<'t> {
    /// The source.
    pub source: &'t str,
    /// The root, where it can be read.
    pub root: Option<&'t Root>,
    /// What was found.
    pub proof: &'t Proof,
    /// How many files were fetched.
    pub fetched: usize,
    /// The key's id.
    pub signed_by: Option<&'t str>,
}

/// The report for a program.
pub fn json(told: &Told<'_>) -> String {
    let Told { source, root, proof, fetched, signed_by } = *told;
    super::json::pretty(&VerifyV1 {
        version: 1,
        source,
        valid: proof.problems.is_empty(),
        seq: root.map(|root| root.seq),
        digest: root.map(|root| root.digest.as_str()),
        expires: root.and_then(|root| root.expires.as_deref()),
        signed_by,
        assets: proof.assets(),
        files: proof.file_count,
        files_fetched: fetched,
        documents: proof.documents,
        bytes: proof.bytes,
        problems: proof.problems.iter().map(|one| ProblemV1 { file: &one.name, message: &one.why }).collect(),
    })
}

/// The report for a person.
pub fn human(told: &Told<'_>, style: Style) -> String {
    let (mut out, proof) = (String::new(), told.proof);
    for problem in proof.problems.iter().take(MOST_PROBLEMS) {
        let _ = writeln!(out, "{} {}", style.error("wrong"), for_people(&problem.to_string()));
    }
    if proof.problems.len() > MOST_PROBLEMS {
        let _ = writeln!(out, "and {} more", proof.problems.len() - MOST_PROBLEMS);
    }
    if let Some(root) = told.root {
        let fetched = if told.fetched > 0 { format!(", {} of them fetched", told.fetched) } else { String::new() };
        let short = root.digest.get(..16).unwrap_or_default();
        let _ = writeln!(
            out,
            "edition {}, digest {short}: {} assets with {} files{fetched}; {} documents of {} bytes",
            root.seq,
            proof.assets(),
            proof.file_count,
            proof.documents,
            proof.bytes
        );
    }
    if let Some(key) = told.signed_by {
        let _ = writeln!(out, "signed by {key}");
    }
    let verdict = match proof.problems.len() {
        0 => style.good("the publication is whole"),
        1 => style.error("1 problem"),
        count => style.error(&format!("{count} problems")),
    };
    let _ = writeln!(out, "{verdict}: {}", for_people(told.source));
    out
}

/// The JSON Schema of [`json`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(VerifyV1<'static>).to_value()
}
