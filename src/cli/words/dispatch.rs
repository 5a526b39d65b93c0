//! The words of `dispatch`.

use clap::Args;

use super::{Common, Format, Metrics};

/// What `dispatch` understands.
#[derive(Debug, Clone, Args)]
pub struct DispatchWords {
    /// Deliver to this downstream alone; may be given several times [default: all of them].
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub to: Vec<String>,
    /// Deliver also what they have already, and what is withheld from them after a failure.
    #[arg(long)]
    pub force: bool,
    /// Let more than ten and more than a fifth of a downstream's assets vanish at once.
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
