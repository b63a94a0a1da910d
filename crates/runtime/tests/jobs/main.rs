//! Whole jobs over scripted sources and collecting sinks.

#![allow(clippy::unwrap_used)] // A test that can't go on has failed.

mod failures;
mod phases;
mod pressure;
mod results;
mod stopping;
mod support;
mod time;
