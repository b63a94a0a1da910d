//! Comparison of short byte strings, such as keys and field names, without a call.
//!
//! Deliberately not here: anything for long strings, which the library's comparison is best at.

/// Beyond this the library's comparison is faster.
const SHORT_BYTES_MAX: usize = 64;

/// Whether both are the same bytes.
#[inline]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() || a.len() > SHORT_BYTES_MAX {
        return a == b;
    }
    let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return a == b;
    };
    let mut differences = u64::from_le_bytes(*a_last) ^ u64::from_le_bytes(*b_last);
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("pieces of eight bytes"));
        differences |= word(a) ^ word(b);
    }
    differences == 0
}

/// Whether `bytes` start with `prefix`.
#[inline]
pub fn starts_with(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|start| same(start, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_library() {
        let text: Vec<u8> = (0..100).collect();
        for len in 0..text.len() {
            assert!(same(&text[..len], &text[..len]));
            assert!(starts_with(&text, &text[..len]));
            assert!(!same(&text[..len], &text[..len + 1]));
            assert!(!starts_with(&text[..len], &text));
            for at in 0..len {
                let mut other = text[..len].to_vec();
                other[at] ^= 0x80;
                assert!(!same(&text[..len], &other) && !starts_with(&text, &other), "{len} {at}");
            }
        }
    }
}
