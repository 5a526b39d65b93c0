//! A proof in a thread of its own, with a deadline.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::schema::diff::changes::Introduced;
use crate::schema::diff::proof::{self, Proof, Side};
use crate::schema::settings::Policy;

/// How long a proof may take. Schemas that people write take milliseconds.
const DEADLINE: Duration = Duration::from_secs(10);
/// The prover follows references into the depth.
const STACK: usize = 64 * 1024 * 1024;

/// Proves within the deadline, or says that it could not.
///
/// A prover that is late is left behind: it holds nothing that anybody waits for, and ends with the process.
pub fn prove(old: &Side, new: &Side, introduced: &[Introduced], policy: Policy) -> Proof {
    let (told, answer) = mpsc::channel();
    let (old, new, introduced) = (old.clone(), new.clone(), introduced.to_vec());
    let work = move || {
        // Nobody listens any more to one who is late.
        let _ = told.send(proof::prove(&old, &new, &introduced, policy));
    };
    if thread::Builder::new().name("prover".to_owned()).stack_size(STACK).spawn(work).is_err() {
        return Proof::Unknown("the prover could not be started".to_owned());
    }
    match answer.recv_timeout(DEADLINE) {
        Ok(proof) => proof,
        Err(mpsc::RecvTimeoutError::Timeout) => Proof::Unknown("the prover took too long".to_owned()),
        Err(mpsc::RecvTimeoutError::Disconnected) => Proof::Unknown("the prover failed".to_owned()),
    }
}
