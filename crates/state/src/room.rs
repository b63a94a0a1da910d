//! How long lists grow: by a quarter, for half of one that was doubled would stay unused at the worst.

/// Shorter lists are doubled, as vectors do by themselves.
const LONG: usize = 1 << 16;

/// Up to how many elements a list of `len` should have room for when it needs room for `more`.
pub(crate) fn room_for(len: usize, more: usize) -> usize {
    let spare = if len + more < LONG { len } else { len / 4 };
    (len + more).max(len + spare)
}

/// Makes room for so many more elements.
#[inline]
pub(crate) fn make_room<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more && list.len() + more >= LONG {
        list.reserve_exact(room_for(list.len(), more) - list.len());
    }
}

/// Resizes a list, which only gets longer.
#[inline]
pub(crate) fn grow<T: Clone>(list: &mut Vec<T>, len: usize, value: T) {
    if len > list.len() {
        make_room(list, len - list.len());
        list.resize(len, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_have_little_unused_room() {
        let mut list = Vec::new();
        for at in 0..3_000_000u32 {
            make_room(&mut list, 1);
            list.push(at);
            assert!(list.len() < LONG || list.capacity() <= list.len() + list.len() / 4 + 1);
        }
        let before = list.capacity();
        grow(&mut list, 20_000_000, 7);
        assert!(before < 3_750_000 && list.capacity() == 20_000_000 && list[19_999_999] == 7);
    }
}
