//! BITMAP: sets of 32-bit integers. How they are built, combined and read.
//!
//! The bytes of a column (see [`tidemill_types::bitmap`]) are what BITMAP_TO_BYTES gives. Not here: the
//! aggregates, in `aggregate/bitmap.rs`.

use crate::bind::{BYTES, Form, STRING, Want, declare, declare_typed};
use crate::collection::list::ListReader;
use crate::lane::{Bytes, I32, I64, as_datum, map_rows, map1, map2, row_count, text1, typed_array};
use arrow_array::{Array, Int32Array, ListArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer};
use std::sync::Arc;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry};
use tidemill_types::arrow_type::element_field;
use tidemill_types::bitmap::{RoaringBitmap, held, parse, set_text, to_bytes};
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    declare_typed(registry, "BITMAP_BUILD", &["(ARRAY<INT>)"], bind_build);
    let of_bitmap = |gives: TypeKind, compute| Form::new(&[Want::Bitmap], gives, compute);
    declare(registry, "BITMAP_CARDINALITY", [of_bitmap(TypeKind::BigInt, cardinality)]);
    declare(registry, "BITMAP_TO_ARRAY", [of_bitmap(list_of_int(), to_array)]);
    declare(registry, "BITMAP_TO_STRING", [of_bitmap(STRING, to_string)]);
    declare(registry, "BITMAP_TO_BYTES", [of_bitmap(BYTES, |args, _| Ok(args[0].clone()))]);
    declare(registry, "BITMAP_FROM_BYTES", [Form::new(&[Want::Bytes], TypeKind::Bitmap, from_bytes)]);
    let of_two = |compute| [Form::new(&[Want::Bitmap, Want::Bitmap], TypeKind::Bitmap, compute)];
    declare(registry, "BITMAP_AND", of_two(|args, ctx| combine(args, ctx, |a, b| *a &= b)));
    declare(registry, "BITMAP_OR", of_two(|args, ctx| combine(args, ctx, |a, b| *a |= b)));
    declare(registry, "BITMAP_XOR", of_two(|args, ctx| combine(args, ctx, |a, b| *a ^= b)));
    declare(registry, "BITMAP_ANDNOT", of_two(|args, ctx| combine(args, ctx, |a, b| *a -= b)));
}

fn list_of_int() -> TypeKind {
    TypeKind::Array(Box::new(TypeKind::Int.nullable()))
}

/// Lists of TINYINT to INT, as Flink widens their elements.
fn bind_build(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let [arg] = call.args else { return Ok(None) };
    let fits = match &arg.data_type.kind {
        TypeKind::Null => true,
        TypeKind::Array(element) => {
            matches!(element.kind, TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::Null)
        }
        _ => false,
    };
    let wanted = DataType { kind: list_of_int(), nullable: arg.data_type.nullable };
    let form = Form::new(&[Want::Array], TypeKind::Bitmap, build).total();
    fits.then(|| form.bound("BITMAP_BUILD", vec![wanted], call)).transpose()
}

fn build(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let lists = ListReader::new(&args[0]);
    let values = typed_array::<I32>(lists.values().as_ref());
    map_rows::<Bytes>(args, ctx, |row| {
        let elements = lists.range(row).map(|range| range.filter(|&index| values.is_valid(index)));
        Ok(elements.map(|elements| {
            to_bytes(&mut elements.map(|index| values.value(index) as u32).collect::<RoaringBitmap>())
        }))
    })
}

fn cardinality(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    map1::<Bytes, I64>(args, ctx, |bytes| Ok(Some(held(bytes).len() as i64)))
}

fn to_string(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    text1::<Bytes>(args, ctx, |bytes, out| {
        out.push_str(&set_text(bytes));
        Ok(true)
    })
}

fn to_array(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let sets = typed_array::<Bytes>(args[0].array());
    let rows = row_count(args, ctx);
    let (mut values, mut lengths) = (Vec::new(), Vec::with_capacity(rows));
    let mut valid = NullBufferBuilder::new(rows);
    for row in 0..rows {
        let index = args[0].index(row);
        let before = values.len();
        valid.append(sets.is_valid(index));
        if sets.is_valid(index) {
            values.extend(held(sets.value(index)).iter().map(|value| value as i32));
        }
        lengths.push(values.len() - before);
    }
    let field = element_field(&TypeKind::Int.nullable());
    let offsets = OffsetBuffer::from_lengths(lengths);
    let lists = ListArray::new(field, offsets, Arc::new(Int32Array::from(values)), valid.finish());
    Ok(as_datum(args, Arc::new(lists)))
}

fn from_bytes(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    map1::<Bytes, Bytes>(args, ctx, |bytes| {
        let mut set = parse(bytes).ok_or_else(|| {
            Error::data(format!("BITMAP_FROM_BYTES: {} bytes that are no bitmap", bytes.len()))
        })?;
        Ok(Some(to_bytes(&mut set)))
    })
}

fn combine(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    with: impl Fn(&mut RoaringBitmap, &RoaringBitmap),
) -> Result<Datum> {
    map2::<Bytes, Bytes, Bytes>(args, ctx, |a, b| {
        let mut set = held(a);
        with(&mut set, &held(b));
        Ok(Some(to_bytes(&mut set)))
    })
}
