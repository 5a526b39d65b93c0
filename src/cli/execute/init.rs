//! Carries out `init`: says what was found, what was written, and what to do next.

use std::fmt::Write as _;

use super::{Ending, Execution, FEW_FINDINGS};
use crate::commands::excerpts::excerpts;
use crate::commands::init::{Found, Initiation, initiate, write};
use crate::finding::words::count;
use crate::report::human;

impl Execution<'_> {
    /// Makes a library of the repository.
    pub(super) fn init(&self, dry_run: bool) -> anyhow::Result<Ending> {
        let initiation = initiate(&self.folder)?;
        let mut out = found(&initiation);
        match dry_run {
            true => would_write(&mut out, &initiation),
            false => {
                write(&self.folder, &initiation.files)?;
                for (path, _) in &initiation.files {
                    let _ = writeln!(out, "  wrote {path}");
                }
            }
        }
        for note in &initiation.notes {
            let _ = writeln!(out, "  {note}");
        }
        let check = &initiation.library.check;
        let has_errors = check.summary.errors > 0;
        let said = human::check(check, &excerpts(&initiation.library, FEW_FINDINGS), self.style(), FEW_FINDINGS);
        let _ = write!(out, "\nWhat `stockroom check` says of it:\n{said}");
        next(&mut out, has_errors, dry_run);
        self.console.text(&out);
        Ok(if has_errors { Ending::Findings } else { Ending::Done })
    }
}

fn found(initiation: &Initiation) -> String {
    let mut out = format!("Found {}:\n", count(initiation.collections.len(), "collection"));
    let width = initiation.collections.iter().map(|found| found.name.chars().count()).max().unwrap_or_default();
    for Found { name, records, metadata, id, required, schema, mixed } in &initiation.collections {
        let _ = writeln!(out, "  {name:width$}  {} in {}, id: {id}", count(*records, "record"), metadata.join(", "));
        let indent = width + 4;
        if !required.is_empty() {
            let _ = writeln!(out, "{:indent$}beside every record: {}", "", required.join(", "));
        }
        let schema =
            if schema.is_empty() { "none: the records name theirs in a way that none can follow" } else { schema };
        let _ = writeln!(out, "{:indent$}schema: {schema}", "");
        for mixed in mixed {
            let _ = writeln!(out, "{:indent$}worth a look: {mixed}", "");
        }
    }
    if initiation.unreadable > 0 {
        let files = count(initiation.unreadable, "record");
        let _ = writeln!(out, "  {files} cannot be read, and said nothing to the schemas (see below)");
    }
    out.push('\n');
    out
}

fn would_write(out: &mut String, initiation: &Initiation) {
    for (path, text) in &initiation.files {
        let _ = writeln!(out, "  would write {path}:");
        for line in text.lines() {
            let _ = writeln!(out, "{}", format!("    {line}").trim_end());
        }
        out.push('\n');
    }
}

fn next(out: &mut String, has_errors: bool, dry_run: bool) {
    let first = match (dry_run, has_errors) {
        (true, _) => "`stockroom init` writes these files; nothing that is there is touched",
        (false, true) => "mend the findings above; `stockroom check` says when all is well",
        (false, false) => "read stockroom.yml and the schemas, and mend what was guessed wrong",
    };
    let _ = writeln!(out, "\nNext:\n  1. {first}");
    let _ = writeln!(out, "  2. `stockroom check` after each change; `stockroom sync` publishes the manifest");
    let _ = writeln!(out, "  3. commit the files: from then on every pull request is checked");
}
