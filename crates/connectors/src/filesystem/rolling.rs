//! When a part file is finished: by size, by age, by silence.

use super::options::{CHECK_INTERVAL, FILE_SIZE, INACTIVITY, ROLLOVER};
use std::time::{Duration, Instant};
use tidemill_types::{Options, Result};

/// The limits of part files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rolling {
    pub(super) file_bytes: u64,
    pub(super) age: Duration,
    pub(super) silence: Duration,
    /// How often ages are looked at.
    pub(super) check: Duration,
}

impl Rolling {
    /// The limits that a table gives.
    pub(super) fn from(options: &Options) -> Result<Self> {
        Ok(Rolling {
            file_bytes: options.memory(&FILE_SIZE)?.unwrap_or(u64::MAX),
            age: options.duration(&ROLLOVER)?.unwrap_or(Duration::MAX),
            silence: options.duration(&INACTIVITY)?.unwrap_or(Duration::MAX),
            check: options.duration(&CHECK_INTERVAL)?.unwrap_or(Duration::ZERO),
        })
    }

    /// Whether a part of this size is full.
    pub(super) fn is_full(&self, bytes: u64) -> bool {
        bytes >= self.file_bytes
    }

    /// Whether a part opened and last written then is due.
    pub(super) fn is_due(&self, opened: Instant, written: Instant, now: Instant) -> bool {
        now.duration_since(opened) >= self.age || now.duration_since(written) >= self.silence
    }
}
