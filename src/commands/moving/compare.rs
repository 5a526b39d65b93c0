//! Whether what has arrived is what was sent.

use super::{Move, source};
use crate::adapters::state_store::digest;
use crate::state::row::{SetDigest, Table};

/// The two sides of a move, table by table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Each table.
    pub tables: Vec<TableComparison>,
    /// How many changes the destination has seen since: then tables that changes replace cannot be equal any more.
    pub changes_since: u64,
}

/// A table on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableComparison {
    /// The table.
    pub table: Table,
    /// What is at the source.
    pub from: SetDigest,
    /// What is at the destination; of a table that is only added to, as many rows as the source has.
    pub to: SetDigest,
    /// Whether it counts: not where the destination has been changed since.
    pub counts: bool,
}

impl TableComparison {
    /// Whether it is what was sent.
    pub fn is_equal(&self) -> bool {
        self.from == self.to
    }
}

impl Comparison {
    /// Whether everything that can be compared has arrived.
    pub fn is_equal(&self) -> bool {
        self.tables.iter().all(|table| table.is_equal() || !table.counts)
    }
}

/// Compares the counts and the digests of each table. `told` hears which one is read.
pub async fn validate(moving: &Move, told: &mut (dyn FnMut(Table) + Send)) -> anyhow::Result<Comparison> {
    let (from, to) = (&moving.from, &moving.to);
    let there = source(from).await?;
    let here = match to.rows.standing().await? {
        Some(here) if here.copying.is_some() => {
            let (place, kind) = (&to.place, to.kind.as_str());
            anyhow::bail!(
                "the copy at {place} is not complete; `stockroom state migrate run --to {kind}` goes on with it"
            )
        }
        Some(here) if here.lineage == there.lineage => here,
        _ => anyhow::bail!("the state at {} was not moved to {}", from.place, to.place),
    };
    let changes_since = here.serial.0.saturating_sub(there.serial.0);
    let mut tables = Vec::new();
    for table in Table::ALL {
        told(table);
        let sent = digest(from.rows.as_ref(), table, None).await?;
        let is_added_to = matches!(table, Table::History | Table::Runs);
        let most = is_added_to.then(|| sent.rows());
        let arrived = digest(to.rows.as_ref(), table, most).await?;
        tables.push(TableComparison { table, from: sent, to: arrived, counts: changes_since == 0 || is_added_to });
    }
    Ok(Comparison { tables, changes_since })
}
