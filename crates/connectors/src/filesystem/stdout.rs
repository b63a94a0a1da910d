//! Standard output and standard error as the back half of a sink.
//!
//! Invariant: a packet is written as a whole, so lines of several tasks never mix.

use std::io::{self, Write};
use tidemill_connector::{Packet, Sink};
use tidemill_types::{Error, Result};

/// Writes packets to a stream of the process.
pub(crate) struct StandardOutput {
    error: bool,
}

impl StandardOutput {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        StandardOutput { error: false }
    }

    /// Standard error.
    pub(crate) fn stderr() -> Self {
        StandardOutput { error: true }
    }
}

fn write_to(mut stream: impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

#[async_trait::async_trait]
impl Sink for StandardOutput {
    async fn write(&mut self, packet: Packet) -> Result<()> {
        if packet.bytes.is_empty() {
            return Ok(());
        }
        let error = self.error;
        let written = tokio::task::spawn_blocking(move || match error {
            false => write_to(io::stdout().lock(), &packet.bytes),
            true => write_to(io::stderr().lock(), &packet.bytes),
        });
        let written = written.await.map_err(|_| Error::internal("the writing thread failed"))?;
        let name = if error { "standard error" } else { "standard output" };
        written.map_err(|error| Error::external_fatal(format!("can't write to {name}: {error}")))
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
