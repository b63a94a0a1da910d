//! Blobs of JSON records to rows.
//!
//! A blob's UTF-8 is checked once; only if that fails is each record checked, so that the bad ones alone
//! are rejected. A record is an object, or an array of objects which gives a row each.

use super::options::{Settings, check_type};
use super::scan::{Cursor, Fault, Outcome};
use super::shape::Shape;
use crate::records::Records;
use crate::{DecodeRequest, Decoded, Decoder, Reject};
use arrow_array::ArrayRef;
use std::ops::Range;
use tidemill_types::{Blob, Error, Framing, Result};

/// Reads the rows of blobs into a shape.
pub(crate) struct JsonRows {
    pub shape: Shape,
    settings: Settings,
}

/// What happened to the records of a blob.
#[derive(Default)]
pub(crate) struct Account {
    pub records: usize,
    pub skipped: usize,
    pub rejects: Vec<Reject>,
    /// The record of each row, if asked for.
    pub places: Vec<Range<usize>>,
}

impl JsonRows {
    pub fn new(shape: Shape, settings: Settings) -> Self {
        JsonRows { shape, settings }
    }

    /// Whether the options ask to skip bad records.
    pub fn ignores_errors(&self) -> bool {
        self.settings.ignore_errors
    }

    /// Reads all records of a blob; the rows stay in the shape.
    pub fn read(&mut self, blob: &Blob, with_places: bool) -> Result<Account> {
        if blob.bytes.len() > i32::MAX as usize {
            return Err(Error::internal("a blob is larger than 2 GiB"));
        }
        let bytes: &[u8] = &blob.bytes;
        // Between the records of a log lie bytes that are no text.
        let valid = !matches!(blob.framing, Framing::Records(_)) && simdutf8::basic::from_utf8(bytes).is_ok();
        let mut account = Account::default();
        for range in records(blob) {
            if is_blank(&bytes[range.clone()]) {
                continue;
            }
            account.records += 1;
            let before = self.shape.rows();
            match self.read_record(bytes, &range, valid) {
                Ok(()) if with_places => {
                    account.places.extend((before..self.shape.rows()).map(|_| range.clone()));
                }
                Ok(()) => {}
                Err(fault) => {
                    self.shape.truncate(before);
                    match self.settings.ignore_errors {
                        true => account.skipped += 1,
                        false => {
                            let reason = fault.reason(range.start);
                            account.rejects.push(Reject { range, reason });
                        }
                    }
                }
            }
        }
        Ok(account)
    }

    #[inline]
    fn read_record(&mut self, bytes: &[u8], range: &Range<usize>, valid: bool) -> Outcome {
        if !valid
            && simdutf8::basic::from_utf8(&bytes[range.clone()]).is_err()
            && let Err(error) = std::str::from_utf8(&bytes[range.clone()])
        {
            return Err(Fault::new(range.start + error.valid_up_to(), "the text is not valid UTF-8"));
        }
        self.read_values(&mut Cursor::new(&bytes[..range.end], range.start))
    }

    #[inline]
    fn read_values(&mut self, cursor: &mut Cursor<'_>) -> Outcome {
        cursor.skip_space();
        if cursor.peek() == b'[' {
            self.read_array(cursor)?;
        } else {
            self.shape.read(cursor, &self.settings)?;
        }
        cursor.skip_space();
        if cursor.at < cursor.bytes.len() {
            return Err(cursor.unexpected("the end of the record"));
        }
        Ok(())
    }

    fn read_array(&mut self, cursor: &mut Cursor<'_>) -> Outcome {
        cursor.enter()?;
        cursor.skip_space();
        if cursor.peek() != b']' {
            loop {
                self.shape.read(cursor, &self.settings)?;
                if !cursor.more(b']')? {
                    break;
                }
            }
        }
        cursor.leave();
        Ok(())
    }
}

/// The records of a blob. A whole blob is one record if it is one JSON value over several lines;
/// otherwise lines are the rule.
fn records(blob: &Blob) -> Records<'_> {
    let bytes: &[u8] = &blob.bytes;
    if blob.framing == Framing::Whole {
        let first = Records::of(blob).find(|range| !is_blank(&bytes[range.clone()]));
        if let Some(first) = first
            && !is_value(&bytes[first])
            && is_value(bytes)
        {
            return Records::One(Some(0..bytes.len()));
        }
    }
    Records::of(blob)
}

fn is_value(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes, 0);
    cursor.skip_space();
    let read = cursor.skip_value().is_ok();
    cursor.skip_space();
    read && cursor.at == bytes.len()
}

#[inline]
fn is_blank(record: &[u8]) -> bool {
    record.first().is_none_or(|byte| *byte != b'{')
        && record.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// The number of the record of each row, whose byte ranges come in the order of the records.
pub(crate) fn origin_numbers(ranges: &[Range<u32>], places: &[Range<usize>], origins: &mut Vec<u32>) {
    let mut number = 0;
    for place in places {
        while (ranges[number].start as usize, ranges[number].end as usize) != (place.start, place.end) {
            number += 1;
        }
        origins.push(number as u32);
    }
}

struct JsonDecoder {
    rows: JsonRows,
}

/// Opens the decoder of the format `json`.
pub(crate) fn open(request: &DecodeRequest<'_>) -> Result<Box<dyn Decoder>> {
    if let Some((key, _)) = request.metadata.first() {
        return Err(Error::user(format!("the format 'json' has no metadata column '{key}'")));
    }
    for field in &request.physical.fields {
        check_type(&field.name, &field.data_type)?;
    }
    let settings = Settings::read(request.options, request.physical.types())?;
    let fields = request.wanted.iter().map(|&place| &request.physical.fields[place]);
    let shape = Shape::new(fields.map(|field| (field.name.as_str(), &field.data_type)));
    Ok(Box::new(JsonDecoder { rows: JsonRows::new(shape, settings) }))
}

impl JsonDecoder {
    fn finish(&mut self, blob: &Blob, account: Account) -> Decoded {
        let rows = self.rows.shape.rows();
        let columns: Vec<ArrayRef> = self.rows.shape.finish(&blob.bytes);
        Decoded {
            columns,
            rows,
            kinds: None,
            records: account.records,
            skipped: account.skipped,
            rejects: account.rejects,
        }
    }
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, blob: &Blob) -> Result<Decoded> {
        let account = self.rows.read(blob, false)?;
        Ok(self.finish(blob, account))
    }

    fn decode_traced(&mut self, blob: &Blob, origins: &mut Vec<u32>) -> Option<Result<Decoded>> {
        let Framing::Records(ranges) = &blob.framing else { return None };
        Some(self.rows.read(blob, true).map(|account| {
            origin_numbers(ranges, &account.places, origins);
            self.finish(blob, account)
        }))
    }
}
