//! When the next request may leave: a pure decision over what was sent, what is booked and what the server has said.
//!
//! Each caller books a moment of its own, behind all that were booked before, and needs nobody else to go on in order to
//! reach it: callers that wait in one task cannot wait for each other.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::reply::Quota;
use super::super::told;

/// Between two requests that write; GitHub asks for it.
pub const BETWEEN_WRITES: Duration = Duration::from_secs(1);
/// GitHub's 900 points a minute, less a tenth for what others do with the same token. A read is one, a write five.
const POINTS: usize = 810;
const POINTS_OF_A_WRITE: usize = 5;
/// Writes that GitHub lets pass in a minute.
const WRITES_A_MINUTE: usize = 80;
/// Writes that GitHub lets pass in an hour.
const WRITES_AN_HOUR: usize = 500;
/// A minute and an hour, each a second longer: a request takes its time to arrive.
const MINUTE: Duration = Duration::from_secs(61);
const HOUR: Duration = Duration::from_secs(3_601);
/// Reads in a minute: the points that are left when writes go as fast as they may, so that neither keeps the other waiting.
const READS_A_MINUTE: usize = POINTS - 61 * POINTS_OF_A_WRITE;
/// How long requests wait for answers that may use up what is left of the limit.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// The resource that all our requests count against.
const CORE: &str = "core";

/// What a request does, as the server counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It only asks.
    Read,
    /// It makes or changes something.
    Write,
}

/// A caller's moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Booking {
    kind: Kind,
    number: u64,
    /// When it would come if the server had asked for nothing: so long one waits for those before.
    pub turn: Duration,
}

#[cfg(test)]
impl Booking {
    /// What the request does.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// When a booked request may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// Now.
    Come,
    /// Then.
    At(Duration),
}

/// What is known of one token at one server.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Moments of reads in the last minute and to come, in order.
    reads: VecDeque<(u64, Duration)>,
    /// Moments of writes in the last hour and to come, in order.
    writes: VecDeque<(u64, Duration)>,
    booked: u64,
    held: Option<Hold>,
    /// What the server says of its own count, and when that begins anew by our clock.
    quota: Option<(Quota, Option<Duration>)>,
    is_warned: bool,
    /// For how long the server has held everybody back.
    pub held_for: Duration,
}

/// Nobody sends anything until then.
#[derive(Debug, Clone)]
struct Hold {
    until: Duration,
    why: String,
}

impl Ledger {
    /// Books the next moment for a caller, or says why none comes within `patience` of its turn.
    pub fn book(&mut self, now: Duration, kind: Kind, patience: Duration) -> Result<Booking, String> {
        self.forget(now);
        let line = self.line(kind);
        let last = line.back().map(|(_, at)| *at);
        let before = |count: usize| line.len().checked_sub(count).and_then(|index| line.get(index)).map(|(_, at)| *at);
        let (turn, hourly) = match kind {
            Kind::Read => {
                let turn = now.max(last.unwrap_or_default());
                (before(READS_A_MINUTE).map_or(turn, |at| turn.max(at + MINUTE)), None)
            }
            Kind::Write => {
                let turn = now.max(last.map_or(now, |at| at + BETWEEN_WRITES));
                let turn = before(WRITES_A_MINUTE).map_or(turn, |at| turn.max(at + MINUTE));
                (turn, before(WRITES_AN_HOUR).map(|at| at + HOUR))
            }
        };
        let at = turn.max(hourly.unwrap_or_default()).max(self.held_until());
        if at.saturating_sub(turn) > patience {
            return Err(self.refusal(now, at));
        }
        self.booked += 1;
        let number = self.booked;
        self.line_mut(kind).push_back((number, at));
        Ok(Booking { kind, number, turn })
    }

    /// Whether the moment has come. `under_way` others are not answered yet.
    pub fn moment(&mut self, now: Duration, booking: &Booking, under_way: u64) -> Moment {
        let at = self.line(booking.kind).iter().find(|(number, _)| *number == booking.number).map(|(_, at)| *at);
        // A moment that is forgotten lies more than a minute back.
        let at = at.unwrap_or(now);
        if at > now {
            return Moment::At(at);
        }
        if let Some((quota, Some(reset))) = &self.quota
            && *reset > now
            && under_way > 0
            && quota.remaining <= under_way
        {
            let why = "the answers that are awaited may use up the limit of requests".to_owned();
            self.hold(now, now + LAST_ANSWERS, why);
        }
        // Since it was booked, the server may have asked everybody to stay away.
        let until = self.held_until();
        if until > now {
            self.put_off(booking, until);
            return Moment::At(until);
        }
        Moment::Come
    }

