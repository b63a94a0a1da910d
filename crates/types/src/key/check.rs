//! Whether bytes are an encoded row of some types, for readers that are not sure what they look at.

use super::encode::{ESCAPED, NONE};
use crate::arrow_type::is_wide;
use crate::{DataType, TypeKind};

/// Whether [`super::decode`] can decode the key as columns of these types.
pub fn is_key(types: &[DataType], key: &[u8]) -> bool {
    let mut rest = key;
    types.iter().all(|data_type| skip(data_type, &mut rest).is_some()) && rest.is_empty()
}

/// Goes behind a value; none if there is none of the type.
fn skip(data_type: &DataType, rest: &mut &[u8]) -> Option<()> {
    match take(rest, 1)?[0] {
        NONE => return Some(()),
        1 => {}
        _ => return None,
    }
    let fixed = match &data_type.kind {
        TypeKind::Null => return None,
        TypeKind::Boolean | TypeKind::TinyInt => 1,
        TypeKind::SmallInt => 2,
        TypeKind::Int | TypeKind::Date | TypeKind::Time(_) | TypeKind::IntervalMonth | TypeKind::Float => 4,
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) if is_wide(*p) => 16,
        TypeKind::BigInt
        | TypeKind::Timestamp(_)
        | TypeKind::TimestampLtz(_)
        | TypeKind::IntervalDay
        | TypeKind::Double => 8,
        TypeKind::Decimal { .. } => 16,
        TypeKind::Char(_) | TypeKind::Varchar(_) => {
            return std::str::from_utf8(&take_escaped(rest)?).is_ok().then_some(());
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) | TypeKind::Variant | TypeKind::Bitmap => {
            return take_escaped(rest).map(|_| ());
        }
        TypeKind::Array(element) => return skip_list(rest, |rest| skip(element, rest)),
        TypeKind::Map(key, value) => {
            return skip_list(rest, |rest| {
                skip(key, rest)?;
                skip(value, rest)
            });
        }
        TypeKind::Multiset(element) => {
            return skip_list(rest, |rest| {
                skip(element, rest)?;
                skip(&TypeKind::Int.not_null(), rest)
            });
        }
        TypeKind::Row(fields) => return fields.iter().try_for_each(|field| skip(&field.data_type, rest)),
    };
    take(rest, fixed).map(|_| ())
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(taken)
}

fn skip_list(rest: &mut &[u8], mut element: impl FnMut(&mut &[u8]) -> Option<()>) -> Option<()> {
    while take(rest, 1)?[0] != NONE {
        element(rest)?;
    }
    Some(())
}

fn take_escaped(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let zero = rest.iter().position(|&byte| byte == 0)?;
        out.extend_from_slice(take(rest, zero)?);
        match take(rest, 2)?[1] {
            0 => return Some(out),
            ESCAPED => out.push(0),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_encoded_is_not_taken_for_a_key() {
        let types = [TypeKind::Int.not_null(), TypeKind::Varchar(10).nullable()];
        let key = [1, 128, 0, 0, 7, 1, b'a', 0, 0xFF, 0, 0];
        assert!(is_key(&types, &key));
        assert!(is_key(&types, &[1, 128, 0, 0, 7, 0]));
        (0..key.len()).for_each(|len| assert!(!is_key(&types, &key[..len]), "cut at {len}"));
        assert!(!is_key(&types, &[key.as_slice(), &[0]].concat()), "something behind it");
        assert!(!is_key(&types[1..], &key));
        assert!(!is_key(&types[1..], &[1, 0xC3, 0, 0]), "no text");
    }
}
