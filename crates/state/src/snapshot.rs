//! The rows of one table at one moment, cut by key group, and their bytes.
//!
//! Layout (little-endian): `magic u32 · version u32 · schema id u64 · number of sections u32`, for each
//! section `key group u32 · rows u32 · whole and form u8 · length u32 · bytes`, and at the end the xxh3 of all that (u64).
//! Version 1 knows no form but that of rows.
//! Invariant: bytes that were cut or changed are refused, never half read.

use crate::columns::ColumnReader;
use bytes::Bytes;
use std::ops::Range;
use tidemill_types::{Error, Result};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const MAGIC: u32 = 0x5444_5354;
/// The version of the layout; raised when it changes, older ones stay readable.
pub const SNAPSHOT_VERSION: u32 = 2;
/// All rows of the group; the lowest bit.
const WHOLE: u8 = 1;
/// In columns; the next bit.
const COLUMNS: u8 = 2;
/// The section of values that belong to every task, not to a key group.
pub const SHARED_GROUP: u32 = u32::MAX;

/// How the rows of a section are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// One by one, each in the table's own form.
    #[default]
    Rows,
    /// Some one by one, with the length of them all (u32) in front; then, behind their number (u32), others column by
    /// column.
    Columns,
}

/// The rows of one key group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// The key group, or [`SHARED_GROUP`].
    pub group: u32,
    /// How many rows.
    pub rows: u32,
    /// Whether these are all rows of the group, or changes since the epoch before.
    pub whole: bool,
    /// How they are written.
    pub form: Form,
    /// Their bytes.
    pub bytes: Bytes,
}

impl Section {
    /// The rows that are written one by one, which apply first, and those that are written in columns.
    pub(crate) fn parts(&self) -> Result<(Reader<'_>, Option<ColumnReader<'_>>)> {
        let mut reader = Reader::new(&self.bytes);
        match self.form {
            Form::Rows => Ok((reader, None)),
            Form::Columns => {
                let rows = Reader::new(reader.prefixed()?);
                let number = reader.u32()? as usize;
                Ok((rows, Some(ColumnReader::new(number, reader.rest()))))
            }
        }
    }

    fn flags(&self) -> u8 {
        u8::from(self.whole) * WHOLE + u8::from(self.form == Form::Columns) * COLUMNS
    }

    fn decode(version: u32, reader: &mut Reader<'_>, all: &Bytes) -> Result<Self> {
        let (group, rows, flags, len) = (reader.u32()?, reader.u32()?, reader.u8()?, reader.u32()?);
        let known = if version == 1 { WHOLE } else { WHOLE | COLUMNS };
        if flags & !known != 0 {
            return Err(damaged());
        }
        let form = if flags & COLUMNS == 0 { Form::Rows } else { Form::Columns };
        let bytes = all.slice_ref(reader.bytes(len as usize)?);
        Ok(Section { group, rows, whole: flags & WHOLE != 0, form, bytes })
    }
}

/// The rows of one table, by ascending key group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotRows {
    /// The layout of the rows; see [`crate::StateTable::schema_id`].
    pub schema: u64,
    /// The rows of the groups that have any.
    pub sections: Vec<Section>,
}

impl SnapshotRows {
    /// No rows yet.
    pub fn new(schema: u64) -> Self {
        SnapshotRows { schema, sections: Vec::new() }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.sections.iter().map(|section| section.rows as usize).sum()
    }

    /// How many rows the sections of these key groups have.
    pub fn rows_of_groups(&self, groups: Range<u32>) -> usize {
        self.of_groups(groups).map(|section| section.rows as usize).sum()
    }

