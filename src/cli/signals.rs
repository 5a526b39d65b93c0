//! The signals that ask the process to end, and the wait for a work that may have to be left behind.

use std::thread;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::adapters::stop::{Signal, Stop};

/// The stack of the thread that works: what a process's first thread has.
const STACK: usize = 8 << 20;

/// How a work came to its end.
#[derive(Debug)]
pub enum End<T> {
    /// By itself.
    Done(T),
    /// It broke down, and has said why.
    Broken,
    /// It was left behind at what it was doing, as it was asked to end and did not.
    Left,
}

/// Tells `stop` of the signals that ask this process to end. Where they cannot be heard they end it as they always do.
pub fn listen(runtime: &Runtime, stop: &Stop) {
    let _within = runtime.enter();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let wanted = [(SignalKind::interrupt(), Signal::Interrupt), (SignalKind::terminate(), Signal::Terminate)];
        for (kind, meaning) in wanted {
            let Ok(mut signals) = signal(kind) else { continue };
            let stop = stop.clone();
            runtime.spawn(async move {
                while signals.recv().await.is_some() {
                    stop.ask(meaning);
                }
            });
        }
    }
    #[cfg(not(unix))]
    {
        let stop = stop.clone();
        runtime.spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                stop.ask(Signal::Interrupt);
            }
        });
    }
}

/// Does the work in a thread of its own, and leaves it behind where it is overdue to end.
pub fn work<T, W>(runtime: &Runtime, stop: &Stop, work: W) -> std::io::Result<End<T>>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let (done, outcome) = oneshot::channel();
    let worker = move || {
        // Nobody hears of it where the work was left behind.
        let _ = done.send(work());
    };
    thread::Builder::new().name("stockroom".to_owned()).stack_size(STACK).spawn(worker)?;
    Ok(runtime.block_on(async {
        tokio::select! {
            biased;
            outcome = outcome => outcome.map_or(End::Broken, End::Done),
            () = stop.until_overdue() => End::Left,
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    #[test]
    fn a_work_that_ends_by_itself_tells_what_came_of_it() {
        let stop = Stop::default();
        assert!(matches!(work(&runtime(), &stop, || 7).unwrap(), End::Done(7)));
        assert!(matches!(
            work(&runtime(), &stop, || std::panic::resume_unwind(Box::new(""))).unwrap(),
            End::<()>::Broken
        ));
    }

    #[test]
    fn a_work_that_does_not_heed_the_wish_is_left_behind() {
        let stop = Stop::default();
        let (end, wait) = mpsc::channel::<()>();
        stop.ask(Signal::Terminate);
        assert!(matches!(work(&runtime(), &stop, move || wait.recv().is_ok()).unwrap(), End::Left));
        drop(end);
    }
}