    /// Why a moment that comes at `at` is not waited for.
    pub fn refusal(&self, now: Duration, at: Duration) -> String {
        let wait = told(at.saturating_sub(now));
        match &self.held {
            Some(hold) if hold.until >= at => format!("{}, for another {wait}", hold.why),
            _ => format!(
                "GitHub lets {WRITES_AN_HOUR} writes pass in an hour, and they are used up for another {wait}; \
                 run it again then"
            ),
        }
    }

    /// Gives a moment back that was not used.
    pub fn give_back(&mut self, booking: &Booking) {
        self.line_mut(booking.kind).retain(|(number, _)| *number != booking.number);
    }

    /// Everybody waits until then; those who have booked keep their order and their distances.
    pub fn hold(&mut self, now: Duration, until: Duration, why: String) {
        let held_until = self.held_until();
        if until <= now.max(held_until) {
            return;
        }
        self.held_for += until.saturating_sub(now.max(held_until));
        self.held = Some(Hold { until, why });
        for line in [&mut self.reads, &mut self.writes] {
            let first = line.iter().map(|(_, at)| *at).find(|at| *at > now);
            let later = until.saturating_sub(first.unwrap_or(until));
            line.iter_mut().filter(|(_, at)| *at > now).for_each(|(_, at)| *at += later);
        }
    }

    /// Takes note of the server's own count; gives a sentence the first time that four fifths of it are used.
    pub fn count(&mut self, now: Duration, mut quota: Quota) -> Option<String> {
        if quota.resource.as_deref().is_some_and(|resource| resource != CORE) {
            return None;
        }
        if let Some((known, _)) = &self.quota
            && known.reset == quota.reset
        {
            // Answers overtake each other; until it begins anew, less and less is left.
            quota.remaining = quota.remaining.min(known.remaining);
        }
        let (limit, left) = (quota.limit, quota.remaining);
        let reset = quota.resets_in.map(|seconds| now + Duration::from_secs(seconds));
        self.quota = Some((quota, reset));
        if let (0, Some(until)) = (left, reset) {
            self.hold(now, until, format!("all {limit} requests that GitHub lets pass in an hour are used up"));
        }
        if self.is_warned || limit == 0 || left > limit / 5 {
            return None;
        }
        self.is_warned = true;
        let renewed = reset.map_or_else(String::new, |at| format!("; renewed in {}", told(at.saturating_sub(now))));
        Some(format!("{left} of {limit} requests to GitHub are left for this token{renewed}"))
    }

    /// The server's own count of our requests.
    pub fn quota(&self) -> Option<&Quota> {
        self.quota.as_ref().map(|(quota, _)| quota)
    }

    fn held_until(&self) -> Duration {
        self.held.as_ref().map_or(Duration::ZERO, |hold| hold.until)
    }

    /// What is further back than the longest window counts no more.
    fn forget(&mut self, now: Duration) {
        for (line, window) in [(&mut self.reads, MINUTE), (&mut self.writes, HOUR)] {
            while line.front().is_some_and(|(_, at)| *at + window < now) {
                line.pop_front();
            }
        }
    }

    /// A moment that had come comes later, before those that follow.
    fn put_off(&mut self, booking: &Booking, until: Duration) {
        let mut earliest = until;
        let apart = if booking.kind == Kind::Write { BETWEEN_WRITES } else { Duration::ZERO };
        let line = self.line_mut(booking.kind);
        for (_, at) in line.iter_mut().skip_while(|(number, _)| *number != booking.number) {
            *at = earliest.max(*at);
            earliest = *at + apart;
        }
    }

    fn line(&self, kind: Kind) -> &VecDeque<(u64, Duration)> {
        match kind {
            Kind::Read => &self.reads,
            Kind::Write => &self.writes,
        }
    }

    fn line_mut(&mut self, kind: Kind) -> &mut VecDeque<(u64, Duration)> {
        match kind {
            Kind::Read => &mut self.reads,
            Kind::Write => &mut self.writes,
        }
    }
}
