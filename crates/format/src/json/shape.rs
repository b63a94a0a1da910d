//! Objects to rows: finds the column of each field by what came at this place before.
//!
//! 1. Each name seen is kept with its quotes and colon, and with the name that followed it last time.
//! 2. At a field the bytes are compared with the predicted name; that is one comparison for regular input.
//! 3. A wrong guess looks the name up and learns the new successor; so a field left out costs one lookup.
//! 4. The last of several fields with one name wins; fields that don't come are NULL.

use super::options::Settings;
use super::scan::{Cursor, Outcome, Quoted, unescape};
use crate::column::Column;
use arrow_array::ArrayRef;
use arrow_buffer::Buffer;
use std::collections::HashMap;
use tidemill_types::DataType;
use tidemill_types::bytes::starts_with;

/// Names beyond this many are not learned, so that data used as names can't fill the memory.
const KEYS_MAX: usize = 4_096;
/// Nor are names longer than this.
const KEY_BYTES_MAX: usize = 256;
const NO_COLUMN: u32 = u32::MAX;
/// The key that stands for the start of an object.
const START: usize = 0;

/// A field name with what is known about it.
struct Key {
    /// `"name":`
    literal: Box<[u8]>,
    column: u32,
    next: u32,
}

/// The columns of an object's fields.
pub(crate) struct Shape {
    columns: Vec<Column>,
    keys: Vec<Key>,
    by_name: HashMap<Box<[u8]>, u32, ahash::RandomState>,
    /// The object in which each column was last set.
    set_in: Vec<u64>,
    object: u64,
    rows: usize,
    /// For each row and column whether the field was there, NULL or not; only where asked for.
    present: Option<Vec<bool>>,
}

