//! Values in the order of their arrival, inside one Bytes cell.
//!
//! Invariant: a log is entries one after another, each its length (u32, little-endian) and its bytes. A
//! value that is taken back removes its earliest entry, as Flink's lists do; one that is not there is
//! ignored.

/// A cell that holds a log; none before the first value.
pub(super) type Log = Option<Box<[u8]>>;

/// Appends raw bytes. Only as much as needed is reserved; the allocator grows large blocks in place.
pub(super) fn append(cell: &mut Log, parts: &[&[u8]]) {
    let mut bytes = cell.take().unwrap_or_default().into_vec();
    bytes.reserve_exact(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    *cell = Some(bytes.into_boxed_slice());
}

/// Adds a value at the end.
pub(super) fn push(cell: &mut Log, value: &[u8]) {
    append(cell, &[&(value.len() as u32).to_le_bytes(), value]);
}

/// Adds (`sign` > 0) a value or takes it back.
pub(super) fn change(cell: &mut Log, value: &[u8], sign: i64) {
    if sign > 0 { push(cell, value) } else { remove(cell, value) }
}

/// Takes the earliest entry of a value out.
pub(super) fn remove(cell: &mut Log, value: &[u8]) {
    let Some(bytes) = cell else { return };
    let mut at = 0;
    let Some(entry) = entries(bytes).find_map(|entry| {
        let start = at;
        at += entry.len() + 4;
        (entry == value).then_some(start)
    }) else {
        return;
    };
    let mut rest = std::mem::take(bytes).into_vec();
    rest.drain(entry..entry + value.len() + 4);
    *cell = Some(rest).filter(|rest| !rest.is_empty()).map(Vec::into_boxed_slice);
}

/// The values in order.
pub(super) fn entries(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        bytes = rest;
        Some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_entry_is_taken_back() {
        let mut log = None;
        for value in ["a", "", "b", "a"] {
            push(&mut log, value.as_bytes());
        }
        remove(&mut log, b"a");
        remove(&mut log, b"missing");
        let left: Vec<&[u8]> = entries(log.as_deref().unwrap()).collect();
        assert_eq!(left, [&b""[..], b"b", b"a"]);
        for value in ["", "b", "a"] {
            remove(&mut log, value.as_bytes());
        }
        assert_eq!(log, None);
    }
}
