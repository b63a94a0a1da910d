//! The connector SDK: what a source and a sink are, how they are declared and found.
//!
//! Invariant: names no concrete system. The runtime owns retry, back-off, decoding, metrics, rate limits
//! and shutdown; a connector only moves bytes or rows and says where it stands.

mod record_fields;
mod registry;
mod sink;
mod source;

pub use record_fields::{KEY_FIELDS, KEY_FORMAT, KEY_PREFIX, RecordFields, VALUE_FORMAT, VALUE_INCLUDE};
pub use registry::{COMMON_OPTIONS, Connector, ConnectorRegistry, MetadataKey, SHARED_SPLITS, TableRequest};
pub use sink::{Guarantee, LAST_EPOCH, NoFront, OpenSink, Packet, Sink, SinkFront};
pub use source::{Fetched, FetchedBlob, LogRecords, OpenSource, Place, Positions, Source};
