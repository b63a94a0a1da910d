//! Measures what Kafka tables cost: `kafka_rate write|read|fetch BROKER TOPIC EVENTS [CODEC]`.
//!
//! `write` encodes JSON events of about 250 bytes and produces them; `read` fetches them and decodes all eight
//! columns; `fetch` only fetches. Prints events per second and events per second of this process's CPU time.

mod kafka_table;

use kafka_table::{open, schema};
use std::sync::Arc;
use std::time::Instant;
use tidemill_connector::Fetched;
use tidemill_format::{DecodeRequest, Decoder, format};
use tidemill_types::arrow::{ArrayRef, Float64Array, Int64Array, StringViewArray};
use tidemill_types::{Chunk, Options};

const CHUNK_ROWS: usize = 4_096;

/// All columns.
fn wanted() -> Vec<usize> {
    (0..schema().len()).collect()
}

fn chunk() -> Chunk {
    let numbers = |step: i64, base: i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..CHUNK_ROWS as i64).map(|row| base + row * step)))
    };
    let texts = |make: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values((0..CHUNK_ROWS).map(make)))
    };
    let columns = vec![
        numbers(7919, 1_000_000),
        texts(&|row| format!("/catalogue/section-{}/item-{}", row % 40, row * 31)),
        texts(&|row| format!("https://search.example/?q=item{}", row % 977)),
        texts(&|row| format!("Mozilla/5.0 (X11; Linux x86_64) Engine/{}.0 Browser/17.2.1", 90 + row % 40)),
        numbers(13, 20),
        Arc::new(Float64Array::from_iter_values((0..CHUNK_ROWS).map(|row| row as f64 * 0.25))),
        texts(&|row| ["DE", "FR", "US", "JP"][row % 4].to_string()),
        numbers(3, 1_700_000_000_000),
    ];
    Chunk::new(columns, CHUNK_ROWS)
}

/// Seconds of user and system time that this process has used.
fn cpu_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux says what a process has used");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("times are numbers");
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

async fn write(options: &Options, events: usize) -> u64 {
    let opened = open(options, &wanted(), |kafka, request| kafka.sink.expect("it can be written")(request));
    let mut opened = opened.expect("the options are right");
    let (chunk, mut packets, mut bytes) = (chunk(), Vec::new(), 0);
    for _ in 0..events.div_ceil(CHUNK_ROWS) {
        opened.front.encode(&chunk, &mut packets).expect("the rows can be written");
        for packet in packets.drain(..) {
            bytes += packet.bytes.len() as u64;
            opened.sink.write(packet).await.expect("the broker takes them");
        }
    }
    opened.sink.finish().await.expect("the broker takes them");
    bytes
}

async fn read(options: &Options, events: usize, decode: bool) -> u64 {
    let opened = open(options, &wanted(), |kafka, request| kafka.source.expect("it can be read")(request));
    let mut source = opened.expect("the options are right").source;
    let schema = schema();
    let wanted = wanted();
    let open = format("json").expect("it is there").decoder.expect("it can be read");
    let request = DecodeRequest {
        physical: &schema,
        wanted: &wanted,
        metadata: &[],
        options: &Options::default(),
        zone: chrono_tz::UTC,
    };
    let mut decoder: Box<dyn Decoder> = open(&request).expect("the columns can be read");
    let total = events.div_ceil(CHUNK_ROWS) * CHUNK_ROWS;
    let (mut rows, mut bytes) = (0, 0);
    while rows < total {
        match source.next().await.expect("the topic can be read") {
            Fetched::Blob(fetched) => {
                bytes += fetched.blob.bytes.len() as u64;
                rows += match (&fetched.blob.framing, decode) {
                    (_, true) => decoder.decode(&fetched.blob).expect("the events can be read").rows,
                    (tidemill_types::Framing::Records(ranges), false) => ranges.len(),
                    _ => 0,
                };
            }
            Fetched::End => break,
            _ => {}
        }
    }
    assert_eq!(rows, total, "all events were read");
    bytes
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, broker, topic, events, rest @ ..] = arguments.as_slice() else {
        eprintln!("kafka_rate write|read|fetch BROKER TOPIC EVENTS [CODEC]");
        std::process::exit(2);
    };
    let codec = rest.first().map_or("none", String::as_str);
    let events: usize = events.parse().expect("a number of events");
    let mut options = Options::new([
        ("topic", topic.as_str()),
        ("properties.bootstrap.servers", broker.as_str()),
        ("format", "json"),
    ]);
    if mode == "write" {
        options.0.insert("properties.compression.type".into(), codec.into());
    } else {
        options.0.insert("scan.startup.mode".into(), "earliest-offset".into());
        options.0.insert("scan.bounded.mode".into(), "latest-offset".into());
    }
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let bytes = match mode.as_str() {
        "write" => write(&options, events).await,
        mode => read(&options, events, mode == "read").await,
    };
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let millions = events as f64 / 1e6;
    println!(
        "{mode} {codec}: {millions} M events of {} bytes, {:.2} M/s, {:.2} M per CPU-second ({cpu:.2} CPU-s)",
        bytes / events as u64,
        millions / wall,
        millions / cpu
    );
}
