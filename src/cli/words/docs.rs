//! The words of `docs`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

/// What `docs` understands.
#[derive(Debug, Args)]
pub struct DocsWords {
    /// The folder that the pages go to [default: the library's].
    #[arg(short = 'o', long = "output", value_name = "DIR")]
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub output: Option<PathBuf>,
    /// Write nothing; end with the exit code 1 when a page is out of date.
    #[arg(long)]
    pub check: bool,
}
