//! Text pieces appended to a batch. Invariant: no allocation beyond the batch's own growth.

/// Appends a decimal number.
#[inline]
pub(super) fn number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends two digits; `value` is below 100.
#[inline]
pub(super) fn two(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
}

/// Appends a number of hundredths as a decimal with two places, such as `-3.07`.
#[inline]
pub(super) fn hundredths(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    let size = value.unsigned_abs();
    number(out, size / 100);
    out.push(b'.');
    two(out, (size % 100) as u32);
}

/// Appends a number of quarters as the shortest decimal with a point: `3.0`, `3.25`, `3.5`, `3.75`. Sums of
/// quarters are exact in binary, in whatever order they are added.
#[inline]
pub(super) fn quarters(out: &mut Vec<u8>, value: u64) {
    const PLACES: [&[u8]; 4] = [b".0", b".25", b".5", b".75"];
    number(out, value / 4);
    out.extend_from_slice(PLACES[(value % 4) as usize]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals() {
        assert_eq!(text(|out| hundredths(out, -307)), "-3.07");
        assert_eq!(text(|out| hundredths(out, -5)), "-0.05");
        assert_eq!(text(|out| hundredths(out, 2150)), "21.50");
        assert_eq!(text(|out| quarters(out, 50)), "12.5");
        assert_eq!(text(|out| quarters(out, 1)), "0.25");
        assert_eq!(text(|out| quarters(out, 8)), "2.0");
    }
}
