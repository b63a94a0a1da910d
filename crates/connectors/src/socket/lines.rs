//! Reads records from one connection and hands them on in blobs.
//!
//! 1. What was read waits until it is [`BLOB_BYTES`] long or its first record is [`LINGER`] old.
//! 2. Whole records go on as one blob; the partial one behind them waits for its end.
//! 3. At the end of the connection the partial record goes on too.
//! 4. If the table asks for it, the peer is told how many of its records are safe: see [`acknowledge`].

use crate::ingest_log::Arrival;
use memchr::{memchr_iter, memrchr};
use std::sync::Arc;
use std::time::Duration;
use tidemill_connector::{FetchedBlob, Place};
use tidemill_types::{Blob, Framing};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// How many bytes are gathered at most.
const BLOB_BYTES: usize = 256 << 10;
/// How long a record waits for others.
const LINGER: Duration = Duration::from_millis(2);

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The peer closed it.
    ByPeer,
    /// It broke.
    Broken(std::io::Error),
    /// A record is longer than allowed.
    LineTooLong,
    /// Nobody listens to us any more.
    Unheard,
}

/// The reading end of one connection.
pub(super) struct Lines<R> {
    stream: R,
    split: Arc<str>,
    split_index: u32,
    delimiter: u8,
    line_bytes_max: usize,
    out: mpsc::Sender<Arrival>,
    buffer: Vec<u8>,
    /// How much of the buffer is whole records.
    whole: usize,
    offset: u64,
    line: u64,
    /// Takes how many records are safe.
    safe: Option<Arc<watch::Sender<u64>>>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(
        stream: R,
        (split, split_index): (&str, u32),
        delimiter: u8,
        line_bytes_max: usize,
        out: mpsc::Sender<Arrival>,
    ) -> Self {
        Lines {
            stream,
            split: split.into(),
            split_index,
            delimiter,
            line_bytes_max,
            out,
            buffer: Vec::new(),
            whole: 0,
            offset: 0,
            line: 1,
            safe: None,
        }
    }

    /// Lets a receiver know how many records of the connection are safe.
    pub(super) fn telling(mut self, safe: watch::Sender<u64>) -> Self {
        self.safe = Some(Arc::new(safe));
        self
    }

    /// Reads until the connection ends.
    pub(super) async fn run(mut self) -> Ended {
        let ended = self.read_all().await;
        if !matches!(ended, Ended::Unheard) {
            // After a line that is too long only what stood before it is good.
            if !matches!(ended, Ended::LineTooLong) {
                self.whole = self.buffer.len();
            }
            if self.hand_on().await.is_err() {
                return Ended::Unheard;
            }
        }
        ended
    }

    async fn read_all(&mut self) -> Ended {
        let mut due: Option<Instant> = None;
        loop {
            let room = (self.whole + self.line_bytes_max + 1).max(BLOB_BYTES);
            self.buffer.reserve((room - self.buffer.len().min(room)).clamp(1, BLOB_BYTES));
            let read = tokio::select! {
                read = self.stream.read_buf(&mut self.buffer) => Some(read),
                () = at(due) => None,
            };
            match read {
                Some(Ok(0)) => return Ended::ByPeer,
                Some(Err(error)) => return Ended::Broken(error),
                Some(Ok(bytes)) => {
                    let good = self.look_at(bytes);
                    if !good {
                        return Ended::LineTooLong;
                    }
                }
                None => {}
            }
            if read.is_none() || self.whole >= BLOB_BYTES {
                if self.hand_on().await.is_err() {
                    return Ended::Unheard;
                }
                due = None;
            } else if self.whole > 0 && due.is_none() {
                due = Some(Instant::now() + LINGER);
            }
        }
    }

