//! From a source's items to chunks: opens the table's format, decodes blobs, puts columns that the
//! connector knows better in place, and sets bad records aside.
//!
//! Invariant: `records = rows' records + skipped + bad` for each blob; the columns are the wanted physical
//! ones followed by the metadata columns, in plan order.

mod log;

use crate::dead_letter::{BadRecord, TaskLetters, shortened};
use crate::options::BadRecords;
use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;
use std::sync::Arc;
use tidemill_connector::{FetchedBlob, Place, RecordFields};
use tidemill_format::{DecodeRequest, Decoded, Decoder, Format, Reject};
use tidemill_operators::RowCounters;
use tidemill_plan::SourcePlan;
use tidemill_types::{Blob, Chunk, Error, Framing, Options, Result, Schema};

/// Decodes the blobs of one source in one task.
pub struct SourceDecoder {
    plan: Arc<SourcePlan>,
    zone: chrono_tz::Tz,
    policy: BadRecords,
    dead_letters: Arc<TaskLetters>,
    /// Decoders by which columns the connector supplies; nearly always one.
    open: Vec<(Vec<usize>, Box<dyn Decoder>)>,
    /// Decodes keys; opened when the first come.
    keys: Option<log::KeyDecoder>,
}

impl SourceDecoder {
    /// A decoder for this table.
    pub fn new(
        plan: Arc<SourcePlan>,
        zone: chrono_tz::Tz,
        policy: BadRecords,
        dead_letters: Arc<TaskLetters>,
    ) -> Self {
        SourceDecoder { plan, zone, policy, dead_letters, open: Vec::new(), keys: None }
    }

    /// The rows of a blob; counts its records.
    pub fn decode(
        &mut self,
        fetched: &FetchedBlob,
        now_ms: i64,
        counters: &mut RowCounters,
    ) -> Result<Chunk> {
        if let Some(log) = &fetched.log {
            return self.decode_log(fetched, log, now_ms, counters);
        }
        let supplied: Vec<usize> = fetched.constants.iter().map(|(column, _)| *column).collect();
        let decoded = self.decoder(supplied)?.decode(&fetched.blob)?;
        counters.input += decoded.records as u64;
        counters.filtered += decoded.skipped as u64;
        counters.bad += decoded.rejects.len() as u64;
        counters.forwarded += (decoded.records - decoded.skipped - decoded.rejects.len()) as u64;
        counters.emitted += decoded.rows as u64;
        for reject in &decoded.rejects {
            let place = position(&fetched.place, &fetched.blob, reject.range.start);
            self.set_aside(fetched, place, reject, now_ms)?;
        }
        Ok(self.assemble(decoded, &fetched.constants))
    }

    fn decoder(&mut self, supplied: Vec<usize>) -> Result<&mut Box<dyn Decoder>> {
        let at = match self.open.iter().position(|(columns, _)| *columns == supplied) {
            Some(at) => at,
            None => {
                let decoder = self.open_decoder(&supplied)?;
                self.open.push((supplied, decoder));
                self.open.len() - 1
            }
        };
        Ok(&mut self.open[at].1)
    }

    fn open_decoder(&self, supplied: &[usize]) -> Result<Box<dyn Decoder>> {
        let plan = &self.plan;
        let (format, options) = format_of(&plan.table, &plan.options)?;
        let left = |column: &usize| !supplied.contains(column);
        let columns = plan.wanted.len();
        let fields = RecordFields::of(&plan.options, &plan.physical, &plan.primary_key)?;
        let (stored, places) = stored_columns(plan, &fields.value);
        let wanted: Vec<usize> =
            (0..columns).filter(left).filter_map(|column| places[plan.wanted[column]]).collect();
        let metadata: Vec<_> = (columns..columns + plan.metadata.len())
            .filter(left)
            .map(|column| plan.metadata[column - columns].clone())
            .collect();
        let open = format.decoder.ok_or_else(|| {
            Error::user(format!("the format '{}' of table '{}' can't be read", format.name, plan.table))
        })?;
        open(&DecodeRequest {
            physical: &stored,
            wanted: &wanted,
            metadata: &metadata,
            options: &options,
            zone: self.zone,
        })
    }

