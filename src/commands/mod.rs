//! The steps that commands are made of: [`gather`] and [`plan`], then [`sync`] with [`dispatch`] and [`embed`], over what
//! lies [`outside`] of the process.

pub mod dispatch;
pub mod embed;
pub mod gather;
pub mod outside;
pub mod plan;
pub mod proving;
pub mod record;
pub mod releases;
pub mod schema_diff;
pub mod search;
pub mod sync;