    /// Looks for the ends of records in the bytes just read; false if a record is too long.
    fn look_at(&mut self, bytes: usize) -> bool {
        let new = self.buffer.len() - bytes;
        let mut start = self.whole;
        if self.buffer.len() - start > self.line_bytes_max {
            for end in memchr_iter(self.delimiter, &self.buffer[new..]).map(|at| new + at) {
                if end - start > self.line_bytes_max {
                    return false;
                }
                start = end + 1;
                self.whole = start;
            }
            return self.buffer.len() - start <= self.line_bytes_max;
        }
        if let Some(at) = memrchr(self.delimiter, &self.buffer[new..]) {
            self.whole = new + at + 1;
        }
        true
    }

    /// Sends the whole records, if there are any.
    async fn hand_on(&mut self) -> Result<(), mpsc::error::SendError<Arrival>> {
        if self.whole == 0 {
            return Ok(());
        }
        let rest = self.buffer.split_off(self.whole);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        self.whole = 0;
        let place = Place {
            split: self.split.clone(),
            split_index: self.split_index,
            offset: self.offset,
            line: self.line,
        };
        self.offset += bytes.len() as u64;
        let without_end = self.delimiter == b'\n' && bytes.last() != Some(&b'\n');
        let (blob, records) = blob(bytes, self.delimiter);
        let ack = self.ack(self.line - 1 + records + u64::from(without_end));
        self.line += records;
        self.out.send(Arrival { blob: FetchedBlob::new(blob, place), ack }).await
    }

    fn ack(&self, records: u64) -> Option<Box<dyn FnOnce() + Send>> {
        let safe = self.safe.clone()?;
        Some(Box::new(move || {
            safe.send_replace(records);
        }))
    }
}

/// Sends `ok <count>` whenever more records are safe: the first so many of the connection are then. Ends after the
/// last record, or when the peer can't be reached.
pub(super) async fn acknowledge(mut peer: impl AsyncWrite + Unpin, mut safe: watch::Receiver<u64>) {
    while safe.changed().await.is_ok() {
        let line = format!("ok {}\n", *safe.borrow_and_update());
        if peer.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The blob of some records, and how many there are.
fn blob(bytes: Vec<u8>, delimiter: u8) -> (Blob, u64) {
    if delimiter == b'\n' {
        let lines = memchr_iter(b'\n', &bytes).count() as u64;
        return (Blob::lines(bytes), lines);
    }
    let (mut records, mut start) = (Vec::new(), 0u32);
    for end in memchr_iter(delimiter, &bytes) {
        records.push(start..end as u32);
        start = end as u32 + 1;
    }
    if (start as usize) < bytes.len() {
        records.push(start..bytes.len() as u32);
    }
    let count = records.len() as u64;
    (Blob { bytes: bytes.into(), framing: Framing::Records(records) }, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &'static [u8], delimiter: u8, max: usize) -> (Vec<FetchedBlob>, Ended) {
        let (out, mut blobs) = mpsc::channel(100);
        let ended = Lines::new(text, ("peer", 0), delimiter, max, out).run().await;
        let mut got = Vec::new();
        while let Some(arrival) = blobs.recv().await {
            got.push(arrival.blob);
        }
        (got, ended)
    }

    #[tokio::test]
    async fn the_last_line_needs_no_end() {
        let (blobs, ended) = read(b"a\nb\nc", b'\n', 10).await;
        let text: Vec<u8> = blobs.iter().flat_map(|blob| blob.blob.bytes.to_vec()).collect();
        assert_eq!(text, b"a\nb\nc");
        assert!(matches!(ended, Ended::ByPeer));
    }

    #[tokio::test]
    async fn a_long_line_ends_the_connection_and_keeps_what_was_before() {
        let (blobs, ended) = read(b"a\nb\nthis is too long\nc\n", b'\n', 5).await;
        assert_eq!(blobs[0].blob.bytes.as_slice(), b"a\nb\n");
        assert!(matches!(ended, Ended::LineTooLong) && blobs.len() == 1);
        assert!(matches!(read(b"12345\n", b'\n', 5).await.1, Ended::ByPeer));
    }

    #[tokio::test]
    async fn another_delimiter_frames_records() {
        let (blobs, _) = read(b"a|bc|d", b'|', 10).await;
        assert_eq!(blobs[0].blob.framing, Framing::Records(vec![0..1, 2..4, 5..6]));
    }
}
