//! The words of the command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{FalseyValueParser, OsStringValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub mod dispatch;
pub mod docs;
pub mod embed;
pub mod federate;
pub mod migrate;
pub mod pull;
pub mod schema;
pub mod state;

use dispatch::DispatchWords;
use docs::DocsWords;
use embed::EmbedWords;
use federate::FederateWords;
use pull::{PullWords, VerifyWords};
use schema::SchemaCommand;
use state::StateCommand;

/// Turns a Git repository of assets into a database that others can build on.
#[derive(Debug, Parser)]
#[command(
    name = "stockroom",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done; 1 findings in the data, nothing was sent; 2 could not do the job (configuration, \
                  access, network); 3 partly done, the next run goes on from there (`status --check`: a target is not in \
                  step); 130 stopped by SIGINT (^C), the next run goes on from there; 143 stopped by SIGTERM, likewise."
)]
pub struct Words {
    /// The library's folder.
    #[arg(short = 'C', value_name = "DIR", env = "STOCKROOM_DIRECTORY", default_value = ".", global = true)]
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub directory: PathBuf,
    /// The configuration file [default: stockroom.yml in the library's folder, else .github/stockroom.yml].
    #[arg(long, value_name = "FILE", env = "STOCKROOM_CONFIG", global = true)]
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look at a repository and write a first stockroom.yml, schemas and a workflow; overwrites nothing.
    #[command(after_help = "Example: stockroom init --dry-run")]
    Init {
        /// Print what would be written, and write nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Validate every record and the files beside it; changes nothing.
    #[command(
        after_help = "A path stands for the records that the file has a part in, a folder for the files below it. Whatever is \
                      looked at, all records are compared for what may stand only once.\n\n\
                      Example: stockroom -C examples/library check --changed-since main --report sarif=.stockroom/check.sarif"
    )]
    Check {
        /// Report on these files and folders alone [default: the whole library].
        #[arg(value_name = "PATH", value_parser = OsStringValueParser::new().map(PathBuf::from))]
        paths: Vec<PathBuf>,
        /// Show first what has changed since this commit, branch or tag, and say how many findings lie elsewhere.
        #[arg(long, value_name = "REV")]
        changed_since: Option<String>,
        /// How the result is written.
        #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
        format: CheckFormat,
        /// Write the result into a file too, in any of the formats; may be given several times.
        #[arg(long = "report", value_name = "FORMAT=FILE")]
        reports: Vec<FurtherReport>,
        /// What several commands understand.
        #[command(flatten)]
        common: Common,
    },
    /// Print what `sync` would do for every target, and why; changes nothing.
    #[command(after_help = "Example: stockroom plan --format json --rev main")]
    Plan {
        /// How the result is written.
        #[arg(long, value_enum, default_value_t = PlanFormat::Human)]
        format: PlanFormat,
        /// Print the shares of the work on the vector index in which there is anything to do, of so many, as a matrix for a
        /// workflow's jobs.
        #[arg(long, value_name = "N", conflicts_with_all = ["format", "only"])]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
        shards: Option<u16>,
        /// What several commands understand.
        #[command(flatten)]
        common: Common,
        /// Which targets, and how much may vanish.
        #[command(flatten)]
        limits: Limits,
    },
    /// Check, plan, and bring every target into step: manifest, downstreams, vector index.
    #[command(after_help = "Example: stockroom sync --only manifest,embed")]
    Sync {
        /// How the result is written.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
        /// What several commands understand.
        #[command(flatten)]
        common: Common,
        /// Which targets, and how much may vanish.
        #[command(flatten)]
        limits: Limits,
        /// Where its numbers go.
        #[command(flatten)]
        metrics: Metrics,
    },
    /// Check, plan, and deliver to the downstreams alone; to some of them, or once more.
    #[command(
        after_help = "Like `sync --only dispatch`. A delivery with --force has a new correlation id and the words \
                      `truncated: true`: the receiver has to read the manifest.\n\n\
                      Example: stockroom dispatch --to website --force"
    )]
    Dispatch(DispatchWords),
    /// Check, plan, and bring the vector index into step alone; or one of several shares of the work.
    #[command(
        after_help = "Like `sync --only embed`. With --shard it embeds a share of what the index lacks and takes nothing away; several \
                      runs may do so at once, where state and vectors are in places that all of them reach. A run without \
                      --shard comes last, and finishes.\n\n\
                      Example: stockroom embed --shard 2/4"
    )]
    Embed(EmbedWords),
    /// Say which targets are in step, which are behind, and which fail; changes nothing.
    #[command(after_help = "Example: stockroom status --remote https://github.com/org/library --check")]
    Status {
        /// Compare with the commit that a remote is at, without cloning it: an address [default: origin].
        #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
        remote: Option<String>,
        /// End with the exit code 3 when a target is not in step.
        #[arg(long)]
        check: bool,
        /// How the result is written.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Build the manifest into a folder; tells nobody and remembers nothing.
    #[command(after_help = "Example: stockroom manifest -o public/library --rev v1.2.0")]
    Manifest {
        /// The folder [default: the first one that `manifest.publish` names].
        #[arg(short = 'o', long = "output", value_name = "DIR")]
        output: Option<PathBuf>,
        /// What several commands understand.
        #[command(flatten)]
        common: Common,
    },
    /// Bring a folder to the state of a published manifest: fetch what has changed, verified by hash; needs no stockroom.yml.
    #[command(
        after_help = "The folder gets manifest.json, records/COLLECTION/ID.json and files/PATH. It is as it was, or as the manifest \
                      says: everything is fetched and verified first, and a pull that is killed is finished by the next one. \
                      Files of yours are not overwritten.\n\n\
                      Example: stockroom pull https://assets.example.com/library/ -o public/assets"
    )]
    Pull(PullWords),
    /// Check a published manifest: every document, digest and hash, its signature, whether it has expired; writes nothing.
    #[command(
        after_help = "The exit code is 1 where something is wrong with it, and 2 where it cannot be reached.\n\n\
                      Example: stockroom verify https://assets.example.com/library/ --files"
    )]
    Verify(VerifyWords),
    /// Make one manifest of several libraries' manifests and publish it: a hub that needs no server; needs no stockroom.yml.
    #[command(
        after_help = "Collections become NAME/COLLECTION. Everything is verified first. A library that cannot be reached, is damaged \
                      or went back stays as it was, and the exit code is 3.\n\n\
                      Example: stockroom federate tools=https://tools.example.com/ props=s3://assets/props -o public/hub"
    )]
    Federate(FederateWords),
    /// Ask the vector index.
    #[command(after_help = "Example: stockroom search \"hex bolt\" -k 3")]
    Search {
        /// What to look for, in your own words.
        query: String,
        /// How many assets to show.
        #[arg(short = 'k', default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
        most: u16,
        /// How the result is written.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Look at what is remembered of the targets.
    State {
        /// What to do with it.
        #[command(subcommand)]
        command: StateCommand,
    },
    /// Work on the schemas themselves.
    Schema {
        /// What to do with them.
        #[command(subcommand)]
        command: SchemaCommand,
    },
    /// Look at everything that a run would need: access, downstreams and their workflows, stores; changes nothing.
    #[command(
        after_help = "The exit code is 0 where all is healthy, 3 where something is degraded (a run works, and something is left \
                      out), and 2 where something is unhealthy.\n\n\
                      Example: stockroom doctor --format json"
    )]
    Doctor {
        /// How the result is written.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Write REPOSITORY_CONNECTIONS.md and DEPENDENCIES.md: whom the library is connected with, and who builds on which schema.
    #[command(
        after_help = "Both say the same for the same stockroom.yml and records, on every machine. Commit them, and let \
                      `stockroom docs --check` tell when they are out of date.\n\n\
                      Example: stockroom docs -o docs"
    )]
    Docs(DocsWords),
    /// Do what the GitHub event asks for; this is what the action runs.
    #[command(
        after_help = "A pull request or merge group is checked and planned, without side effects; a push to the default branch, a \
                            schedule or a run by hand is checked and synced; a published release gets the manifest of its tag. \
                            STOCKROOM_COMMAND names another command."
    )]
    Run,
}

