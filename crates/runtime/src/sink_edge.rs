//! The asynchronous half of a sink: a bounded queue of packets and the task that writes them.
//!
//! Invariant: packets are written in the order they were made; a packet whose write failed for the moment
//! is written again before any other.

use crate::options::{LINGER_MS, Retry};
use crate::signal::TaskSignal;
use crate::source_edge::Attempts;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidemill_connector::{Packet, Sink};
use tidemill_types::Result;
use tokio::sync::Notify;

#[derive(Debug, Default)]
struct State {
    packets: VecDeque<Packet>,
    bytes: usize,
    ended: bool,
    producer_waits: bool,
}

/// A bounded queue from a task to its sink.
#[derive(Debug)]
pub struct PacketQueue {
    state: Mutex<State>,
    arrived: Notify,
    bytes_max: usize,
    producer: TaskSignal,
}

impl PacketQueue {
    /// An empty queue.
    pub fn new(bytes_max: usize, producer: TaskSignal) -> Self {
        PacketQueue { state: Mutex::default(), arrived: Notify::new(), bytes_max, producer }
    }

    /// Adds a packet, or gives it back if the queue is full.
    pub fn push(&self, packet: Packet) -> Option<Packet> {
        let mut state = self.lock();
        if state.bytes >= self.bytes_max {
            state.producer_waits = true;
            return Some(packet);
        }
        state.bytes += packet.size();
        state.packets.push_back(packet);
        drop(state);
        self.arrived.notify_one();
        None
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.lock().ended = true;
        self.arrived.notify_one();
    }

    /// Waits for the next packet; `None` at the end.
    async fn next(&self) -> Option<Packet> {
        loop {
            {
                let mut state = self.lock();
                if let Some(packet) = state.packets.pop_front() {
                    state.bytes -= packet.size();
                    if std::mem::take(&mut state.producer_waits) {
                        self.producer.wake();
                    }
                    return Some(packet);
                }
                if state.ended {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the packets of a queue until its end, and finishes the sink.
pub async fn write_all(mut sink: Box<dyn Sink>, queue: Arc<PacketQueue>, retry: Retry) -> Result<()> {
    let mut unflushed = false;
    loop {
        let packet = tokio::select! {
            biased;
            packet = queue.next() => packet,
            () = tokio::time::sleep(Duration::from_millis(LINGER_MS)), if unflushed => {
                flush(sink.as_mut(), retry).await?;
                unflushed = false;
                continue;
            }
        };
        match packet {
            Some(packet) => write(sink.as_mut(), packet, retry).await?,
            None => return finish(sink.as_mut(), retry).await,
        }
        unflushed = true;
    }
}

async fn write(sink: &mut dyn Sink, packet: Packet, retry: Retry) -> Result<()> {
    let mut attempts = Attempts::new(retry);
    while let Err(error) = sink.write(packet.clone()).await {
        attempts.pause(error).await?;
    }
    Ok(())
}

async fn flush(sink: &mut dyn Sink, retry: Retry) -> Result<()> {
    let mut attempts = Attempts::new(retry);
    while let Err(error) = sink.flush().await {
        attempts.pause(error).await?;
    }
    Ok(())
}

async fn finish(sink: &mut dyn Sink, retry: Retry) -> Result<()> {
    let mut attempts = Attempts::new(retry);
    while let Err(error) = sink.finish().await {
        attempts.pause(error).await?;
    }
    Ok(())
}
