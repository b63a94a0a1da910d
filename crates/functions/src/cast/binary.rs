//! Casts of bytes: to other lengths, and from and to text as UTF-8.

use super::{CastFn, text};
use crate::lane::{Bytes, Text, typed_array};
use arrow_array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow_array::{Array, ArrayRef};
use std::sync::Arc;
use tidemill_types::data_type::LENGTH_MAX;
use tidemill_types::{Result, TypeKind};

/// Bytes to the length of their new type: cut, and filled with zeros if it is fixed.
pub fn resize(to: &TypeKind) -> CastFn {
    let fit = fit(to);
    Box::new(move |array, _| {
        let array = typed_array::<Bytes>(array.as_ref());
        let mut out = BinaryViewBuilder::with_capacity(array.len());
        array.iter().for_each(|value| out.append_option(value.map(&fit)));
        Ok(Arc::new(out.finish()))
    })
}

/// Text as UTF-8.
pub fn from_text(to: &TypeKind) -> CastFn {
    let fit = fit(to);
    Box::new(move |array, _| {
        let array = typed_array::<Text>(array.as_ref());
        let mut out = BinaryViewBuilder::with_capacity(array.len());
        array.iter().for_each(|value| out.append_option(value.map(|value| fit(value.as_bytes()))));
        Ok(Arc::new(out.finish()))
    })
}

fn fit(to: &TypeKind) -> impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static {
    let (most, fixed) = match to {
        TypeKind::Binary(n) => (*n as usize, true),
        TypeKind::Varbinary(n) => (*n as usize, false),
        _ => (LENGTH_MAX as usize, false),
    };
    move |value: &[u8]| {
        let mut bytes = value[..value.len().min(most)].to_vec();
        if fixed {
            bytes.resize(most, 0);
        }
        bytes
    }
}

/// UTF-8 as text; what is none becomes the replacement character.
pub fn to_text(to: &TypeKind) -> CastFn {
    let resize = text::resize(&crate::bind::STRING, to);
    Box::new(move |array, lenient| -> Result<ArrayRef> {
        let array = typed_array::<Bytes>(array.as_ref());
        let mut out = StringViewBuilder::with_capacity(array.len());
        array.iter().for_each(|value| out.append_option(value.map(String::from_utf8_lossy)));
        let text: ArrayRef = Arc::new(out.finish());
        resize(&text, lenient)
    })
}
