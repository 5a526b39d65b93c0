//! Whatever befalls whichever request of deliveries that are waited for: at most one run later everything is as if nothing had
//! happened, and no downstream has heard of the same content twice.
//!
//! What is tested is the built binary. It meets each fault at each of its requests in turn, and is killed at each.

mod scene;

use crate::fake_github::Fault;

use scene::{Scene, Story};

macro_rules! sweeps {
    ($($name:ident: $fault:expr;)*) => {
        $(#[test] fn $name() { sweep(Story::Forward, $fault); })*

        /// The same while something is taken back.
        mod taken_back {
            use super::*;

            $(
                #[test]
                fn $name() { sweep(Story::Rollback, $fault); }
            )*
        }
    };
}

sweeps! {
    too_many_requests_with_a_time_to_wait: Fault::TooMany { retry_after: 30 };
    too_many_requests_and_a_day_to_wait: Fault::TooMany { retry_after: 86_400 };
    a_secondary_limit: Fault::Secondary { retry_after: None };
    an_error_before_the_effect: Fault::ErrorBefore;
    an_error_after_the_effect: Fault::ErrorAfter;
    a_bad_gateway: Fault::BadGateway;
    a_reset_before_the_effect: Fault::ResetBefore;
    a_reset_after_the_effect: Fault::ResetAfter;
    an_answer_that_breaks_off: Fault::Truncated;
    a_slow_answer: Fault::Slow;
    a_page_in_place_of_an_answer: Fault::HtmlPage;
}

/// Each request of a quiet run in turn meets the fault.
fn sweep(story: Story, fault: Fault) {
    let scene = Scene::new(story);
    for struck in 0..scene.requests() {
        let github = scene.github();
        github.strike(struck, fault);
        let library = scene.library();
        let run = scene.sync(&library, &github);
        assert!(matches!(run.code, 0 | 3), "{story:?}, {fault:?} at request {struck}: {}", run.both());
        scene.ends_well(&library, &github, &format!("{story:?}, {fault:?} at request {struck}: {}", run.both()));
    }
}

#[test]
fn killed_before_the_effect_of_a_request() {
    killed(Fault::HangBefore, "");
}

#[test]
fn killed_after_the_effect_of_a_request() {
    killed(Fault::HangAfter, "");
}

/// The sweep would notice.
#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "Forward, killed at request 0 (HangBefore)")]
fn a_downstream_that_counts_as_told_before_it_is_told_is_noticed() {
    killed(Fault::HangBefore, "state-first");
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "Forward, killed at request 0 (HangAfter)")]
fn a_downstream_that_is_told_without_an_intent_is_noticed() {
    killed(Fault::HangAfter, "no-intent");
}

/// Each request of a quiet run in turn is the last of a run that is killed. The run writes its state in this order.
fn killed(at: Fault, order: &str) {
    for story in [Story::Forward, Story::Rollback] {
        let scene = Scene::new(story);
        for struck in 0..scene.requests() {
            let github = scene.github();
            github.strike(struck, at);
            let library = scene.library();
            let mut child = scene.program(&library, &github).env("STOCKROOM_TEST_ORDER", order).begin();
            github.wait_until_seen(struck + 1);
            child.kill().unwrap();
            child.wait().unwrap();
            github.drain();
            scene.ends_well(&library, &github, &format!("{story:?}, killed at request {struck} ({at:?})"));
        }
    }
}
