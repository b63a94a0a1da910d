//! Typed access to kernel arguments, and the loops over them.
//!
//! Invariant: a loop is monomorphic in the types of its arguments and result; constants have stride 0; a
//! call whose arguments are all constants is computed once and stays a constant. The loops here are strict:
//! NULL in any argument gives NULL. Functions that look at NULLs have loops of their own.

use arrow_array::builder::{BinaryViewBuilder, BooleanBuilder, PrimitiveBuilder, StringViewBuilder};
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, PrimitiveArray, StringViewArray,
};
use arrow_buffer::NullBuffer;
use std::marker::PhantomData;
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext};
use tidemill_types::Result;

/// A physical type of values.
pub trait Lane {
    /// The array that holds them.
    type Array: Array + 'static;
    /// One value.
    type Value<'a>;
    /// The value at an index that is not NULL.
    fn at(array: &Self::Array, index: usize) -> Self::Value<'_>;
}

/// A lane whose values can be collected from owned ones.
pub trait Collect: Lane {
    /// What a kernel hands over.
    type Owned;
    /// What gathers them.
    type Builder;
    /// A builder for so many values.
    fn builder(rows: usize) -> Self::Builder;
    /// Adds a value or NULL.
    fn push(builder: &mut Self::Builder, value: Option<Self::Owned>);
    /// The column.
    fn finish(builder: Self::Builder) -> ArrayRef;
}

/// Text.
pub struct Text;
/// Bytes.
pub struct Bytes;
/// Truth values.
pub struct Flag;
/// Numbers and everything that lies in a primitive array.
pub struct Num<T>(PhantomData<T>);
/// INT.
pub type I32 = Num<Int32Type>;
/// BIGINT.
pub type I64 = Num<Int64Type>;
/// DOUBLE.
pub type F64 = Num<Float64Type>;

impl Lane for Text {
    type Array = StringViewArray;
    type Value<'a> = &'a str;
    #[inline]
    fn at(array: &StringViewArray, index: usize) -> &str {
        array.value(index)
    }
}

impl Lane for Bytes {
    type Array = BinaryViewArray;
    type Value<'a> = &'a [u8];
    #[inline]
    fn at(array: &BinaryViewArray, index: usize) -> &[u8] {
        array.value(index)
    }
}

impl Lane for Flag {
    type Array = BooleanArray;
    type Value<'a> = bool;
    #[inline]
    fn at(array: &BooleanArray, index: usize) -> bool {
        array.value(index)
    }
}

impl<T: ArrowPrimitiveType> Lane for Num<T> {
    type Array = PrimitiveArray<T>;
    type Value<'a> = T::Native;
    #[inline]
    fn at(array: &PrimitiveArray<T>, index: usize) -> T::Native {
        array.value(index)
    }
}

