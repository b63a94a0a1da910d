//! Rows of bytes in large segments, so that a row costs no allocation.
//!
//! Invariant: a segment without live rows is used again. Rows die about in the order in which they came, so
//! most segments empty by themselves; those that few rows keep alive make the arena sparse, and its owner
//! packs it.

/// How many bytes a segment holds; a longer row has a segment of its own.
const SEGMENT_BYTES: usize = 1 << 16;
/// Below so many bytes an arena is never sparse.
const SPARSE_MIN_BYTES: usize = 1 << 20;

/// Where a row is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    segment: u32,
    offset: u32,
    len: u32,
}

#[derive(Debug, Clone, Default)]
struct Segment {
    bytes: Vec<u8>,
    live: u32,
}

/// Rows by place.
#[derive(Debug, Clone, Default)]
pub(super) struct Arena {
    segments: Vec<Segment>,
    /// Segments without rows; the last one is used next.
    empty: Vec<u32>,
    current: u32,
    live_bytes: usize,
    held_bytes: usize,
}

impl Arena {
    /// Adds a row made of two parts.
    #[inline]
    pub(super) fn add(&mut self, parts: [&[u8]; 2]) -> Place {
        let len = parts[0].len() + parts[1].len();
        let fits = |segment: &Segment| segment.bytes.len() + len <= segment.bytes.capacity();
        if !self.segments.get(self.current as usize).is_some_and(fits) {
            self.open(len);
        }
        let segment = &mut self.segments[self.current as usize];
        let offset = segment.bytes.len() as u32;
        parts.into_iter().for_each(|part| segment.bytes.extend_from_slice(part));
        segment.live += 1;
        self.live_bytes += len;
        Place { segment: self.current, offset, len: len as u32 }
    }

    #[cold]
    fn open(&mut self, len: usize) {
        let wanted = len.max(SEGMENT_BYTES);
        let usable = self.empty.last().filter(|&&at| self.segments[at as usize].bytes.capacity() >= wanted);
        if let Some(&at) = usable {
            self.empty.pop();
            self.current = at;
            return;
        }
        self.segments.push(Segment { bytes: Vec::with_capacity(wanted), live: 0 });
        self.held_bytes += wanted;
        self.current = self.segments.len() as u32 - 1;
    }

    /// The bytes of a row.
    #[inline]
    pub(super) fn get(&self, place: Place) -> &[u8] {
        &self.segments[place.segment as usize].bytes[place.offset as usize..][..place.len as usize]
    }

    /// Gives up a row.
    #[inline]
    pub(super) fn free(&mut self, place: Place) {
        let segment = &mut self.segments[place.segment as usize];
        segment.live -= 1;
        self.live_bytes -= place.len as usize;
        if segment.live == 0 {
            segment.bytes.clear();
            if place.segment != self.current {
                self.empty.push(place.segment);
            }
        }
    }

    /// Whether most of the memory holds no live row.
    #[inline]
    pub(super) fn sparse(&self) -> bool {
        self.held_bytes > SPARSE_MIN_BYTES && self.live_bytes * 4 < self.held_bytes
    }

    /// The memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.held_bytes + self.segments.capacity() * size_of::<Segment>()
    }
}
