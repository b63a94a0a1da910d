//! Lookups: a table that is asked for the rows of keys while a job runs.
//!
//! Invariant: a lookup keeps nothing that must survive. The runtime owns order, concurrency, caches, time-outs,
//! attempts after failures and decoding; a connector only answers.

use crate::{FetchedBlob, TableRequest};
use std::sync::Arc;
use tidemill_types::{Chunk, OptionKind, OptionSpec, Result};

/// What a lookup is opened (or checked) for.
#[derive(Debug, Clone)]
pub struct LookupRequest<'a> {
    /// The table; `wanted` are the columns of its answers.
    pub table: TableRequest<'a>,
    /// The physical columns that a key holds, by index in the table's schema, in the order of a key's columns.
    pub keys: &'a [usize],
}

/// What a table holds for some keys.
#[derive(Debug)]
pub enum Found {
    /// Finished rows: the wanted columns followed by the metadata columns.
    Rows {
        /// The rows.
        rows: Chunk,
        /// For each row the number of its key among those asked for, from 0, never falling.
        of: Vec<u32>,
    },
    /// Bytes for the table's format, each with the number of its key, never falling. A blob may hold several rows.
    Blobs(Vec<(u32, FetchedBlob)>),
}

impl Found {
    /// The numbers of the keys for which there is something.
    pub fn of(&self) -> Vec<u32> {
        match self {
            Found::Rows { of, .. } => of.clone(),
            Found::Blobs(blobs) => blobs.iter().map(|(of, _)| *of).collect(),
        }
    }
}

/// An open table that can be asked. Calls may overlap; one that is dropped while it waits must do no harm.
#[async_trait::async_trait]
pub trait Lookup: Send + Sync {
    /// All rows under these keys. `keys` has a column for each column of [`LookupRequest::keys`], of that column's
    /// type, and a row for each key; keys differ and hold no NULL. A key without rows is no error.
    /// [`tidemill_types::Error::External`] that is retryable makes the runtime ask again after a back-off.
    async fn lookup(&self, keys: &Chunk) -> Result<Found>;
}

/// A lookup with what the runtime must know of it.
pub struct OpenLookup {
    /// The lookup; all tasks of a join share it.
    pub lookup: Arc<dyn Lookup>,
    /// How many keys a call may have; at least 1.
    pub keys_max: usize,
    /// How many calls each task may make at a time; at least 1.
    pub calls_max: usize,
}

