//! The connectors, one folder for each system, and the table of them.
//!
//! Invariant: a connector moves bytes or rows and says where they stand; retry, decoding, watermarks,
//! metrics and checkpoint control flow are the runtime's.

mod blackhole;
mod carried;
mod columns;
mod datagen;
mod filesystem;
mod ingest_log;
mod kafka;
mod nexmark;
mod notice;
mod pace;
mod print;
mod random;
mod socket;

use std::sync::Arc;
use tidemill_connector::{Connector, ConnectorRegistry};

/// Every connector there is.
const CONNECTORS: &[fn() -> Connector] = &[
    blackhole::connector,
    datagen::connector,
    filesystem::connector,
    kafka::connector,
    kafka::upsert_connector,
    nexmark::connector,
    print::connector,
    socket::connector,
];

/// The registry that the composition root hands to a session.
pub fn connectors() -> ConnectorRegistry {
    ConnectorRegistry(CONNECTORS.iter().map(|connector| Arc::new(connector())).collect())
}
