//! Envelopes to changes.
//!
//! 1. The envelope is read as JSON with the rows as nested columns, one envelope a record.
//! 2. Each envelope's word says which of its rows become changes; an envelope without the rows that its
//!    word needs is a reject like one that is no JSON.
//! 3. The columns are gathered from the old and the new rows. Where the old row is partial, what it leaves
//!    out is taken from the new one.

use super::envelope::{Change, Envelope, Rows};
use super::metadata::{self, Source};
use super::{DATABASE_INCLUDE, SCHEMA_INCLUDE, TABLE_INCLUDE};
use crate::column::Column;
use crate::json::{JsonRows, Settings, Shape, check_type, origin_numbers};
use crate::{DecodeRequest, Decoded, Decoder, Reject};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_select::interleave::interleave;
use fancy_regex::Regex;
use std::ops::Range;
use tidemill_types::{
    Blob, DataType, Error, Framing, OptionSpec, Options, Result, RowField, RowKind, TypeKind,
};

/// The first fields of every envelope, in this order.
const OLD: usize = 0;
const NEW: usize = 1;
const OPERATION: usize = 2;

struct CdcDecoder {
    envelope: &'static Envelope,
    rows: JsonRows,
    /// Whether the fields stand in the field `payload`.
    payload: bool,
    width: usize,
    metadata: Vec<(Source, usize)>,
    filters: Vec<(Regex, usize)>,
}

/// Opens the decoder of an envelope.
pub(super) fn open(request: &DecodeRequest<'_>, envelope: &'static Envelope) -> Result<Box<dyn Decoder>> {
    for field in &request.physical.fields {
        check_type(&field.name, &field.data_type)?;
    }
    let settings = Settings::read(request.options, request.physical.types())?;
    let payload = envelope.schema_include && request.options.boolean(&SCHEMA_INCLUDE)?;
    let wanted = request.wanted.iter().map(|&place| &request.physical.fields[place]);
    let fields =
        wanted.map(|field| RowField { name: field.name.clone(), data_type: field.data_type.clone() });
    let row = TypeKind::Row(fields.collect()).nullable();
    let row = match envelope.rows {
        Rows::PartialArrays => TypeKind::Array(Box::new(row)).nullable(),
        Rows::Whole | Rows::Partial => row,
    };
    let mut fields = Layout::new(payload);
    for (name, data_type) in
        [(envelope.old, &row), (envelope.new, &row), (envelope.operation, &DataType::string())]
    {
        fields.place(name, data_type, false);
    }
    let offered = crate::format(envelope.name)?.metadata;
    let mut metadata = Vec::new();
    for (key, declared) in request.metadata {
        let source = metadata::source(envelope.name, offered, key, declared)?;
        let place = fields.place(source.field, &source.data_type, payload && source.at_root);
        metadata.push((source, place));
    }
    let mut filters = Vec::new();
    if envelope.filters {
        for (field, spec) in [("database", &DATABASE_INCLUDE), ("table", &TABLE_INCLUDE)] {
            if let Some(regex) = filter(request.options, spec)? {
                filters.push((regex, fields.place(field, &DataType::string(), false)));
            }
        }
    }
    let mut shape = fields.shape();
    if envelope.rows != Rows::Whole {
        inner_row(&mut shape, payload, OLD).track_presence();
    }
    let rows = JsonRows::new(shape, settings);
    let width = request.wanted.len();
    Ok(Box::new(CdcDecoder { envelope, rows, payload, width, metadata, filters }))
}

fn filter(options: &Options, spec: &OptionSpec) -> Result<Option<Regex>> {
    let Some(text) = options.text(spec) else { return Ok(None) };
    let regex = Regex::new(&format!("^(?:{text})$"));
    regex.map(Some).map_err(|error| {
        Error::user(format!("option '{}' is '{text}', which is no regular expression: {error}", spec.key))
    })
}

