//! The steps that commands are made of: [`open`], [`gather`] and [`plan`], then [`sync`] with [`dispatch`] and [`embed`],
//! over what lies [`outside`] of the process; [`excerpts`] are for who reads what they found.

pub mod before;
pub mod crew;
pub mod dispatch;
pub mod docs;
pub mod doctor;
mod earlier;
pub mod embed;
pub mod excerpts;
pub mod federate;
pub mod focus;
pub mod gather;
pub mod infer;
pub mod init;
pub mod lock;
pub mod loops;
pub mod moving;
pub mod open;
pub mod outside;
pub mod places;
pub mod plan;
pub mod proposed_registry;
pub mod proving;
pub mod pull;
pub mod record;
pub mod registry;
pub mod releases;
pub mod remote_status;
pub mod schema_diff;
pub mod search;
pub mod searchable;
pub mod shards;
pub mod sources;
pub mod status;
pub mod sync;
pub mod texts;
pub mod verify;
