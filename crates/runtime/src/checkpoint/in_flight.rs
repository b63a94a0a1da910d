//! What belongs to one task when a barrier overtook rows: these rows, and how far the task had come.
//!
//! The barrier of an unaligned checkpoint does not wait until a task has worked off what lies in its lanes. The task
//! takes its state at once, and what lies before the barrier in its lanes is saved with it, as it stands: pieces with
//! their marks, kinds and places in the order of their source. A restored job finds it in the same lanes.
//!
//! Invariant: what is restored is read by the task that would have read it, in the same order, and before any new row.
//! That holds only for as many tasks as there were: tasks that were overtaken at different places have reached
//! different watermarks, and their key groups cannot be put together before they have caught up. For the same reason
//! watermarks, and values of state that belong to no key, are those of each task here and not those of all. So a job that shall
//! go on with other tasks first works off these rows with as many as it had ([`super::with_former_tasks`]).
//!
//! Chunks are written in Arrow's streaming format, which keeps every type.

use super::TaskState;
use crate::message::{Message, Tag};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemill_state::SnapshotRows;
use tidemill_state::snapshot::{Reader, SHARED_GROUP, Section, damaged, write_prefixed};
use tidemill_types::{Chunk, Error, Marks, Result, RowKind};

/// The layout of the bytes; another one is refused.
const LAYOUT: u64 = 0x696e_666c_6967_6874;

/// What one task goes on from.
#[derive(Debug, Clone, Default)]
pub struct InFlight {
    /// What lay in front of it: a group of lanes each.
    pub groups: Vec<LanesInFlight>,
    /// The watermarks it had reached, by stable name.
    pub watermarks: BTreeMap<String, i64>,
    /// Its values that belong to no key, by operator and table.
    pub shared: BTreeMap<(String, String), SnapshotRows>,
}

/// What lay in the lanes of one port from one fragment.
#[derive(Debug, Clone, Default)]
pub struct LanesInFlight {
    /// The name of the group.
    pub name: String,
    /// The stable name of the sending fragment.
    pub source: String,
    /// Tells whether rows of the edge still look the same.
    pub layout: u64,
    /// The number of the piece that is next, if pieces have numbers.
    pub next: u64,
    /// The number of the first piece behind the barrier.
    pub end: u64,
    /// By lane: pieces and silences, in order.
    pub lanes: Vec<Vec<Message>>,
}

/// The refusal of rows that nobody would read.
pub fn not_here() -> Error {
    Error::user_hint(
        "the checkpoint holds rows between operators, and the pipeline has changed there since",
        "run the former pipeline once more and stop it in order; a stop leaves no such rows",
    )
}

impl InFlight {
    /// The part of a task's state that is its own.
    pub fn of(state: &TaskState, groups: Vec<LanesInFlight>) -> Self {
        let shared = state.tables.iter().filter_map(|table| {
            let own: Vec<Section> =
                table.rows.sections.iter().filter(|section| section.group == SHARED_GROUP).cloned().collect();
            let rows = SnapshotRows { schema: table.rows.schema, sections: own };
            (!rows.sections.is_empty()).then(|| ((table.operator.clone(), table.table.clone()), rows))
        });
        InFlight { groups, watermarks: state.watermarks.iter().cloned().collect(), shared: shared.collect() }
    }

    /// Whether nothing lay there: the barrier was as good as aligned.
    pub fn is_empty(&self) -> bool {
        self.groups.iter().flat_map(|group| &group.lanes).all(Vec::is_empty)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.groups.iter().flat_map(|group| &group.lanes).flatten().map(Message::rows).sum()
    }

    /// The form in which a checkpoint keeps them.
    pub fn encode(&self) -> Result<SnapshotRows> {
        let mut out = Vec::new();
        write_u32(&mut out, self.groups.len());
        for group in &self.groups {
            write_prefixed(&mut out, group.name.as_bytes());
            write_prefixed(&mut out, group.source.as_bytes());
            [group.layout, group.next, group.end].iter().for_each(|n| out.extend(n.to_le_bytes()));
            write_u32(&mut out, group.lanes.len());
            for lane in &group.lanes {
                write_u32(&mut out, lane.len());
                lane.iter().try_for_each(|message| write_message(&mut out, message))?;
            }
        }
        write_u32(&mut out, self.watermarks.len());
        for (name, watermark) in &self.watermarks {
            write_prefixed(&mut out, name.as_bytes());
            out.extend_from_slice(&watermark.to_le_bytes());
        }
        write_u32(&mut out, self.shared.len());
        for ((operator, table), rows) in &self.shared {
            write_prefixed(&mut out, operator.as_bytes());
            write_prefixed(&mut out, table.as_bytes());
            write_prefixed(&mut out, &rows.encode());
        }
        let section = Section {
            group: SHARED_GROUP,
            rows: self.rows() as u32,
            whole: true,
            bytes: out.into(),
            ..Section::default()
        };
        Ok(SnapshotRows { schema: LAYOUT, sections: vec![section] })
    }

