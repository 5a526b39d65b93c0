use proptest::prelude::*;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::task::JoinSet;

use super::super::{Policy, RealPace, Trouble, send_within};
use super::*;
use crate::adapters::stop::{Signal, Stop};

const PATIENCE: Duration = Duration::from_secs(120);

fn reply(status: u16, headers: &[(&'static str, &str)]) -> Reply {
    let pair =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    Reply { headers: headers.iter().map(pair).collect(), ..Reply::with_status(status) }
}

/// An answer that says how many requests are left, and that the hour ends in so many seconds.
fn counting(status: u16, limit: u64, remaining: u64, resets_in: u64) -> Reply {
    let (limit, remaining, reset) = (limit.to_string(), remaining.to_string(), (1_445_412_480 + resets_in).to_string());
    let headers = [
        ("date", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("x-ratelimit-limit", &limit),
        ("x-ratelimit-remaining", &remaining),
        ("x-ratelimit-reset", &reset),
        ("x-ratelimit-resource", "core"),
    ];
    reply(status, &headers)
}

fn budget() -> Arc<Budget> {
    Arc::new(Budget::new(Arc::new(RealPace::default())))
}

/// Everybody asks at once; gives the seconds at which each, in the order of asking, may send.
async fn seconds(budget: &Arc<Budget>, kinds: impl IntoIterator<Item = Kind>) -> Vec<Option<u64>> {
    let mut all = JoinSet::new();
    let mut count = 0;
    for (index, kind) in kinds.into_iter().enumerate() {
        let budget = Arc::clone(budget);
        count += 1;
        all.spawn(async move {
            let permit = budget.permit(kind, PATIENCE).await;
            (index, permit.is_ok().then(|| budget.pace().now().as_secs()))
        });
    }
    let mut found = vec![None; count];
    while let Some(done) = all.join_next().await {
        let (index, at) = done.unwrap();
        found[index] = at;
    }
    found
}

#[tokio::test(start_paused = true)]
async fn writes_leave_a_second_apart_in_the_order_in_which_they_were_asked_for_and_reads_do_not_wait_for_them() {
    let budget = budget();
    let kinds = (0..200).map(|index| if index % 2 == 0 { Kind::Write } else { Kind::Read });
    let found = seconds(&budget, kinds).await;
    for (index, at) in found.into_iter().enumerate() {
        let wanted = if index % 2 == 0 { u64::try_from(index / 2).unwrap() } else { 0 };
        assert_eq!(at, Some(wanted), "{index}");
    }
    assert_eq!((budget.numbers().requests, budget.numbers().writes, budget.numbers().waited_seconds), (200, 100, 99));
}

#[tokio::test(start_paused = true)]
async fn a_write_after_a_pause_does_not_wait() {
    let budget = budget();
    drop(budget.permit(Kind::Write, PATIENCE).await.unwrap());
    tokio::time::sleep(Duration::from_secs(5)).await;
    drop(budget.permit(Kind::Write, PATIENCE).await.unwrap());
    assert_eq!(budget.pace().now().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn reads_keep_to_the_points_of_a_minute() {
    let found = seconds(&budget(), vec![Kind::Read; 1_200]).await;
    let at = |second| found.iter().filter(|at| **at == Some(second)).count();
    assert_eq!((at(0), at(61), at(122)), (505, 505, 190));
}

#[tokio::test(start_paused = true)]
async fn the_hour_has_five_hundred_writes_and_who_comes_then_hears_it_at_once() {
    let budget = budget();
    let found = seconds(&budget, vec![Kind::Write; 500]).await;
    assert_eq!(found.last(), Some(&Some(499)));
    let before = budget.pace().now();
    let told = budget.permit(Kind::Write, PATIENCE).await.err().unwrap();
    assert_eq!(
        told,
        "GitHub lets 500 writes pass in an hour, and they are used up for another 3102 s; run it again then"
    );
    assert_eq!(budget.pace().now(), before);
    assert!(budget.permit(Kind::Read, PATIENCE).await.is_ok());
    tokio::time::sleep(Duration::from_secs(3_102)).await;
    assert!(budget.permit(Kind::Write, Duration::ZERO).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_one_to_wait_is_heard_by_all_and_the_order_stays() {
    let budget = budget();
    let asking = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { seconds(&budget, vec![Kind::Write; 5]).await }
    });
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    budget.observe(&reply(403, &[("retry-after", "30")]));
    let found = asking.await.unwrap();
    // The second that had begun is counted in full: 1.5 s and 30 s after the start.
    assert_eq!(found, [0, 1, 31, 32, 33].map(Some));
    assert_eq!((budget.numbers().limited, budget.numbers().held_seconds), (1, 30));
    let late = budget.pace().now();
    budget.observe(&reply(429, &[("retry-after", "7")]));
    drop(budget.permit(Kind::Read, PATIENCE).await.unwrap());
    assert_eq!((budget.pace().now() - late).as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_wait_so_long_is_told_at_once_and_takes_nobodys_turn() {
    let budget = budget();
    let waiting = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { seconds(&budget, vec![Kind::Write; 3]).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    budget.observe(&reply(429, &[("retry-after", "86400")]));
    assert_eq!(waiting.await.unwrap(), [Some(0), None, None], "nor do those who had booked");
    assert_eq!(budget.pace().now().as_secs(), 0, "and they hear it at once");
    let told = budget.permit(Kind::Write, PATIENCE).await.err().unwrap();
    assert!(told.starts_with("GitHub asks everybody who uses this token to wait, for another 86"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_wait_for_ever_ends_nothing_but_the_patience() {
    let budget = budget();
    let waiting = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { seconds(&budget, vec![Kind::Write; 4]).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..2 {
        budget.observe(&reply(429, &[("retry-after", "18446744073709551615")]));
    }
    assert_eq!(waiting.await.unwrap(), [Some(0), None, None, None]);
    assert!(budget.permit(Kind::Write, PATIENCE).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_used_up_is_waited_for_or_told() {
    let budget = budget();
    budget.observe(&counting(200, 5_000, 0, 40));
    drop(budget.permit(Kind::Read, PATIENCE).await.unwrap());
    assert_eq!(budget.pace().now().as_secs(), 40);
    budget.observe(&counting(200, 5_000, 0, 2_400));
    let told = budget.permit(Kind::Read, PATIENCE).await.err().unwrap();
    assert_eq!(told, "all 5000 requests that GitHub lets pass in an hour are used up, for another 2400 s");
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_under_way_than_the_limit_has_left() {
    let budget = budget();
    budget.observe(&counting(200, 5_000, 2, 100));
    let (first, second) =
        (budget.permit(Kind::Read, PATIENCE).await.unwrap(), budget.permit(Kind::Read, PATIENCE).await);
    let second = second.unwrap();
    let third = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { budget.permit(Kind::Read, PATIENCE).await.map(|_| budget.pace().now().as_secs()) }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    drop(first);
    budget.observe(&counting(200, 5_000, 1, 95));
    drop(second);
    budget.observe(&counting(200, 5_000, 0, 95));
    assert_eq!(third.await.unwrap(), Ok(100));
}

#[tokio::test(start_paused = true)]
async fn no_more_than_ninety_are_under_way_and_a_place_that_is_free_is_taken() {
    let budget = budget();
    let mut held = Vec::new();
    for _ in 0..90 {
        held.push(budget.permit(Kind::Read, PATIENCE).await.unwrap());
    }
    let next = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { budget.permit(Kind::Read, PATIENCE).await.is_ok() }
    });
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(!next.is_finished());
    held.pop();
    assert!(next.await.unwrap());
    assert_eq!(budget.pace().now().as_secs(), 9);
    let second = budget.permit(Kind::Read, PATIENCE).await.unwrap();
    let told = budget.permit(Kind::Read, PATIENCE).await.err().unwrap();
    assert_eq!(told, "90 other requests were under way for too long");
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_hears_the_wish_that_the_process_end() {
    let stop = Stop::default();
    let budget = Arc::new(Budget::new(Arc::new(RealPace::until(stop.clone()))));
    drop(budget.permit(Kind::Write, PATIENCE).await.unwrap());
    let (told, ()) = tokio::join!(budget.permit(Kind::Write, PATIENCE), async { stop.ask(Signal::Terminate) });
    assert_eq!(told.err().unwrap(), "stopped by SIGTERM before the request was made");
    assert_eq!(budget.pace().now().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_leaves_no_gap_at_the_end() {
    let budget = budget();
    drop(budget.permit(Kind::Write, PATIENCE).await.unwrap());
    let given_up = tokio::time::timeout(Duration::from_millis(100), budget.permit(Kind::Write, PATIENCE)).await;
    assert!(given_up.is_err());
    drop(budget.permit(Kind::Write, PATIENCE).await.unwrap());
    assert_eq!(budget.pace().now().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_nobody_polls_holds_up_no_other() {
    let budget = budget();
    drop(budget.permit(Kind::Write, PATIENCE).await.unwrap());
    let mut idle = Box::pin(budget.permit(Kind::Write, PATIENCE));
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut idle).await.is_err());
    // In the same task, while the other one stands still.
    drop(budget.permit(Kind::Write, PATIENCE).await.unwrap());
    assert_eq!(budget.pace().now().as_secs(), 2);
    drop(idle.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn four_fifths_are_told_once() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let warn: Warn = Arc::new(move |sentence: &str| listener.lock().unwrap().push(sentence.to_owned()));
    let budgets = Budgets::new(Arc::new(RealPace::default()), Some(warn));
    let budget = budgets.of("https://api.github.com/", Some(&Secret::new("t")));
    for left in [1_001, 1_000, 999] {
        budgets.of("https://api.github.com", Some(&Secret::new("t"))).observe(&counting(200, 5_000, left, 60));
    }
    assert_eq!(*told.lock().unwrap(), ["1000 of 5000 requests to GitHub are left for this token; renewed in 60 s"]);
    // An answer that was overtaken does not bring anything back.
    budget.observe(&counting(200, 5_000, 4_000, 60));
    assert_eq!((budget.numbers().remaining, budget.numbers().reset), (Some(999), Some(1_445_412_540)));
    budgets.of("https://api.github.com", None).observe(&counting(304, 60, 59, 60));
    let all = budgets.numbers();
    assert_eq!((all.remaining, all.limit, all.unchanged), (Some(999), Some(5_000), 1), "the scarcer one is told");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_others_is_not_held_against_a_request() {
    let budget = budget();
    let policy = Policy { deadline: Duration::from_secs(10), ..Policy::once() };
    let mut all = JoinSet::new();
    for _ in 0..50 {
        let budget = Arc::clone(&budget);
        all.spawn(async move {
            send_within(&policy, &budget, Kind::Write, || async {
                tokio::time::sleep(Duration::from_secs(8)).await;
                Ok::<_, Trouble>(Reply::with_status(204))
            })
            .await
        });
    }
    assert!(all.join_all().await.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(budget.pace().now().as_secs(), 57);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_holds_back_the_one_who_got_it_and_the_next_and_both_pass() {
    let budget = budget();
    let asked = Mutex::new(0);
    let policy = Policy::once();
    let ask = || {
        send_within(&policy, &budget, Kind::Write, || async {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            Ok(if *asked == 1 { reply(429, &[("retry-after", "60")]) } else { Reply::with_status(204) })
        })
    };
    let (first, second) = tokio::join!(ask(), ask());
    assert_eq!((first.unwrap().status, second.unwrap().status), (204, 204));
    let numbers = budget.numbers();
    assert_eq!((numbers.requests, numbers.retries, numbers.limited), (3, 1, 1));
    assert!((60..=62).contains(&budget.pace().now().as_secs()), "{:?}", budget.pace().now());
}

#[derive(Debug, Clone)]
enum Step {
    Ask(Kind),
    Pass(u64),
    Hold(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Ask(Kind::Write)),
        12 => Just(Step::Ask(Kind::Read)),
        4 => (0..3_000_u64).prop_map(Step::Pass),
        1 => (0..90_u64).prop_map(Step::Hold),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whoever asks when, and whatever the server says meanwhile: no published limit is broken, nobody is sent during a hold,
    /// and nobody overtakes another of the same kind.
    #[test]
    fn no_published_limit_is_ever_broken(steps in proptest::collection::vec(any_step(), 1..500)) {
        let mut ledger = Ledger::default();
        let mut now = Duration::ZERO;
        let mut waiting: Vec<Booking> = Vec::new();
        let mut sent: Vec<(Duration, Kind)> = Vec::new();
        let mut held = Duration::ZERO;
        let mut advance = |ledger: &mut Ledger, waiting: &mut Vec<Booking>, from: Duration, until: Duration, held: Duration| {
            let mut now = from;
            while now <= until {
                let mut next = until + Duration::from_millis(1);
                waiting.retain(|booking| match ledger.moment(now, booking, 0) {
                    Moment::Come => {
                        assert!(now >= held, "sent while held");
                        sent.push((now, booking.kind()));
                        false
                    }
                    Moment::At(at) => {
                        assert!(at > now);
                        next = next.min(at);
                        true
                    }
                });
                now = next;
            }
        };
        for step in steps {
            match step {
                Step::Ask(kind) => {
                    if let Ok(booking) = ledger.book(now, kind, Duration::from_secs(600)) {
                        waiting.push(booking);
                    }
                    advance(&mut ledger, &mut waiting, now, now, held);
                }
                Step::Pass(ms) => {
                    let until = now + Duration::from_millis(ms);
                    advance(&mut ledger, &mut waiting, now, until, held);
                    now = until;
                }
                Step::Hold(seconds) => {
                    held = held.max(now + Duration::from_secs(seconds));
                    ledger.hold(now, now + Duration::from_secs(seconds), "wait".to_owned());
                }
            }
        }
        advance(&mut ledger, &mut waiting, now, now + Duration::from_secs(8_000), held);
        prop_assert!(waiting.is_empty(), "everybody gets there");
        let writes: Vec<Duration> = sent.iter().filter(|(_, kind)| *kind == Kind::Write).map(|(at, _)| *at).collect();
        prop_assert!(writes.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)));
        for (index, (end, _)) in sent.iter().enumerate() {
            let minute = sent[..=index].iter().filter(|(at, _)| *at + Duration::from_secs(60) > *end);
            let points: u32 = minute.map(|(_, kind)| if *kind == Kind::Write { 5 } else { 1 }).sum();
            prop_assert!(points <= 900, "{points} points in the minute before {end:?}");
        }
    }
}