impl Shape {
    /// The columns of these fields.
    pub fn new<'a>(fields: impl Iterator<Item = (&'a str, &'a DataType)>) -> Self {
        let mut shape = Shape {
            columns: Vec::new(),
            keys: vec![Key { literal: Box::default(), column: NO_COLUMN, next: START as u32 }],
            by_name: HashMap::default(),
            set_in: Vec::new(),
            object: 0,
            rows: 0,
            present: None,
        };
        for (name, data_type) in fields {
            let column = shape.columns.len() as u32;
            shape.columns.push(Column::new(data_type));
            shape.set_in.push(0);
            let key = shape.learn(name.as_bytes(), column);
            // The declared order is the first guess.
            shape.keys[key - 1].next = key as u32;
        }
        shape
    }

    /// From now on remembers which fields were there.
    pub fn track_presence(&mut self) {
        self.present = Some(Vec::new());
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A column by its place among the fields.
    pub fn column_mut(&mut self, place: usize) -> &mut Column {
        &mut self.columns[place]
    }

    /// Which fields were there, row by row; empty afterwards.
    pub fn take_present(&mut self) -> Vec<bool> {
        self.present.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Counts a row whose values were pushed column by column.
    pub fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Appends a row of NULLs.
    pub fn push_nulls(&mut self) {
        self.columns.iter_mut().for_each(Column::push_null);
        if let Some(present) = &mut self.present {
            present.resize(present.len() + self.columns.len(), false);
        }
        self.rows += 1;
    }

    /// Takes back all rows from `len` on, a half-read one included.
    pub fn truncate(&mut self, len: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(len));
        if let Some(present) = &mut self.present {
            present.truncate(len * self.columns.len());
        }
        self.rows = self.rows.min(len);
    }

    /// The columns as Arrow arrays; the shape is empty afterwards but keeps what it learned.
    pub fn finish(&mut self, blob: &Buffer) -> Vec<ArrayRef> {
        self.rows = 0;
        self.columns.iter_mut().map(|column| column.finish(blob)).collect()
    }

    /// Reads an object as one more row. After a fault the caller truncates.
    pub fn read(&mut self, cursor: &mut Cursor<'_>, settings: &Settings) -> Outcome {
        if cursor.peek() != b'{' {
            return Err(cursor.unexpected("an object"));
        }
        cursor.enter()?;
        self.object += 1;
        if let Some(present) = &mut self.present {
            present.resize(present.len() + self.columns.len(), false);
        }
        let mut set = 0;
        let mut key = START;
        cursor.skip_space();
        if cursor.peek() != b'}' {
            loop {
                key = self.key(cursor, key)?;
                cursor.skip_space();
                match self.keys[key].column {
                    NO_COLUMN => cursor.skip_value()?,
                    column => set += self.read_field(column as usize, key, cursor, settings)?,
                }
                if !cursor.more(b'}')? {
                    break;
                }
            }
        }
        if set < self.columns.len() {
            self.fill(cursor, settings)?;
        }
        cursor.leave();
        self.rows += 1;
        Ok(())
    }

    /// Reads one field and says how many columns (1, or 0 for a repeated one) were set by it.
    #[inline]
    fn read_field(
        &mut self,
        column: usize,
        key: usize,
        cursor: &mut Cursor<'_>,
        settings: &Settings,
    ) -> Outcome<usize> {
        let repeated = self.set_in[column] == self.object;
        if repeated {
            self.columns[column].truncate(self.rows);
        }
        self.set_in[column] = self.object;
        if let Some(present) = &mut self.present {
            present[self.rows * self.columns.len() + column] = true;
        }
        match self.columns[column].read_or_null(cursor, settings) {
            Ok(()) => Ok(usize::from(!repeated)),
            Err(fault) => Err(fault.inside(name_of(&self.keys[key].literal))),
        }
    }

    #[cold]
    fn fill(&mut self, cursor: &Cursor<'_>, settings: &Settings) -> Outcome {
        for column in 0..self.columns.len() {
            if self.set_in[column] == self.object {
                continue;
            }
            if settings.fail_on_missing {
                let key = self.keys.iter().find(|key| key.column == column as u32);
                let name = key.map(|key| name_of(&key.literal)).unwrap_or_default();
                return Err(cursor.fault("the field is missing").inside(name));
            }
            self.columns[column].push_null();
        }
        Ok(())
    }

    /// The key at the cursor, which then stands behind its colon.
    #[inline]
    fn key(&mut self, cursor: &mut Cursor<'_>, previous: usize) -> Outcome<usize> {
        let guess = self.keys[previous].next as usize;
        let literal = &self.keys[guess].literal;
        if !literal.is_empty() && starts_with(&cursor.bytes[cursor.at..], literal) {
            cursor.at += literal.len();
            return Ok(guess);
        }
        let key = self.find(cursor)?;
        if key != START {
            self.keys[previous].next = key as u32;
        }
        Ok(key)
    }

    /// Looks the name up; [`START`], which has no column, stands for names that are not kept.
    fn find(&mut self, cursor: &mut Cursor<'_>) -> Outcome<usize> {
        if cursor.peek() != b'"' {
            return Err(cursor.unexpected("a field name"));
        }
        let Quoted { start, end, escaped } = cursor.string()?;
        cursor.skip_space();
        cursor.expect(b':')?;
        let literal = &cursor.bytes[start..end];
        if escaped {
            let mut name = Vec::new();
            unescape(literal, &mut name);
            return Ok(self.by_name.get(name.as_slice()).map_or(START, |&key| key as usize));
        }
        match self.by_name.get(literal) {
            Some(&key) => Ok(key as usize),
            None if self.keys.len() < KEYS_MAX && literal.len() <= KEY_BYTES_MAX => {
                Ok(self.learn(literal, NO_COLUMN))
            }
            None => Ok(START),
        }
    }

    fn learn(&mut self, name: &[u8], column: u32) -> usize {
        let key = self.keys.len();
        let literal = [b"\"".as_slice(), name, b"\":"].concat().into();
        self.keys.push(Key { literal, column, next: START as u32 });
        self.by_name.insert(name.into(), key as u32);
        key
    }
}

fn name_of(literal: &[u8]) -> &[u8] {
    literal.get(1..literal.len().saturating_sub(2)).unwrap_or_default()
}
