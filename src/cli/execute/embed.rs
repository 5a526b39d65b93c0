//! Carries out `embed`: what `sync` does for the vector index, or one run's share of it.

use anyhow::anyhow;

use super::check::Asked;
use super::{Awaited, Ending, Execution};
use crate::adapters::stop::Stopped;
use crate::cli::wiring::{Reach, outside};
use crate::cli::words::embed::EmbedWords;
use crate::cli::words::{Common, Format, Limits};
use crate::commands::gather::Library;
use crate::commands::plan::{self as planning, Choice, Scope};
use crate::commands::shards;
use crate::embedding::Shard;
use crate::report::state::{Waiting, waiting};
use crate::report::{human_targets, json};

impl Execution<'_> {
    /// Brings the vector index into step, and nothing else.
    pub(super) async fn embed(&self, words: &EmbedWords) -> anyhow::Result<Ending> {
        let EmbedWords { common, format, metrics, allow_mass_delete, shard } = words;
        if let Some(shard) = shard {
            return self.embed_shard(words, *shard).await;
        }
        let command = if *allow_mass_delete { "embed --allow-mass-delete" } else { "embed" };
        self.bring_into_step(common, *format, metrics, |_| Ok(scope(*allow_mass_delete)), command.to_owned()).await
    }

    /// Embeds one share of what the index lacks.
    async fn embed_shard(&self, words: &EmbedWords, shard: Shard) -> anyhow::Result<Ending> {
        let EmbedWords { common, format, .. } = words;
        let Some(library) = self.checked(common, (*format).into(), &Asked::default()).await? else {
            return Ok(Ending::Findings);
        };
        shards::can_share(&library.config)?;
        let Library { worktree, config, .. } = &library;
        let outside = outside(worktree, config, self.environment, Reach::Network, self.console, &self.stop)?;
        let desired = shards::plan(&library, &outside, shard).await?;
        let mut claimant = self.claimant();
        claimant.alone = false;
        // What is begun is not cut off half-way: a signal waits for it to end.
        let under_way = self.stop.hold()?;
        let mut told = |what: &Waiting| self.console.talk(&waiting(what));
        let mut progress = |line: &str| self.console.progress(line);
        let sync = shards::embed(desired, &library, &outside, &claimant, &mut told, &mut progress).await?;
        self.console.end_progress();
        match format {
            Format::Human => self.console.text(&human_targets::shard(&sync, &shard.to_string(), self.style())),
            Format::Json => self.console.json(&json::targets::sync(&sync)),
        }
        self.settled(self.outputs("embed", &library.check, common.fail_on));
        self.settled(self.set_outputs(&[("embedded", sync.embedding.embedded.to_string())]));
        drop(under_way);
        match self.stop.asked() {
            Some(signal) if sync.is_partial() => Err(Stopped(signal).into()),
            _ if sync.is_partial() => Ok(Ending::Partial),
            _ => Ok(Ending::Done),
        }
    }

    /// Prints which of so many shares there is anything to do in, as a matrix for a workflow's jobs.
    pub(super) async fn shards(&self, common: &Common, limits: &Limits, of: u16) -> anyhow::Result<Ending> {
        let Some(library) = self.checked(common, Awaited::Other, &Asked::default()).await? else {
            return Ok(Ending::Findings);
        };
        shards::can_share(&library.config)?;
        let Library { worktree, config, .. } = &library;
        let outside = outside(worktree, config, self.environment, Reach::Look, self.console, &self.stop)?;
        let desired = planning::plan(&library, &outside, scope(limits.allow_mass_delete), false).await?;
        if let Some(refusal) = &desired.plan.refusal {
            return Err(anyhow!("nothing would be done: {refusal}"));
        }
        // Whoever runs last says so by the exit code; the others need not wait for that.
        for unread in &desired.plan.unread {
            self.console.talk(&format!("warning: {} was not read: {}\n", unread.target, unread.why));
        }
        let matrix = shards::matrix(&desired, of);
        let json = serde_json::to_string(&matrix)?;
        self.console.text(&format!("{json}\n"));
        self.outputs("plan", &library.check, common.fail_on)?;
        self.set_outputs(&[("matrix", json), ("shards", matrix.include.len().to_string())])?;
        Ok(Ending::Done)
    }
}

/// The index alone.
pub(super) fn scope(allow_mass_delete: bool) -> Scope {
    Scope { manifest: false, dispatch: false, embed: true, allow_mass_delete, choice: Choice::default() }
}