/// The fields of an envelope while it is laid out.
struct Layout {
    payload: bool,
    inner: Vec<RowField>,
    /// Fields beside the payload; their places come after those inside.
    root: Vec<RowField>,
}

/// Added to the place of a field beside the payload.
const ROOT: usize = 1 << 16;

impl Layout {
    fn new(payload: bool) -> Self {
        Layout { payload, inner: Vec::new(), root: Vec::new() }
    }

    /// The place of a field, which is added if it is not there yet.
    fn place(&mut self, name: &str, data_type: &DataType, at_root: bool) -> usize {
        let (fields, base) = if at_root { (&mut self.root, ROOT) } else { (&mut self.inner, 0) };
        let known = fields.iter().position(|field| field.name == name);
        let place = known.unwrap_or_else(|| {
            fields.push(RowField { name: name.into(), data_type: data_type.clone() });
            fields.len() - 1
        });
        base + place
    }

    fn shape(self) -> Shape {
        let fields = if self.payload {
            let payload = TypeKind::Row(self.inner).nullable();
            let mut fields = vec![RowField { name: "payload".into(), data_type: payload }];
            fields.extend(self.root);
            fields
        } else {
            self.inner
        };
        Shape::new(fields.iter().map(|field| (field.name.as_str(), &field.data_type)))
    }
}

/// The shape of the rows in a field of the envelope.
fn inner_row(shape: &mut Shape, payload: bool, place: usize) -> &mut Shape {
    let mut shape = shape;
    if payload {
        shape = row_shape(shape.column_mut(0));
    }
    row_shape(shape.column_mut(place))
}

fn row_shape(column: &mut Column) -> &mut Shape {
    match column {
        Column::Row(row) => &mut row.shape,
        Column::List(list) => row_shape(&mut list.child),
        _ => unreachable!("rows of an envelope are rows or arrays of rows"),
    }
}

/// The envelopes of a blob as columns.
struct Envelopes {
    inner: Vec<ArrayRef>,
    root: Vec<ArrayRef>,
    payload: Option<ArrayRef>,
    /// For each old row and column whether the field was there.
    present: Vec<bool>,
}

impl Envelopes {
    fn field(&self, place: usize) -> &ArrayRef {
        if place >= ROOT { &self.root[place - ROOT] } else { &self.inner[place] }
    }
}

/// The changes of a blob: where the row of each stands.
#[derive(Default)]
struct Changes {
    /// Among the old rows ([`OLD`]) or the new ones ([`NEW`]), and at which place.
    rows: Vec<(usize, usize)>,
    /// For the old row of a partial update the place of its new row.
    completed_by: Vec<Option<usize>>,
    envelopes: Vec<usize>,
    kinds: Vec<RowKind>,
}

impl Changes {
    fn push(&mut self, kind: RowKind, row: (usize, usize), completed_by: Option<usize>, envelope: usize) {
        self.rows.push(row);
        self.completed_by.push(completed_by);
        self.envelopes.push(envelope);
        self.kinds.push(kind);
    }

    fn truncate(&mut self, len: usize) {
        self.rows.truncate(len);
        self.completed_by.truncate(len);
        self.envelopes.truncate(len);
        self.kinds.truncate(len);
    }
}

impl Decoder for CdcDecoder {
    fn decode(&mut self, blob: &Blob) -> Result<Decoded> {
        self.read(blob).map(|(decoded, _)| decoded)
    }

    fn decode_traced(&mut self, blob: &Blob, origins: &mut Vec<u32>) -> Option<Result<Decoded>> {
        let Framing::Records(ranges) = &blob.framing else { return None };
        Some(self.read(blob).map(|(decoded, places)| {
            origin_numbers(ranges, &places, origins);
            decoded
        }))
    }
}

