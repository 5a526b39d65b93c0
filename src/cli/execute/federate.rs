//! Carries out `federate`, which needs no library.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::anyhow;

use super::{Ending, Execution};
use crate::adapters::clock;
use crate::adapters::publication::{FolderTarget, KnownRoot, ManifestSource, PublishTarget, Web};
use crate::cli::wiring::buckets;
use crate::cli::wiring::source::{manifest_source, web};
use crate::cli::words::federate::FederateWords;
use crate::commands::federate::{Library, Wish, federate};
use crate::manifest::federation::name_problem;
use crate::manifest::files::ROOT;
use crate::manifest::settings::Bucket;
use crate::manifest::settings::bucket::BucketAddress;
use crate::mirror::source::Source;
use crate::report::federation::human;

impl Execution<'_> {
    /// Makes one manifest of several and publishes it.
    pub(super) async fn federate(&self, words: &FederateWords) -> anyhow::Result<Ending> {
        let mut libraries: Vec<Library> = Vec::new();
        let mut names = BTreeSet::new();
        for member in &words.members {
            let (name, source) = member.split_once('=').ok_or_else(|| {
                anyhow!("{member:?} names no library: write NAME=SOURCE, such as tools=https://tools.example.com/")
            })?;
            if let Some(problem) = name_problem(name) {
                return Err(anyhow!("{problem}"));
            }
            if !names.insert(name) {
                return Err(anyhow!("two libraries are called {name:?}: give each a name of its own"));
            }
            let source = Source::parse(source, words.allow_http)?;
            let web = web(&source, words.allow_http, self.environment, &self.stop)?;
            let reading = self.reading(&source, &web, None)?;
            libraries.push(Library { name: name.to_owned(), shown: source.to_string(), source: reading });
        }
        let target = self.hub(words);
        let wish = Wish {
            key: self.key(words.key.as_deref())?,
            allows_older: words.allow_older,
            now: clock::now(),
            repository: self.environment.repository().map(|slug| slug.to_string()),
        };
        let federated = federate(libraries, Arc::clone(&target), &wish, &self.stop).await?;
        self.console.text(&human(&federated, &target.place()));
        let values = [
            ("command", "federate".to_owned()),
            ("changed", federated.is_changed.to_string()),
            ("manifest-digest", federated.digest.clone()),
        ];
        self.settled(self.set_outputs(&values));
        Ok(if federated.is_whole() { Ending::Done } else { Ending::Partial })
    }

    fn hub(&self, words: &FederateWords) -> Arc<dyn PublishTarget> {
        let address = words.url.as_ref().map(|url| format!("{}/{ROOT}", url.trim_end_matches('/')));
        if !BucketAddress::is_meant(&words.output) {
            return Arc::new(FolderTarget::new(self.folder.join(&words.output), &words.output).at(address));
        }
        let bucket = Bucket { address: &words.output, endpoint: None, region: None, last_writer_wins: false };
        buckets::target(&bucket, &buckets::credentials(self.environment, self.console), address, &self.stop)
    }

    /// The place of a manifest, to read it.
    pub(super) fn reading(
        &self,
        source: &Source,
        web: &Web,
        known: Option<KnownRoot>,
    ) -> anyhow::Result<Arc<dyn ManifestSource>> {
        manifest_source(source, &self.folder, web, known, self.surroundings())
    }
}
