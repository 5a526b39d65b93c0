//! Who may begin: a delivery waits for those that it needs, and a group that takes back what it was told ends together.

use std::collections::{BTreeMap, BTreeSet};

use super::one::End;
use super::{Receipt, Settled};
use crate::commands::record::STOPPED;
use crate::downstream::{Action, Delivery, OnFailure};
use crate::ids::DownstreamName;

/// Whether a delivery begins.
pub(super) enum Begin {
    /// It does.
    Now,
    /// It never will, for the reason that the outcome gives.
    Never(Settled),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    UnderWay,
    Ended,
}

/// The members of one group with what became of them, in the order in which they ended.
pub(super) type Ended = Vec<(usize, End)>;

/// Deliveries, and how far each is.
pub(super) struct Schedule<'a> {
    deliveries: &'a [Delivery],
    phases: Vec<Phase>,
    ends: Vec<Option<End>>,
    /// The order in which they ended.
    order: Vec<usize>,
    /// Groups that were finished already.
    finished: BTreeSet<usize>,
    places: BTreeMap<&'a DownstreamName, usize>,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(deliveries: &'a [Delivery]) -> Self {
        Self {
            deliveries,
            phases: vec![Phase::Waiting; deliveries.len()],
            ends: deliveries.iter().map(|_| None).collect(),
            order: Vec::new(),
            finished: BTreeSet::new(),
            places: deliveries.iter().enumerate().map(|(index, one)| (&one.name, index)).collect(),
        }
    }

    /// The next one that is decided: it begins, or never will. None while those that are left wait for others.
    pub(super) fn next(&mut self, is_stopped: bool) -> Option<(usize, Begin)> {
        let waiting = self.phases.iter().enumerate().filter(|(_, phase)| **phase == Phase::Waiting);
        let decided = waiting.map(|(index, _)| index).find_map(|index| Some((index, self.decide(index, is_stopped)?)));
        let (index, begin) = decided?;
        if let Some(phase) = self.phases.get_mut(index) {
            *phase = Phase::UnderWay;
        }
        Some((index, begin))
    }

    fn decide(&self, index: usize, is_stopped: bool) -> Option<Begin> {
        let one = self.deliveries.get(index)?;
        match one.action {
            Action::None => return Some(Begin::Now),
            Action::Withheld => return Some(Begin::Never(Settled::Skipped { why: one.why.clone() })),
            _ if is_stopped => return Some(Begin::Never(Settled::Skipped { why: STOPPED.to_owned() })),
            Action::Restore => return Some(Begin::Now),
            Action::Deliver | Action::Resolve => {}
        }
        if let Some(failed) = self.failed_with_rollback(one) {
            let why = format!("{failed} failed, and what others were told is taken back");
            return Some(Begin::Never(Settled::Skipped { why }));
        }
        for need in &one.needs {
            // Whoever is not served in this run is in step.
            let Some(&needed) = self.places.get(need) else { continue };
            let end = self.ends.get(needed)?.as_ref()?;
            let goes_on = self.deliveries.get(needed).is_some_and(|it| it.settings.on_failure == OnFailure::Continue);
            if !end.settled.is_in_step() && !goes_on {
                let why = match end.settled {
                    Settled::Failed { verdict: true, .. } => format!("it needs {need}, which did not pass"),
                    _ => format!("it needs {need}, which was not told"),
                };
                return Some(Begin::Never(Settled::Skipped { why }));
            }
        }
        Some(Begin::Now)
    }

    /// A member of the same group whose failure takes everything back.
    fn failed_with_rollback(&self, one: &Delivery) -> Option<&DownstreamName> {
        let group = one.group.as_ref()?;
        let failed = self.deliveries.iter().zip(&self.ends).find(|(other, end)| {
            let is_failed =
                end.as_ref().is_some_and(|end| matches!(end.settled, Settled::Failed { verdict: true, .. }));
            other.group.as_ref() == Some(group) && other.settings.on_failure == OnFailure::Rollback && is_failed
        });
        failed.map(|(other, _)| &other.name)
    }

    /// One has ended.
    pub(super) fn ended(&mut self, index: usize, end: End) {
        self.order.push(index);
        self.replace(index, end);
    }

    /// What became of one is something else in the end.
    pub(super) fn replace(&mut self, index: usize, end: End) {
        if let (Some(phase), Some(held)) = (self.phases.get_mut(index), self.ends.get_mut(index)) {
            *phase = Phase::Ended;
            *held = Some(end);
        }
    }

    /// A group all of whose members have ended, once.
    pub(super) fn finished_group(&mut self) -> Option<Ended> {
        let mut has_ended: BTreeMap<usize, bool> = BTreeMap::new();
        for (one, phase) in self.deliveries.iter().zip(&self.phases) {
            let Some(number) = number(one) else { continue };
            *has_ended.entry(number).or_insert(true) &= *phase == Phase::Ended;
        }
        let (group, _) = has_ended.into_iter().find(|(group, ended)| *ended && !self.finished.contains(group))?;
        self.finished.insert(group);
        let is_member = |index: &usize| self.deliveries.get(*index).and_then(number) == Some(group);
        let members = self.order.iter().copied().filter(is_member);
        Some(members.filter_map(|index| Some((index, self.ends.get(index)?.clone()?))).collect())
    }

    /// What became of each, in the order of the deliveries.
    pub(super) fn receipts(self) -> Vec<Receipt> {
        let ends = self.deliveries.iter().zip(self.ends);
        ends.map(|(one, end)| {
            // Needs that form a ring, which stockroom.yml cannot have, would leave somebody waiting for ever.
            let end = end.unwrap_or_else(|| End::without_effect(Settled::Skipped { why: one.why.clone() }));
            Receipt { name: one.name.clone(), target: one.target.clone(), result: end.settled, course: end.course }
        })
        .collect()
    }
}

fn number(one: &Delivery) -> Option<usize> {
    one.group.as_ref().map(|group| group.number)
}
