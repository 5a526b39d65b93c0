//! Moves a state from one store to another: looked at first, copied, compared, and only then deleted where it was.

mod compare;
mod ground;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;

pub use compare::{Comparison, TableComparison, validate};
pub use ground::{Ground, ground};

use crate::adapters::state_store::{StateError, StateLock, StateRows};
use crate::adapters::stop::{Stop, Stopped};
use crate::ids::LockToken;
use crate::state::moving::{Copying, Standing};
use crate::state::row::Table;
use crate::state::{Claim, Kind, Timestamp};

/// The order in which tables are copied. What is known of files may grow while nobody has the lock, so it comes last, when
/// the source is closed.
const ORDER: [Table; 7] =
    [Table::Targets, Table::Assets, Table::Runs, Table::RunEnds, Table::History, Table::Chunks, Table::Files];

/// For how long both locks are taken, in seconds.
const SECONDS: i64 = 300;
/// How often they are renewed.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// A store that a state moves from or to.
#[derive(Clone)]
pub struct Side {
    /// What kind of store it is.
    pub kind: Kind,
    /// What people call the place.
    pub place: String,
    /// Keeps others out.
    pub lock: Arc<dyn StateLock>,
    /// Whether nobody else who could hold that lock is alive: it is this clone's, which is kept from others.
    pub alone: bool,
    /// Its rows.
    pub rows: Arc<dyn StateRows>,
}

/// From where to where a state moves.
pub struct Move {
    /// Where it is.
    pub from: Side,
    /// Where it goes.
    pub to: Side,
    /// Who moves it, in words for people.
    pub holder: String,
    /// What proves that the locks are theirs.
    pub token: LockToken,
    /// The time.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Whether the process was asked to end.
    pub stop: Stop,
}

/// What a move would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// What is known of the state.
    pub standing: Standing,
    /// The rows of each table.
    pub rows: Vec<(Table, u64)>,
    /// What the rows will take at the destination, in bytes, as an estimate.
    pub bytes: u64,
    /// What is at the destination.
    pub ground: Ground,
    /// Whose lock is in the way.
    pub locked_by: Option<String>,
}

/// What a move has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The rows of each table.
    pub rows: Vec<(Table, u64)>,
    /// How many of them an earlier run had copied.
    pub resumed: u64,
}

/// Looks whether the state can be moved, and changes nothing.
pub async fn check(moving: &Move) -> anyhow::Result<Outlook> {
    let standing = source(&moving.from).await?;
    let ground = ground(&moving.from.place, &moving.to.place, &standing, moving.to.rows.standing().await?.as_ref())?;
    moving.to.rows.rehearse().await?;
    let rows = counts(&moving.from).await?;
    let bytes = rows.iter().map(|(table, rows)| rows * bytes_of_a_row(moving.to.kind, *table)).sum();
    let lock = moving.from.lock.locked().await?.filter(|lock| lock.expires > (moving.clock)());
    Ok(Outlook { standing, rows, bytes, ground, locked_by: lock.map(|lock| lock.holder) })
}

/// Copies the rows, from where an earlier run has come to, and marks the source as moved.
///
/// `told` hears how many rows of how many are there.
pub async fn run(moving: &Move, told: &mut (dyn FnMut(u64, u64) + Send)) -> anyhow::Result<Moved> {
    let locks = [&moving.from, &moving.to];
    // Nothing is written at a place that is refused.
    let standing = source(&moving.from).await?;
    ground(&moving.from.place, &moving.to.place, &standing, moving.to.rows.standing().await?.as_ref())?;
    // A signal waits until the locks are given back.
    let _under_way = moving.stop.hold()?;
    let mut taken = Vec::new();
    let mut outcome = Ok(());
    for side in locks {
        match lock(moving, side).await {
            Ok(()) => taken.push(side),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    let moved = match outcome {
        Ok(()) => copy(moving, told).await,
        Err(error) => Err(error),
    };
    let mut given_back = Ok(());
    for side in taken {
        given_back = given_back.and(side.lock.unlock(&moving.token).await);
    }
    let moved = moved?;
    given_back?;
    Ok(moved)
}

/// Deletes the state where it was, if it was moved and everything has arrived. What it says was deleted, or would be.
pub async fn cleanup(moving: &Move, is_confirmed: bool) -> anyhow::Result<(Comparison, Vec<(Table, u64)>)> {
    let (from, to) = (&moving.from.place, &moving.to.place);
    let standing = source(&moving.from).await?;
    if standing.moved_to.is_none() {
        return Err(anyhow!("the state at {from} was not moved, so it is not deleted"));
    }
    let comparison = validate(moving, &mut |_| {}).await?;
    if !comparison.is_equal() {
        return Err(anyhow!(
            "what is at {to} differs from what is at {from}, so nothing is deleted; `stockroom state migrate validate \
             --to {}` says where",
            moving.to.kind.as_str()
        ));
    }
    let rows = counts(&moving.from).await?;
    if is_confirmed {
        moving.from.rows.delete().await?;
    }
    Ok((comparison, rows))
}

/// The state that is to be moved.
async fn source(from: &Side) -> anyhow::Result<Standing> {
    let standing = from.rows.standing().await?;
    let Some(standing) = standing.filter(|standing| !standing.is_empty()) else {
        return Err(anyhow!("there is no state at {} that could be moved", from.place));
    };
    if let Some(copying) = &standing.copying {
        return Err(anyhow!(
            "the state at {} is itself a copy that is not complete; it comes from {}, and has to be completed first",
            from.place,
            copying.from
        ));
    }
    Ok(standing)
}

async fn counts(side: &Side) -> Result<Vec<(Table, u64)>, StateError> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        rows.push((table, side.rows.count(table).await?));
    }
    Ok(rows)
}

