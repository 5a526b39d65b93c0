//! One file per command: gather, plan, apply, report.

pub mod dispatch;
pub mod embed;
pub mod gather;
pub mod outside;
pub mod plan;
pub mod record;
pub mod search;
pub mod sync;
