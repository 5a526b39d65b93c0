//! Carries out `doctor`.

use super::{Ending, Execution};
use crate::cli::rehearsal;
use crate::cli::wiring::doctor::Ways;
use crate::cli::wiring::places::Places;
use crate::cli::wiring::source::sign;
use crate::cli::wiring::{Reach, carries};
use crate::cli::words::Format;
use crate::commands::doctor;
use crate::commands::gather::{Library, Wanted, gather};
use crate::commands::open::{Opened, open};
use crate::config::ConfigError;
use crate::diagnosis::{Conclusion, Diagnosis, Health};
use crate::finding::words::count;
use crate::manifest::settings::Place;
use crate::report::doctor::human;
use crate::report::json;

impl Execution<'_> {
    /// Looks at everything that a run would need, and says what to do next.
    pub(super) async fn doctor(&self, format: Format) -> anyhow::Result<Ending> {
        let mut diagnosis = Diagnosis::default();
        match open(&self.place(None)) {
            Err(error) => diagnosis.add("configuration", configuration(&error)),
            Ok(opened) => self.examine(opened, &mut diagnosis).await?,
        }
        match format {
            Format::Human => self.console.text(&human(&diagnosis, self.style())),
            Format::Json => self.console.json(&json::doctor::render(&diagnosis)),
        }
        Ok(match diagnosis.overall() {
            Health::Healthy => Ending::Done,
            Health::Degraded => Ending::Partial,
            Health::Unhealthy => Ending::Failed,
        })
    }

    async fn examine(&self, opened: Opened, diagnosis: &mut Diagnosis) -> anyhow::Result<()> {
        let settings = &opened.config.settings;
        let said = format!(
            "{}: {}, {}",
            opened.config.path,
            count(settings.collections.len(), "collection"),
            count(settings.downstreams.len(), "downstream")
        );
        diagnosis.add("configuration", Conclusion::healthy(said));
        diagnosis.add("git", doctor::git(&opened.worktree, &opened.tree, self.needs_origin(&opened)));
        let mut ways = Ways::new(&opened.worktree, &opened.config, self.environment, self.console, &self.stop)?;
        let sites = ways.sites();
        doctor::tokens(diagnosis, &ways.tokens()).await;
        doctor::sites(diagnosis, sites).await;
        self.examine_records(&opened, diagnosis).await;
        self.examine_stores(&opened, diagnosis).await;
        if let Some(slack) = ways.slack() {
            diagnosis.add(
                "slack",
                match slack {
                    Ok(notifier) => doctor::slack(&notifier).await,
                    Err(variable) => {
                        Conclusion::degraded(format!("{variable} is not set, so nobody is told in Slack: set it"))
                    }
                },
            );
        }
        Ok(())
    }

    /// For what origin is needed, if for anything.
    fn needs_origin(&self, opened: &Opened) -> Option<&'static str> {
        let places = &opened.config.settings.manifest.publish;
        if places.iter().any(|publish| publish.branch.is_some()) {
            return Some("the branch that the manifest is published to");
        }
        carries(&opened.worktree, &opened.config, self.environment).then_some("the state that a ref carries")
    }

    async fn examine_records(&self, opened: &Opened, diagnosis: &mut Diagnosis) {
        let schemas = &opened.config.settings.schemas;
        let brought = self.open(None, false).await;
        if schemas.is_elsewhere() || brought.is_err() {
            diagnosis.add("schemas", doctor::registry(&schemas.source, &brought));
        }
        let Ok(brought) = brought else { return };
        let library = gather(brought, Wanted::Assets);
        diagnosis.add("records", doctor::records(&library));
        if let Ok(library) = library {
            examine_alignment(&library, diagnosis);
        }
    }

    async fn examine_stores(&self, opened: &Opened, diagnosis: &mut Diagnosis) {
        let (worktree, config) = (&opened.worktree, &opened.config);
        match self.outside(opened, Reach::Look) {
            Err(error) => diagnosis.add("state", Conclusion::unhealthy(format!("{error:#}"))),
            Ok(outside) => {
                diagnosis.add("state", doctor::state(&*outside.state).await);
                if config.settings.embed.is_some() {
                    diagnosis.add("model", doctor::model(&*outside.model).await);
                    diagnosis.add("embedding", doctor::index(&*outside.vectors).await);
                }
            }
        }
        let pace = rehearsal::pace(self.environment, &self.stop);
        let repository = self.environment.repository().or_else(|| worktree.origin());
        let places = Places {
            worktree,
            config,
            environment: self.environment,
            console: self.console,
            stop: &self.stop,
            pace: &pace,
            repository: repository.as_ref(),
        };
        for (name, target) in places.targets(Reach::Look) {
            diagnosis.add(name.as_str(), doctor::manifest(&*target).await);
        }
        if config.settings.manifest.publish.iter().any(|publish| publish.place() == Some(Place::Release)) {
            let has_token =
                ["STOCKROOM_GITHUB_TOKEN", "GITHUB_TOKEN"].iter().any(|name| self.environment.get(name).is_some());
            diagnosis.add("manifest/release", doctor::release(has_token));
        }
        if config.settings.manifest.sign.is_some() {
            let key = sign(config, self.environment, self.console);
            diagnosis.add(
                "signing-key",
                match key {
                    Ok(_) => Conclusion::healthy("the key can sign"),
                    Err(error) => Conclusion::unhealthy(format!("{error:#}")),
                },
            );
        }
    }
}

fn examine_alignment(library: &Library, diagnosis: &mut Diagnosis) {
    if library.config.settings.downstreams.values().any(|downstream| downstream.accepts.is_some()) {
        diagnosis.add("accepts", doctor::alignment(library));
    }
}

/// Why there is no configuration, or what is wrong with it.
fn configuration(error: &anyhow::Error) -> Conclusion {
    let Some(config) = error.downcast_ref::<ConfigError>() else { return Conclusion::unhealthy(format!("{error:#}")) };
    let first =
        config.problems.first().map(|first| format!("; the first, in line {}: {}", first.span.line, first.message));
    Conclusion::unhealthy(format!("{config}{}; `stockroom check` shows them", first.unwrap_or_default()))
}
