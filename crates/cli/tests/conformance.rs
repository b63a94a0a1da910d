//! Placeholder until the conformance harness is written.
fn main() {}
