use super::*;

const NOW: Duration = Duration::ZERO;

fn left(limit: f64, remaining: f64) -> Told {
    Told { limit: Some(limit), remaining: Some(remaining), reset: None }
}

fn answered(tokens: Told) -> Option<Fate> {
    Some(Fate::Answered { tokens, requests: Told::default() })
}

/// Lets requests of so many tokens leave until one must wait.
fn leave_all(ledger: &mut Ledger, now: Duration, estimate: f64) -> (Vec<Ticket>, Moment) {
    let mut tickets = Vec::new();
    loop {
        match ledger.moment(now, estimate, false) {
            Moment::Come => tickets.push(ledger.leave(now, estimate)),
            moment => return (tickets, moment),
        }
    }
}

#[test]
fn until_the_server_has_spoken_one_request_is_under_way() {
    let mut ledger = Ledger::new(16, None, None);
    let (first, moment) = leave_all(&mut ledger, NOW, 10.0);
    assert_eq!((first.len(), moment), (1, Moment::AfterAnother));
    ledger.settle(NOW, first[0], answered(Told::default()));
    assert_eq!(leave_all(&mut ledger, NOW, 10.0).0.len(), 16, "it named no limit");
}

#[test]
fn what_is_left_is_shared_among_those_that_leave() {
    let mut ledger = Ledger::new(16, None, None);
    let (first, _) = leave_all(&mut ledger, NOW, 10_000.0);
    ledger.settle(NOW, first[0], answered(left(60_000.0, 50_000.0)));
    let (next, moment) = leave_all(&mut ledger, NOW, 20_000.0);
    // A thousand tokens come back each second, and ten thousand are lacking.
    assert_eq!((next.len(), moment), (2, Moment::At(Duration::from_secs(10))));
    // What the server counted before it saw the second is not taken for less.
    ledger.settle(NOW, next[0], answered(left(60_000.0, 30_000.0)));
    assert_eq!(ledger.moment(NOW, 20_000.0, false), Moment::At(Duration::from_secs(10)));
    // An answer that was overtaken by a newer one says nothing new.
    ledger.settle(NOW, next[1], answered(left(60_000.0, 10_000.0)));
    assert_eq!(ledger.moment(Duration::from_secs(10), 20_000.0, false), Moment::Come);
}

#[test]
fn what_is_set_holds_from_the_start_and_where_it_is_less_than_the_server_gives() {
    let mut ledger = Ledger::new(16, Some(60_000.0), Some(3.0));
    let first = ledger.leave(NOW, 1_000.0);
    ledger.settle(NOW, first, answered(left(1_000_000.0, 999_000.0)));
    let (tickets, moment) = leave_all(&mut ledger, NOW, 1_000.0);
    assert_eq!((tickets.len(), moment), (2, Moment::At(Duration::from_secs(20))));
    assert_eq!(ledger.tokens_per_minute(), Some(60_000.0));
}

#[test]
fn an_estimate_is_corrected_by_the_most_that_the_last_ones_really_took() {
    let mut ledger = Ledger::new(16, None, None);
    let ticket = ledger.leave(NOW, 1.0);
    assert_eq!(ledger.likely(1_000.0), 1_000.0);
    for (tokens, likely) in [(500.0, 505.0), (700.0, 707.0), (600.0, 707.0)] {
        ledger.count(NOW, ticket, 1_000.0, tokens);
        assert_eq!(ledger.likely(1_000.0), likely);
    }
    (0..LEARNT_FROM).for_each(|_| ledger.count(NOW, ticket, 1_000.0, 400.0));
    assert_eq!(ledger.likely(1_000.0), 404.0);
}

#[test]
fn without_word_from_the_server_what_was_really_taken_counts() {
    let mut ledger = Ledger::new(1, Some(60_000.0), None);
    let ticket = ledger.leave(NOW, 60_000.0);
    ledger.settle(NOW, ticket, answered(Told::default()));
    ledger.count(NOW, ticket, 60_000.0, 30_000.0);
    assert_eq!(ledger.moment(NOW, 30_000.0, false), Moment::Come);
}

#[test]
fn a_limit_of_a_day_comes_back_slowly() {
    let mut ledger = Ledger::new(4, None, None);
    let ticket = ledger.leave(NOW, 1.0);
    let requests = Told { limit: Some(200.0), remaining: Some(0.0), reset: Some(Duration::from_secs(86_400)) };
    ledger.settle(NOW, ticket, Some(Fate::Answered { tokens: Told::default(), requests }));
    assert_eq!(ledger.moment(NOW, 1.0, false), Moment::At(Duration::from_secs(432)));
}