impl Collect for Text {
    type Owned = String;
    type Builder = StringViewBuilder;
    fn builder(rows: usize) -> StringViewBuilder {
        StringViewBuilder::with_capacity(rows)
    }
    fn push(builder: &mut StringViewBuilder, value: Option<String>) {
        builder.append_option(value);
    }
    fn finish(mut builder: StringViewBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

impl Collect for Bytes {
    type Owned = Vec<u8>;
    type Builder = BinaryViewBuilder;
    fn builder(rows: usize) -> BinaryViewBuilder {
        BinaryViewBuilder::with_capacity(rows)
    }
    fn push(builder: &mut BinaryViewBuilder, value: Option<Vec<u8>>) {
        builder.append_option(value);
    }
    fn finish(mut builder: BinaryViewBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

impl Collect for Flag {
    type Owned = bool;
    type Builder = BooleanBuilder;
    fn builder(rows: usize) -> BooleanBuilder {
        BooleanBuilder::with_capacity(rows)
    }
    #[inline]
    fn push(builder: &mut BooleanBuilder, value: Option<bool>) {
        builder.append_option(value);
    }
    fn finish(mut builder: BooleanBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

impl<T: ArrowPrimitiveType> Collect for Num<T> {
    type Owned = T::Native;
    type Builder = PrimitiveBuilder<T>;
    fn builder(rows: usize) -> PrimitiveBuilder<T> {
        PrimitiveBuilder::with_capacity(rows)
    }
    #[inline]
    fn push(builder: &mut PrimitiveBuilder<T>, value: Option<T::Native>) {
        builder.append_option(value);
    }
    fn finish(mut builder: PrimitiveBuilder<T>) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

/// The array of a datum in its bound type.
pub fn typed<L: Lane>(datum: &Datum) -> &L::Array {
    typed_array::<L>(datum.array())
}

/// An array in its bound type.
pub fn typed_array<L: Lane>(array: &dyn Array) -> &L::Array {
    array.as_any().downcast_ref().expect("an argument has the type it was bound with")
}

/// One argument, read row by row.
pub struct Reader<'a, L: Lane> {
    array: &'a L::Array,
    nulls: Option<&'a NullBuffer>,
    stride: usize,
}

impl<'a, L: Lane> Reader<'a, L> {
    /// Reads this argument.
    pub fn new(datum: &'a Datum) -> Self {
        let array = typed::<L>(datum);
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        Reader { array, nulls, stride: datum.stride() }
    }

    /// The value of a row, unless NULL.
    #[inline]
    pub fn get(&self, row: usize) -> Option<L::Value<'a>> {
        let index = row * self.stride;
        match self.nulls {
            Some(nulls) if nulls.is_null(index) => None,
            _ => Some(L::at(self.array, index)),
        }
    }
}

/// How many values to compute: one if all arguments are constants.
pub fn row_count(args: &[Datum], ctx: &EvalContext<'_>) -> usize {
    if !args.is_empty() && args.iter().all(Datum::is_scalar) { 1 } else { ctx.rows }
}

/// The result as a constant or a column, as the arguments are.
pub fn as_datum(args: &[Datum], array: ArrayRef) -> Datum {
    if !args.is_empty() && args.iter().all(Datum::is_scalar) {
        Datum::Scalar(array)
    } else {
        Datum::Array(array)
    }
}

/// One value for each row from a function of the row number.
pub fn map_rows<O: Collect>(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    mut f: impl FnMut(usize) -> Result<Option<O::Owned>>,
) -> Result<Datum> {
    let rows = row_count(args, ctx);
    let mut builder = O::builder(rows);
    for row in 0..rows {
        O::push(&mut builder, f(row)?);
    }
    Ok(as_datum(args, O::finish(builder)))
}

/// Text for each row from a function that writes into a buffer and says whether there is a value.
pub fn text_rows(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    mut f: impl FnMut(usize, &mut String) -> Result<bool>,
) -> Result<Datum> {
    let rows = row_count(args, ctx);
    let mut builder = StringViewBuilder::with_capacity(rows);
    let mut buffer = String::new();
    for row in 0..rows {
        buffer.clear();
        let some = f(row, &mut buffer)?;
        builder.append_option(some.then_some(buffer.as_str()));
    }
    Ok(as_datum(args, Arc::new(builder.finish())))
}

/// Strict in one argument.
pub fn map1<A: Lane, O: Collect>(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    mut f: impl FnMut(A::Value<'_>) -> Result<Option<O::Owned>>,
) -> Result<Datum> {
    let a = Reader::<A>::new(&args[0]);
    map_rows::<O>(args, ctx, |row| match a.get(row) {
        Some(a) => f(a),
        None => Ok(None),
    })
}

/// Strict in two arguments.
pub fn map2<A: Lane, B: Lane, O: Collect>(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    mut f: impl FnMut(A::Value<'_>, B::Value<'_>) -> Result<Option<O::Owned>>,
) -> Result<Datum> {
    let (a, b) = (Reader::<A>::new(&args[0]), Reader::<B>::new(&args[1]));
    map_rows::<O>(args, ctx, |row| match (a.get(row), b.get(row)) {
        (Some(a), Some(b)) => f(a, b),
        _ => Ok(None),
    })
}

/// Strict in three arguments.
pub fn map3<A: Lane, B: Lane, C: Lane, O: Collect>(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    mut f: impl FnMut(A::Value<'_>, B::Value<'_>, C::Value<'_>) -> Result<Option<O::Owned>>,
) -> Result<Datum> {
    let (a, b) = (Reader::<A>::new(&args[0]), Reader::<B>::new(&args[1]));
    let c = Reader::<C>::new(&args[2]);
    map_rows::<O>(args, ctx, |row| match (a.get(row), b.get(row), c.get(row)) {
        (Some(a), Some(b), Some(c)) => f(a, b, c),
        _ => Ok(None),
    })
}

/// Text from one argument, strictly; the function says whether there is a value.
pub fn text1<A: Lane>(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    mut f: impl FnMut(A::Value<'_>, &mut String) -> Result<bool>,
) -> Result<Datum> {
    let a = Reader::<A>::new(&args[0]);
    text_rows(args, ctx, |row, out| match a.get(row) {
        Some(a) => f(a, out),
        None => Ok(false),
    })
}

/// Text from two arguments, strictly.
pub fn text2<A: Lane, B: Lane>(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    mut f: impl FnMut(A::Value<'_>, B::Value<'_>, &mut String) -> Result<bool>,
) -> Result<Datum> {
    let (a, b) = (Reader::<A>::new(&args[0]), Reader::<B>::new(&args[1]));
    text_rows(args, ctx, |row, out| match (a.get(row), b.get(row)) {
        (Some(a), Some(b)) => f(a, b, out),
        _ => Ok(false),
    })
}

/// Text from three arguments, strictly.
pub fn text3<A: Lane, B: Lane, C: Lane>(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    mut f: impl FnMut(A::Value<'_>, B::Value<'_>, C::Value<'_>, &mut String) -> Result<bool>,
) -> Result<Datum> {
    let (a, b) = (Reader::<A>::new(&args[0]), Reader::<B>::new(&args[1]));
    let c = Reader::<C>::new(&args[2]);
    text_rows(args, ctx, |row, out| match (a.get(row), b.get(row), c.get(row)) {
        (Some(a), Some(b), Some(c)) => f(a, b, c, out),
        _ => Ok(false),
    })
}
