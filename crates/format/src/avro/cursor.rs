//! Reads Avro's binary encoding from a record inside a blob.

/// Why a record can't be read, in a sentence.
pub(crate) type Fault = String;

/// How many items a block may have that take no bytes.
const EMPTY_ITEMS_MAX: u64 = 1 << 16;

/// A place inside a record.
pub(crate) struct Cursor<'a> {
    /// The bytes of the blob up to the record's end.
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Cursor<'a> {
    /// The next `size` bytes; gives where they start.
    #[inline]
    pub fn take(&mut self, size: usize) -> Result<usize, Fault> {
        let start = self.at;
        match self.bytes.len() - start >= size {
            true => {
                self.at += size;
                Ok(start)
            }
            false => Err(ends_early()),
        }
    }

    /// The next bytes of a fixed number.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(ends_early()),
        }
    }

    /// A whole number: zig-zag, seven bits a byte.
    #[inline]
    pub fn long(&mut self) -> Result<i64, Fault> {
        let raw = match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                u64::from(byte)
            }
            _ => self.long_varint()?,
        };
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or_else(ends_early)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number is longer than 64 bits".into())
    }

    /// A length and as many bytes; gives where they start and end.
    #[inline]
    pub fn prefixed(&mut self) -> Result<(usize, usize), Fault> {
        let size = self.size()?;
        let start = self.take(size)?;
        Ok((start, start + size))
    }

    fn size(&mut self) -> Result<usize, Fault> {
        let size = self.long()?;
        usize::try_from(size).map_err(|_| format!("a length is {size}"))
    }

    /// The number of items in the next block of an array or map, 0 behind the last one.
    pub fn block(&mut self) -> Result<u64, Fault> {
        let count = self.long()?;
        if count < 0 {
            self.size()?;
        }
        let count = count.unsigned_abs();
        let left = (self.bytes.len() - self.at) as u64;
        match count > left.max(EMPTY_ITEMS_MAX) {
            true => Err(format!("a block of {count} items does not fit into its record")),
            false => Ok(count),
        }
    }
}

fn ends_early() -> Fault {
    "the record ends early".into()
}

/// Appends a whole number.
pub(crate) fn write_long(value: i64, out: &mut Vec<u8>) {
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_survive(value: i64) {
            let mut out = Vec::new();
            write_long(value, &mut out);
            let mut cursor = Cursor { bytes: &out, at: 0 };
            prop_assert_eq!(cursor.long(), Ok(value));
            prop_assert_eq!(cursor.at, out.len());
        }
    }

    #[test]
    fn what_is_cut_short_is_told() {
        let long = |bytes: &[u8]| Cursor { bytes, at: 0 }.long();
        assert_eq!(long(&[0x80]), Err("the record ends early".into()));
        assert_eq!(long(&[0xFF; 11]), Err("a number is longer than 64 bits".into()));
        assert_eq!(Cursor { bytes: &[1], at: 0 }.prefixed(), Err("a length is -1".into()));
        assert_eq!(Cursor { bytes: &[6, 1, 2], at: 0 }.prefixed(), Err("the record ends early".into()));
    }
}
