//! Carries out the words below `stockroom state migrate`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{Ending, Execution};
use crate::adapters::clock;
use crate::adapters::state_store::{SqliteState, StateLock, StateStore as _};
use crate::adapters::turn::Turn;
use crate::cli::wiring::carried::carries;
use crate::cli::wiring::{self, Reach};
use crate::cli::words::Format;
use crate::cli::words::migrate::{MigrateCommand, Towards};
use crate::commands::moving::{self, Comparison, Ground, Move, Moved, Outlook, Side};
use crate::commands::open::{Opened, open};
use crate::ids::LockToken;
use crate::report::moving as report;
use crate::state::Kind;

/// How often a log hears of progress.
const LOG_EVERY: Duration = Duration::from_secs(10);

impl Execution<'_> {
    /// Takes a step of a move of the state.
    pub(super) async fn migrate(&self, command: MigrateCommand) -> anyhow::Result<Ending> {
        let opened = open(&self.place(None))?;
        let turn = self.turn_for(&command, &opened).await?;
        let reach = if turn.is_some() { Reach::Network } else { Reach::Look };
        match command {
            MigrateCommand::Check { towards } => {
                let (moving, route) = self.moving(&opened, towards, reach).await?;
                let outlook = moving::check(&moving).await?;
                let shown = shown(&outlook);
                self.say(towards, || report::check(&route, &shown), || report::check_json(&route, &shown));
                Ok(Ending::Done)
            }
            MigrateCommand::Run { towards } => {
                let (moving, route) = self.moving(&opened, towards, reach).await?;
                let mut last = Instant::now();
                let moved = moving::run(&moving, &mut |done, all| {
                    let line = format!("copied {done} of {all} rows");
                    self.console.progress(&line);
                    if last.elapsed() >= LOG_EVERY && !self.console.has_terminal() {
                        last = Instant::now();
                        self.console.talk(&format!("{line}\n"));
                    }
                })
                .await;
                self.console.end_progress();
                let moved = moved?;
                let Moved { rows, resumed } = moved;
                self.say(towards, || report::run(&route, &rows, resumed), || report::run_json(&route, &rows, resumed));
                Ok(Ending::Done)
            }
            MigrateCommand::Validate { towards } => {
                let (moving, route) = self.moving(&opened, towards, reach).await?;
                let compared = moving::validate(&moving, &mut |table| {
                    self.console.progress(&format!("comparing {}", table.as_str()));
                })
                .await;
                self.console.end_progress();
                let compared = compared?;
                let (tables, since) = (tables(&compared), compared.changes_since);
                self.say(
                    towards,
                    || report::validate(&route, &tables, since),
                    || report::validate_json(&route, &tables, since),
                );
                Ok(if compared.is_equal() { Ending::Done } else { Ending::Failed })
            }
            MigrateCommand::Cleanup { towards, yes } => {
                let (moving, route) = self.moving(&opened, towards, reach).await?;
                let (compared, rows) = moving::cleanup(&moving, yes).await?;
                let (tables, since) = (tables(&compared), compared.changes_since);
                self.say(
                    towards,
                    || report::cleanup(&route, &rows, yes),
                    || report::cleanup_json(&route, &tables, since, yes),
                );
                Ok(if yes { Ending::Done } else { Ending::Failed })
            }
        }
    }

    /// This clone's turn, without which a sync of the clone would take the lock for one that was left behind. Who only looks
    /// does not wait for it.
    async fn turn_for(&self, command: &MigrateCommand, opened: &Opened) -> anyhow::Result<Option<Turn>> {
        match command {
            MigrateCommand::Run { .. } | MigrateCommand::Cleanup { .. } => {
                self.turn(&opened.worktree, &opened.config).await.map(Some)
            }
            MigrateCommand::Check { .. } | MigrateCommand::Validate { .. } => {
                Ok(Turn::take(&opened.worktree.private_folder()))
            }
        }
    }

    fn say(&self, towards: Towards, human: impl FnOnce() -> String, json: impl FnOnce() -> String) {
        match towards.format {
            Format::Human => self.console.text(&human()),
            Format::Json => self.console.json(&json()),
        }
    }

    async fn lock_of_file(
        &self,
        file: &SqliteState,
        opened: &Opened,
        reach: Reach,
    ) -> anyhow::Result<Arc<dyn StateLock>> {
        let Opened { worktree, config, .. } = opened;
        wiring::sqlite_lock(file, worktree, config, self.environment, reach, self.console, &self.stop).await
    }

    /// Both stores, whichever of them stockroom.yml says is in use.
    async fn moving(&self, opened: &Opened, towards: Towards, reach: Reach) -> anyhow::Result<(Move, report::Route)> {
        let (worktree, config) = (&opened.worktree, &opened.config);
        let repository = self.environment.repository().or_else(|| worktree.origin());
        let file = wiring::sqlite_state(worktree, repository.as_ref());
        let database = wiring::postgres_state(worktree, config, self.environment, file.clone(), self.console)?;
        let sqlite = Side {
            kind: Kind::Sqlite,
            place: file.place(),
            lock: self.lock_of_file(&file, opened, reach).await?,
            alone: config.settings.state.kind == Kind::Postgres || !carries(worktree, config, self.environment),
            rows: Arc::new(file),
        };
        let postgres = Side {
            kind: Kind::Postgres,
            place: database.place(),
            lock: Arc::new(database.clone()),
            alone: false,
            rows: Arc::new(database),
        };
        let (from, to) = match Kind::from(towards.to) {
            Kind::Postgres => (sqlite, postgres),
            Kind::Sqlite => (postgres, sqlite),
        };
        let route = report::Route {
            from: (from.kind, from.place.clone()),
            to: (to.kind, to.place.clone()),
            configured: config.settings.state.kind,
        };
        let holder = format!("state migrate of {}", self.claimant().holder);
        let token = LockToken::new(Uuid::new_v4().to_string());
        Ok((Move { from, to, holder, token, clock: Arc::new(clock::now), stop: self.stop.clone() }, route))
    }
}

fn shown(outlook: &Outlook) -> report::Outlook<'_> {
    report::Outlook {
        library: &outlook.standing.library,
        serial: outlook.standing.serial.0,
        rows: &outlook.rows,
        bytes: outlook.bytes,
        ground: match &outlook.ground {
            Ground::Empty => report::Ground::Empty,
            Ground::Partial(copying) => report::Ground::Partial(copying.rows),
            Ground::Outdated => report::Ground::Outdated,
            Ground::Done => report::Ground::Done,
        },
        locked_by: outlook.locked_by.as_deref(),
    }
}

fn tables(comparison: &Comparison) -> Vec<report::Compared> {
    let compared = comparison.tables.iter().map(|table| report::Compared {
        table: table.table,
        from: table.from,
        to: table.to,
        counts: table.counts,
    });
    compared.collect()
}