    fn assemble(&self, decoded: Decoded, constants: &[(usize, ArrayRef)]) -> Chunk {
        let Decoded { columns, rows, kinds, .. } = decoded;
        if constants.is_empty() {
            return Chunk { kinds, ..Chunk::new(columns, rows) };
        }
        let zeros = UInt32Array::from(vec![0; rows]);
        let mut columns = columns.into_iter();
        let all = self.plan.wanted.len() + self.plan.metadata.len();
        let columns = (0..all).map(|column| match constants.iter().find(|(at, _)| *at == column) {
            Some((_, value)) => take(value, &zeros, None).expect("a constant has one value"),
            None => columns.next().expect("the decoder gives what is not supplied"),
        });
        Chunk { kinds, ..Chunk::new(columns.collect(), rows) }
    }

    fn set_aside(
        &self,
        fetched: &FetchedBlob,
        (offset, line): (u64, u64),
        reject: &Reject,
        now_ms: i64,
    ) -> Result<()> {
        let raw = &fetched.blob.bytes.as_slice()[reject.range.clone()];
        let record = BadRecord {
            table: &self.plan.table,
            split: &fetched.place.split,
            offset,
            line,
            reason: &reject.reason,
            raw,
        };
        self.dead_letters.bad(&record, now_ms)?;
        match self.policy {
            BadRecords::Keep => Ok(()),
            BadRecords::Fail => Err(self.failure(&record)),
        }
    }

    fn failure(&self, record: &BadRecord<'_>) -> Error {
        let kept = match self.dead_letters.path() {
            Some(path) => format!("it was set aside in '{}'; ", path.display()),
            None => String::new(),
        };
        let message = format!(
            "a record of table '{}' can't be read: {}: '{}' ({}); {kept}to set bad records aside and go on, use --bad-records keep",
            record.table,
            record.reason,
            shortened(record.raw),
            record.place(),
        );
        Error::Data { message, place: Some(record.place()) }
    }
}

/// The columns that values hold, which neither partition columns nor those that stand in the key only are
/// among, and the place of each physical column there.
fn stored_columns(plan: &SourcePlan, value: &[usize]) -> (Schema, Vec<Option<usize>>) {
    let mut stored = Vec::new();
    let places = plan.physical.fields.iter().enumerate().map(|(column, field)| {
        (value.contains(&column) && !plan.partition_by.contains(&field.name)).then(|| {
            stored.push(field.clone());
            stored.len() - 1
        })
    });
    let places = places.collect();
    (Schema::new(stored), places)
}

/// Offset and line of the record that starts at a byte of the blob.
fn position(place: &Place, blob: &Blob, start: usize) -> (u64, u64) {
    match &blob.framing {
        Framing::Records(ranges) => {
            let before = ranges.partition_point(|range| range.end as usize <= start);
            (place.offset + before as u64, 0)
        }
        Framing::Lines | Framing::Whole => {
            let breaks = || blob.bytes.as_slice()[..start].iter().filter(|&&byte| byte == b'\n').count();
            let line = if place.line == 0 { 0 } else { place.line + breaks() as u64 };
            (place.offset + start as u64, line)
        }
    }
}

/// The format that a table's options name, and its own options.
pub fn format_of(table: &str, options: &Options) -> Result<(&'static Format, Options)> {
    for (key, prefix) in [("format", ""), ("value.format", "value.")] {
        if let Some(name) = options.get(key) {
            return Ok((tidemill_format::format(name)?, options.under(&format!("{prefix}{name}."))));
        }
    }
    Err(Error::user_hint(
        format!("table '{table}' names no format"),
        "add the option 'format', such as 'json'",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_types::{DataType, Field};

    #[test]
    fn partition_columns_are_in_no_record() {
        let field = |name: &str| Field::new(name, DataType::string());
        let plan = SourcePlan {
            table: "t".into(),
            connector: "filesystem".into(),
            options: Options::default(),
            physical: Schema::new(vec![field("day"), field("v"), field("hour"), field("w")]),
            wanted: vec![3, 0],
            metadata: Vec::new(),
            narrows_rows: false,
            partition_by: vec!["day".into(), "hour".into()],
            primary_key: Vec::new(),
            bounded: true,
        };
        let (stored, places) = stored_columns(&plan, &[0, 1, 2, 3]);
        let names: Vec<&str> = stored.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["v", "w"]);
        assert_eq!(places, [None, Some(0), None, Some(1)]);
    }
}
