//! Records of logs: values, keys and what the log says of each record, put together as rows.
//!
//! 1. Values are decoded, and each row knows its record. Keys likewise, if key columns are wanted.
//! 2. Rows are laid out in the order of the records: those of values, and one for each record without a value.
//!    A record whose key gives no row gives none, as in Flink; the raw format reads an absent key as NULL.
//! 3. Columns are gathered from the three parts. In the usual case (a row for each record, no keys) nothing is
//!    moved.

use super::SourceDecoder;
use arrow_array::{ArrayRef, UInt32Array, new_null_array};
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use std::ops::Range;
use tidemill_connector::{FetchedBlob, KEY_FORMAT, LogRecords, RecordFields};
use tidemill_format::{DecodeRequest, Decoded, Decoder, Reject};
use tidemill_operators::RowCounters;
use tidemill_types::{Blob, Chunk, Error, Framing, Result, RowKind};

/// Decodes the keys of a table's records.
pub(super) struct KeyDecoder {
    decoder: Box<dyn Decoder>,
    /// For each column that it gives: which column of the table's rows that is.
    columns: Vec<usize>,
    /// Whether an absent key is a row of NULL.
    absent_is_null: bool,
}

/// The keys of a blob's records.
struct Keys {
    columns: Vec<(usize, ArrayRef)>,
    /// The key rows of each record; `None` stands for a row of NULL.
    rows: Vec<Range<Option<u32>>>,
    rejects: Vec<(usize, Reject)>,
}

/// Where the parts of each row come from.
#[derive(Default)]
struct Layout {
    /// The row of the value; `None` if the record has none.
    values: Vec<Option<u32>>,
    records: Vec<u32>,
    keys: Vec<Option<u32>>,
}

impl SourceDecoder {
    pub(super) fn decode_log(
        &mut self,
        fetched: &FetchedBlob,
        log: &LogRecords,
        now_ms: i64,
        counters: &mut RowCounters,
    ) -> Result<Chunk> {
        let supplied = fetched.constants.iter().chain(&log.columns).map(|(column, _)| *column).collect();
        let mut origins = Vec::new();
        let decoded = traced(self.decoder(supplied)?.as_mut(), &fetched.blob, &mut origins)?;
        let numbers = numbers_with_value(log);
        origins.iter_mut().for_each(|origin| *origin = numbers[*origin as usize]);
        let keys = match log.keys.is_empty() {
            true => None,
            false => Some(self.decode_keys(&fetched.blob, log)?),
        };
        let layout = Layout::of(&origins, log, keys.as_ref());
        count(&decoded, log, keys.as_ref(), distinct(&origins), &layout, counters);
        for reject in &decoded.rejects {
            let number = numbers[record_at(&fetched.blob.framing, reject.range.start)];
            self.set_aside(fetched, (log.offsets[number as usize], 0), reject, now_ms)?;
        }
        for (number, reject) in keys.iter().flat_map(|keys| &keys.rejects) {
            self.set_aside(fetched, (log.offsets[*number], 0), reject, now_ms)?;
        }
        self.gather(&decoded, fetched, log, keys.as_ref(), &layout)
    }

