//! A connector as a value, and the table of them that the composition root fills.

use crate::{Lookups, OpenSink, OpenSource};
use std::path::Path;
use std::sync::Arc;
use tidemill_types::options::{near, quoted_or};
use tidemill_types::{DataType, Disk, Error, OptionKind, OptionSpec, Options, Result, Schema};

/// A metadata column that a connector offers.
#[derive(Debug, Clone, Copy)]
pub struct MetadataKey {
    /// Its key.
    pub key: &'static str,
    /// Its type.
    pub data_type: fn() -> DataType,
    /// Whether a sink takes it.
    pub writable: bool,
}

/// What a source or sink is opened (or checked) for.
#[derive(Debug, Clone)]
pub struct TableRequest<'a> {
    /// The table's name, for messages.
    pub table: &'a str,
    /// All options of the table but `connector`.
    pub options: &'a Options,
    /// The physical columns; in the chunks that come to a sink they stand first.
    pub schema: &'a Schema,
    /// Source: the wanted physical columns by index. Sink: all.
    pub wanted: &'a [usize],
    /// Metadata columns: source: those wanted behind the wanted ones; sink: those that stand behind `schema`'s
    /// columns in the chunks.
    pub metadata: &'a [(String, DataType)],
    /// PARTITIONED BY.
    pub partition_by: &'a [String],
    /// Primary key columns by index in `schema`.
    pub primary_key: &'a [usize],
    /// INSERT OVERWRITE.
    pub overwrite: bool,
    /// Source: which of how many tasks opens it. Sink: a number that no other sink of the job has.
    pub task: usize,
    /// How many tasks there are.
    pub parallelism: usize,
    /// The session time zone.
    pub zone: chrono_tz::Tz,
    /// A name for this run, different for each and for each restart, for file names.
    pub run_id: &'a str,
    /// A name for the table's place in the pipeline that stays the same when the run is resumed, for names of
    /// transactions and the like.
    pub pipeline_id: &'a str,
    /// Whether checkpoints are taken: then an exactly-once sink shows nothing before [`crate::Sink::commit`].
    pub checkpointed: bool,
    /// The state folder of the run, if it has one. A connector that keeps something there does so in a folder of its
    /// own with the `pipeline_id` in its name.
    pub state_dir: Option<&'a Path>,
    /// Where files are kept that must survive a crash.
    pub disk: Arc<dyn Disk>,
}

/// A connector: what it is called, what it takes, how it is opened.
pub struct Connector {
    /// The value of the option `connector`.
    pub name: &'static str,
    /// One line for the reference page.
    pub summary: &'static str,
    /// Its own options, without `connector`, `format` and the format's.
    pub options: &'static [OptionSpec],
    /// Whether a table names a format for it; then `format` is required and checked.
    pub formatted: bool,
    /// The metadata columns it offers.
    pub metadata: &'static [MetadataKey],
    /// Whether a sink takes changes other than `+I` whatever the format.
    pub sink_takes_changes: bool,
    /// Whether a sink has no use for `-U`, so that none is made for it.
    pub sink_skips_update_before: bool,
    /// Whether a source without a format takes ROW columns with fewer fields than it has.
    pub finds_fields_by_name: bool,
    /// Whether a record is the newest row of its primary key, and one without a value deletes it. Tables then
    /// need a primary key; reading them gives a changelog.
    pub upserts: bool,
    /// Whether a source of these options ends by itself; called when planning, after the options were checked.
    pub bounded: fn(&Options) -> bool,
    /// Checks what the declarations can't say (option combinations, column types); called when planning.
    pub check: fn(&TableRequest<'_>) -> Result<()>,
    /// How a source is opened; `None` if tables can only be written.
    pub source: Option<fn(&TableRequest<'_>) -> Result<OpenSource>>,
    /// How a sink is opened; `None` if tables can only be read.
    pub sink: Option<fn(&TableRequest<'_>) -> Result<OpenSink>>,
    /// How tables are looked up by key.
    pub lookups: Lookups,
    /// Whether all rows must pass one sink task (a terminal, a single file).
    pub single_task_sink: bool,
}

/// Options that every table may give.
pub const COMMON_OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("connector", OptionKind::Text, "the system that holds the table").required(),
    OptionSpec::new("scan.parallelism", OptionKind::Integer, "parallelism of the source"),
    OptionSpec::new("sink.parallelism", OptionKind::Integer, "parallelism of the sink"),
    OptionSpec::new(
        "scan.watermark.emit.strategy",
        OptionKind::Choice(&["on-periodic", "on-event"]),
        "when watermarks are sent; they are exact for each row either way",
    ),
    OptionSpec::new(
        "scan.watermark.idle-timeout",
        OptionKind::Duration,
        "how long a split may be silent before the watermark goes on without it",
    ),
    OptionSpec::new("scan.watermark.alignment.group", OptionKind::Text, "the alignment group"),
    OptionSpec::new(
        "scan.watermark.alignment.max-drift",
        OptionKind::Duration,
        "how far splits may drift apart",
    ),
    OptionSpec::new(
        "scan.watermark.alignment.update-interval",
        OptionKind::Duration,
        "how often drift is checked",
    ),
];

/// Whether a source shares its splits with other processes, which may take them over; where the connector offers it.
/// Then nothing may be kept between its records, since that could not move along.
pub const SHARED_SPLITS: OptionSpec = OptionSpec::new(
    "scan.group-membership",
    OptionKind::Boolean,
    "whether several runs share the partitions as members of one consumer group",
)
.default("false");

/// The connectors of a session.
#[derive(Clone, Default)]
pub struct ConnectorRegistry(pub Vec<Arc<Connector>>);

impl ConnectorRegistry {
    /// The connector of this name, or an error that lists the near ones.
    pub fn find(&self, name: &str) -> Result<&Arc<Connector>> {
        self.0.iter().find(|connector| connector.name == name).ok_or_else(|| {
            let names = || self.0.iter().map(|connector| connector.name);
            let all = names().collect::<Vec<_>>().join(", ");
            let hint = match near(name, names()).as_slice() {
                [] => format!("the connectors are: {all}"),
                near => format!("did you mean {}? the connectors are: {all}", quoted_or(near)),
            };
            Error::user_hint(format!("there is no connector '{name}'"), hint)
        })
    }
}

impl std::fmt::Debug for ConnectorRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|connector| connector.name)).finish()
    }
}
