//! The fields of an encoded message.

use super::read::Fault;

/// The value of a field as it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raw {
    /// A number of 7 bits a byte.
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    /// Where the bytes start and end in the blob.
    Bytes(usize, usize),
}

/// A place in a message.
pub(super) struct Wire<'a> {
    /// The blob up to the message's end.
    pub bytes: &'a [u8],
    pub at: usize,
}

impl Wire<'_> {
    /// The number and value of the next field; `None` at the end. Groups are passed over.
    #[inline]
    pub fn field(&mut self) -> Result<Option<(u32, Raw)>, Fault> {
        while self.at < self.bytes.len() {
            let tag = self.varint()?;
            let number = u32::try_from(tag >> 3).ok().filter(|&number| number > 0);
            let number = number.ok_or_else(|| format!("{tag} is no tag of a field"))?;
            let raw = match tag & 7 {
                0 => Raw::Varint(self.varint()?),
                1 => Raw::Fixed64(u64::from_le_bytes(self.array()?)),
                2 => {
                    let size = self.varint()?;
                    let start = self.at;
                    match usize::try_from(size) {
                        Ok(size) if size <= self.bytes.len() - start => self.at += size,
                        _ => return Err(ends_early()),
                    }
                    Raw::Bytes(start, self.at)
                }
                5 => Raw::Fixed32(u32::from_le_bytes(self.array()?)),
                // Start and end of a group: its fields are not those of the message, but none is wanted either.
                3 => {
                    self.skip_group(number, 0)?;
                    continue;
                }
                kind => return Err(format!("field {number} has the unknown wire type {kind}")),
            };
            return Ok(Some((number, raw)));
        }
        Ok(None)
    }

    fn skip_group(&mut self, group: u32, depth: usize) -> Result<(), Fault> {
        const DEPTH_MAX: usize = 64;
        if depth > DEPTH_MAX {
            return Err("groups lie too deep in one another".into());
        }
        loop {
            let tag = self.varint()?;
            match (tag & 7, tag >> 3) {
                (4, number) if number == u64::from(group) => return Ok(()),
                (0, _) => drop(self.varint()?),
                (1, _) => drop(self.array::<8>()?),
                (5, _) => drop(self.array::<4>()?),
                (2, _) => {
                    let size = usize::try_from(self.varint()?).map_err(|_| ends_early())?;
                    if size > self.bytes.len() - self.at {
                        return Err(ends_early());
                    }
                    self.at += size;
                }
                (3, number) => self.skip_group(number as u32, depth + 1)?,
                _ => return Err("a group does not end".into()),
            }
        }
    }

    #[inline]
    pub fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or_else(ends_early)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number is longer than 64 bits".into())
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes =
            self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or_else(ends_early)?;
        self.at += N;
        Ok(*bytes)
    }
}

fn ends_early() -> Fault {
    "the record ends early".into()
}

/// Appends a number of 7 bits a byte.
pub(super) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes that `write` makes, with their length in front.
pub(super) fn write_sized(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    // Most lengths take one byte; the others are moved.
    let start = out.len();
    out.push(0);
    write(out)?;
    let size = out.len() - start - 1;
    if size < 0x80 {
        out[start] = size as u8;
    } else {
        let mut length = Vec::with_capacity(5);
        write_varint(size as u64, &mut length);
        out.splice(start..=start, length);
    }
    Ok(())
}
