//! Makes the values of a column, a chunk at a time.
//!
//! Invariant: a value depends on its row's number, the seed of its field and the time handed in only, never on
//! which rows are made with it; so a run that is resumed goes on with the rows that it would have made.

use crate::columns::fixed;
use crate::random::Random;
use arrow_array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow_array::{ArrayRef, BooleanArray, ListArray, StructArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::DataType as Arrow;
use std::sync::Arc;
use tidemill_types::arrow_type::{NANOS_PER_MS, arrow_type, element_field, is_wide, units_per_ms};
use tidemill_types::map::map_array;
use tidemill_types::text::DAY_MS;
use tidemill_types::{DataType, TypeKind};

/// A column or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) data_type: DataType,
    /// The share of NULLs.
    pub(super) null_rate: f64,
    pub(super) shape: Shape,
}

/// How values are made.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// One after another, both ends included.
    Sequence { start: i64, end: i64 },
    /// True or false.
    Boolean,
    /// A whole number, both ends included.
    Integer { min: i64, max: i64 },
    /// A number.
    Real { min: f64, max: f64 },
    /// Hex digits.
    Text(Length),
    /// The current date.
    Today,
    /// The current time of the day.
    TimeOfDay,
    /// The current time, less a random part of the past.
    Now { max_past_ms: i64 },
    /// So many elements.
    Array(Box<Field>, u32),
    /// So many entries.
    Map(Box<Field>, Box<Field>, u32),
    /// Fields.
    Row(Vec<Field>),
}

/// How long texts are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Length {
    pub(super) max: u32,
    /// Whether they are between 1 and `max` long.
    pub(super) varies: bool,
}

/// Which rows are made, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    /// The number of the first row.
    pub(super) first: u64,
    /// How far apart the numbers of the rows are: other tasks make those between.
    pub(super) step: u64,
    /// How many values make up one row: more than 1 inside collections.
    pub(super) group: u64,
    /// How many values.
    pub(super) count: usize,
    /// Milliseconds since 1970.
    pub(super) now_ms: i64,
}

impl Field {
    /// How many rows there are at most, if the field is a sequence.
    pub(super) fn sequence_rows(&self) -> Option<u64> {
        match self.shape {
            Shape::Sequence { start, end } => Some((end.wrapping_sub(start) as u64).saturating_add(1)),
            _ => None,
        }
    }

    /// The values of these rows.
    pub(super) fn values(&self, rows: Rows, seed: u64) -> ArrayRef {
        let nulls = self.nulls(rows, seed);
        let count = rows.count;
        let mut draws = rows.numbers().map(|number| Random::of(seed, number));
        let mut random = || draws.next().expect("a stream for each row");
        match &self.shape {
            Shape::Sequence { start, .. } => self.sequence(*start, rows),
            Shape::Boolean => {
                let values = BooleanBuffer::collect_bool(count, |_| random().bits() & 1 == 1);
                Arc::new(BooleanArray::new(values, nulls))
            }
            Shape::Integer { min, max } => self.integers(count, nulls, || random().between(*min, *max)),
            Shape::Real { min, max } => self.reals(count, nulls, || between(&mut random(), *min, *max)),
            Shape::Text(length) => self.texts(count, nulls, *length, random),
            Shape::Today => {
                let today = rows.now_ms.div_euclid(DAY_MS) as i32;
                fixed(&self.data_type, vec![today; count], nulls)
            }
            Shape::TimeOfDay => {
                let now = rows.now_ms.rem_euclid(DAY_MS) as i32;
                fixed(&self.data_type, vec![now; count], nulls)
            }
            Shape::Now { max_past_ms } => self.instants(rows, nulls, *max_past_ms, random),
            Shape::Array(element, length) => {
                let elements = element.values(rows.times(*length), part_seed(seed, 0));
                let offsets = offsets(count, *length);
                Arc::new(ListArray::new(element_field(&element.data_type), offsets, elements, nulls))
            }
            Shape::Map(key, value, length) => self.maps(rows, nulls, (key, value), *length, seed),
            Shape::Row(fields) => {
                let parts = fields.iter().enumerate();
                let columns = parts.map(|(part, field)| field.values(rows, part_seed(seed, part))).collect();
                let Arrow::Struct(names) = arrow_type(&self.data_type) else {
                    unreachable!("a ROW lies in a struct column")
                };
                Arc::new(StructArray::new(names, columns, nulls))
            }
        }
    }

