//! `kafka` and `upsert-kafka`: tables in topics of Kafka, by a client of the protocol of our own.
//!
//! Source of the rules: Flink documentation, "Apache Kafka SQL Connector" and "Upsert Kafka SQL Connector".
//! Deliberately not here: classes of the JVM (partitioners, interceptors).

mod batch;
mod client;
mod options;
mod sink;
mod source;

use crate::carried::{self, Carrier};
use crate::notice::notice;
use options::{BOUNDED_MODE, KAFKA, UPSERT_KAFKA};
use sink::KafkaSink;
use sink::config::SinkConfig;
use sink::front::Front;
use source::KafkaSource;
use source::config::SourceConfig;
use tidemill_connector::{Connector, Lookups, MetadataKey, OpenSink, OpenSource, RecordFields, TableRequest};
use tidemill_types::data_type::LENGTH_MAX;
use tidemill_types::{DataType, Options, Result, TypeKind};

/// The connector `kafka`.
pub(crate) fn connector() -> Connector {
    Connector {
        name: "kafka",
        summary: "topics of Kafka as logs of rows or changes",
        options: KAFKA,
        upserts: false,
        check: |request| check(request, false),
        source: Some(|request| open_source(request, false)),
        sink: Some(|request| open_sink(request, false)),
        ..common()
    }
}

/// The connector `upsert-kafka`.
pub(crate) fn upsert_connector() -> Connector {
    Connector {
        name: "upsert-kafka",
        summary: "topics of Kafka whose records are the newest row of their key",
        options: UPSERT_KAFKA,
        upserts: true,
        check: |request| check(request, true),
        source: Some(|request| open_source(request, true)),
        sink: Some(|request| open_sink(request, true)),
        ..common()
    }
}

fn common() -> Connector {
    Connector {
        name: "",
        summary: "",
        options: &[],
        formatted: true,
        metadata: METADATA,
        sink_takes_changes: false,
        sink_skips_update_before: false,
        finds_fields_by_name: false,
        upserts: false,
        bounded,
        check: |_| Ok(()),
        source: None,
        sink: None,
        lookups: Lookups::NONE,
        single_task_sink: false,
    }
}

fn text() -> DataType {
    TypeKind::Varchar(LENGTH_MAX).not_null()
}

fn headers() -> DataType {
    TypeKind::Map(Box::new(text()), Box::new(source::columns::bytes_type())).not_null()
}

const METADATA: &[MetadataKey] = &[
    MetadataKey { key: "topic", data_type: text, writable: true },
    MetadataKey { key: "partition", data_type: || TypeKind::Int.not_null(), writable: false },
    MetadataKey { key: "headers", data_type: headers, writable: true },
    MetadataKey { key: "leader-epoch", data_type: || TypeKind::Int.nullable(), writable: false },
    MetadataKey { key: "offset", data_type: || TypeKind::BigInt.not_null(), writable: false },
    MetadataKey { key: "timestamp", data_type: || TypeKind::TimestampLtz(3).not_null(), writable: true },
    MetadataKey { key: "timestamp-type", data_type: text, writable: false },
];

fn bounded(options: &Options) -> bool {
    options.text(&BOUNDED_MODE).is_some_and(|mode| !mode.eq_ignore_ascii_case("unbounded"))
}

/// Checks what both directions need: columns of key and value, topics, properties.
fn check(request: &TableRequest<'_>, upserts: bool) -> Result<()> {
    let connector = if upserts { "upsert-kafka" } else { "kafka" };
    carried::check(request, connector, Carrier::Records)?;
    RecordFields::of(request.options, request.schema, request.primary_key)?;
    let is_sink = request.wanted.is_empty() && !request.schema.fields.is_empty();
    match is_sink {
        true => {
            SinkConfig::read(request, upserts)?;
            Front::open(request, upserts).map(drop)
        }
        false => SourceConfig::read(request, upserts).map(drop),
    }
}

fn open_source(request: &TableRequest<'_>, upserts: bool) -> Result<OpenSource> {
    let source = Box::new(KafkaSource::open(request, upserts)?);
    Ok(OpenSource { source, bounded: bounded(request.options), watermark_per_split: true, replayable: true })
}

fn open_sink(request: &TableRequest<'_>, upserts: bool) -> Result<OpenSink> {
    let front = Box::new(Front::open(request, upserts)?);
    let sink = Box::new(KafkaSink::open(request, upserts)?);
    Ok(OpenSink { front, sink, guarantee: sink::config::guarantee(request) })
}

/// Says which properties nobody takes.
fn warn_unused(table: &str, unused: &[String]) {
    if !unused.is_empty() {
        let names: Vec<String> = unused.iter().map(|key| format!("'properties.{key}'")).collect();
        notice(table, format_args!("{} has no effect here", names.join(", ")));
    }
}