#[test]
fn a_server_that_tells_only_what_is_left_has_no_less_than_the_most_of_that() {
    let mut ledger = Ledger::new(4, None, None);
    let told = |remaining| Told { limit: None, remaining: Some(remaining), reset: None };
    let first = ledger.leave(NOW, 1.0);
    ledger.settle(NOW, first, answered(told(6_000.0)));
    let second = ledger.leave(NOW, 5_000.0);
    ledger.settle(NOW, second, answered(told(1_000.0)));
    assert_eq!(ledger.moment(NOW, 2_000.0, false), Moment::At(Duration::from_secs(10)));
}

#[test]
fn a_429_holds_everybody_and_fewer_leave_after_it() {
    let mut ledger = Ledger::new(8, Some(1_000.0), None);
    let first = ledger.leave(NOW, 1.0);
    ledger.settle(NOW, first, answered(Told::default()));
    let (tickets, _) = leave_all(&mut ledger, NOW, 1.0);
    let wait = Duration::from_secs(7);
    for ticket in &tickets {
        let (tokens, requests) = (Told::default(), Told::default());
        ledger.settle(NOW, *ticket, Some(Fate::Limited { wait, tokens, requests }));
    }
    assert_eq!(ledger.moment(NOW, 1.0, false), Moment::At(wait));
    let (tickets, _) = leave_all(&mut ledger, wait, 0.0);
    assert_eq!(tickets.len(), 4, "those that were under way together say one thing");
    for ticket in tickets {
        ledger.settle(wait, ticket, answered(Told::default()));
    }
    assert_eq!(leave_all(&mut ledger, wait, 0.0).0.len(), 5, "and one more when all went well");
}

#[test]
fn after_a_429_there_is_just_enough_for_one_more() {
    let mut ledger = Ledger::new(8, Some(60_000.0), None);
    let ticket = ledger.leave(NOW, 10_000.0);
    let wait = Duration::from_secs(5);
    ledger.settle(NOW, ticket, Some(Fate::Limited { wait, tokens: Told::default(), requests: Told::default() }));
    assert_eq!(ledger.moment(wait, 10_000.0, false), Moment::Come);
    ledger.leave(wait, 10_000.0);
    assert_eq!(ledger.moment(wait, 10_000.0, false), Moment::At(wait + Duration::from_secs(10)));
}

#[test]
fn whoever_asks_for_more_than_there_ever_is_goes_when_all_is_there() {
    let mut ledger = Ledger::new(8, Some(60_000.0), None);
    assert_eq!(ledger.moment(NOW, 90_000.0, false), Moment::Come);
    let ticket = ledger.leave(NOW, 90_000.0);
    ledger.settle(NOW, ticket, answered(Told::default()));
    assert_eq!(ledger.moment(NOW, 90_000.0, false), Moment::At(Duration::from_secs(90)));
}

#[test]
fn what_is_given_up_leaves_its_place() {
    let mut ledger = Ledger::new(1, Some(60_000.0), None);
    let ticket = ledger.leave(NOW, 1.0);
    assert_eq!(ledger.moment(NOW, 1.0, false), Moment::AfterAnother);
    ledger.settle(NOW, ticket, None);
    assert_eq!(ledger.moment(NOW, 1.0, false), Moment::Come);
}

#[test]
fn who_was_told_to_come_again_goes_before_the_others_and_alone_where_no_limit_is_known() {
    let mut ledger = Ledger::new(8, None, None);
    let first = ledger.leave(NOW, 1.0);
    ledger.settle(NOW, first, answered(Told::default()));
    let (tickets, _) = leave_all(&mut ledger, NOW, 1.0);
    for ticket in tickets {
        let (tokens, requests) = (Told::default(), Told::default());
        ledger.settle(NOW, ticket, Some(Fate::Limited { wait: Duration::ZERO, tokens, requests }));
        ledger.note_again(true);
    }
    assert_eq!(ledger.moment(NOW, 1.0, false), Moment::AfterAnother);
    assert_eq!(ledger.moment(NOW, 1.0, true), Moment::Come);
    ledger.leave(NOW, 1.0);
    assert_eq!(ledger.moment(NOW, 1.0, true), Moment::AfterAnother);
}