async fn lock(moving: &Move, side: &Side) -> anyhow::Result<()> {
    let (token, holder) = (moving.token.clone(), moving.holder.clone());
    let claim = Claim { token, holder, seconds: SECONDS, alone: side.alone, abandoned: None };
    match side.lock.lock(&claim, (moving.clock)()).await {
        Ok(_) => Ok(()),
        Err(StateError::Locked(lock)) => Err(anyhow!(
            "the state at {} is locked by {}. Run again when that has ended; a lock that nobody holds any more expires within \
             five minutes",
            side.place,
            lock.holder
        )),
        Err(error) => Err(error.into()),
    }
}

async fn copy(moving: &Move, told: &mut (dyn FnMut(u64, u64) + Send)) -> anyhow::Result<Moved> {
    let (from, to) = (&moving.from, &moving.to);
    // Somebody may have been faster with the lock.
    let standing = source(from).await?;
    let ground = ground(&from.place, &to.place, &standing, to.rows.standing().await?.as_ref())?;
    let all: u64 = counts(from).await?.iter().map(|(_, rows)| rows).sum();
    let begin =
        Copying { from: from.place.clone(), serial: standing.serial, table: Table::Targets, after: None, rows: 0 };
    let mut copying = match ground {
        Ground::Done => return Ok(Moved { rows: counts(to).await?, resumed: 0 }),
        Ground::Partial(copying) => copying,
        Ground::Empty | Ground::Outdated => {
            to.rows.begin_copy(&standing, &begin).await?;
            begin
        }
    };
    let resumed = copying.rows;
    let done = ORDER.iter().position(|table| *table == copying.table).unwrap_or_default();
    let mut renewed = Instant::now();
    for table in ORDER.into_iter().skip(done) {
        if table != copying.table {
            copying = Copying { table, after: None, ..copying };
        }
        if table == Table::Files {
            from.rows.mark_moved(&to.place).await?;
        }
        loop {
            if let Some(signal) = moving.stop.asked() {
                // What has arrived stays: the next run goes on from there.
                return Err(Stopped(signal).into());
            }
            let page = from.rows.page(table, copying.after.as_deref()).await?;
            let Some(last) = page.last else { break };
            copying.after = Some(last);
            copying.rows += page.rows.len() as u64;
            to.rows.copy_rows(table, page.rows, &copying).await?;
            told(copying.rows, all);
            if renewed.elapsed() >= RENEW_EVERY {
                lock(moving, from).await?;
                lock(moving, to).await?;
                renewed = Instant::now();
            }
        }
    }
    let (there, here) = (counts(from).await?, counts(to).await?);
    if let Some(((table, wanted), (_, found))) = there.iter().zip(&here).find(|(there, here)| there != here) {
        return Err(anyhow!(
            "of {} there are {wanted} rows at {} and {found} at {}. Nothing is lost; `stockroom state migrate run --to {}` \
             begins anew when the unfinished copy is deleted",
            table.as_str(),
            from.place,
            to.place,
            to.kind.as_str()
        ));
    }
    to.rows.end_copy().await?;
    Ok(Moved { rows: here, resumed })
}

/// What a row takes, with its share of the indexes: measured on rows as they are in libraries.
fn bytes_of_a_row(kind: Kind, table: Table) -> u64 {
    let (sqlite, postgres) = match table {
        Table::Targets => (400, 500),
        Table::Assets => (160, 260),
        Table::Runs => (260, 330),
        Table::RunEnds => (160, 240),
        Table::History => (220, 300),
        Table::Files => (170, 280),
        Table::Chunks => (150, 330),
    };
    match kind {
        Kind::Sqlite => sqlite,
        Kind::Postgres => postgres,
    }
}
