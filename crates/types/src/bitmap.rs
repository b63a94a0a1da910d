//! How a BITMAP lies in its column: the bytes of a Roaring bitmap in the portable format.
//!
//! Invariant: the bytes are canonical (each container in its smallest form), so equal sets have equal bytes and
//! compare, group and join as bytes do. Values are unsigned: -1 is 4294967295 in texts and comes last.

pub use roaring::RoaringBitmap;

use std::fmt::Write;

/// The canonical bytes of a set.
pub fn to_bytes(set: &mut RoaringBitmap) -> Vec<u8> {
    set.optimize();
    let mut bytes = Vec::with_capacity(set.serialized_size());
    set.serialize_into(&mut bytes).expect("memory can be written");
    bytes
}

/// The set of a column's value.
pub fn held(bytes: &[u8]) -> RoaringBitmap {
    RoaringBitmap::deserialize_unchecked_from(bytes).expect("a BITMAP holds the bytes of a Roaring bitmap")
}

/// The set in bytes from elsewhere; `None` if they hold none.
pub fn parse(bytes: &[u8]) -> Option<RoaringBitmap> {
    RoaringBitmap::deserialize_from(bytes).ok()
}

/// `{1,2,4294967295}`
pub fn set_text(bytes: &[u8]) -> String {
    let mut text = String::from("{");
    for (index, value) in held(bytes).iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        write!(text, "{value}").expect("text can be written");
    }
    text.push('}');
    text
}
