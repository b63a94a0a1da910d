//! The suite for lookups, held against the tables that tests ask: one that answers with rows, one with records.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use tidemill_connector::{Connector, Found, OpenLookup};
use tidemill_testkit::lookup_suite::{LookupBench, Row, assert_answers};
use tidemill_testkit::slow_table::{self, SLOW_RECORDS, SLOW_TABLE};
use tidemill_testkit::table::TestTable;
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::Int32Type;
use tidemill_types::arrow::{ArrayRef, Int32Array, StringViewArray};
use tidemill_types::{Chunk, DataType, Field, Schema, TypeKind};

const ROWS: [&str; 6] = ["0,a,zero", "1,a,one", "2,a,two", "2,a,zwei", "2,b,due", "9,b,nine"];
const KEYS: [(i32, &str); 8] =
    [(0, "a"), (1, "a"), (2, "a"), (2, "b"), (3, "a"), (9, "a"), (9, "b"), (4, "c")];

/// A table asked by number and letter.
struct Slow {
    connector: Connector,
    name: &'static str,
}

impl LookupBench for Slow {
    fn open(&mut self) -> OpenLookup {
        slow_table::fill(self.name, ROWS);
        let schema = Schema::new(vec![
            Field::new("n", TypeKind::Int.nullable()),
            Field::new("letter", DataType::string()),
            Field::new("word", DataType::string()),
        ]);
        let options = [("name", self.name), ("delay-ms-max", "3"), ("keys-max", "3"), ("calls-max", "2")];
        TestTable::new(self.connector.name, schema, &options).lookup(&self.connector, &[0, 1]).unwrap()
    }

    fn keys(&self) -> Chunk {
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(KEYS.map(|(number, _)| number)));
        let letters: ArrayRef = Arc::new(StringViewArray::from_iter_values(KEYS.map(|(_, letter)| letter)));
        Chunk::new(vec![numbers, letters], KEYS.len())
    }

    fn expected(&self, key: usize) -> Vec<Row> {
        let head = format!("{},{},", KEYS[key].0, KEYS[key].1);
        ROWS.iter().filter(|row| row.starts_with(&head)).map(|row| fields(row)).collect()
    }

    fn rows(&mut self, found: Found) -> Vec<(u32, Row)> {
        match found {
            Found::Rows { rows, of } => {
                of.into_iter().enumerate().map(|(at, key)| (key, row(&rows, at))).collect()
            }
            Found::Blobs(blobs) => {
                let record = |bytes: &[u8]| fields(std::str::from_utf8(bytes).unwrap().trim_end());
                blobs.iter().map(|(key, fetched)| (*key, record(&fetched.blob.bytes))).collect()
            }
        }
    }
}

fn fields(record: &str) -> Row {
    record.split(',').map(str::to_string).collect()
}

fn row(rows: &Chunk, at: usize) -> Row {
    let number = rows.columns[0].as_primitive::<Int32Type>().value(at).to_string();
    let text = |column: usize| rows.columns[column].as_string_view().value(at).to_string();
    vec![number, text(1), text(2)]
}

#[tokio::test]
async fn answers_do_not_depend_on_how_keys_are_asked_for() {
    for (connector, name) in [(SLOW_TABLE, "suite-rows"), (SLOW_RECORDS, "suite-records")] {
        assert_answers(&mut Slow { connector, name }, 7, 40).await;
        slow_table::forget(name);
    }
}
