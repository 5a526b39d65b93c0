//! The repositories that build on the library: what concerns them, what they are told, and in which order.

mod acceptance;
mod badge;
mod choice;
mod envelope;
mod group;
mod interest;
pub mod loops;
mod patience;
pub mod payload;
mod plan;
mod receiver;
mod settings;
mod slice;

pub use acceptance::{Acceptance, Range, Refusal, VERSION_NOT_ACCEPTED, unaccepted};
pub use badge::{Badge, Taken};
pub use choice::{BadChoice, Choice};
pub use envelope::{
    Announcement, DeltaCounts, DeltaMessage, Envelope, MAX_KEYS, MAX_PAYLOAD_BYTES, ManifestMessage, Room,
    envelope_schema,
};
pub use group::Group;
pub use interest::{Concerns, Interest};
pub use patience::{LONGEST_WAIT, longest_wait};
pub use plan::{Action, Channel, Delivery, plan, waves};
pub use receiver::Receiver;
pub use settings::{
    Accepts, App, AppId, Credentials, DispatchSettings, GitLab, Health, HealthValue, OnFailure, OnLoop, Passing,
    Period, Problem, ReportTo, Settings, Wait, When, problems,
};
pub use slice::{Delta, Slice};

use crate::finding::Code;

/// The finding codes of this room.
pub fn codes() -> Vec<&'static Code> {
    [acceptance::CODES, loops::CODES].concat()
}
