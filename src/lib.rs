//! Stockroom turns a Git repository of assets into a database that others can build on.
//!
//! The rooms, in the order in which the data passes them (ARCHITECTURE.md has the map and the rules):
//! an [`event`] and a tree of files become a [`catalog`] of records, which [`schema`] checks into [`finding`]s; from the
//! catalog the [`manifest`] is built, and from that and the [`state`] the [`plan`] for every target: publications,
//! deliveries to each [`downstream`], chunks for the [`embedding`] index. All that is pure, and so is [`config`], which says
//! what is wanted. [`commands`] gather, plan and apply through [`adapters`]; [`cli`], the only room that reads the environment
//! and its [`secret`]s, calls them and hands the outcome to [`report`]. [`ids`] name things everywhere.

// The fakes of `tests/it` name this crate as those tests do, and serve the tests in here as well.
#[cfg(test)]
extern crate self as stockroom;

pub mod adapters;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod config;
pub mod diagnosis;
pub mod downstream;
pub mod embedding;
pub mod event;
pub mod finding;
pub mod ids;
pub mod manifest;
pub mod mirror;
pub mod plan;
pub mod report;
pub mod schema;
pub mod secret;
pub mod state;