    fn decode_keys(&mut self, blob: &Blob, log: &LogRecords) -> Result<Keys> {
        if self.keys.is_none() {
            self.keys = Some(self.open_keys()?);
        }
        let decoder = self.keys.as_mut().expect("it was just opened");
        let present = log.keys.iter().enumerate().filter_map(|(number, key)| Some((number, key.clone()?)));
        let (numbers, ranges): (Vec<usize>, Vec<Range<u32>>) = present.unzip();
        let keys = Blob { bytes: blob.bytes.clone(), framing: Framing::Records(ranges) };
        let mut origins = Vec::new();
        let decoded = traced(decoder.decoder.as_mut(), &keys, &mut origins)?;
        let absent = if decoder.absent_is_null { None..Some(1) } else { Some(0)..Some(0) };
        let mut rows = vec![absent; log.keys.len()];
        numbers.iter().for_each(|&number| rows[number] = Some(0)..Some(0));
        for (row, &origin) in (0u32..).zip(&origins) {
            let range = &mut rows[numbers[origin as usize]];
            let start = if range.start == range.end { row } else { range.start.unwrap_or(row) };
            *range = Some(start)..Some(row + 1);
        }
        let reject = |reject: Reject| (numbers[record_at(&keys.framing, reject.range.start)], reject);
        let rejects = decoded.rejects.into_iter().map(reject).collect();
        Ok(Keys { columns: decoder.columns.iter().copied().zip(decoded.columns).collect(), rows, rejects })
    }

    fn open_keys(&self) -> Result<KeyDecoder> {
        let plan = &self.plan;
        let fields = RecordFields::of(&plan.options, &plan.physical, &plan.primary_key)?;
        let name = plan.options.get(KEY_FORMAT.key).unwrap_or_default();
        let format = tidemill_format::format(name)?;
        let open = format.decoder.ok_or_else(|| {
            Error::user(format!("the key format '{name}' of table '{}' can't be read", plan.table))
        })?;
        let wanted = plan.wanted.iter().enumerate();
        let wanted =
            wanted.filter_map(|(at, column)| Some((at, fields.key.iter().position(|key| key == column)?)));
        let (columns, places): (Vec<usize>, Vec<usize>) = wanted.unzip();
        let decoder = open(&DecodeRequest {
            physical: &fields.key_schema(&plan.physical),
            wanted: &places,
            metadata: &[],
            options: &plan.options.under(&format!("key.{name}.")),
            zone: self.zone,
        })?;
        Ok(KeyDecoder { decoder, columns, absent_is_null: name == "raw" })
    }

    fn gather(
        &self,
        decoded: &Decoded,
        fetched: &FetchedBlob,
        log: &LogRecords,
        keys: Option<&Keys>,
        layout: &Layout,
    ) -> Result<Chunk> {
        let rows = layout.records.len();
        let places = Places::of(layout, decoded.rows, log.offsets.len());
        let key_rows = UInt32Array::from(layout.keys.clone());
        let mut values = decoded.columns.iter();
        let all = self.plan.wanted.len() + self.plan.metadata.len();
        let found = |list: &[(usize, ArrayRef)], at: usize| {
            list.iter().find(|(column, _)| *column == at).map(|(_, array)| array.clone())
        };
        let mut columns = Vec::with_capacity(all);
        for at in 0..all {
            let key = keys.and_then(|keys| found(&keys.columns, at));
            let in_value = self.stands_in_value(at)?;
            columns.push(if let Some(constant) = found(&fetched.constants, at) {
                take(&constant, &UInt32Array::from(vec![0; rows]), None).map_err(internal)?
            } else if let Some(array) = found(&log.columns, at) {
                moved(&array, places.records.as_ref())?
            } else if let Some(key) = key.as_ref().filter(|_| !in_value) {
                take(key, &key_rows, None).map_err(internal)?
            } else {
                let value = values.next().ok_or_else(|| Error::internal("a decoder gave too few columns"))?;
                match key {
                    Some(key) if places.values.is_some() => completed(value, &key, layout)?,
                    _ => moved(value, places.values.as_ref())?,
                }
            });
        }
        Ok(Chunk { kinds: kinds(decoded, log, layout), ..Chunk::new(columns, rows) })
    }

    fn stands_in_value(&self, at: usize) -> Result<bool> {
        let Some(column) = self.plan.wanted.get(at) else { return Ok(false) };
        let fields = RecordFields::of(&self.plan.options, &self.plan.physical, &self.plan.primary_key)?;
        Ok(fields.value.contains(column))
    }
}

