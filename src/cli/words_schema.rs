//! The words below `stockroom schema`.

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use super::words::{Common, Format};

/// What to do with schemas.
#[derive(Debug, Subcommand)]
pub enum SchemaCommand {
    /// Say whether a schema's new version breaks records that followed the old one: by proof, and by the records there are.
    #[command(after_help = "Each side is a file, NAME@VERSION of the registry, or REV:PATH in git; --rev says whose \
                      records are asked, and the work tree's stockroom.yml which they are.\n\n\
                      Example: stockroom schema diff product-metadata@1.0.0 product-metadata@1.1.0")]
    Diff {
        /// The schema that records follow now.
        old: String,
        /// The schema that they shall follow.
        new: String,
        /// How the result is written.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
        /// Write an entry on the difference into this changelog, which is made where there is none.
        #[arg(long, value_name = "FILE")]
        #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
        changelog: Option<PathBuf>,
        /// What several commands understand.
        #[command(flatten)]
        common: Common,
    },
}
