//! The Kafka table that the measuring programs write and read.

use std::sync::Arc;
use tidemill_connector::{Connector, TableRequest};
use tidemill_connectors::connectors;
use tidemill_types::{DataType, Field, Options, Schema, SystemDisk, TypeKind};

/// The columns of the benchmark's pipelines; `at` is when an event was due, in microseconds since the start.
pub fn schema() -> Schema {
    let text = |name: &str| Field::new(name, DataType::string());
    let long = |name: &str| Field::new(name, TypeKind::BigInt.nullable());
    Schema::new(vec![
        long("user_id"),
        text("page"),
        text("referrer"),
        text("agent"),
        long("duration_ms"),
        Field::new("price", TypeKind::Double.nullable()),
        text("country"),
        long("at"),
    ])
}

/// Opens the table as the runtime would.
pub fn open<T>(
    options: &Options,
    wanted: &[usize],
    open: impl FnOnce(&Connector, &TableRequest<'_>) -> T,
) -> T {
    let (registry, schema) = (connectors(), schema());
    let request = TableRequest {
        table: "t",
        options,
        schema: &schema,
        wanted,
        metadata: &[],
        partition_by: &[],
        primary_key: &[],
        overwrite: false,
        task: 0,
        parallelism: 1,
        zone: chrono_tz::UTC,
        run_id: "run",
        pipeline_id: "measure",
        checkpointed: false,
        state_dir: None,
        disk: Arc::new(SystemDisk),
    };
    open(registry.find("kafka").expect("the connector is built in"), &request)
}
