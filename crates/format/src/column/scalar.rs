//! Values of a fixed size.

use super::Nulls;
use arrow_array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, NullBuffer};
use std::sync::Arc;

/// Values with the places of NULLs, where the default of the type stands.
#[derive(Debug, Default)]
pub(crate) struct Values<T> {
    values: Vec<T>,
    nulls: Nulls,
}

impl<T: Copy + Default> Values<T> {
    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn push(&mut self, value: T) {
        self.values.push(value);
    }

    pub fn push_null(&mut self) {
        self.nulls.push_null(self.values.len());
        self.values.push(T::default());
    }

    /// Appends a value or a NULL.
    pub fn push_option(&mut self, value: Option<T>) {
        match value {
            Some(value) => self.push(value),
            None => self.push_null(),
        }
    }

    pub fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.nulls.truncate(len);
    }

    /// Values and NULLs; room for as many is kept for the next blob.
    pub fn take(&mut self) -> (Vec<T>, Option<NullBuffer>) {
        let room = Vec::with_capacity(self.values.len());
        let nulls = self.nulls.take(self.values.len());
        (std::mem::replace(&mut self.values, room), nulls)
    }

    pub fn finish<A: ArrowPrimitiveType<Native = T>>(&mut self) -> ArrayRef
    where
        T: ArrowNativeType,
    {
        let (values, nulls) = self.take();
        Arc::new(PrimitiveArray::<A>::new(values.into(), nulls))
    }
}