impl Layout {
    /// `origins` has the record of each row of the values.
    fn of(origins: &[u32], log: &LogRecords, keys: Option<&Keys>) -> Layout {
        let mut layout = Layout::default();
        let mut values = (0u32..).zip(origins.iter().copied()).peekable();
        for &tombstone in &log.tombstones {
            while let Some((row, record)) = values.next_if(|(_, record)| *record < tombstone) {
                layout.push(Some(row), record, keys);
            }
            layout.push(None, tombstone, keys);
        }
        values.for_each(|(row, record)| layout.push(Some(row), record, keys));
        layout
    }

    fn push(&mut self, value: Option<u32>, record: u32, keys: Option<&Keys>) {
        let mut row = |key: Option<u32>| {
            self.values.push(value);
            self.records.push(record);
            self.keys.push(key);
        };
        match keys.map(|keys| &keys.rows[record as usize]) {
            None | Some(Range { start: None, .. }) => row(None),
            Some(range) => (range.start.unwrap_or(0)..range.end.unwrap_or(0)).for_each(|key| row(Some(key))),
        }
    }
}

/// `with_rows`: how many values became rows.
fn count(
    decoded: &Decoded,
    log: &LogRecords,
    keys: Option<&Keys>,
    with_rows: usize,
    layout: &Layout,
    counters: &mut RowCounters,
) {
    let bad_keys = keys.map_or(0, |keys| keys.rejects.len());
    let without_key = (with_rows + log.tombstones.len()).saturating_sub(distinct(&layout.records) + bad_keys);
    let (bad, filtered) = (decoded.rejects.len() + bad_keys, decoded.skipped + without_key);
    let records = decoded.records + log.tombstones.len();
    counters.input += records as u64;
    counters.filtered += filtered as u64;
    counters.bad += bad as u64;
    counters.forwarded += records.saturating_sub(filtered + bad) as u64;
    counters.emitted += layout.records.len() as u64;
}

/// How the rows of two parts are picked; `None` if all are taken as they are.
struct Places {
    values: Option<UInt32Array>,
    records: Option<UInt32Array>,
}

impl Places {
    fn of(layout: &Layout, values: usize, records: usize) -> Places {
        let in_order = |count: usize, at: &dyn Fn(usize) -> Option<u32>| {
            layout.records.len() == count && (0..count).all(|row| at(row) == Some(row as u32))
        };
        let values = !in_order(values, &|row| layout.values[row]);
        let records = !in_order(records, &|row| Some(layout.records[row]));
        Places {
            values: values.then(|| UInt32Array::from(layout.values.clone())),
            records: records.then(|| UInt32Array::from(layout.records.clone())),
        }
    }
}

fn distinct(sorted: &[u32]) -> usize {
    sorted.chunk_by(|a, b| a == b).count()
}

fn moved(array: &ArrayRef, places: Option<&UInt32Array>) -> Result<ArrayRef> {
    match places {
        None => Ok(array.clone()),
        Some(places) => take(array, places, None).map_err(internal),
    }
}

/// A column that stands in both parts: of the value where there is one, else of the key.
fn completed(value: &ArrayRef, key: &ArrayRef, layout: &Layout) -> Result<ArrayRef> {
    let null = new_null_array(value.data_type(), 1);
    let places = layout.values.iter().zip(&layout.keys).map(|(value, key)| match (value, key) {
        (Some(row), _) => (0, *row as usize),
        (None, Some(row)) => (1, *row as usize),
        (None, None) => (2, 0),
    });
    let places: Vec<(usize, usize)> = places.collect();
    interleave(&[value.as_ref(), key.as_ref(), null.as_ref()], &places).map_err(internal)
}

