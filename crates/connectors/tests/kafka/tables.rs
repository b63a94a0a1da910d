//! Tables over topics in SQL, and single sources and sinks.

use crate::admin::broker;
use std::time::Duration;
use tidemill_connector::{Fetched, OpenSink, OpenSource, Packet, Source, TableRequest};
use tidemill_connectors::connectors;
use tidemill_testkit::run::{Folded, run};
use tidemill_types::arrow::{Int64Array, StringViewArray};
use tidemill_types::{Chunk, DataType, Field, Framing, Options, Schema, SystemDisk, TypeKind};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// `CREATE TABLE` over a topic; `more` options win.
pub fn table(name: &str, columns: &str, topic: &str, more: &[(&str, &str)]) -> String {
    let broker = broker();
    let mut options = Options::new([
        ("connector", "kafka"),
        ("topic", topic),
        ("properties.bootstrap.servers", broker.as_str()),
        ("format", "json"),
        ("scan.startup.mode", "earliest-offset"),
        ("scan.bounded.mode", "latest-offset"),
    ]);
    options.0.extend(more.iter().map(|(key, value)| (key.to_string(), value.to_string())));
    options.0.retain(|_, value| value != "-");
    let options: Vec<String> =
        options.0.iter().map(|(key, value)| format!("'{key}' = '{}'", value.replace('\'', "''"))).collect();
    format!("CREATE TABLE {name} ({columns}) WITH ({});\n", options.join(", "))
}

/// The final rows of the last query of a script, each as its cells between commas; sorted.
pub fn rows(script: &str) -> Vec<String> {
    texts(run(script, 2).unwrap_or_else(|error| panic!("{}\n{script}", error.text(false))).rows)
}

/// Why a script fails.
pub fn failure(script: &str) -> String {
    run(script, 2).expect_err("the script must fail").text(false)
}

fn texts(folded: Folded) -> Vec<String> {
    folded
        .into_iter()
        .flat_map(|(cells, count)| {
            assert!(count > 0, "{cells:?} was taken back {count} times");
            std::iter::repeat_n(cells.join(","), count as usize)
        })
        .collect()
}

/// What sources and sinks are opened with: columns `k` STRING and `v` BIGINT, JSON.
pub fn options(topic: &str, more: &[(&str, &str)]) -> Options {
    let broker = broker();
    let mut options = Options::new([
        ("topic", topic),
        ("properties.bootstrap.servers", broker.as_str()),
        ("format", "json"),
    ]);
    options.0.extend(more.iter().map(|(key, value)| (key.to_string(), value.to_string())));
    options
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("k", DataType::string()), Field::new("v", TypeKind::BigInt.nullable())])
}

fn with_request<T>(options: &Options, run_id: &str, open: impl FnOnce(&TableRequest<'_>) -> T) -> T {
    with_task(options, run_id, (0, 1), open)
}

fn with_task<T>(
    options: &Options,
    run_id: &str,
    (task, parallelism): (usize, usize),
    open: impl FnOnce(&TableRequest<'_>) -> T,
) -> T {
    let schema = schema();
    open(&TableRequest {
        table: "t",
        options,
        schema: &schema,
        wanted: &[0, 1],
        metadata: &[],
        partition_by: &[],
        primary_key: &[],
        overwrite: false,
        task,
        parallelism,
        zone: chrono_tz::UTC,
        run_id,
        pipeline_id: "pipe",
        checkpointed: true,
        state_dir: None,
        disk: std::sync::Arc::new(SystemDisk),
    })
}

/// Opens a source.
pub fn open_source(options: &Options) -> OpenSource {
    let kafka = connectors().find("kafka").unwrap().clone();
    with_request(options, "run", |request| kafka.source.unwrap()(request).unwrap())
}

/// Opens a sink of a run with checkpoints.
pub fn open_sink(options: &Options, run_id: &str) -> OpenSink {
    let kafka = connectors().find("kafka").unwrap().clone();
    with_request(options, run_id, |request| kafka.sink.unwrap()(request).unwrap())
}

/// Opens the sinks of a run with checkpoints.
pub fn open_sinks(options: &Options, run_id: &str, count: usize) -> Vec<OpenSink> {
    let kafka = connectors().find("kafka").unwrap().clone();
    let open =
        |task| with_task(options, run_id, (task, count), |request| kafka.sink.unwrap()(request).unwrap());
    (0..count).map(open).collect()
}

/// Packets of these rows.
pub fn packets(sink: &mut OpenSink, rows: &[(&str, i64)]) -> Vec<Packet> {
    let keys = StringViewArray::from_iter_values(rows.iter().map(|(key, _)| key));
    let values = Int64Array::from_iter_values(rows.iter().map(|(_, value)| *value));
    let chunk = Chunk::new(vec![std::sync::Arc::new(keys), std::sync::Arc::new(values)], rows.len());
    let mut packets = Vec::new();
    sink.front.encode(&chunk, &mut packets).unwrap();
    packets
}

/// Writes these rows and makes them durable.
pub async fn write(sink: &mut OpenSink, rows: &[(&str, i64)]) {
    for packet in packets(sink, rows) {
        sink.sink.write(packet).await.unwrap();
    }
    sink.sink.flush().await.unwrap();
}

/// The records that come until there are so many, or the end.
pub async fn records(source: &mut dyn Source, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < count {
        let fetched = tokio::time::timeout(PATIENCE, source.next()).await;
        match fetched.unwrap_or_else(|_| panic!("only {} of {count} records came", found.len())) {
            Ok(Fetched::Blob(blob)) => {
                let Framing::Records(ranges) = &blob.blob.framing else { panic!("records have places") };
                let bytes = blob.blob.bytes.as_slice();
                let text = |range: &std::ops::Range<u32>| {
                    String::from_utf8(bytes[range.start as usize..range.end as usize].to_vec()).unwrap()
                };
                found.extend(ranges.iter().map(text));
            }
            Ok(Fetched::End) => break,
            Ok(_) => {}
            Err(tidemill_types::Error::External { retryable: true, message }) => {
                eprintln!("again: {message}")
            }
            Err(error) => panic!("{error}"),
        }
    }
    found
}

/// The records that a reader of committed records finds now.
pub async fn committed_records(topic: &str) -> Vec<String> {
    let options = options(
        topic,
        &[
            ("scan.startup.mode", "earliest-offset"),
            ("scan.bounded.mode", "latest-offset"),
            ("properties.isolation.level", "read_committed"),
        ],
    );
    records(open_source(&options).source.as_mut(), usize::MAX).await
}

/// The records that a reader of committed records finds, as soon as there are so many: a broker shows a transaction a
/// moment after it has taken its end.
pub async fn committed_within_moments(topic: &str, count: usize) -> Vec<String> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = committed_records(topic).await;
        if found.len() >= count || tokio::time::Instant::now() > deadline {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
