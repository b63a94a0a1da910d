//! The sources that make their own rows: datagen and nexmark.
#![allow(clippy::unwrap_used)] // the lint knows only functions marked as tests, not what they share

use std::sync::Arc;
use tidemill_connector::{Fetched, TableRequest};
use tidemill_connectors::connectors;
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::{Float64Type, Int32Type, Int64Type};
use tidemill_types::arrow::{Array, ArrayRef};
use tidemill_types::{Chunk, DataType, Field, Options, Result, RowField, Schema, SystemDisk, TypeKind};

fn columns(fields: &[(&str, TypeKind)]) -> Schema {
    Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone().nullable())).collect())
}

fn row(fields: &[(&str, TypeKind)]) -> TypeKind {
    let field = |(name, kind): &(&str, TypeKind)| RowField {
        name: name.to_string(),
        data_type: kind.clone().nullable(),
    };
    TypeKind::Row(fields.iter().map(field).collect())
}

fn text() -> TypeKind {
    DataType::string().kind
}

fn with<T>(
    name: &str,
    schema: &Schema,
    pairs: &[(&str, &str)],
    parallel: (usize, usize),
    use_it: impl FnOnce(&tidemill_connector::Connector, &TableRequest<'_>) -> T,
) -> T {
    let (registry, options) = (connectors(), Options::new(pairs.iter().copied()));
    let connector = registry.find(name).unwrap();
    options.check(name, &[connector.options]).unwrap();
    let request = TableRequest {
        table: "t",
        options: &options,
        schema,
        wanted: &(0..schema.len()).collect::<Vec<_>>(),
        metadata: &[],
        partition_by: &[],
        primary_key: &[],
        overwrite: false,
        task: parallel.0,
        parallelism: parallel.1,
        zone: chrono_tz::Tz::UTC,
        run_id: "run",
        pipeline_id: "p",
        checkpointed: false,
        state_dir: None,
        disk: Arc::new(SystemDisk),
    };
    use_it(connector, &request)
}

async fn rows(name: &str, schema: &Schema, pairs: &[(&str, &str)], parallel: (usize, usize)) -> Chunk {
    let open = with(name, schema, pairs, parallel, |connector, request| connector.source.unwrap()(request));
    let open = open.unwrap();
    assert!(open.bounded);
    let (mut source, mut chunks) = (open.source, Vec::new());
    while let Fetched::Rows(chunk) = source.next().await.unwrap() {
        chunks.push(chunk);
    }
    Chunk::concat(&chunks)
}

fn check(name: &str, schema: &Schema, pairs: &[(&str, &str)]) -> Result<()> {
    with(name, schema, pairs, (0, 1), |connector, request| (connector.check)(request))
}

fn ints(column: &ArrayRef) -> Vec<i32> {
    column.as_primitive::<Int32Type>().values().to_vec()
}

#[tokio::test]
async fn sequences_bound_the_table_and_are_shared_by_the_tasks() {
    let schema = columns(&[("a", TypeKind::Int), ("b", TypeKind::BigInt), ("s", text())]);
    let pairs = [
        ("fields.a.kind", "sequence"),
        ("fields.a.start", "1"),
        ("fields.a.end", "5"),
        ("fields.b.kind", "sequence"),
        ("fields.b.start", "100"),
        ("fields.b.end", "108"),
        ("fields.s.kind", "sequence"),
        ("fields.s.start", "7"),
        ("fields.s.end", "20"),
        ("rows-per-second", "1000000"),
    ];
    let all = rows("datagen", &schema, &pairs, (0, 1)).await;
    assert_eq!(ints(&all.columns[0]), [1, 2, 3, 4, 5]);
    assert_eq!(all.columns[1].as_primitive::<Int64Type>().values().to_vec(), [100, 101, 102, 103, 104]);
    assert_eq!(all.columns[2].as_string_view().value(4), "11");
    let even = rows("datagen", &schema, &pairs, (0, 2)).await;
    let odd = rows("datagen", &schema, &pairs, (1, 2)).await;
    assert_eq!((ints(&even.columns[0]), ints(&odd.columns[0])), (vec![1, 3, 5], vec![2, 4]));
}

#[tokio::test]
async fn random_values_keep_their_limits_in_every_type() {
    let map = TypeKind::Map(Box::new(text().not_null()), Box::new(TypeKind::Double.nullable()));
    let schema = columns(&[
        ("i", TypeKind::Int),
        ("s", text()),
        ("v", TypeKind::Varchar(9)),
        ("d", TypeKind::Double),
        ("n", TypeKind::TinyInt),
        ("r", row(&[("x", TypeKind::SmallInt), ("y", TypeKind::Array(Box::new(TypeKind::Int.nullable())))])),
        ("m", map),
        ("ms", TypeKind::Multiset(Box::new(text().not_null()))),
        ("t", TypeKind::Timestamp(6)),
        ("l", TypeKind::TimestampLtz(3)),
        ("p", TypeKind::Decimal { precision: 5, scale: 2 }),
        ("b", TypeKind::Varbinary(4)),
        ("c", TypeKind::Char(3)),
        ("dd", TypeKind::Date),
        ("tt", TypeKind::Time(0)),
        ("bo", TypeKind::Boolean),
        ("f", TypeKind::Float),
        ("im", TypeKind::IntervalMonth),
        ("id", TypeKind::IntervalDay),
    ]);
    let pairs = [
        ("number-of-rows", "5000"),
        ("rows-per-second", "100000000"),
        ("fields.i.min", "3"),
        ("fields.i.max", "5"),
        ("fields.s.length", "7"),
        ("fields.v.var-len", "true"),
        ("fields.d.min", "0"),
        ("fields.d.max", "1"),
        ("fields.n.null-rate", "1"),
        ("fields.r.x.min", "-2"),
        ("fields.r.x.max", "2"),
        ("fields.r.y.element.max", "9"),
        ("fields.r.y.element.min", "8"),
        ("fields.m.length", "2"),
        ("fields.t.max-past", "1 d"),
        ("fields.s.null-rate", "0.5"),
        ("seed", "1"),
    ];
    let all = rows("datagen", &schema, &pairs, (0, 1)).await;
    assert_eq!(all.rows, 5000);
    assert!(ints(&all.columns[0]).iter().all(|i| (3..=5).contains(i)));
    let texts = all.columns[1].as_string_view();
    assert!((2000..3000).contains(&texts.null_count()), "half of the texts are NULL");
    assert!(texts.iter().flatten().all(|s| s.len() == 7 && s.bytes().all(|b| b.is_ascii_hexdigit())));
    let lengths: std::collections::BTreeSet<usize> =
        all.columns[2].as_string_view().iter().flatten().map(str::len).collect();
    assert_eq!(lengths, (1..=9).collect());
    assert!(all.columns[3].as_primitive::<Float64Type>().values().iter().all(|d| (0.0..=1.0).contains(d)));
    assert_eq!(all.columns[4].null_count(), 5000);
    let elements = all.columns[5].as_struct().column(1).as_list::<i32>().values().clone();
    assert_eq!(elements.len(), 15_000);
    assert!(ints(&elements).iter().all(|i| (8..=9).contains(i)));
    assert_eq!(all.columns[6].as_map().value_length(0), 2);
    for (column, data_type) in all.columns.iter().zip(schema.types()) {
        assert_eq!(column.data_type(), &tidemill_types::arrow_type::arrow_type(data_type));
    }
    let again = rows("datagen", &schema, &pairs, (0, 1)).await;
    assert_eq!(all.columns[0].as_ref(), again.columns[0].as_ref());
    assert_eq!(all.columns[6].as_ref(), again.columns[6].as_ref());
}

#[test]
fn datagen_options_must_fit_the_table() {
    let schema = columns(&[("a", TypeKind::Int), ("s", TypeKind::Varchar(5)), ("b", TypeKind::Boolean)]);
    let refused = |pairs: &[(&str, &str)]| check("datagen", &schema, pairs).unwrap_err();
    assert!(check("datagen", &schema, &[("fields.a.min", "1")]).is_ok());
    let typo = refused(&[("fields.aa.min", "1")]);
    assert!(typo.hint().unwrap().contains("'fields.a.min'"), "{typo:?}");
    refused(&[("fields.a.kind", "sequence"), ("fields.a.start", "1")]);
    refused(&[("fields.a.start", "1")]);
    refused(&[("fields.a.min", "5"), ("fields.a.max", "1")]);
    refused(&[("fields.a.max", "3000000000")]);
    refused(&[("fields.a.min", "0.5")]);
    refused(&[("fields.s.length", "6")]);
    refused(&[("fields.b.kind", "sequence"), ("fields.b.start", "1"), ("fields.b.end", "1")]);
    refused(&[("fields.a.null-rate", "2")]);
    refused(&[("rows-per-second", "0")]);
}

fn nexmark() -> Schema {
    let (long, time) = (TypeKind::BigInt, TypeKind::Timestamp(3));
    let person = row(&[
        ("id", long.clone()),
        ("name", text()),
        ("emailAddress", text()),
        ("creditCard", text()),
        ("city", text()),
        ("state", text()),
        ("dateTime", time.clone()),
        ("extra", text()),
    ]);
    let auction = row(&[
        ("id", long.clone()),
        ("itemName", text()),
        ("description", text()),
        ("initialBid", long.clone()),
        ("reserve", long.clone()),
        ("dateTime", time.clone()),
        ("expires", time.clone()),
        ("seller", long.clone()),
        ("category", long.clone()),
        ("extra", text()),
    ]);
    let bid = row(&[
        ("auction", long.clone()),
        ("bidder", long.clone()),
        ("price", long),
        ("channel", text()),
        ("url", text()),
        ("dateTime", time),
        ("extra", text()),
    ]);
    columns(&[("event_type", TypeKind::Int), ("person", person), ("auction", auction), ("bid", bid)])
}

const EVENTS: &[(&str, &str)] = &[("events.num", "100000"), ("base-time", "1700000000000")];

#[tokio::test]
async fn nexmark_keeps_the_proportions_and_hot_keys() {
    let all = rows("nexmark", &nexmark(), EVENTS, (0, 1)).await;
    let count = |kind| ints(&all.columns[0]).iter().filter(|k| **k == kind).count();
    assert_eq!((count(0), count(1), count(2)), (2_000, 6_000, 92_000));
    for (column, rows) in [(1, 2_000), (2, 6_000), (3, 92_000)] {
        assert_eq!(all.rows - all.columns[column].null_count(), rows);
    }
    let bids = all.columns[3].as_struct();
    let hot = bids.column(0).as_primitive::<Int64Type>().iter().flatten().filter(|id| id % 100 == 0).count();
    assert!((44_000..49_000).contains(&hot), "half of the bids are for hot auctions, not {hot}");
    let google = bids.column(3).as_string_view().iter().flatten().filter(|c| *c == "Google").count();
    assert!((10_500..12_500).contains(&google), "{google}");
    let sizes: usize = bids.column(6).as_string_view().iter().flatten().map(str::len).sum();
    assert!((66..69).contains(&(sizes / 92_000)), "a bid has 100 bytes on average");
    let persons = all.columns[1].as_struct().column(0).as_primitive::<Int64Type>();
    let ids: Vec<i64> = persons.iter().flatten().collect();
    assert_eq!(ids, (1_001..3_001).collect::<Vec<_>>());
    let auctions = all.columns[2].as_struct();
    let ids: Vec<i64> = auctions.column(0).as_primitive::<Int64Type>().iter().flatten().collect();
    assert_eq!(ids, (1_001..7_001).collect::<Vec<_>>());
    let urls = bids.column(4).as_string_view();
    assert!(urls.iter().flatten().all(|url| url.starts_with("https://www.nexmark.com/")));
}

#[tokio::test]
async fn nexmark_events_depend_on_their_number_only() {
    let all = rows("nexmark", &nexmark(), EVENTS, (0, 1)).await;
    let fewer = columns(&[("bid", row(&[("price", TypeKind::BigInt), ("url", text())]))]);
    let mut parts = Vec::new();
    for task in 0..3 {
        parts.push(rows("nexmark", &fewer, EVENTS, (task, 3)).await);
    }
    assert_eq!(parts.iter().map(|part| part.rows).sum::<usize>(), all.rows);
    let bids = all.columns[3].as_struct();
    for (block, start) in (0..all.rows).step_by(4_096).enumerate() {
        let len = 4_096.min(all.rows - start);
        let part = parts[block % 3].columns[0].as_struct().slice(block / 3 * 4_096, len);
        assert_eq!(part.column(0), &bids.column(2).slice(start, len));
        assert_eq!(part.column(1), &bids.column(4).slice(start, len));
    }
}

#[test]
fn nexmark_columns_are_checked() {
    assert!(check("nexmark", &nexmark(), &[]).is_ok());
    let wrong = columns(&[("bid", row(&[("price", TypeKind::Int)]))]);
    let error = check("nexmark", &wrong, &[]).unwrap_err();
    assert_eq!(error.to_string(), "the column 'bid.price' of the connector 'nexmark' is BIGINT, not INT");
    assert!(check("nexmark", &columns(&[("bids", text())]), &[]).unwrap_err().hint().is_some());
    assert!(check("nexmark", &nexmark(), &[("first-event.rate", "0")]).is_err());
}
