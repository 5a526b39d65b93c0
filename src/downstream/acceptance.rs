//! Which versions of schemas the downstreams can read, and which records go beyond.

use std::collections::BTreeMap;

use semver::{Version, VersionReq};

use super::interest::Interest;
use super::settings::{Accepts, Settings, When};
use crate::catalog::asset::UsedSchema;
use crate::finding::words::{count, quoted};
use crate::finding::{Finding, codes};
use crate::ids::{CollectionName, DownstreamName, RepoPath, SchemaName};
use crate::schema::version::{self, Wanted};

codes! {
    VERSION_NOT_ACCEPTED "version-not-accepted"
        "A record that concerns a downstream follows a schema version outside of what the downstream `accepts`. Keep a \
         version that it can read, or widen `accepts` in stockroom.yml when it is ready."
    SCHEMA_NOT_ACCEPTED "schema-not-accepted"
        "A change adds a version of a schema that no downstream `accepts`, so a record that follows it will be an error. \
         Make the downstreams ready for it, and widen their `accepts`, before records move."
}

/// A range of versions as `accepts` has it: one exact version, or a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    text: String,
    wanted: Wanted,
}

/// What the downstreams can read.
#[derive(Debug, Clone, Default)]
pub struct Acceptance {
    readers: Vec<Reader>,
}

/// A downstream that says which versions it can read.
#[derive(Debug, Clone)]
struct Reader {
    name: DownstreamName,
    when: When,
    interest: Interest,
    all: Option<Range>,
    each: BTreeMap<SchemaName, Range>,
}

/// A downstream that cannot read a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The downstream.
    pub downstream: DownstreamName,
    /// The schema and the version that the record follows, as `name@version`.
    pub schema: String,
    /// What it accepts, as stockroom.yml has it.
    pub accepts: String,
}

impl Range {
    /// Reads one exact version (`1.2`) or a range (`>=1.0, <2.0`); the error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        match Wanted::parse(text) {
            Some(wanted @ (Wanted::Exact(_) | Wanted::Range(_))) => Ok(Self { text: text.to_owned(), wanted }),
            Some(Wanted::Latest) => Err("`latest` is no range: it is another version tomorrow".to_owned()),
            None => Err(format!("{} is no range of versions, such as \">=1.0, <2.0\" or \"^1.2\"", quoted(text))),
        }
    }

    /// Whether a schema version lies in it.
    ///
    /// A prerelease does only where the range names one of the same version. `latest` is a file whose version nobody knows,
    /// and lies in `*` alone. A schema without versions has none that could lie outside.
    pub fn holds(&self, version: Option<&str>) -> bool {
        let Some(version) = version else { return true };
        match version::parse(version) {
            Some(version) => self.holds_version(&version),
            None => self.wanted == Wanted::Range(VersionReq::STAR),
        }
    }

    fn holds_version(&self, version: &Version) -> bool {
        match &self.wanted {
            Wanted::Range(range) => range.matches(version) || *range == VersionReq::STAR,
            Wanted::Exact(exact) => exact == version,
            Wanted::Latest => false,
        }
    }
}

impl Reader {
    fn range(&self, schema: &SchemaName) -> Option<&Range> {
        self.all.as_ref().or_else(|| self.each.get(schema))
    }

    fn reads(&self, collection: &CollectionName) -> bool {
        self.when.collections.as_ref().is_none_or(|collections| collections.contains(collection))
    }
}

impl Acceptance {
    /// What these downstreams can read. A range that is none, which the configuration refuses, accepts nothing to object to.
    pub fn of(all: &BTreeMap<DownstreamName, Settings>) -> Self {
        let reader = |(name, settings): (&DownstreamName, &Settings)| {
            let (all, each) = match settings.accepts.as_ref()? {
                Accepts::All(range) => (Range::parse(range).ok(), BTreeMap::new()),
                Accepts::Each(ranges) => {
                    let range =
                        |(name, text): (&String, &String)| Some((SchemaName::new(name), Range::parse(text).ok()?));
                    (None, ranges.iter().filter_map(range).collect())
                }
            };
            let (when, interest) = (settings.when.clone(), Interest::of(&settings.when));
            Some(Reader { name: name.clone(), when, interest, all, each })
        };
        Self { readers: all.iter().filter_map(reader).collect() }
    }

    /// Whether every downstream reads whatever there is.
    pub fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// The downstreams that this record concerns and that cannot read it.
    pub fn refusals<'p>(
        &self,
        collection: &CollectionName,
        record: &RepoPath,
        files: &(impl Iterator<Item = &'p RepoPath> + Clone),
        used: &UsedSchema,
    ) -> Vec<Refusal> {
        let refusal = |reader: &Reader| {
            let range = reader.range(&used.name)?;
            let is_refused = reader.reads(collection)
                && !range.holds(used.version.as_deref())
                && reader.interest.holds(record, files.clone());
            let (downstream, accepts) = (reader.name.clone(), range.text.clone());
            is_refused.then(|| Refusal { downstream, schema: used.label(), accepts })
        };
        self.readers.iter().filter_map(refusal).collect()
    }

    /// The downstreams that read records of this schema in one of these collections, each with its range, and whether this
    /// version of the schema lies in it.
    pub fn of_version(
        &self,
        schema: &SchemaName,
        version: &Version,
        collections: &[&CollectionName],
    ) -> Vec<(&DownstreamName, &str, bool)> {
        let readers = self.readers.iter().filter(|reader| collections.iter().any(|name| reader.reads(name)));
        let ranges = readers.filter_map(|reader| Some((&reader.name, reader.range(schema)?)));
        ranges.map(|(name, range)| (name, range.text.as_str(), range.holds_version(version))).collect()
    }
}

impl Refusal {
    /// The finding on one record.
    pub fn of_record(&self, path: RepoPath) -> Finding {
        let Self { downstream, schema, accepts } = self;
        let message = format!("{downstream} cannot read this record: it accepts {accepts}, and this follows {schema}");
        Finding::error(&VERSION_NOT_ACCEPTED, path, message).help(self.cure())
    }

    /// The finding on the first of so many records, where one for each would say nothing more.
    pub fn of_many(&self, path: RepoPath, records: usize) -> Finding {
        let Self { downstream, schema, accepts } = self;
        let records = count(records, "record");
        let message = format!(
            "{downstream} cannot read {records}, this one first: it accepts {accepts}, and they follow {schema}"
        );
        Finding::error(&VERSION_NOT_ACCEPTED, path, message).help(self.cure())
    }

    fn cure(&self) -> String {
        let name = &self.downstream;
        format!("keep a version that {name} can read; once {name} is ready, widen its `accepts` in stockroom.yml")
    }
}

/// The warning on the file of a new version of a schema that none of those can read who read the schema; none where one can.
pub fn unaccepted(
    path: RepoPath,
    schema: &SchemaName,
    version: &Version,
    told: &[(&DownstreamName, &str, bool)],
) -> Option<Finding> {
    if told.is_empty() || told.iter().any(|(_, _, is_accepted)| *is_accepted) {
        return None;
    }
    let ranges: Vec<String> = told.iter().map(|(name, range, _)| format!("{name} accepts {range}")).collect();
    let message = format!("no downstream can read {schema} {version}: {}", ranges.join(", "));
    let help = "a record that follows it will be an error; make the downstreams ready and widen their `accepts` first";
    Some(Finding::warning(&SCHEMA_NOT_ACCEPTED, path, message).help(help))
}

#[cfg(test)]
mod tests;