/// How the tables of a connector are looked up. Bounded tables need nothing of it: they are read as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Lookups {
    /// Which of the columns that could be a key it wants as one, by their position in [`LookupRequest::keys`] and
    /// rising; what the others must be is looked at in its answers. Or why none of them will do. Called when planning.
    pub keys: fn(&LookupRequest<'_>) -> Result<Vec<usize>>,
    /// How a table is opened that is asked by key; `None` if it can't be.
    pub open: Option<fn(&LookupRequest<'_>) -> Result<OpenLookup>>,
    /// A number that is another one when a table read as a whole may have become different; `None` if that can't
    /// be told. Must not wait long.
    pub version: Option<fn(&TableRequest<'_>) -> Result<u64>>,
    /// The option that says how often the version is to be looked at.
    pub version_interval: Option<OptionSpec>,
}

impl Lookups {
    /// Tables that are read as a whole or not looked up at all.
    pub const NONE: Lookups = Lookups {
        keys: |request| Ok((0..request.keys.len()).collect()),
        open: None,
        version: None,
        version_interval: None,
    };
}

/// `lookup.cache`.
pub const LOOKUP_CACHE: OptionSpec = OptionSpec::new(
    "lookup.cache",
    OptionKind::Choice(&["NONE", "PARTIAL", "FULL"]),
    "what a lookup join keeps of the table: nothing, the keys it has asked for, or all rows",
);
/// `lookup.async`.
pub const LOOKUP_ASYNC: OptionSpec = OptionSpec::new(
    "lookup.async",
    OptionKind::Boolean,
    "whether a lookup join asks for several keys at a time; it does unless told not to",
);
/// `lookup.max-retries`.
pub const LOOKUP_MAX_RETRIES: OptionSpec =
    OptionSpec::new("lookup.max-retries", OptionKind::Integer, "how often a failed lookup is made again")
        .default("3");
/// `lookup.partial-cache.expire-after-access`.
pub const PARTIAL_EXPIRE_AFTER_ACCESS: OptionSpec = OptionSpec::new(
    "lookup.partial-cache.expire-after-access",
    OptionKind::Duration,
    "how long the cache keeps a key after it was last used",
);
/// `lookup.partial-cache.expire-after-write`.
pub const PARTIAL_EXPIRE_AFTER_WRITE: OptionSpec = OptionSpec::new(
    "lookup.partial-cache.expire-after-write",
    OptionKind::Duration,
    "how long the cache keeps a key after it was asked for",
);
/// `lookup.partial-cache.cache-missing-key`.
pub const PARTIAL_CACHE_MISSING_KEY: OptionSpec = OptionSpec::new(
    "lookup.partial-cache.cache-missing-key",
    OptionKind::Boolean,
    "whether the cache remembers that a key has no rows",
)
.default("true");
/// `lookup.partial-cache.max-rows`.
pub const PARTIAL_MAX_ROWS: OptionSpec = OptionSpec::new(
    "lookup.partial-cache.max-rows",
    OptionKind::Integer,
    "how many rows the cache of a task holds at most",
);
/// `lookup.full-cache.reload-strategy`.
pub const FULL_RELOAD_STRATEGY: OptionSpec = OptionSpec::new(
    "lookup.full-cache.reload-strategy",
    OptionKind::Choice(&["PERIODIC", "TIMED"]),
    "when the whole table is read again: at intervals, or at a time of day",
)
.default("PERIODIC");
/// `lookup.full-cache.periodic-reload.interval`.
pub const FULL_PERIODIC_INTERVAL: OptionSpec = OptionSpec::new(
    "lookup.full-cache.periodic-reload.interval",
    OptionKind::Duration,
    "how long after it was read the whole table is read again",
);
/// `lookup.full-cache.periodic-reload.schedule-mode`.
pub const FULL_PERIODIC_MODE: OptionSpec = OptionSpec::new(
    "lookup.full-cache.periodic-reload.schedule-mode",
    OptionKind::Choice(&["FIXED_DELAY", "FIXED_RATE"]),
    "whether the interval begins when reading ends or when it begins",
)
.default("FIXED_DELAY");
/// `lookup.full-cache.timed-reload.iso-time`.
pub const FULL_TIMED_ISO_TIME: OptionSpec = OptionSpec::new(
    "lookup.full-cache.timed-reload.iso-time",
    OptionKind::Text,
    "the time of day when the whole table is read again: '10:15', '10:15:30Z', '10:15+08:00'",
);
/// `lookup.full-cache.timed-reload.interval-in-days`.
pub const FULL_TIMED_DAYS: OptionSpec = OptionSpec::new(
    "lookup.full-cache.timed-reload.interval-in-days",
    OptionKind::Integer,
    "how many days lie between two reads at that time",
)
.default("1");

/// Options that every table may give that can be read.
pub const LOOKUP_OPTIONS: &[OptionSpec] = &[
    LOOKUP_CACHE,
    LOOKUP_ASYNC,
    LOOKUP_MAX_RETRIES,
    PARTIAL_EXPIRE_AFTER_ACCESS,
    PARTIAL_EXPIRE_AFTER_WRITE,
    PARTIAL_CACHE_MISSING_KEY,
    PARTIAL_MAX_ROWS,
    FULL_RELOAD_STRATEGY,
    FULL_PERIODIC_INTERVAL,
    FULL_PERIODIC_MODE,
    FULL_TIMED_ISO_TIME,
    FULL_TIMED_DAYS,
];
