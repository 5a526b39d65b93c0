//! The words below `stockroom schema`.

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use super::{Common, Format};

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
    /// Write down in stockroom.lock what the registry is now, so that it counts until this is run again.
    #[command(after_help = "Example: stockroom schema lock && git diff stockroom.lock")]
    Lock,
    /// Infer a schema from records: it accepts all of them, and says as much as they give evidence for.
    #[command(
        after_help = "Globs are relative to the library's folder, as in stockroom.yml. Records that cannot be read are named and \
                      left out (exit code 1).\n\nExample: stockroom schema infer 'icons/*.json' --title Icon -o icon.schema.json"
    )]
    Infer {
        /// Files, folders or globs of records [default: the library's only collection].
        #[arg(value_name = "PATH|GLOB")]
        records: Vec<String>,
        /// The records of this collection of stockroom.yml.
        #[arg(long, value_name = "NAME", conflicts_with = "records")]
        collection: Option<String>,
        /// Write the schema into this file, which must not exist yet [default: print it].
        #[arg(short = 'o', long = "output", value_name = "FILE")]
        #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
        output: Option<PathBuf>,
        /// The schema's title.
        #[arg(long)]
        title: Option<String>,
        /// Forbid members that no record has.
        #[arg(long)]
        strict: bool,
    },
}
