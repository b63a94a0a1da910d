//! A table of one connector, opened as the runtime would open it, without an engine.

use std::path::PathBuf;
use std::sync::Arc;
use tidemill_connector::{
    Connector, ConnectorRegistry, LookupRequest, OpenLookup, OpenSink, OpenSource, TableRequest,
};
use tidemill_types::{Disk, Options, Result, Schema, SystemDisk};

/// What the table is, and for what it is opened.
#[derive(Debug, Clone)]
pub struct TestTable {
    /// The connector's name.
    pub connector: &'static str,
    /// Its columns, all of them wanted.
    pub schema: Schema,
    /// Its options but `connector`.
    pub options: Options,
    /// PARTITIONED BY.
    pub partition_by: Vec<String>,
    /// INSERT OVERWRITE.
    pub overwrite: bool,
    /// Which of how many tasks.
    pub task: (usize, usize),
    /// The name of the run.
    pub run_id: String,
    /// The name of the pipeline.
    pub pipeline_id: String,
    /// The state folder, which makes it a run with checkpoints.
    pub state_dir: Option<PathBuf>,
    /// Where files are kept.
    pub disk: Arc<dyn Disk>,
}

impl TestTable {
    /// A table without checkpoints.
    pub fn new(connector: &'static str, schema: Schema, options: &[(&str, &str)]) -> Self {
        TestTable {
            connector,
            schema,
            options: Options::new(options.iter().copied()),
            partition_by: Vec::new(),
            overwrite: false,
            task: (0, 1),
            run_id: "run".into(),
            pipeline_id: "pipeline".into(),
            state_dir: None,
            disk: Arc::new(SystemDisk),
        }
    }

    /// Opens it to be read.
    pub fn source(&self, connectors: &ConnectorRegistry) -> Result<OpenSource> {
        self.with(|request| connectors.find(self.connector)?.source.expect("it can be read")(request))
    }

    /// Opens it to be written.
    pub fn sink(&self, connectors: &ConnectorRegistry) -> Result<OpenSink> {
        self.with(|request| connectors.find(self.connector)?.sink.expect("it can be written")(request))
    }

    /// Opens it to be asked by these columns.
    pub fn lookup(&self, connector: &Connector, keys: &[usize]) -> Result<OpenLookup> {
        let open = connector.lookups.open.expect("it can be asked");
        self.with(|table| open(&LookupRequest { table: table.clone(), keys }))
    }

    fn with<T>(&self, open: impl FnOnce(&TableRequest<'_>) -> T) -> T {
        open(&TableRequest {
            table: "t",
            options: &self.options,
            schema: &self.schema,
            wanted: &(0..self.schema.len()).collect::<Vec<_>>(),
            metadata: &[],
            partition_by: &self.partition_by,
            primary_key: &[],
            overwrite: self.overwrite,
            task: self.task.0,
            parallelism: self.task.1,
            zone: chrono_tz::Tz::UTC,
            run_id: &self.run_id,
            pipeline_id: &self.pipeline_id,
            checkpointed: self.state_dir.is_some(),
            state_dir: self.state_dir.as_deref(),
            disk: self.disk.clone(),
        })
    }
}
