//! The words of `embed`.

use clap::Args;

use super::{Common, Format, Metrics};
use crate::embedding::Shard;

/// What `embed` understands.
#[derive(Debug, Clone, Args)]
pub struct EmbedWords {
    /// Do this share of the work alone, beside other runs that do the others; takes nothing away.
    #[arg(long, value_name = "I/N", conflicts_with = "allow_mass_delete")]
    pub shard: Option<Shard>,
    /// Let more than ten and more than a fifth of the assets in the index vanish at once.
    #[arg(long)]
    pub allow_mass_delete: bool,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Where its numbers go.
    #[command(flatten)]
    pub metrics: Metrics,
    /// What several commands understand.
    #[command(flatten)]
    pub common: Common,
}