fn kinds(decoded: &Decoded, log: &LogRecords, layout: &Layout) -> Option<std::sync::Arc<[RowKind]>> {
    let deletes = log.deletes && !log.tombstones.is_empty();
    if decoded.kinds.is_none() && !deletes {
        return None;
    }
    let kind = |value: &Option<u32>| match (value, &decoded.kinds) {
        (Some(row), Some(kinds)) => kinds[*row as usize],
        (Some(_), None) => RowKind::Insert,
        (None, _) if log.deletes => RowKind::Delete,
        (None, _) => RowKind::Insert,
    };
    Some(layout.values.iter().map(kind).collect())
}

/// The numbers of the records with a value, in order.
fn numbers_with_value(log: &LogRecords) -> Vec<u32> {
    let mut without = log.tombstones.iter().copied().peekable();
    (0..log.offsets.len() as u32).filter(|number| without.next_if_eq(number).is_none()).collect()
}

/// Which record of the framing holds this byte.
fn record_at(framing: &Framing, byte: usize) -> usize {
    match framing {
        Framing::Records(ranges) => {
            ranges.partition_point(|range| (range.start as usize) <= byte).saturating_sub(1)
        }
        Framing::Lines | Framing::Whole => 0,
    }
}

/// Decodes with the record of each row, record by record if the decoder can't tell.
fn traced(decoder: &mut dyn Decoder, blob: &Blob, origins: &mut Vec<u32>) -> Result<Decoded> {
    if let Some(decoded) = decoder.decode_traced(blob, origins) {
        return decoded;
    }
    let Framing::Records(ranges) = &blob.framing else {
        return Err(Error::internal("a log gives blobs of records"));
    };
    let mut all = Decoded::default();
    let (mut parts, mut kinds) = (Vec::new(), Vec::new());
    for (number, range) in (0u32..).zip(ranges) {
        let one = Blob { bytes: blob.bytes.clone(), framing: Framing::Records(vec![range.clone()]) };
        let decoded = decoder.decode(&one)?;
        origins.extend((0..decoded.rows).map(|_| number));
        all.rows += decoded.rows;
        all.records += decoded.records;
        all.skipped += decoded.skipped;
        all.rejects.extend(decoded.rejects);
        kinds.extend(decoded.kinds.iter().flat_map(|kinds| kinds.iter().copied()));
        parts.push(decoded.columns);
    }
    if parts.is_empty() {
        return decoder.decode(blob);
    }
    let columns = (0..parts[0].len()).map(|column| {
        let arrays: Vec<_> = parts.iter().map(|part| part[column].as_ref()).collect();
        concat(&arrays).map_err(internal)
    });
    all.columns = columns.collect::<Result<_>>()?;
    all.kinds = (!kinds.is_empty()).then(|| kinds.into());
    Ok(all)
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letter::{DeadLetters, TaskLetters};
    use crate::options::BadRecords;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use std::sync::Arc;
    use tidemill_connector::Place;
    use tidemill_plan::SourcePlan;
    use tidemill_types::{DataType, Field, Options, Schema, TypeKind};

    fn plan(options: &[(&str, &str)], primary_key: Vec<usize>) -> Arc<SourcePlan> {
        let long = || TypeKind::BigInt.nullable();
        Arc::new(SourcePlan {
            table: "t".into(),
            connector: "log".into(),
            options: Options::new(options.iter().copied()),
            physical: Schema::new(vec![Field::new("k", DataType::string()), Field::new("v", long())]),
            wanted: vec![0, 1],
            metadata: vec![("offset".into(), long())],
            narrows_rows: false,
            partition_by: Vec::new(),
            primary_key,
            bounded: true,
        })
    }

    /// Records of keys and values; offsets are 10, 11 …
    fn fetched(records: &[(Option<&str>, Option<&str>)], deletes: bool) -> FetchedBlob {
        let (mut bytes, mut ranges) = (Vec::new(), Vec::new());
        let mut log = LogRecords { deletes, ..LogRecords::default() };
        let mut part = |text: &str| {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0xFF);
            start..start + text.len() as u32
        };
        for (number, (key, value)) in (0u32..).zip(records) {
            log.offsets.push(u64::from(number) + 10);
            log.keys.push(key.map(&mut part));
            match value {
                Some(value) => ranges.push(part(value)),
                None => log.tombstones.push(number),
            }
        }
        let offsets: Vec<i64> = log.offsets.iter().map(|offset| *offset as i64).collect();
        log.columns.push((2, Arc::new(arrow_array::Int64Array::from(offsets))));
        let place = Place { split: "t/0".into(), split_index: 0, offset: 10, line: 0 };
        let blob = Blob { bytes: bytes.into(), framing: Framing::Records(ranges) };
        FetchedBlob { log: Some(Box::new(log)), ..FetchedBlob::new(blob, place) }
    }

    fn decode(plan: Arc<SourcePlan>, fetched: &FetchedBlob) -> (Vec<String>, RowCounters) {
        let disk = Arc::new(tidemill_types::SystemDisk);
        let letters = Arc::new(DeadLetters::new(None, chrono_tz::UTC, disk, None).unwrap());
        let letters = Arc::new(TaskLetters::new(letters, 1));
        let mut decoder = SourceDecoder::new(plan, chrono_tz::UTC, BadRecords::Keep, letters);
        let mut counters = RowCounters::default();
        let chunk = decoder.decode(fetched, 0, &mut counters).unwrap();
        let keys = chunk.columns[0].as_string_view();
        let [values, offsets] = [1, 2].map(|column| chunk.columns[column].as_primitive::<Int64Type>());
        let show = |value: Option<String>| value.unwrap_or_else(|| "null".into());
        let row = |row: usize| {
            let kind = chunk.kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]);
            let key = show(keys.iter().nth(row).flatten().map(str::to_string));
            let value = show(values.iter().nth(row).flatten().map(|value| value.to_string()));
            format!("{} {key} {value} {}", kind.short(), offsets.value(row))
        };
        ((0..chunk.rows).map(row).collect(), counters)
    }

    const KEYED: &[(&str, &str)] = &[
        ("key.format", "json"),
        ("key.fields", "k"),
        ("value.format", "json"),
        ("value.fields-include", "EXCEPT_KEY"),
    ];

    #[test]
    fn keys_join_their_values_and_bad_ones_are_set_aside() {
        let records = [
            (Some(r#"{"k":"a"}"#), Some(r#"{"v":1}"#)),
            (None, Some(r#"{"v":2}"#)),
            (Some("{"), Some(r#"{"v":3}"#)),
            (Some(r#"{"k":"d"}"#), Some("x")),
            (Some(r#"{"k":"e"}"#), Some(r#"[{"v":5},{"v":6}]"#)),
        ];
        let (rows, counters) = decode(plan(KEYED, Vec::new()), &fetched(&records, false));
        assert_eq!(rows, ["+I a 1 10", "+I e 5 14", "+I e 6 14"]);
        assert_eq!((counters.input, counters.bad, counters.filtered), (5, 2, 1));
        assert_eq!((counters.forwarded, counters.emitted), (2, 3));
    }

    #[test]
    fn records_without_value_delete_in_their_place() {
        let key = |key: &'static str| Some(key);
        let records = [
            (key(r#"{"k":"a"}"#), Some(r#"{"k":"a","v":1}"#)),
            (key(r#"{"k":"a"}"#), None),
            (key(r#"{"k":"a"}"#), Some(r#"{"k":"a","v":2}"#)),
        ];
        let options = [("key.format", "json"), ("value.format", "json")];
        let (rows, _) = decode(plan(&options, vec![0]), &fetched(&records, true));
        assert_eq!(rows, ["+I a 1 10", "-D a null 11", "+I a 2 12"]);
        let (rows, _) = decode(plan(KEYED, Vec::new()), &fetched(&records, true));
        assert_eq!(rows, ["+I a 1 10", "-D a null 11", "+I a 2 12"]);
    }
}