    fn nulls(&self, rows: Rows, seed: u64) -> Option<NullBuffer> {
        let seed = part_seed(seed, NULLS);
        let valid = |number| Random::of(seed, number).unit() >= self.null_rate;
        (self.null_rate > 0.0).then(|| rows.numbers().map(valid).collect::<BooleanBuffer>().into())
    }

    fn sequence(&self, start: i64, rows: Rows) -> ArrayRef {
        let mut next = start.wrapping_add(rows.first as i64);
        let mut number = || {
            let number = next;
            next = next.wrapping_add(rows.step as i64);
            number
        };
        match &self.data_type.kind {
            TypeKind::Char(_) | TypeKind::Varchar(_) => {
                let mut out = StringViewBuilder::with_capacity(rows.count);
                (0..rows.count).for_each(|_| out.append_value(number().to_string()));
                Arc::new(out.finish())
            }
            TypeKind::Float | TypeKind::Double => self.reals(rows.count, None, || number() as f64),
            TypeKind::Decimal { scale, .. } => {
                let unit = 10i128.pow(u32::from(*scale));
                let values = (0..rows.count).map(|_| i128::from(number()) * unit).collect::<Vec<_>>();
                fixed(&self.data_type, values, None)
            }
            _ => self.integers(rows.count, None, number),
        }
    }

    fn integers(&self, count: usize, nulls: Option<NullBuffer>, mut next: impl FnMut() -> i64) -> ArrayRef {
        macro_rules! narrowed {
            ($native:ty) => {
                fixed(&self.data_type, (0..count).map(|_| next() as $native).collect::<Vec<_>>(), nulls)
            };
        }
        match &self.data_type.kind {
            TypeKind::TinyInt => narrowed!(i8),
            TypeKind::SmallInt => narrowed!(i16),
            TypeKind::Int | TypeKind::IntervalMonth => narrowed!(i32),
            _ => narrowed!(i64),
        }
    }

    fn reals(&self, count: usize, nulls: Option<NullBuffer>, mut next: impl FnMut() -> f64) -> ArrayRef {
        match &self.data_type.kind {
            TypeKind::Float => {
                fixed(&self.data_type, (0..count).map(|_| next() as f32).collect::<Vec<_>>(), nulls)
            }
            TypeKind::Decimal { precision, scale } => {
                let (unit, bound) = (10f64.powi((*scale).into()), 10i128.pow((*precision).into()) - 1);
                let unscaled = |value: f64| ((value * unit) as i128).clamp(-bound, bound);
                fixed(&self.data_type, (0..count).map(|_| unscaled(next())).collect::<Vec<_>>(), nulls)
            }
            _ => fixed(&self.data_type, (0..count).map(|_| next()).collect::<Vec<_>>(), nulls),
        }
    }

