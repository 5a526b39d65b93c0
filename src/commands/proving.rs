//! A proof in a thread of its own, with a deadline.

use std::cell::Cell;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::schema::diff::changes::Introduced;
use crate::schema::diff::proof::{self, Proof, Side};
use crate::schema::settings::Policy;

/// How long all proofs of a run may take. Schemas that people write take milliseconds.
const DEADLINE: Duration = Duration::from_secs(10);
/// The prover follows references into the depth.
const STACK: usize = 64 * 1024 * 1024;

/// Proves one pair of schemas within the deadline, or says that it could not.
pub fn prove(old: &Side, new: &Side, introduced: &[Introduced], policy: Policy) -> Proof {
    Prover::default().prove(old, new, introduced, policy)
}

/// Proves for a whole run: all its proofs share one deadline, and after one that is late none is begun.
pub struct Prover {
    left: Cell<Duration>,
}

impl Default for Prover {
    fn default() -> Self {
        Self { left: Cell::new(DEADLINE) }
    }
}

impl Prover {
    /// Proves, or says that it could not.
    ///
    /// A prover that is late is left behind: it holds nothing that anybody waits for, and ends with the process.
    pub fn prove(&self, old: &Side, new: &Side, introduced: &[Introduced], policy: Policy) -> Proof {
        let late = || Proof::Unknown("the prover took too long".to_owned());
        let left = self.left.get();
        if left.is_zero() {
            return late();
        }
        let (told, answer) = mpsc::channel();
        let (old, new, introduced) = (old.clone(), new.clone(), introduced.to_vec());
        let work = move || {
            // Nobody listens any more to one who is late.
            let _ = told.send(proof::prove(&old, &new, &introduced, policy));
        };
        let begun = Instant::now();
        if thread::Builder::new().name("prover".to_owned()).stack_size(STACK).spawn(work).is_err() {
            return Proof::Unknown("the prover could not be started".to_owned());
        }
        let proof = answer.recv_timeout(left);
        self.left.set(left.saturating_sub(begun.elapsed()));
        match proof {
            Ok(proof) => proof,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                self.left.set(Duration::ZERO);
                late()
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Proof::Unknown("the prover failed".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ids::RepoPath;
    use crate::schema::diff::side;
    use crate::schema::registry::{LoneFile, SchemaFiles};
    use crate::schema::settings::{DraftName, FormatPolicy};

    #[test]
    fn after_a_proof_that_was_late_none_is_begun() {
        let path = RepoPath::new("a.json");
        let files: Arc<dyn SchemaFiles> = Arc::new(LoneFile::new(path.clone(), b"{}".to_vec()));
        let one = side(serde_json::json!({"type": "string"}), &path, &files);
        let policy = Policy { format: FormatPolicy::Assert, draft: DraftName::Draft202012 };
        assert_eq!(Prover::default().prove(&one, &one, &[], policy), Proof::Covers);
        let late = Prover { left: Cell::new(Duration::ZERO) };
        assert_eq!(late.prove(&one, &one, &[], policy), Proof::Unknown("the prover took too long".to_owned()));
    }
}