    /// The reverse of [`InFlight::encode`].
    pub fn decode(rows: &SnapshotRows) -> Result<Self> {
        rows.check_schema(LAYOUT)?;
        let section = rows.sections.first().ok_or_else(damaged)?;
        let mut reader = Reader::new(&section.bytes);
        let mut own = InFlight::default();
        for _ in 0..reader.u32()? {
            own.groups.push(read_group(&mut reader)?);
        }
        for _ in 0..reader.u32()? {
            own.watermarks.insert(read_text(&mut reader)?, reader.i64()?);
        }
        for _ in 0..reader.u32()? {
            let place = (read_text(&mut reader)?, read_text(&mut reader)?);
            let rows = SnapshotRows::decode(&section.bytes.slice_ref(reader.prefixed()?))?;
            own.shared.insert(place, rows);
        }
        match reader.is_done() {
            true => Ok(own),
            false => Err(damaged()),
        }
    }
}

fn write_u32(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&(number as u32).to_le_bytes());
}

fn read_text(reader: &mut Reader<'_>) -> Result<String> {
    Ok(String::from_utf8_lossy(reader.prefixed()?).into_owned())
}

fn read_group(reader: &mut Reader<'_>) -> Result<LanesInFlight> {
    let (name, source) = (read_text(reader)?, read_text(reader)?);
    let (layout, next, end) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let mut lanes = Vec::new();
    for _ in 0..reader.u32()? {
        let count = reader.u32()?;
        lanes.push((0..count).map(|_| read_message(reader)).collect::<Result<_>>()?);
    }
    Ok(LanesInFlight { name, source, layout, next, end, lanes })
}

const IDLE: u8 = 0;
const PIECE: u8 = 1;
const TAGGED: u8 = 2;

fn write_message(out: &mut Vec<u8>, message: &Message) -> Result<()> {
    match message {
        Message::Idle => out.push(IDLE),
        Message::Piece { chunk, tag: None } => {
            out.push(PIECE);
            write_chunk(out, chunk)?;
        }
        Message::Piece { chunk, tag: Some(tag) } => {
            out.push(TAGGED);
            out.extend_from_slice(&tag.sequence.to_le_bytes());
            out.extend_from_slice(&tag.split.to_le_bytes());
            out.extend([tag.idle, tag.last, tag.closing].map(u8::from));
            write_chunk(out, chunk)?;
        }
        Message::Barrier(_) | Message::End { .. } => return Err(Error::internal("only rows are in flight")),
    }
    Ok(())
}

fn read_message(reader: &mut Reader<'_>) -> Result<Message> {
    Ok(match reader.u8()? {
        IDLE => Message::Idle,
        PIECE => Message::Piece { chunk: read_chunk(reader)?, tag: None },
        TAGGED => {
            let (sequence, split) = (reader.u64()?, reader.u32()?);
            let mut flag = || Ok::<_, Error>(reader.u8()? != 0);
            let (idle, last, closing) = (flag()?, flag()?, flag()?);
            let tag = Tag { sequence, split, idle, last, closing };
            Message::Piece { chunk: read_chunk(reader)?, tag: Some(tag) }
        }
        _ => return Err(damaged()),
    })
}

fn write_chunk(out: &mut Vec<u8>, chunk: &Chunk) -> Result<()> {
    write_u32(out, chunk.rows);
    let kinds: Vec<u8> = chunk.kinds.iter().flat_map(|kinds| kinds.iter()).map(|kind| *kind as u8).collect();
    write_prefixed(out, &kinds);
    write_u32(out, chunk.marks.as_slice().len());
    for mark in chunk.marks.iter() {
        out.extend_from_slice(&mark.row.to_le_bytes());
        out.extend_from_slice(&mark.watermark.to_le_bytes());
    }
    let columns = match chunk.rows == 0 || chunk.columns.is_empty() {
        true => Vec::new(),
        false => write_columns(chunk).map_err(|error| Error::internal(format!("rows in flight: {error}")))?,
    };
    write_prefixed(out, &columns);
    Ok(())
}

