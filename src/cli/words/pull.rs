//! The words of `pull` and `verify`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use super::Format;
use crate::mirror::choice::Files;

/// What `pull` understands.
#[derive(Debug, Clone, Args)]
pub struct PullWords {
    /// Where the manifest is: https://…, a folder, file://…, git:URL#BRANCH[:FOLDER], github:OWNER/NAME#BRANCH, s3://… (gs, az).
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// The folder that is brought to its state.
    #[arg(short = 'o', long = "output", value_name = "DIR", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub output: PathBuf,
    /// Which of the assets' files are fetched: `all`, `none`, or those with these roles.
    #[arg(long, value_name = "all|none|ROLE,…", default_value = "all")]
    pub files: Files,
    /// Take this collection alone; may be given several times.
    #[arg(long = "collection", value_name = "NAME")]
    pub collections: Vec<String>,
    /// Refuse a manifest that this key has not signed: a public key of minisign, or the file that it is in.
    #[arg(long, value_name = "KEY", env = "STOCKROOM_VERIFICATION_KEY")]
    pub key: Option<String>,
    /// Take an edition that is older than the one that the folder has, or another library's.
    #[arg(long)]
    pub allow_older: bool,
    /// Read over plain http, from any machine.
    #[arg(long)]
    pub allow_http: bool,
    /// Take the rest where some files cannot be fetched, and end with the exit code 3.
    #[arg(long)]
    pub keep_going: bool,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// What `verify` understands.
#[derive(Debug, Clone, Args)]
pub struct VerifyWords {
    /// Where the manifest is: what `pull` takes.
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Fetch and hash the assets' files too.
    #[arg(long)]
    pub files: bool,
    /// Demand that this key has signed it: a public key of minisign, or the file that it is in.
    #[arg(long, value_name = "KEY", env = "STOCKROOM_VERIFICATION_KEY")]
    pub key: Option<String>,
    /// Read over plain http, from any machine.
    #[arg(long)]
    pub allow_http: bool,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}
