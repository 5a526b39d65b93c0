//! The words of `federate`.

use clap::Args;

use super::pull::KeyText;

/// What `federate` understands.
#[derive(Debug, Clone, Args)]
pub struct FederateWords {
    /// A library's name in the hub, and where its manifest is (what `pull` takes).
    #[arg(value_name = "NAME=SOURCE", required = true)]
    pub members: Vec<String>,
    /// Where the hub's manifest goes: a folder, or a bucket (s3://…, gs://…, az://…).
    #[arg(short = 'o', long = "output", value_name = "PLACE")]
    pub output: String,
    /// The address at which what is published there can be fetched, without the name of the file.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Refuse a library that this key has not signed: a public key of minisign, or the file that it is in.
    #[arg(long, value_name = "KEY", env = "STOCKROOM_VERIFICATION_KEY", value_parser = KeyText)]
    pub key: Option<String>,
    /// Take editions that are older than those that the hub has.
    #[arg(long)]
    pub allow_older: bool,
    /// Read over plain http, from any machine.
    #[arg(long)]
    pub allow_http: bool,
}
