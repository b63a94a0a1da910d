//! How many records a core decodes and encodes in a second of CPU time.
//!
//! `decode_rate [format] [as-is|shuffled] [records]`; prints one line for each direction. The records are
//! clickstream events with six fields; `shuffled` puts the fields of each in another order. Binary formats read what they
//! have written; `parquet` and `avro-file` are written and read as files in memory.

use arrow_buffer::Buffer;
use std::io::{self, Write as _};
use std::sync::Arc;
use tidemill_format::{DecodeRequest, EncodeRequest, FileBytes, FileFormat, format};
use tidemill_types::{Blob, Chunk, DataType, Field, Framing, Options, Schema, TypeKind};

const BLOB_RECORDS: usize = 4_096;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "json".into());
    let shuffled = arguments.next().is_some_and(|order| order == "shuffled");
    let records: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(4_000_000);
    let format = format(name.trim_end_matches("-file")).expect("the format exists");
    let mut schema = schema();
    if name == "protobuf" {
        // It has no timestamps.
        schema.fields[4].data_type = TypeKind::BigInt.nullable();
    }
    let wanted: Vec<usize> = (0..schema.len()).collect();
    let folder = tempfile::tempdir().expect("a folder for the message's definition");
    let options = options(&name, folder.path());
    let zone = chrono_tz::Tz::UTC;
    if let Some(files) = format.files.as_ref().filter(|files| files.only || name.ends_with("-file")) {
        return whole_files(files, &schema, &options, records);
    }
    let open = format.decoder.expect("the format can be read");
    let mut decoder =
        open(&DecodeRequest { physical: &schema, wanted: &wanted, metadata: &[], options: &options, zone })
            .expect("the decoder opens");
    let blobs = (0..16).map(|seed| blob(&name, seed, shuffled));
    let blobs: Vec<Blob> = match name.as_str() {
        "avro" | "protobuf" => blobs.map(|json| binary(&name, &json, &schema, &options)).collect(),
        _ => blobs.collect(),
    };
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

fn options(format: &str, folder: &std::path::Path) -> Options {
    if format != "protobuf" {
        return Options::default();
    }
    let path = folder.join("event.proto");
    let fields = "string user_id = 1; string event_type = 2; string page_id = 3; string product_id = 4; \
                  int64 event_time = 5; int64 amount = 6;";
    let text = format!("syntax = \"proto3\"; message Event {{ {fields} }}");
    std::fs::write(&path, text).expect("the definition can be written");
    Options::new([("message-class-name", "Event"), ("schema-file", &path.to_string_lossy())])
}

/// The rows of JSON lines.
fn chunk(json: &Blob, schema: &Schema) -> Chunk {
    let wanted: Vec<usize> = (0..schema.len()).collect();
    let open = format("json").expect("JSON exists").decoder.expect("JSON can be read");
    let (options, zone) = (Options::default(), chrono_tz::Tz::UTC);
    let request = DecodeRequest { physical: schema, wanted: &wanted, metadata: &[], options: &options, zone };
    let decoded = open(&request).and_then(|mut decoder| decoder.decode(json)).expect("the rows are JSON");
    Chunk::new(decoded.columns, decoded.rows)
}

/// The same rows as records of a binary format.
fn binary(name: &str, json: &Blob, schema: &Schema, options: &Options) -> Blob {
    let open = format(name).expect("the format exists").encoder.expect("the format can be written");
    let request = EncodeRequest { schema, options, zone: chrono_tz::Tz::UTC };
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let mut encoder = open(&request).expect("the encoder opens");
    encoder.encode(&chunk(json, schema), b"", &mut bytes, &mut ends).expect("rows can be encoded");
    let starts = [0].into_iter().chain(ends.iter().copied());
    let ranges = starts.zip(&ends).map(|(start, &end)| start as u32..end as u32).collect();
    Blob { bytes: Buffer::from(bytes), framing: Framing::Records(ranges) }
}

struct InMemory(Vec<u8>);

impl FileBytes for InMemory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        buffer.copy_from_slice(&self.0[offset as usize..][..buffer.len()]);
        Ok(())
    }
}

fn whole_files(files: &FileFormat, schema: &Schema, options: &Options, records: usize) {
    let wanted: Vec<usize> = (0..schema.len()).collect();
    let zone = chrono_tz::Tz::UTC;
    let chunks: Vec<Chunk> = (0..16).map(|seed| chunk(&blob("json", seed, false), schema)).collect();
    let start = cpu_seconds();
    let mut writer = (files.writer)(&EncodeRequest { schema, options, zone }).expect("the writer opens");
    let mut out = Vec::new();
    let rounds = records.div_ceil(BLOB_RECORDS);
    for round in 0..rounds {
        writer.write(&chunks[round % chunks.len()], &mut out).expect("rows can be written");
    }
    writer.finish(&mut out).expect("the file can be ended");
    report("encode", rounds * BLOB_RECORDS, cpu_seconds() - start, out.len() / (rounds * BLOB_RECORDS));
    let bytes = out.len();
    let start = cpu_seconds();
    let request = DecodeRequest { physical: schema, wanted: &wanted, metadata: &[], options, zone };
    let mut reader = (files.reader)(&request, Arc::new(InMemory(out)), 0).expect("the reader opens");
    let mut rows = 0;
    while let Some(read) = reader.next().expect("the file can be read") {
        rows += read.rows;
    }
    report("decode", rows, cpu_seconds() - start, bytes / rows);
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
            match format {
                "protobuf" => format!("\"event_time\":{}", 1_700_000_000_000 + n),
                _ => format!(
                    "\"event_time\":\"2024-01-01 {:02}:{:02}:{:02}.{:03}\"",
                    n / 3600 % 24,
                    n / 60 % 60,
                    n % 60,
                    n % 1000
                ),
            },
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
