//! The asynchronous half of a sink: a bounded queue of packets and the task that writes them.
//!
//! Invariant: packets are written in the order they were made; a packet whose write failed for the moment
//! is written again before any other. What an epoch's packets need to be committed is reported before any packet
//! of the next epoch is written.

use crate::checkpoint::{PartReporter, Report, SinkOrder};
use crate::options::{LINGER_MS, Retry};
use crate::signal::TaskSignal;
use crate::source_edge::Attempts;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidemill_connector::{LAST_EPOCH, Packet, Sink};
use tidemill_types::Result;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Barrier, Notify};

/// Makes a call of a sink, again and again with pauses while that may help.
macro_rules! retry {
    ($self:ident, $call:expr) => {{
        let mut attempts = Attempts::new($self.retry);
        loop {
            match $call.await {
                Ok(done) => break done,
                Err(error) => attempts.pause(error).await?,
            }
        }
    }};
}

/// What a sink gets.
#[derive(Debug)]
enum Item {
    Packet(Packet),
    /// The packets before belong to this epoch.
    Barrier(u64),
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    ended: bool,
    producer_waits: bool,
}

/// A bounded queue from a task to its sink.
#[derive(Debug)]
pub struct PacketQueue {
    state: Mutex<State>,
    arrived: Notify,
    limits: PacketLimits,
    producer: TaskSignal,
}

/// How much waits in front of a sink at most.
#[derive(Debug, Clone, Copy)]
pub struct PacketLimits {
    /// In bytes.
    pub bytes: usize,
    /// In packets, each of which is a call of the sink.
    pub packets: usize,
}

impl PacketQueue {
    /// An empty queue.
    pub fn new(limits: PacketLimits, producer: TaskSignal) -> Self {
        PacketQueue { state: Mutex::default(), arrived: Notify::new(), limits, producer }
    }

    /// Adds a packet, or gives it back if the queue is full.
    pub fn push(&self, packet: Packet) -> Option<Packet> {
        let mut state = self.lock();
        if state.bytes >= self.limits.bytes || state.items.len() >= self.limits.packets {
            state.producer_waits = true;
            return Some(packet);
        }
        self.add(state, packet);
        None
    }

    /// Adds a packet however full the queue is.
    pub fn force(&self, packet: Packet) {
        self.add(self.lock(), packet);
    }

    fn add(&self, mut state: MutexGuard<'_, State>, packet: Packet) {
        state.bytes += packet.size();
        state.items.push_back(Item::Packet(packet));
        drop(state);
        self.arrived.notify_one();
    }

    /// The packets so far belong to this epoch.
    pub fn barrier(&self, epoch: u64) {
        self.lock().items.push_back(Item::Barrier(epoch));
        self.arrived.notify_one();
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.lock().ended = true;
        self.arrived.notify_one();
    }

