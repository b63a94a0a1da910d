//! `tidemill`: the command line. The composition root that picks connectors and functions, and turns flags
//! and configuration into calls of the engine and its answers into text and exit codes.
//!
//! Invariant: holds no logic of streams; what a script means is the engine's.

mod cli;
mod commands;
mod config;
mod failure;
mod generate;
mod jobs;
mod output;
mod report;
mod runner;
mod session;
mod shell;
mod signals;
mod stop;

use clap::Parser;
use std::process::ExitCode;

// Decoding and aggregation allocate in bursts on all threads at once, where the system's allocator
// serialises them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