    /// The sections of these key groups and the shared one.
    pub fn of_groups(&self, groups: Range<u32>) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(move |s| s.group == SHARED_GROUP || groups.contains(&s.group))
    }

    /// Adds whole sections without rows for the groups that have none, so that rows of former epochs end here.
    pub fn add_empty(&mut self, groups: Range<u32>) {
        let missing = groups.filter(|group| self.sections.binary_search_by_key(group, |s| s.group).is_err());
        let missing: Vec<u32> = missing.collect();
        self.sections.extend(missing.into_iter().map(|group| Section {
            group,
            whole: true,
            ..Section::default()
        }));
        self.sections.sort_by_key(|section| section.group);
    }

    /// Refuses rows of another layout.
    pub fn check_schema(&self, schema: u64) -> Result<()> {
        match self.schema == schema {
            true => Ok(()),
            false => Err(Error::user_hint(
                "the saved state has another layout than the query needs",
                "the query changed since the state was saved; start it with an empty state directory",
            )),
        }
    }

    /// The same in pieces of about so many bytes, none without a section; the rows are not copied.
    pub fn pieces(&self, bytes: usize) -> Vec<SnapshotRows> {
        let (mut pieces, mut size) = (Vec::<SnapshotRows>::new(), 0);
        for section in &self.sections {
            size += section.bytes.len();
            match pieces.last_mut().filter(|_| size <= bytes) {
                Some(piece) => piece.sections.push(section.clone()),
                None => {
                    size = section.bytes.len();
                    pieces.push(SnapshotRows { schema: self.schema, sections: vec![section.clone()] });
                }
            }
        }
        pieces
    }

    /// Takes the sections of these key groups out; the shared one stays too.
    pub fn take_groups(&mut self, groups: &Range<u32>) -> SnapshotRows {
        let mut taken = SnapshotRows::new(self.schema);
        self.sections.retain(|section| {
            let shared = section.group == SHARED_GROUP;
            let wanted = shared || groups.contains(&section.group);
            if wanted {
                taken.sections.push(section.clone());
            }
            shared || !wanted
        });
        taken
    }

    /// Parts the sections that hold all rows of their group from those that hold changes.
    pub fn split_whole(self) -> (SnapshotRows, SnapshotRows) {
        let (whole, changes) = self.sections.into_iter().partition(|section| section.whole);
        (
            SnapshotRows { schema: self.schema, sections: whole },
            SnapshotRows { schema: self.schema, sections: changes },
        )
    }

    /// The versioned byte form with its checksum.
    pub fn encode(&self) -> Bytes {
        self.encode_parts().concat().into()
    }

    /// The parts that make up the byte form one after another; the rows themselves are not copied. The last part
    /// is the checksum.
    pub fn encode_parts(&self) -> Vec<Bytes> {
        let mut head = Vec::with_capacity(20);
        head.extend_from_slice(&MAGIC.to_le_bytes());
        head.extend_from_slice(&SNAPSHOT_VERSION.to_le_bytes());
        head.extend_from_slice(&self.schema.to_le_bytes());
        head.extend_from_slice(&(self.sections.len() as u32).to_le_bytes());
        let mut parts = vec![Bytes::from(head)];
        for section in &self.sections {
            let mut head = Vec::with_capacity(13);
            head.extend_from_slice(&section.group.to_le_bytes());
            head.extend_from_slice(&section.rows.to_le_bytes());
            head.push(section.flags());
            head.extend_from_slice(&(section.bytes.len() as u32).to_le_bytes());
            parts.extend([Bytes::from(head), section.bytes.clone()]);
        }
        let mut checksum = Xxh3::new();
        parts.iter().for_each(|part| checksum.update(part));
        parts.push(Bytes::copy_from_slice(&checksum.digest().to_le_bytes()));
        parts
    }

    /// The reverse of [`SnapshotRows::encode`]; the rows are not copied.
    pub fn decode(bytes: &Bytes) -> Result<Self> {
        let (body, checksum) = bytes.split_last_chunk::<8>().ok_or_else(damaged)?;
        if xxh3_64(body) != u64::from_le_bytes(*checksum) {
            return Err(damaged());
        }
        let mut reader = Reader::new(body);
        if reader.u32()? != MAGIC {
            return Err(damaged());
        }
        let version = reader.u32()?;
        if !(1..=SNAPSHOT_VERSION).contains(&version) {
            return Err(Error::user(format!(
                "the saved state has version {version}, this program reads versions up to {SNAPSHOT_VERSION}"
            )));
        }
        let mut out = SnapshotRows::new(reader.u64()?);
        for _ in 0..reader.u32()? {
            out.sections.push(Section::decode(version, &mut reader, bytes)?);
        }
        match reader.is_done() {
            true => Ok(out),
            false => Err(damaged()),
        }
    }
}

/// Reads the parts of a saved row one after another.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// Whether everything was read.
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len).ok_or_else(damaged)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or_else(damaged)?;
        self.0 = tail;
        Ok(*head)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The next eight bytes.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// The next sixteen bytes.
    pub fn i128(&mut self) -> Result<i128> {
        Ok(i128::from_le_bytes(self.array()?))
    }

    /// Bytes with their length (u32) in front.
    pub fn prefixed(&mut self) -> Result<&'a [u8]> {
        let len = self.u32()? as usize;
        self.bytes(len)
    }
}

/// Writes bytes with their length (u32) in front, as [`Reader::prefixed`] wants them.
pub fn write_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// What a snapshot that can't be read is.
pub fn damaged() -> Error {
    Error::external_fatal("the saved state is damaged: its bytes do not match their checksum or layout")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SnapshotRows {
        let section = |group| Section {
            group,
            rows: 2,
            whole: group != 5,
            form: if group == 0 { Form::Rows } else { Form::Columns },
            bytes: Bytes::from_static(&[1, 2, 3]),
        };
        SnapshotRows { schema: 7, sections: vec![section(0), section(5), section(SHARED_GROUP)] }
    }

    #[test]
    fn bytes_come_back_and_damage_is_seen() {
        let bytes = sample().encode();
        assert_eq!(SnapshotRows::decode(&bytes), Ok(sample()));
        for at in 0..bytes.len() {
            let mut wrong = bytes.to_vec();
            wrong[at] ^= 1;
            assert!(SnapshotRows::decode(&wrong.into()).is_err(), "byte {at}");
            assert!(SnapshotRows::decode(&bytes.slice(..at)).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn shared_rows_go_to_every_range() {
        let groups = |range| sample().of_groups(range).map(|s| s.group).collect::<Vec<_>>();
        assert_eq!(groups(0..5), [0, SHARED_GROUP]);
        assert_eq!(groups(5..9), [5, SHARED_GROUP]);
    }

    #[test]
    fn pieces_and_taken_groups_make_up_the_whole() {
        let groups = |rows: &SnapshotRows| rows.sections.iter().map(|s| s.group).collect::<Vec<_>>();
        let pieces = sample().pieces(6);
        assert_eq!(pieces.iter().map(groups).collect::<Vec<_>>(), [vec![0, 5], vec![SHARED_GROUP]]);
        assert_eq!(sample().pieces(1).len(), 3);
        assert_eq!(sample().pieces(9), [sample()]);
        let mut rows = sample();
        assert_eq!(groups(&rows.take_groups(&(0..5))), [0, SHARED_GROUP]);
        assert_eq!(groups(&rows), [5, SHARED_GROUP]);
        assert_eq!(groups(&rows.take_groups(&(5..9))), [5, SHARED_GROUP]);
        assert_eq!(groups(&rows), [SHARED_GROUP]);
    }

    #[test]
    fn another_layout_is_refused() {
        assert!(sample().check_schema(7).is_ok());
        assert!(sample().check_schema(8).unwrap_err().hint().is_some());
    }
}
