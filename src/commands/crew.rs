//! Work on many files by several threads under a watch: one file that takes too long is named, and the others go on.
//!
//! Nothing can interrupt a validator that is at work. A worker that is overdue is left behind, at its file until the
//! process ends, and another takes its place.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many workers may be left behind before the rest of the work is given up.
///
/// Each of them goes on taking memory.
const MOST_OVERDUE: usize = 2;
/// How often the watch looks at the workers.
const ROUND: Duration = Duration::from_millis(100);

/// How one piece of work ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// This came of it.
    Done(T),
    /// It took longer than it may.
    Overdue,
    /// Too many others took too long.
    GivenUp,
}

/// Does the pieces of work `0..count` on all cores, each within the limit.
///
/// The job is dropped before this returns, unless a worker was left behind with it.
pub fn work<T, J>(count: usize, limit: Duration, job: J) -> Vec<Outcome<T>>
where
    T: Send + 'static,
    J: Fn(usize) -> T + Send + Sync + 'static,
{
    let slots = (0..count).map(|_| Mutex::new(None)).collect();
    let bench =
        Arc::new(Bench { next: AtomicUsize::new(0), slots, at_work: Mutex::new(0), one_has_left: Condvar::new() });
    let job = Arc::new(job);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut posts: Vec<Arc<Post>> = (0..cores.min(count)).map_while(|_| hire(&bench, &job)).collect();
    if posts.is_empty() {
        // The system gives us no thread: then this one does it, without a watch.
        Post::default().work(&bench, job.as_ref());
    }
    let mut overdue = Vec::new();
    while !bench.all_have_left() {
        for piece in posts.iter().filter_map(|post| post.dismissed(limit)).collect::<Vec<_>>() {
            overdue.push(piece);
            bench.leave();
            // Nobody is hired who would not be watched: one who is never dismissed is waited for without end.
            match (overdue.len() < MOST_OVERDUE).then(|| hire(&bench, &job)).flatten() {
                Some(post) => posts.push(post),
                None => bench.next.store(count, Ordering::Relaxed),
            }
        }
    }
    drop(job);
    bench.outcomes(&overdue)
}

/// A new worker, if the system has a thread for it.
fn hire<T, J>(bench: &Arc<Bench<T>>, job: &Arc<J>) -> Option<Arc<Post>>
where
    T: Send + 'static,
    J: Fn(usize) -> T + Send + Sync + 'static,
{
    let post = Arc::new(Post::default());
    let (own_post, own_bench, own_job) = (Arc::clone(&post), Arc::clone(bench), Arc::clone(job));
    *locked(&bench.at_work) += 1;
    let worker = move || {
        if own_post.work(&own_bench, own_job.as_ref()) {
            drop(own_job);
            own_bench.leave();
        }
    };
    if thread::Builder::new().spawn(worker).is_err() {
        bench.leave();
        return None;
    }
    Some(post)
}

/// What the workers share.
struct Bench<T> {
    next: AtomicUsize,
    slots: Vec<Mutex<Option<T>>>,
    /// How many workers have neither finished nor been dismissed.
    at_work: Mutex<usize>,
    one_has_left: Condvar,
}

impl<T> Bench<T> {
    fn leave(&self) {
        *locked(&self.at_work) -= 1;
        self.one_has_left.notify_all();
    }

    /// Waits for the last worker, but no longer than a round.
    fn all_have_left(&self) -> bool {
        let waited = self.one_has_left.wait_timeout_while(locked(&self.at_work), ROUND, |at_work| *at_work > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }

    fn outcomes(&self, overdue: &[usize]) -> Vec<Outcome<T>> {
        let outcome = |(piece, slot): (usize, &Mutex<Option<T>>)| match locked(slot).take() {
            Some(result) => Outcome::Done(result),
            None if overdue.contains(&piece) => Outcome::Overdue,
            None => Outcome::GivenUp,
        };
        self.slots.iter().enumerate().map(outcome).collect()
    }
}

/// What one worker is at.
#[derive(Default)]
struct Post(Mutex<Option<(usize, Instant)>>);

impl Post {
    /// Works until nothing is left; false for one who was dismissed meanwhile.
    fn work<T>(&self, bench: &Bench<T>, job: &dyn Fn(usize) -> T) -> bool {
        loop {
            let piece = bench.next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = bench.slots.get(piece) else { return true };
            *locked(&self.0) = Some((piece, Instant::now()));
            let result = job(piece);
            if locked(&self.0).take().is_none() {
                return false;
            }
            *locked(slot) = Some(result);
        }
    }

    /// The piece of work that has taken too long; its worker is not waited for any more.
    fn dismissed(&self, limit: Duration) -> Option<usize> {
        let mut at = locked(&self.0);
        let (piece, _) = at.filter(|(_, since)| since.elapsed() > limit)?;
        *at = None;
        Some(piece)
    }
}

fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);

    #[test]
    fn every_piece_of_work_is_done_once_and_the_job_is_free_again() {
        let shared = Arc::new(());
        let own = Arc::clone(&shared);
        let done = work(1000, NEVER, move |piece| (piece, Arc::strong_count(&own) > 0));
        assert_eq!(done, (0..1000).map(|piece| Outcome::Done((piece, true))).collect::<Vec<_>>());
        assert_eq!(Arc::strong_count(&shared), 1);
        assert!(work(0, NEVER, |_| ()).is_empty());
    }

    #[test]
    fn what_takes_too_long_is_named_and_the_rest_is_done() {
        let (end, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let job = move |piece: usize| piece != 3 || locked(&wait).recv().is_ok();
        let outcomes = work(50, Duration::from_millis(200), job);
        assert_eq!(outcomes[3], Outcome::Overdue);
        // On a machine that stands still for a moment another one may be late too.
        assert!(outcomes.iter().filter(|it| **it == Outcome::Done(true)).count() > 40, "{outcomes:?}");
        drop(end);
    }

    #[test]
    fn after_too_many_that_take_too_long_the_rest_is_given_up() {
        let (end, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let outcomes = work(50, Duration::from_millis(1), move |_| locked(&wait).recv().is_ok());
        let late = outcomes.iter().filter(|it| **it == Outcome::Overdue).count();
        let given_up = outcomes.iter().filter(|it| **it == Outcome::GivenUp).count();
        assert!(late >= MOST_OVERDUE && late + given_up == 50, "{late} late, {given_up} given up");
        drop(end);
    }
}
