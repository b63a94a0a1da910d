//! Rows of bytes in segments, so that a row costs no allocation and a growing arena copies nothing.
//!
//! Invariant: a segment without live rows is used again, or given back when the owner wants memory. Rows die about in
//! the order in which they came, so most segments empty by themselves; from those that few rows keep alive the owner
//! moves the rows on: [`Arena::begin_packing`], [`Arena::packed`] for every row, [`Arena::end_packing`].

/// How many bytes a segment holds; a longer row has a segment of its own.
const SEGMENT_BYTES: usize = 1 << 16;
/// Below so many bytes an arena is never sparse.
const SPARSE_MIN_BYTES: usize = 1 << 20;

/// Where a row is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    segment: u32,
    offset: u32,
    len: u32,
}

impl Place {
    /// Where no row is.
    pub(crate) const NONE: Place = Place { segment: u32::MAX, offset: 0, len: 0 };

    /// Whether no row is there.
    #[inline]
    pub(crate) fn is_none(self) -> bool {
        self.segment == u32::MAX
    }
}

#[derive(Debug, Clone, Default)]
struct Segment {
    bytes: Vec<u8>,
    live: u32,
    live_bytes: usize,
    /// Its rows move on.
    leaving: bool,
}

/// Rows by place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arena {
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
    pub(crate) fn add(&mut self, parts: [&[u8]; 2]) -> Place {
        let len = parts[0].len() + parts[1].len();
        let fits = |segment: &Segment| segment.bytes.len() + len <= segment.bytes.capacity();
        if !self.segments.get(self.current as usize).is_some_and(fits) {
            self.open(len);
        }
        let segment = &mut self.segments[self.current as usize];
        let offset = segment.bytes.len() as u32;
        parts.into_iter().for_each(|part| segment.bytes.extend_from_slice(part));
        segment.live += 1;
        segment.live_bytes += len;
        self.live_bytes += len;
        Place { segment: self.current, offset, len: len as u32 }
    }

    #[cold]
    fn open(&mut self, len: usize) {
        // The current segment may be one that emptied while it was current.
        if self.segments.get(self.current as usize).is_some_and(|segment| segment.live == 0) {
            self.empty.push(self.current);
        }
        let wanted = len.max(SEGMENT_BYTES);
        let at = self.empty.pop().unwrap_or_else(|| {
            self.segments.push(Segment::default());
            self.segments.len() as u32 - 1
        });
        let segment = &mut self.segments[at as usize];
        if segment.bytes.capacity() < wanted {
            self.held_bytes += wanted - segment.bytes.capacity();
            segment.bytes = Vec::with_capacity(wanted);
        }
        self.current = at;
    }

    /// The bytes of a row.
    #[inline]
    pub(crate) fn get(&self, place: Place) -> &[u8] {
        &self.segments[place.segment as usize].bytes[place.offset as usize..][..place.len as usize]
    }

    /// Gives up a row.
    #[inline]
    pub(crate) fn free(&mut self, place: Place) {
        let segment = &mut self.segments[place.segment as usize];
        segment.live -= 1;
        segment.live_bytes -= place.len as usize;
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
    pub(crate) fn sparse(&self) -> bool {
        self.held_bytes > SPARSE_MIN_BYTES && self.live_bytes * 4 < self.held_bytes
    }

    /// Gives back the memory of segments without rows; whether it is worth it to pack the others.
    pub(crate) fn shrink(&mut self) -> bool {
        for &at in &self.empty {
            let segment = &mut self.segments[at as usize];
            self.held_bytes -= segment.bytes.capacity();
            segment.bytes = Vec::new();
        }
        self.held_bytes > SPARSE_MIN_BYTES && self.live_bytes * 4 < self.held_bytes * 3
    }

    /// The rows of some segments that are not full will move on: no more than an eighth of all, since both places are
    /// in memory until the last row of a segment has moved.
    pub(crate) fn begin_packing(&mut self) {
        let mut moving = (self.held_bytes / 8).max(SPARSE_MIN_BYTES);
        for segment in &mut self.segments {
            let sparse = segment.live > 0 && segment.live_bytes * 8 < segment.bytes.capacity() * 7;
            segment.leaving = sparse && segment.live_bytes <= moving;
            moving -= if segment.leaving { segment.live_bytes } else { 0 };
        }
        // What moves on goes into a segment that stays.
        self.open(0);
    }

    /// Where a row is from now on, while the arena is packed.
    #[inline]
    pub(crate) fn packed(&mut self, place: Place) -> Place {
        if !self.segments[place.segment as usize].leaving {
            return place;
        }
        let mut bytes = std::mem::take(&mut self.segments[place.segment as usize].bytes);
        let row = &bytes[place.offset as usize..][..place.len as usize];
        let moved = self.add([row, &[]]);
        self.free(place);
        let segment = &mut self.segments[place.segment as usize];
        if segment.live == 0 {
            segment.leaving = false;
            bytes.clear();
        }
        segment.bytes = bytes;
        moved
    }

    /// All rows were seen.
    pub(crate) fn end_packing(&mut self) {
        self.segments.iter_mut().for_each(|segment| segment.leaving = false);
        self.shrink();
    }

    /// What its rows take.
    pub(crate) fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.held_bytes + self.segments.capacity() * size_of::<Segment>() + self.empty.capacity() * 4
    }
}