fn read_chunk(reader: &mut Reader<'_>) -> Result<Chunk> {
    let rows = reader.u32()? as usize;
    let kinds: Vec<RowKind> = reader.prefixed()?.iter().map(|&kind| kind_of(kind)).collect::<Result<_>>()?;
    let mut marks = Marks::none();
    for _ in 0..reader.u32()? {
        let row = reader.u32()?;
        marks.push(row, reader.i64()?);
    }
    let columns = match reader.prefixed()? {
        [] => Vec::new(),
        bytes => read_columns(bytes).map_err(|_| damaged())?,
    };
    let lengths = columns.iter().map(|column| column.len()).chain((!kinds.is_empty()).then_some(kinds.len()));
    if lengths.into_iter().any(|len| len != rows) {
        return Err(damaged());
    }
    Ok(Chunk { columns, rows, kinds: (!kinds.is_empty()).then(|| kinds.into()), marks })
}

fn kind_of(byte: u8) -> Result<RowKind> {
    let all = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    all.into_iter().find(|kind| *kind as u8 == byte).ok_or_else(damaged)
}

fn write_columns(chunk: &Chunk) -> Result<Vec<u8>, ArrowError> {
    let columns: Vec<ArrayRef> = chunk.columns.iter().map(compacted).collect();
    let field =
        |(at, column): (usize, &ArrayRef)| Field::new(at.to_string(), column.data_type().clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(chunk.rows));
    let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    writer.into_inner()
}

fn read_columns(bytes: &[u8]) -> Result<Vec<ArrayRef>, ArrowError> {
    let mut batches = StreamReader::try_new(bytes, None)?;
    let batch = batches.next().ok_or_else(|| ArrowError::IpcError("no rows".into()))??;
    Ok(batch.columns().to_vec())
}

/// Text lies in the blobs of its source, of which many pieces share one: only what belongs to the rows is written.
fn compacted(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => column.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int64Array, ListArray, StringViewArray, types::Int32Type};

    fn sample() -> InFlight {
        let texts =
            StringViewArray::from_iter([Some("a text that is longer than twelve bytes"), None, Some("")]);
        let lists =
            ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None, Some(vec![])]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])), Arc::new(texts), Arc::new(lists)];
        let mut chunk = Chunk::new(columns, 3);
        chunk.kinds = Some([RowKind::Insert, RowKind::UpdateBefore, RowKind::Delete].into());
        chunk.marks.push(1, -5);
        chunk.marks.push(3, 70);
        let tag = Tag { sequence: 1 << 40, split: 3, idle: false, last: true, closing: false };
        let lanes = vec![
            vec![Message::Piece { chunk: chunk.slice(1, 2), tag: Some(tag) }, Message::Idle],
            vec![
                Message::Piece { chunk: Chunk::watermark(9), tag: None },
                Message::Piece { chunk, tag: None },
            ],
            Vec::new(),
        ];
        let group = LanesInFlight {
            name: "to".into(),
            source: "from".into(),
            layout: 7,
            next: 5,
            end: 1 << 41,
            lanes,
        };
        let shared = SnapshotRows {
            schema: 3,
            sections: vec![Section {
                group: SHARED_GROUP,
                rows: 1,
                whole: true,
                bytes: vec![1, 2].into(),
                ..Section::default()
            }],
        };
        InFlight {
            groups: vec![group],
            watermarks: BTreeMap::from([("a".into(), -7)]),
            shared: BTreeMap::from([(("operator".into(), "table".into()), shared)]),
        }
    }

    #[test]
    fn rows_marks_kinds_and_places_come_back() {
        let rows = sample().encode().unwrap();
        let back = InFlight::decode(&rows).unwrap();
        assert_eq!(format!("{back:?}"), format!("{:?}", sample()));
        assert_eq!((back.rows(), back.is_empty()), (5, false));
        for at in 0..rows.sections[0].bytes.len() {
            let mut cut = rows.clone();
            cut.sections[0].bytes = cut.sections[0].bytes.slice(..at);
            assert!(InFlight::decode(&cut).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn text_of_a_shared_blob_is_written_once_and_only_as_far_as_it_is_needed() {
        let texts: Vec<String> =
            (0..1_000).map(|n| format!("a text that is not short, number {n}")).collect();
        let all =
            Chunk::new(vec![Arc::new(StringViewArray::from_iter_values(&texts)) as ArrayRef], texts.len());
        let written = |chunk: &Chunk| {
            let mut out = Vec::new();
            write_chunk(&mut out, chunk).unwrap();
            out.len()
        };
        assert!(written(&all.slice(10, 1)) < written(&all) / 20);
    }
}