impl CdcDecoder {
    /// The changes of a blob, and where the envelope of each stands.
    fn read(&mut self, blob: &Blob) -> Result<(Decoded, Vec<Range<usize>>)> {
        let account = self.rows.read(blob, true)?;
        let count = self.rows.shape.rows();
        let present = match self.envelope.rows {
            Rows::Whole => Vec::new(),
            Rows::Partial | Rows::PartialArrays => {
                inner_row(&mut self.rows.shape, self.payload, OLD).take_present()
            }
        };
        let mut columns = self.rows.shape.finish(&blob.bytes);
        let envelopes = if self.payload {
            let root = columns.split_off(1);
            let payload = columns.remove(0);
            let inner = payload.as_struct().columns().to_vec();
            Envelopes { inner, root, payload: Some(payload), present }
        } else {
            Envelopes { inner: columns, root: Vec::new(), payload: None, present }
        };
        let (mut skipped, mut rejects) = (account.skipped, account.rejects);
        let mut changes = Changes::default();
        for (envelope, place) in account.places.iter().enumerate().take(count) {
            let before = changes.rows.len();
            if let Err(reason) = self.change(&envelopes, envelope, &mut changes) {
                changes.truncate(before);
                match self.rows.ignores_errors() {
                    true => skipped += 1,
                    false => rejects.push(Reject { range: place.clone(), reason }),
                }
            }
        }
        rejects.sort_by_key(|reject| reject.range.start);
        let mut columns = self.gather(&envelopes, &changes)?;
        for (source, place) in &self.metadata {
            let values = metadata::derive(source, envelopes.field(*place))?;
            columns.push(take(&values, &changes.envelopes)?);
        }
        let places = changes.envelopes.iter().map(|&envelope| account.places[envelope].clone());
        let places = places.collect();
        let decoded = Decoded {
            columns,
            rows: changes.rows.len(),
            kinds: Some(changes.kinds.into()),
            records: account.records,
            skipped,
            rejects,
        };
        Ok((decoded, places))
    }

    /// Appends the changes of one envelope.
    fn change(&self, envelopes: &Envelopes, at: usize, changes: &mut Changes) -> Result<(), String> {
        if envelopes.payload.as_ref().is_some_and(|payload| payload.is_null(at)) {
            return Err("the record has no field 'payload'".into());
        }
        for (regex, place) in &self.filters {
            let names: &StringViewArray = envelopes.field(*place).as_string_view();
            let name = if names.is_null(at) { "" } else { names.value(at) };
            if !regex.is_match(name).map_err(|error| format!("can't match '{name}': {error}"))? {
                return Ok(());
            }
        }
        let words: &StringViewArray = envelopes.inner[OPERATION].as_string_view();
        let field = self.envelope.operation;
        if words.is_null(at) {
            return Err(format!("the record has no field '{field}'"));
        }
        let Some(change) = self.envelope.change(words.value(at)) else {
            let known = self.envelope.words.iter().map(|(word, _)| format!("'{word}'")).collect::<Vec<_>>();
            return Err(format!("field '{field}' is '{}', not one of {}", words.value(at), known.join(", ")));
        };
        match (self.envelope.rows, change) {
            (_, Change::Definition) => Ok(()),
            (Rows::Whole, change) => self.whole(envelopes, at, change, changes),
            (Rows::Partial, change) => self.partial(envelopes, at, change, changes),
            (Rows::PartialArrays, change) => self.arrays(envelopes, at, change, changes),
        }
    }

    fn needed(&self, envelopes: &Envelopes, side: usize, at: usize) -> Result<usize, String> {
        if !envelopes.inner[side].is_null(at) {
            return Ok(at);
        }
        let (name, hint) = match (side, self.envelope.rows) {
            (OLD, Rows::Whole) => {
                (self.envelope.old, "; a Postgres source sends it only with REPLICA IDENTITY FULL")
            }
            (OLD, _) => (self.envelope.old, ""),
            _ => (self.envelope.new, ""),
        };
        Err(format!("field '{name}' is missing or null{hint}"))
    }

