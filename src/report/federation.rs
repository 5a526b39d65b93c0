//! What a hub took of its libraries, for people.

use std::fmt::Write as _;

use crate::report::log_text::without_controls;

/// What came of making a hub's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Federated {
    /// The number of the edition that is there now.
    pub seq: u64,
    /// Its digest.
    pub digest: String,
    /// Whether it is a new one.
    pub is_changed: bool,
    /// What was taken of each library, in the order of their names.
    pub libraries: Vec<Taken>,
}

/// What was taken of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its name in the hub.
    pub name: String,
    /// The number of its edition that the hub has; none where it has nothing of it.
    pub seq: Option<u64>,
    /// How many assets that has.
    pub assets: usize,
    /// Why its newest edition was not taken, where it was not.
    pub away: Option<String>,
}

impl Federated {
    /// Whether the hub has the newest edition of every library.
    pub fn is_whole(&self) -> bool {
        self.libraries.iter().all(|taken| taken.away.is_none())
    }
}

/// A line for each library, and one for the hub.
pub fn human(federated: &Federated, place: &str) -> String {
    let mut out = String::new();
    for Taken { name, seq, assets, away } in &federated.libraries {
        let has = match seq {
            Some(seq) => format!("{assets} assets of its edition {seq}"),
            None => "nothing".to_owned(),
        };
        let line = match away {
            None => format!("{name}: {has}"),
            Some(why) => format!("{name}: not taken, the hub keeps what it has ({has}): {why}"),
        };
        let _ = writeln!(out, "{}", without_controls(&line));
    }
    let digest = federated.digest.get(..12).unwrap_or(&federated.digest);
    let line = if federated.is_changed {
        format!("edition {} ({digest}) was published to {place}", federated.seq)
    } else {
        format!("{place} has edition {} ({digest}) already; nothing was written", federated.seq)
    };
    let _ = writeln!(out, "{}", without_controls(&line));
    out
}