    /// Waits for what comes next; `None` at the end.
    async fn next(&self) -> Option<Item> {
        loop {
            {
                let mut state = self.lock();
                if let Some(item) = state.items.pop_front() {
                    if let Item::Packet(packet) = &item {
                        state.bytes -= packet.size();
                    }
                    if std::mem::take(&mut state.producer_waits) {
                        self.producer.wake();
                    }
                    return Some(item);
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

/// A sink with all that its writer needs.
pub struct Writer {
    /// The sink.
    pub sink: Box<dyn Sink>,
    /// What it is to write.
    pub queue: Arc<PacketQueue>,
    /// How failed calls are made again.
    pub retry: Retry,
    /// Its part in checkpoints.
    pub checkpoints: Option<SinkCheckpoints>,
    /// Where the sinks of a job without checkpoints wait for one another before they are final.
    pub together: Option<Arc<Barrier>>,
}

/// What a sink needs to take part in checkpoints.
pub struct SinkCheckpoints {
    /// Where it reports.
    pub reporter: PartReporter,
    /// What it is asked to do.
    pub orders: UnboundedReceiver<SinkOrder>,
    /// What the last complete checkpoint of the run before had prepared.
    pub restored: Vec<Vec<u8>>,
}

/// What a writer does next.
enum Next {
    Item(Option<Item>),
    Order(SinkOrder),
    Flush,
}

impl Writer {
    /// Writes the packets of the queue until its end, and finishes the sink.
    pub async fn run(mut self) -> Result<()> {
        self.recover().await?;
        let mut unflushed = false;
        loop {
            match self.next(unflushed).await {
                Next::Item(Some(Item::Packet(packet))) => {
                    retry!(self, self.sink.write(packet.clone()));
                    unflushed = true;
                }
                Next::Item(Some(Item::Barrier(epoch))) => {
                    let prepared = retry!(self, self.sink.prepare(epoch));
                    self.report(|sink| Report::Sink { sink, epoch, prepared });
                    unflushed = false;
                }
                Next::Item(None) => return self.end().await,
                Next::Order(order) => drop(self.follow(order).await?),
                Next::Flush => {
                    retry!(self, self.sink.flush());
                    unflushed = false;
                }
            }
        }
    }

    async fn recover(&mut self) -> Result<()> {
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        let restored = std::mem::take(&mut checkpoints.restored);
        retry!(self, self.sink.recover(&restored));
        Ok(())
    }

    async fn next(&mut self, unflushed: bool) -> Next {
        tokio::select! {
            biased;
            order = next_order(&mut self.checkpoints) => Next::Order(order),
            item = self.queue.next() => Next::Item(item),
            () = tokio::time::sleep(Duration::from_millis(LINGER_MS)), if unflushed => Next::Flush,
        }
    }

    /// Does what the coordinator wants, and tells whether it was the last.
    async fn follow(&mut self, order: SinkOrder) -> Result<bool> {
        match order {
            SinkOrder::Commit(prepared) => {
                for prepared in &prepared {
                    retry!(self, self.sink.commit(prepared));
                }
                Ok(false)
            }
            SinkOrder::Finish => Ok(true),
        }
    }

    /// The last packet was written: prepares it, commits what the coordinator says, and ends with it. Without checkpoints
    /// no sink is final before all have written what they got, so a job that fails leaves none that is.
    async fn end(mut self) -> Result<()> {
        if let Some(together) = self.together.take() {
            retry!(self, self.sink.flush());
            together.wait().await;
        }
        if self.checkpoints.is_some() {
            let prepared = retry!(self, self.sink.prepare(LAST_EPOCH));
            self.report(|sink| Report::SinkEnded { sink, prepared });
            loop {
                let order = next_order(&mut self.checkpoints).await;
                if self.follow(order).await? {
                    break;
                }
            }
        }
        retry!(self, self.sink.finish());
        Ok(())
    }

    fn report(&self, report: impl FnOnce(usize) -> Report) {
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.reporter.report(report(checkpoints.reporter.number));
        }
    }
}

/// What the coordinator wants; without one, nothing ever. If it is gone before it said `Finish` it has failed: what was
/// not committed must stay out of sight until the job is torn down.
async fn next_order(checkpoints: &mut Option<SinkCheckpoints>) -> SinkOrder {
    let order = match checkpoints {
        Some(checkpoints) => checkpoints.orders.recv().await,
        None => None,
    };
    match order {
        Some(order) => order,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::WorkerSignal;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::mpsc::unbounded_channel;

    struct Finishes(Arc<AtomicBool>);

    #[async_trait::async_trait]
    impl Sink for Finishes {
        async fn write(&mut self, _packet: Packet) -> Result<()> {
            Ok(())
        }

        async fn flush(&mut self) -> Result<()> {
            Ok(())
        }

        async fn finish(&mut self) -> Result<()> {
            self.0.store(true, Ordering::Relaxed);
            Ok(())
        }
    }

    /// Runs a sink whose last packet was written until it ends or waits for ever; tells whether it was finished.
    fn finished(orders: &[SinkOrder]) -> bool {
        let done = Arc::new(AtomicBool::new(false));
        let queue = Arc::new(PacketQueue::new(
            PacketLimits { bytes: 1, packets: 1 },
            TaskSignal::new(Arc::new(WorkerSignal::default())),
        ));
        queue.end();
        let (orders_in, orders_out) = unbounded_channel();
        let (reports, mut reported) = unbounded_channel();
        let reporter = PartReporter { number: 0, reports };
        let checkpoints = Some(SinkCheckpoints { reporter, orders: orders_out, restored: Vec::new() });
        let writer = Writer {
            sink: Box::new(Finishes(done.clone())),
            queue,
            retry: Retry::default(),
            checkpoints,
            together: None,
        };
        let edges = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let coordinator = async move {
            assert!(matches!(reported.recv().await, Some(Report::SinkEnded { .. })));
            orders.iter().for_each(|order| orders_in.send(order.clone()).unwrap());
        };
        let both = async { tokio::join!(coordinator, writer.run()) };
        let run = async { tokio::time::timeout(Duration::from_secs(2), both).await };
        let _ = edges.unwrap().block_on(run);
        done.load(Ordering::Relaxed)
    }

    #[test]
    fn a_sink_is_final_only_if_the_coordinator_says_so() {
        assert!(finished(&[SinkOrder::Commit(vec![Vec::new()]), SinkOrder::Finish]));
        assert!(!finished(&[SinkOrder::Commit(vec![Vec::new()])]));
    }
}