    fn instants(
        &self,
        rows: Rows,
        nulls: Option<NullBuffer>,
        max_past_ms: i64,
        mut random: impl FnMut() -> Random,
    ) -> ArrayRef {
        let instants = (0..rows.count).map(|_| rows.now_ms - random().between(0, max_past_ms));
        match self.data_type.kind {
            TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) if is_wide(p) => {
                let nanos = instants.map(|ms| i128::from(ms) * NANOS_PER_MS);
                fixed(&self.data_type, nanos.collect::<Vec<_>>(), nulls)
            }
            TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => {
                fixed(&self.data_type, instants.map(|ms| ms * units_per_ms(p)).collect::<Vec<_>>(), nulls)
            }
            _ => fixed(&self.data_type, instants.collect::<Vec<_>>(), nulls),
        }
    }

    fn texts(
        &self,
        count: usize,
        nulls: Option<NullBuffer>,
        length: Length,
        mut random: impl FnMut() -> Random,
    ) -> ArrayRef {
        let mut bytes = Vec::with_capacity(count * length.max as usize + 16);
        let mut ends = Vec::with_capacity(count);
        for _ in 0..count {
            let mut random = random();
            let wanted =
                if length.varies { random.between(1, length.max.max(1).into()) } else { length.max.into() };
            push_hex(&mut bytes, wanted as usize, &mut random);
            ends.push(bytes.len() as u32);
        }
        let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let ranges = starts.zip(&ends).map(|(start, end)| (start, end - start)).enumerate();
        let bytes = Buffer::from_vec(bytes);
        // Both builders have the same calls, but no common trait.
        macro_rules! filled {
            ($builder:ty) => {{
                let mut out = <$builder>::with_capacity(count);
                let block = out.append_block(bytes);
                for (row, (start, len)) in ranges {
                    match is_null(row) {
                        true => out.append_null(),
                        false => out.try_append_view(block, start, len).expect("the text lies in its block"),
                    }
                }
                Arc::new(out.finish())
            }};
        }
        match self.data_type.kind.is_bytes() {
            true => filled!(BinaryViewBuilder),
            false => filled!(StringViewBuilder),
        }
    }

    fn maps(
        &self,
        rows: Rows,
        nulls: Option<NullBuffer>,
        (key, value): (&Field, &Field),
        length: u32,
        seed: u64,
    ) -> ArrayRef {
        let keys = key.values(rows.times(length), part_seed(seed, 0));
        let values = value.values(rows.times(length), part_seed(seed, 1));
        let types = (&key.data_type, &value.data_type);
        Arc::new(map_array(types, offsets(rows.count, length), (keys, values), nulls))
    }
}

impl Rows {
    /// As many rows as there are elements.
    fn times(self, length: u32) -> Rows {
        Rows { count: self.count * length as usize, group: self.group * u64::from(length), ..self }
    }

    /// The numbers of the values.
    fn numbers(self) -> impl Iterator<Item = u64> {
        let Rows { first, step, group, .. } = self;
        (0..self.count as u64).map(move |at| match group {
            1 => first.wrapping_add(at * step),
            _ => first.wrapping_add(at / group * step).wrapping_mul(group) + at % group,
        })
    }
}

/// The part of a field that says where it is NULL.
const NULLS: usize = usize::MAX;

/// The seed of a part of a field, or of a column under the seed of the table.
pub(super) fn part_seed(seed: u64, part: usize) -> u64 {
    Random::of(!seed, part as u64).bits()
}

fn offsets(count: usize, length: u32) -> OffsetBuffer<i32> {
    OffsetBuffer::from_repeated_length(length as usize, count)
}

fn between(random: &mut Random, min: f64, max: f64) -> f64 {
    // Scaled apart, because `max - min` may be more than a double holds.
    let unit = random.unit();
    min * (1.0 - unit) + max * unit
}

fn push_hex(out: &mut Vec<u8>, length: usize, random: &mut Random) {
    let end = out.len() + length;
    while out.len() < end {
        out.extend_from_slice(&hex(random.bits()));
    }
    out.truncate(end);
}

/// The 16 hex digits of some bits, all at once: each byte of the result holds four bits, and those above 9
/// get the distance from `9` to `a` on top.
fn hex(bits: u64) -> [u8; 16] {
    let mut spread = u128::from(bits);
    spread = (spread | spread << 32) & 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f;
    let ones = u128::from_ne_bytes([1; 16]);
    let above_nine = (spread + ones * 6) >> 4 & ones;
    (spread + ones * u128::from(b'0') + above_nine * u128::from(b'a' - b'9' - 1)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_digits_are_those_of_the_bits() {
        for bits in [0, 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut digits = hex(bits);
            digits.reverse();
            assert_eq!(String::from_utf8_lossy(&digits), format!("{bits:016x}"));
        }
    }
}
