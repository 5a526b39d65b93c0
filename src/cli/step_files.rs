//! The files through which a step hands its outputs and its summary to GitHub's runner.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::report::markdown::SUMMARY_LIMIT;

/// GitHub takes no more from all outputs of a job.
const OUTPUT_LIMIT: usize = 1024 * 1024;

/// Where `GITHUB_OUTPUT` and `GITHUB_STEP_SUMMARY` lie; what is absent is not written.
///
/// The files for the environment and the path of later steps are absent on purpose: nothing here may change them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepFiles {
    /// What `GITHUB_OUTPUT` names.
    pub output: Option<PathBuf>,
    /// What `GITHUB_STEP_SUMMARY` names.
    pub summary: Option<PathBuf>,
}

/// Why an output or a summary could not be handed over.
#[derive(Debug, thiserror::Error)]
pub enum StepFileError {
    /// The runner would read another name than the one that was meant.
    #[error("{name:?} cannot be the name of an output: use letters, digits, `-` and `_`")]
    Name {
        /// The name given.
        name: String,
    },
    /// The runner would drop the whole file.
    #[error("{path} would have {bytes} bytes and GitHub takes {limit}; nothing was added to it", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How large it would have become.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The file cannot be written.
    #[error("cannot write {path}, which the runner named for this step: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl StepFiles {
    /// Sets an output of the step. The value may be any text: its end is marked by a word that nobody can foresee.
    pub fn set_output(&self, name: &str, value: &str) -> Result<(), StepFileError> {
        let Some(path) = &self.output else { return Ok(()) };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(StepFileError::Name { name: name.to_owned() });
        }
        let mut delimiter = delimiter();
        while value.contains(&delimiter) {
            delimiter = self::delimiter();
        }
        append(path, &format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"), OUTPUT_LIMIT)
    }

    /// Adds Markdown to the summary of the step.
    pub fn add_summary(&self, markdown: &str) -> Result<(), StepFileError> {
        match &self.summary {
            Some(path) => append(path, &format!("{}\n\n", markdown.trim_end()), SUMMARY_LIMIT),
            None => Ok(()),
        }
    }
}

fn delimiter() -> String {
    format!("end-{}", Uuid::new_v4())
}

fn append(path: &Path, text: &str, limit: usize) -> Result<(), StepFileError> {
    let fault = |source| StepFileError::Write { path: path.to_owned(), source };
    let mut file = OpenOptions::new().append(true).read(true).create(true).open(path).map_err(fault)?;
    let (before, ends_line) = end_of(&mut file).map_err(fault)?;
    let text = if ends_line { text.to_owned() } else { format!("\n{text}") };
    let bytes = before.saturating_add(text.len());
    if bytes > limit {
        return Err(StepFileError::TooLarge { path: path.to_owned(), bytes, limit });
    }
    file.write_all(text.as_bytes()).map_err(fault)
}

/// The length of the file, and whether something that is added to it begins a line.
fn end_of(file: &mut File) -> io::Result<(usize, bool)> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok((0, true));
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok((usize::try_from(length).unwrap_or(usize::MAX), last == *b"\n"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn files(folder: &tempfile::TempDir) -> StepFiles {
        StepFiles { output: Some(folder.path().join("output")), summary: Some(folder.path().join("summary")) }
    }

    #[test]
    fn an_output_ends_at_a_word_that_is_drawn_anew_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder);
        files.set_output("a", "x\ny").unwrap();
        files.set_output("b", "").unwrap();
        let text = fs::read_to_string(folder.path().join("output")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let first = lines[0].strip_prefix("a<<").unwrap();
        let second = lines[4].strip_prefix("b<<").unwrap();
        assert_eq!(lines, [lines[0], "x", "y", first, lines[4], "", second]);
        assert_ne!(first, second);
    }

    #[test]
    fn a_name_that_the_runner_would_read_otherwise_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "a=b", "a<<b", "a\nb", "a b"] {
            assert!(matches!(files(&folder).set_output(name, "x"), Err(StepFileError::Name { .. })), "{name:?}");
        }
        assert!(!folder.path().join("output").exists());
    }

    #[test]
    fn what_another_program_left_unfinished_stays_apart() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("output"), "theirs=1").unwrap();
        files(&folder).set_output("ours", "2").unwrap();
        assert!(fs::read_to_string(folder.path().join("output")).unwrap().starts_with("theirs=1\nours<<end-"));
    }

    #[test]
    fn a_summary_that_github_would_drop_is_refused_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder);
        files.add_summary("## First\n").unwrap();
        let refused = files.add_summary(&"x".repeat(SUMMARY_LIMIT));
        assert!(matches!(refused, Err(StepFileError::TooLarge { .. })), "{refused:?}");
        files.add_summary("## Second").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("summary")).unwrap(), "## First\n\n## Second\n\n");
    }

    #[test]
    fn without_files_nothing_is_written() {
        let files = StepFiles::default();
        assert!(files.set_output("a", "b").is_ok() && files.add_summary("x").is_ok());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = StepFiles { output: Some(folder.path().join("absent/output")), summary: None };
        let error = files.set_output("a", "b").unwrap_err().to_string();
        assert!(error.contains("absent/output"), "{error}");
    }
}
