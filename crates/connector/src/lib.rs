//! The connector SDK: what a source, a sink and a lookup are, how they are declared and found.
//!
//! Invariant: names no concrete system. The runtime owns retry, back-off, decoding, metrics, rate limits
//! and shutdown; a connector only moves bytes or rows and says where it stands.

mod lookup;
mod record_fields;
mod registry;
mod sink;
mod source;

pub use lookup::{
    FULL_PERIODIC_INTERVAL, FULL_PERIODIC_MODE, FULL_RELOAD_STRATEGY, FULL_TIMED_DAYS, FULL_TIMED_ISO_TIME,
    Found, LOOKUP_ASYNC, LOOKUP_CACHE, LOOKUP_MAX_RETRIES, LOOKUP_OPTIONS, Lookup, LookupRequest, Lookups,
    OpenLookup, PARTIAL_CACHE_MISSING_KEY, PARTIAL_EXPIRE_AFTER_ACCESS, PARTIAL_EXPIRE_AFTER_WRITE,
    PARTIAL_MAX_ROWS,
};
pub use record_fields::{KEY_FIELDS, KEY_FORMAT, KEY_PREFIX, RecordFields, VALUE_FORMAT, VALUE_INCLUDE};
pub use registry::{COMMON_OPTIONS, Connector, ConnectorRegistry, MetadataKey, SHARED_SPLITS, TableRequest};
pub use sink::{Guarantee, LAST_EPOCH, NoFront, OpenSink, Packet, Sink, SinkFront};
pub use source::{Fetched, FetchedBlob, LogRecords, OpenSource, Place, Positions, Source};
