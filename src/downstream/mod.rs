//! The repositories that build on the library: what concerns them, what they are told, and in which order.

mod badge;
mod choice;
mod envelope;
mod patience;
pub mod payload;
mod plan;
mod receiver;
mod settings;
mod slice;

pub use badge::{Badge, Taken};
pub use choice::{BadChoice, Choice};
pub use envelope::{
    Announcement, DeltaCounts, DeltaMessage, Envelope, MAX_KEYS, MAX_PAYLOAD_BYTES, ManifestMessage, Room,
    envelope_schema,
};
pub use patience::{LONGEST_WAIT, longest_wait};
pub use plan::{Action, Channel, Delivery, plan, waves};
pub use receiver::Receiver;
pub use settings::{
    Accepts, App, AppId, Credentials, DispatchSettings, Endpoint, GitLab, Health, HealthValue, OnFailure, OnLoop, Passing, Period,
    Problem, ReportTo, Settings, Wait, When, problems,
};
pub use slice::{Delta, Slice};