/// What several commands understand.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Look at this commit, branch or tag instead of the files as they are now.
    #[arg(long, value_name = "REV")]
    pub rev: Option<String>,
    /// The least severe finding that counts as a failure (exit code 1).
    #[arg(long, value_enum, env = "STOCKROOM_FAIL_ON", default_value_t = FailOn::Error)]
    pub fail_on: FailOn,
    /// Refuse whatever stockroom.lock does not say of the registry.
    #[arg(long, env = "STOCKROOM_LOCKED", value_parser = FalseyValueParser::new(), hide_env_values = true)]
    pub locked: bool,
}

/// Which targets, and how much may vanish.
#[derive(Debug, Clone, Default, Args)]
pub struct Limits {
    /// Serve only these kinds of target.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND,…")]
    pub only: Vec<Part>,
    /// Let more than ten and more than a fifth of a target's assets vanish at once.
    #[arg(long)]
    pub allow_mass_delete: bool,
}

/// Where the numbers of a run go.
#[derive(Debug, Clone, Default, Args)]
pub struct Metrics {
    /// Write the numbers of the run into a file too, for Prometheus (node_exporter's textfile collector).
    #[arg(long = "metrics", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// A kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The places of the manifest.
    Manifest,
    /// The downstreams.
    Dispatch,
    /// The vector index.
    Embed,
}

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// For programs: version 1 of the documented JSON.
    Json,
}

/// How the result of a check is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people.
    Human,
    /// For programs: version 1 of the documented JSON.
    Json,
    /// As annotations for GitHub's runner.
    Github,
    /// For code scanning: SARIF 2.1.0.
    Sarif,
    /// For CI servers: a JUnit report with a test case for each record.
    Junit,
}

/// A report that goes into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FurtherReport {
    /// Its format.
    pub format: CheckFormat,
    /// Its file.
    pub file: PathBuf,
}

impl FromStr for FurtherReport {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "write FORMAT=FILE, such as sarif=check.sarif";
        let Some((format, file)) = text.split_once('=').filter(|(_, file)| !file.is_empty()) else {
            return Err(format!("{text:?} is no report: {wanted}"));
        };
        let format = CheckFormat::from_str(format, false).map_err(|_| {
            let formats = CheckFormat::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let names: Vec<String> = formats.map(|format| format.get_name().to_owned()).collect();
            format!("{format:?} is no format of a report: it is one of {}", names.join(", "))
        })?;
        Ok(Self { format, file: PathBuf::from(file) })
    }
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people.
    Human,
    /// For programs: version 1 of the documented JSON.
    Json,
    /// For a job summary or a comment.
    Markdown,
}

/// The least severe finding that counts as a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors alone.
    #[value(alias = "")]
    Error,
    /// Warnings too.
    Warning,
}
