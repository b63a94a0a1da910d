//! How many records a core decodes and encodes in a second of CPU time.
//!
//! `decode_rate [format] [as-is|shuffled] [records]`; prints one line for each direction. The records are
//! clickstream events with six fields; `shuffled` puts the fields of each in another order.

use arrow_buffer::Buffer;
use std::io::Write as _;
use tidemill_format::{DecodeRequest, EncodeRequest, format};
use tidemill_types::{Blob, Chunk, DataType, Field, Options, Schema, TypeKind};

const BLOB_RECORDS: usize = 4_096;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "json".into());
    let shuffled = arguments.next().is_some_and(|order| order == "shuffled");
    let records: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(4_000_000);
    let format = format(&name).expect("the format exists");
    let schema = schema();
    let wanted: Vec<usize> = (0..schema.len()).collect();
    let options = Options::default();
    let zone = chrono_tz::Tz::UTC;
    let open = format.decoder.expect("the format can be read");
    let mut decoder =
        open(&DecodeRequest { physical: &schema, wanted: &wanted, metadata: &[], options: &options, zone })
            .expect("the decoder opens");
    let blobs: Vec<Blob> = (0..16).map(|seed| blob(&name, seed, shuffled)).collect();
    let bytes: usize = blobs.iter().map(|blob| blob.bytes.len()).sum();
    let rounds = records.div_ceil(BLOB_RECORDS);
    let start = cpu_seconds();
    let mut rows = 0;
    for round in 0..rounds {
        let decoded = decoder.decode(&blobs[round % blobs.len()]).expect("blobs can be decoded");
        assert_eq!(decoded.rejects, []);
        rows += decoded.rows;
    }
    report("decode", rows, cpu_seconds() - start, bytes / blobs.len() / BLOB_RECORDS);
    let decoded = decoder.decode(&blobs[0]).expect("blobs can be decoded");
    let chunk = Chunk { kinds: decoded.kinds, ..Chunk::new(decoded.columns, decoded.rows) };
    let open = format.encoder.expect("the format can be written");
    let mut encoder =
        open(&EncodeRequest { schema: &schema, options: &options, zone }).expect("the encoder opens");
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    let start = cpu_seconds();
    let mut written = 0;
    for _ in 0..rounds {
        out.clear();
        ends.clear();
        encoder.encode(&chunk, b"\n", &mut out, &mut ends).expect("rows can be encoded");
        written += ends.len();
    }
    report("encode", written, cpu_seconds() - start, out.len() / ends.len());
}

fn schema() -> Schema {
    let text = ["user_id", "event_type", "page_id", "product_id"];
    let mut fields: Vec<Field> = text.iter().map(|name| Field::new(*name, DataType::string())).collect();
    fields.push(Field::new("event_time", TypeKind::Timestamp(3).nullable()));
    fields.push(Field::new("amount", TypeKind::BigInt.nullable()));
    Schema::new(fields)
}

fn blob(format: &str, seed: usize, shuffled: bool) -> Blob {
    let mut bytes = Vec::new();
    for record in 0..BLOB_RECORDS {
        let n = seed * BLOB_RECORDS + record;
        let mut fields = [
            format!("\"user_id\":\"u{}\"", n * 7919 % 100_000),
            format!("\"event_type\":\"{}\"", ["view", "cart", "purchase"][n % 3]),
            format!("\"page_id\":\"page-{}\"", n % 997),
            format!("\"product_id\":\"product-number-{}\"", n * 31 % 50_000),
            format!(
                "\"event_time\":\"2024-01-01 {:02}:{:02}:{:02}.{:03}\"",
                n / 3600 % 24,
                n / 60 % 60,
                n % 60,
                n % 1000
            ),
            format!("\"amount\":{}", n * 37 % 10_000),
        ];
        if shuffled {
            for place in 0..fields.len() {
                let other = ((n * 2_654_435_761) >> (place * 3)) % fields.len();
                fields.swap(place, other);
            }
        }
        let fields = fields.join(",");
        match format {
            "csv" => {
                let values: Vec<&str> = fields
                    .split("\",\"")
                    .flat_map(|part| part.split("\":"))
                    .map(|part| part.trim_matches('"'))
                    .collect();
                let values: Vec<&str> = values.chunks(2).filter_map(|pair| pair.get(1).copied()).collect();
                writeln!(bytes, "{}", values.join(","))
            }
            "debezium-json" => writeln!(bytes, "{{\"before\":null,\"after\":{{{fields}}},\"op\":\"c\"}}"),
            _ => writeln!(bytes, "{{{fields}}}"),
        }
        .expect("memory can be written to");
    }
    Blob::lines(Buffer::from(bytes))
}

fn report(direction: &str, records: usize, seconds: f64, bytes: usize) {
    let rate = records as f64 / seconds / 1e6;
    println!(
        "{direction}: {rate:.2} M records/s per CPU-second ({records} records of {bytes} bytes in {seconds:.2} s)"
    );
}

/// CPU time of this process: ticks of a hundredth of a second from the system's own account.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the system accounts for CPU time");
    let after_name = stat.rsplit_once(')').expect("the name ends with a bracket").1;
    let ticks: Vec<f64> =
        after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse().ok()).collect();
    ticks.iter().sum::<f64>() / 100.0
}