    fn whole(
        &self,
        envelopes: &Envelopes,
        at: usize,
        change: Change,
        changes: &mut Changes,
    ) -> Result<(), String> {
        if change == Change::Delete {
            changes.push(RowKind::Delete, (OLD, self.needed(envelopes, OLD, at)?), None, at);
            return Ok(());
        }
        if change == Change::Update {
            changes.push(RowKind::UpdateBefore, (OLD, self.needed(envelopes, OLD, at)?), None, at);
        }
        let kind = if change == Change::Update { RowKind::UpdateAfter } else { RowKind::Insert };
        changes.push(kind, (NEW, self.needed(envelopes, NEW, at)?), None, at);
        Ok(())
    }

    fn partial(
        &self,
        envelopes: &Envelopes,
        at: usize,
        change: Change,
        changes: &mut Changes,
    ) -> Result<(), String> {
        let new = self.needed(envelopes, NEW, at)?;
        if change == Change::Update {
            let old = self.needed(envelopes, OLD, at)?;
            changes.push(RowKind::UpdateBefore, (OLD, old), Some(new), at);
        }
        changes.push(new_kind(change), (NEW, new), None, at);
        Ok(())
    }

    fn arrays(
        &self,
        envelopes: &Envelopes,
        at: usize,
        change: Change,
        changes: &mut Changes,
    ) -> Result<(), String> {
        self.needed(envelopes, NEW, at)?;
        let new = list_range(&envelopes.inner[NEW], at);
        let old = match change {
            Change::Update => list_range(&envelopes.inner[OLD], self.needed(envelopes, OLD, at)?),
            _ => 0..0,
        };
        if change == Change::Update && old.len() != new.len() {
            return Err(format!(
                "'{}' has {} rows, '{}' has {}",
                self.envelope.old,
                old.len(),
                self.envelope.new,
                new.len()
            ));
        }
        let mut old = old;
        for new in new {
            if let Some(old) = old.next() {
                changes.push(RowKind::UpdateBefore, (OLD, old), Some(new), at);
            }
            changes.push(new_kind(change), (NEW, new), None, at);
        }
        Ok(())
    }

    /// The wanted columns of all changes.
    fn gather(&self, envelopes: &Envelopes, changes: &Changes) -> Result<Vec<ArrayRef>> {
        let old = row_columns(&envelopes.inner[OLD]);
        let new = row_columns(&envelopes.inner[NEW]);
        let partial = self.envelope.rows != Rows::Whole;
        let mut completed = changes.rows.clone();
        let mut columns = Vec::with_capacity(self.width);
        for place in 0..self.width {
            if partial {
                for (target, (row, new)) in
                    completed.iter_mut().zip(changes.rows.iter().zip(&changes.completed_by))
                {
                    *target = match *new {
                        Some(new) if !envelopes.present[row.1 * self.width + place] => (NEW, new),
                        _ => *row,
                    };
                }
            }
            let sides: [&dyn Array; 2] = [&old[place], &new[place]];
            columns.push(interleave(&sides, &completed).map_err(internal)?);
        }
        Ok(columns)
    }
}

fn new_kind(change: Change) -> RowKind {
    match change {
        Change::Update => RowKind::UpdateAfter,
        Change::Delete => RowKind::Delete,
        Change::Insert | Change::Definition => RowKind::Insert,
    }
}

fn list_range(array: &ArrayRef, at: usize) -> Range<usize> {
    let offsets = array.as_list::<i32>().value_offsets();
    offsets[at] as usize..offsets[at + 1] as usize
}

fn row_columns(array: &ArrayRef) -> Vec<ArrayRef> {
    match array.as_list_opt::<i32>() {
        Some(list) => list.values().as_struct().columns().to_vec(),
        None => array.as_struct().columns().to_vec(),
    }
}

fn take(array: &ArrayRef, places: &[usize]) -> Result<ArrayRef> {
    let places: Vec<(usize, usize)> = places.iter().map(|&place| (0, place)).collect();
    interleave(&[array.as_ref()], &places).map_err(internal)
}

fn internal(error: arrow_schema::ArrowError) -> Error {
    Error::internal(format!("can't gather the rows of a changelog: {error}"))
}
