//! The connector SDK: what a source and a sink are, how they are declared and found.
//!
//! Invariant: names no concrete system. The runtime owns retry, back-off, decoding, metrics, rate limits
//! and shutdown; a connector only moves bytes or rows and says where it stands.

mod registry;
mod sink;
mod source;

pub use registry::{COMMON_OPTIONS, Connector, ConnectorRegistry, MetadataKey, TableRequest};
pub use sink::{Guarantee, NoFront, OpenSink, Packet, Sink, SinkFront};
pub use source::{Fetched, FetchedBlob, OpenSource, Place, Positions, Source};
