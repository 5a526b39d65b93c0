//! The steps that commands are made of: [`gather`] and [`plan`], then [`sync`] with [`dispatch`] and [`embed`], over what
//! lies [`outside`] of the process.

pub mod dispatch;
pub mod embed;
pub mod gather;
pub mod infer;
pub mod init;
pub mod outside;
pub mod plan;
pub mod record;
pub mod search;
pub mod sync;
