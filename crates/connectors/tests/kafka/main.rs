//! `kafka` and `upsert-kafka` against a real broker, which `.ci/services` starts.

#![allow(clippy::unwrap_used)]

mod admin;
mod formats;
mod promises;
mod reading;
#[path = "../../../format/tests/support/registry.rs"]
mod registry;
mod restarts;
mod security;
mod tables;
mod transactions;
mod upserts;
mod writing;
