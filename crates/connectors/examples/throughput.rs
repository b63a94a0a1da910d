//! Measures sources alone: `throughput files PATH`, `throughput datagen`, `throughput nexmark`.

use std::sync::Arc;
use std::time::Instant;
use tidemill_connector::{Fetched, TableRequest};
use tidemill_connectors::connectors;
use tidemill_types::{DataType, Field, Options, RowField, Schema, SystemDisk, TypeKind};

fn field(name: &str, kind: TypeKind) -> RowField {
    RowField { name: name.into(), data_type: kind.nullable() }
}

fn schema(source: &str) -> Schema {
    let (long, text, time) = (TypeKind::BigInt, DataType::string().kind, TypeKind::Timestamp(3));
    let column = |name: &str, kind: TypeKind| Field::new(name, kind.nullable());
    match source {
        "datagen" => Schema::new(vec![
            column("id", long),
            column("price", TypeKind::Double),
            column("n", TypeKind::Int),
            column("ts", time),
        ]),
        "datagen-text" => Schema::new(vec![column("id", long), column("name", text)]),
        "nexmark" => {
            let longs =
                |names: &[&str]| names.iter().map(|name| field(name, long.clone())).collect::<Vec<_>>();
            let texts =
                |names: &[&str]| names.iter().map(|name| field(name, text.clone())).collect::<Vec<_>>();
            let times =
                |names: &[&str]| names.iter().map(|name| field(name, time.clone())).collect::<Vec<_>>();
            let person = [
                longs(&["id"]),
                texts(&["name", "emailAddress", "creditCard", "city", "state", "extra"]),
                times(&["dateTime"]),
            ];
            let auction = [
                longs(&["id", "initialBid", "reserve", "seller", "category"]),
                texts(&["itemName", "description", "extra"]),
                times(&["dateTime", "expires"]),
            ];
            let bid = [
                longs(&["auction", "bidder", "price"]),
                texts(&["channel", "url", "extra"]),
                times(&["dateTime"]),
            ];
            Schema::new(vec![
                column("event_type", TypeKind::Int),
                column("person", TypeKind::Row(person.concat())),
                column("auction", TypeKind::Row(auction.concat())),
                column("bid", TypeKind::Row(bid.concat())),
            ])
        }
        _ => Schema::default(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let source = arguments.first().map_or("nexmark", String::as_str);
    let (name, options) = match source {
        "files" => ("filesystem", vec![("path", arguments[1].as_str())]),
        "nexmark" => ("nexmark", vec![("events.num", "20000000")]),
        _ => ("datagen", vec![("number-of-rows", "20000000"), ("rows-per-second", "1000000000")]),
    };
    let (registry, options, schema) = (connectors(), Options::new(options), schema(source));
    let connector = registry.find(name).expect("the connector is built in");
    let wanted: Vec<usize> = (0..schema.len()).collect();
    let request = TableRequest {
        table: "t",
        options: &options,
        schema: &schema,
        wanted: &wanted,
        metadata: &[],
        partition_by: &[],
        primary_key: &[],
        overwrite: false,
        task: 0,
        parallelism: 1,
        zone: chrono_tz::Tz::UTC,
        run_id: "run",
        pipeline_id: "p",
        checkpointed: false,
        state_dir: None,
        disk: Arc::new(SystemDisk),
    };
    let open = connector.source.expect("it can be read")(&request).expect("the options are right");
    let (mut source, start) = (open.source, Instant::now());
    let (mut bytes, mut rows) = (0u64, 0u64);
    loop {
        match source.next().await.expect("it can be read") {
            Fetched::Blob(fetched) => bytes += fetched.blob.bytes.len() as u64,
            Fetched::Rows(chunk) => rows += chunk.rows as u64,
            Fetched::Splits(_) => {}
            Fetched::End => break,
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.0} MB/s, {:.2} M rows/s", bytes as f64 / seconds / 1e6, rows as f64 / seconds / 1e6);
}
