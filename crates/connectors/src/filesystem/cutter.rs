//! Cuts a stream of bytes into blobs at line ends.
//!
//! Invariant: the blobs and at last the rest, put together, are the stream, byte for byte; each blob ends
//! with `\n`. Only the tail of a blob behind its last line end is ever copied.

use std::io::{self, Read};

/// How large a blob is meant to be.
pub(super) const BLOB_BYTES: usize = 512 << 10;
/// How long one line may be; a longer line than a blob makes one larger blob up to here.
pub(super) const LINE_BYTES_MAX: usize = 256 << 20;
/// How much is asked of a pipe or terminal at a time.
const EAGER_BYTES: usize = 64 << 10;

/// What stopped a cut.
#[derive(Debug)]
pub(super) enum CutError {
    /// The system's error.
    Io(io::Error),
    /// A line is longer than allowed.
    LineTooLong,
}

/// Cuts what a reader gives.
pub(super) struct Cutter<R> {
    reader: R,
    /// Bytes behind the last line end; they hold none.
    rest: Vec<u8>,
    /// Whether to hand on what one read gave (pipes), rather than to fill the blob.
    eager: bool,
    blob_bytes: usize,
    line_bytes_max: usize,
}

impl<R: Read> Cutter<R> {
    /// A cutter of a stream that is about `expected` bytes long, if that is known.
    pub(super) fn new(reader: R, eager: bool, expected: Option<u64>) -> Self {
        // A small file needs a small buffer; one byte more lets the read that finds the end fit too.
        let blob_bytes = expected.map_or(BLOB_BYTES, |n| n.saturating_add(1).min(BLOB_BYTES as u64) as usize);
        Cutter { reader, rest: Vec::new(), eager, blob_bytes, line_bytes_max: LINE_BYTES_MAX }
    }

    /// The next whole lines; `None` at the end of the stream.
    pub(super) fn next_lines(&mut self) -> Result<Option<Vec<u8>>, CutError> {
        let mut buffer = Vec::with_capacity(self.rest.len() + self.blob_bytes);
        buffer.append(&mut self.rest);
        let mut searched = buffer.len();
        loop {
            if self.read_more(&mut buffer).map_err(CutError::Io)? == 0 {
                self.rest = buffer;
                return Ok(None);
            }
            if let Some(at) = memchr::memrchr(b'\n', &buffer[searched..]) {
                let cut = searched + at + 1;
                self.rest.extend_from_slice(&buffer[cut..]);
                buffer.truncate(cut);
                return Ok(Some(buffer));
            }
            searched = buffer.len();
            if searched > self.line_bytes_max {
                return Err(CutError::LineTooLong);
            }
        }
    }

    /// What stands behind the last line end, after [`Cutter::next_lines`] gave `None`.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.rest
    }

    fn read_more(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        if !self.eager {
            return self.reader.by_ref().take(self.blob_bytes as u64).read_to_end(buffer);
        }
        let start = buffer.len();
        buffer.resize(start + EAGER_BYTES, 0);
        let got = loop {
            match self.reader.read(&mut buffer[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => break answer,
            }
        };
        buffer.truncate(start + *got.as_ref().unwrap_or(&0));
        got
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8], blob_bytes: usize, eager: bool) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut cutter = Cutter::new(text, eager, None);
        cutter.blob_bytes = blob_bytes;
        let mut blobs = Vec::new();
        while let Some(blob) = cutter.next_lines().unwrap() {
            blobs.push(blob);
        }
        (blobs, cutter.into_rest())
    }

    #[test]
    fn nothing_is_lost_and_cuts_are_at_line_ends() {
        let text = b"one\ntwo\n\nthree is longer than the others\nfour";
        for blob_bytes in 1..text.len() + 2 {
            let (blobs, rest) = cut(text, blob_bytes, false);
            assert!(blobs.iter().all(|blob| blob.ends_with(b"\n")), "{blob_bytes}");
            assert_eq!([blobs.concat(), rest.clone()].concat(), text, "{blob_bytes}");
            assert_eq!(rest, b"four");
        }
        assert_eq!(cut(text, 1, true).0.len(), 1);
    }

    #[test]
    fn a_line_without_end_is_refused_at_the_limit() {
        let mut cutter = Cutter::new(io::repeat(b'x'), false, None);
        cutter.line_bytes_max = 1000;
        assert!(matches!(cutter.next_lines(), Err(CutError::LineTooLong)));
    }
}
