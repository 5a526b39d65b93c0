//! The repositories that build on the library: what concerns them, what they are told, and in which order.

mod envelope;
mod plan;
mod settings;
mod slice;

pub use envelope::{
    Announcement, DeltaCounts, DeltaMessage, Envelope, MAX_KEYS, MAX_PAYLOAD_BYTES, ManifestMessage, envelope_schema,
};
pub use plan::{Action, Channel, Delivery, plan, waves};
pub use settings::{Problem, Settings, When, problems};
pub use slice::{Delta, Slice};
