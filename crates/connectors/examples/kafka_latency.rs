//! Measures how long events take through a pipeline between two topics:
//! `kafka_latency BROKER IN OUT EVENTS_PER_SECOND SECONDS [read_committed]`.
//!
//! Events are sent in steps of a millisecond; each carries the moment at which it was due, so a sender that falls behind
//! counts as latency too. The same process reads the other topic and takes its own clock. Prints a JSON line: percentiles
//! in milliseconds without the first seconds, and the longest time in which nothing came, which is how long a pipeline
//! was away that was killed meanwhile.

mod kafka_table;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use kafka_table::{open, schema};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemill_connector::{Fetched, OpenSink, Source};
use tidemill_format::{DecodeRequest, Decoder, format};
use tidemill_types::arrow::{ArrayRef, Float64Array, Int64Array, StringViewArray};
use tidemill_types::{Chunk, Options};

/// What is sent before anything is measured.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long the last events may take.
const STRAGGLERS_MAX: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(1);

fn events(due_us: &[i64]) -> Chunk {
    let rows = due_us.len();
    let texts =
        |text: &str| -> ArrayRef { Arc::new(StringViewArray::from_iter_values((0..rows).map(|_| text))) };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..rows as i64)),
        texts("/catalogue/section-17/item-51212"),
        texts("https://search.example/?q=item512"),
        texts("Mozilla/5.0 (X11; Linux x86_64) Engine/117.0 Browser/17.2.1"),
        Arc::new(Int64Array::from_iter_values(0..rows as i64)),
        Arc::new(Float64Array::from(vec![12.25; rows])),
        texts("DE"),
        Arc::new(Int64Array::from(due_us.to_vec())),
    ];
    Chunk::new(columns, rows)
}

/// Sends so many events a second for so long.
async fn send(mut opened: OpenSink, start: Instant, per_second: u64, seconds: u64) {
    let (mut sent, total, mut packets) = (0, per_second * seconds, Vec::new());
    while sent < total {
        let due = (start.elapsed().as_micros() as u64 * per_second / 1_000_000).min(total);
        let moments: Vec<i64> = (sent..due).map(|event| (event * 1_000_000 / per_second) as i64).collect();
        sent = due;
        if !moments.is_empty() {
            opened.front.encode(&events(&moments), &mut packets).expect("the rows can be written");
            for packet in packets.drain(..) {
                opened.sink.write(packet).await.expect("the broker takes them");
            }
            opened.sink.flush().await.expect("the broker takes them");
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Reads until all came: the latencies of those behind the warm-up in microseconds, and the longest silence.
async fn receive(
    mut source: Box<dyn Source>,
    start: Instant,
    total: u64,
    seconds: u64,
) -> (Vec<i64>, Duration) {
    let (schema, wanted) = (schema(), [7]);
    let decode = format("json").expect("it is there").decoder.expect("it can be read");
    let options = Options::default();
    let request = DecodeRequest {
        physical: &schema,
        wanted: &wanted,
        metadata: &[],
        options: &options,
        zone: chrono_tz::UTC,
    };
    let mut decoder: Box<dyn Decoder> = decode(&request).expect("the columns can be read");
    let deadline = tokio::time::Instant::from_std(start) + Duration::from_secs(seconds) + STRAGGLERS_MAX;
    let (mut latencies, mut seen, mut heard, mut silence) = (Vec::new(), 0, None, Duration::ZERO);
    while seen < total {
        let Ok(fetched) = tokio::time::timeout_at(deadline, source.next()).await else { break };
        let Fetched::Blob(blob) = fetched.expect("the topic can be read") else { continue };
        let now = start.elapsed();
        let decoded = decoder.decode(&blob.blob).expect("the events can be read");
        let due = decoded.columns[0].as_primitive::<Int64Type>();
        seen += due.len() as u64;
        let measured = due.values().iter().filter(|due| **due >= WARM_UP.as_micros() as i64);
        latencies.extend(measured.map(|due| now.as_micros() as i64 - due));
        if now > WARM_UP {
            silence = silence.max(now - heard.unwrap_or(now));
            heard = Some(now);
        }
    }
    (latencies, silence)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [broker, input, output, per_second, seconds, rest @ ..] = arguments.as_slice() else {
        eprintln!("kafka_latency BROKER IN OUT EVENTS_PER_SECOND SECONDS [read_committed]");
        std::process::exit(2);
    };
    let (per_second, seconds): (u64, u64) =
        (per_second.parse().expect("a rate"), seconds.parse().expect("a time"));
    let options = |topic: &str| {
        Options::new([
            ("topic", topic),
            ("properties.bootstrap.servers", broker.as_str()),
            ("format", "json"),
            ("scan.startup.mode", "latest-offset"),
            ("properties.isolation.level", rest.first().map_or("read_uncommitted", String::as_str)),
        ])
    };
    let all: Vec<usize> = (0..schema().len()).collect();
    let sink = open(&options(input), &all, |kafka, request| kafka.sink.expect("it can be written")(request));
    let source =
        open(&options(output), &[7], |kafka, request| kafka.source.expect("it can be read")(request));
    let mut source = source.expect("the options are right").source;
    // The first answer says that the partitions and where they end are known.
    let _ = source.next().await.expect("the topic can be read");
    let start = Instant::now();
    let sending = tokio::spawn(send(sink.expect("the options are right"), start, per_second, seconds));
    let (mut latencies, silence) = receive(source, start, per_second * seconds, seconds).await;
    sending.await.expect("all was sent");
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(index).map_or(f64::NAN, |us| *us as f64 / 1e3)
    };
    println!(
        "{{\"events\": {}, \"p50\": {:.2}, \"p99\": {:.2}, \"p999\": {:.2}, \"max\": {:.2}, \"silence\": {:.0}}}",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        silence.as_secs_f64() * 1e3
    );
}
