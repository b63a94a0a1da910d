//! The sending side: which task gets which row, and what waits because its queue is full.
//!
//! Invariant: what a task gives leaves in order; the last piece of a blob in each lane is marked as such,
//! which is why a piece is held until the next one or the end of its blob.

use crate::checkpoint::Barrier;
use crate::collect::{CollectSender, Collected};
use crate::lane::Lane;
use crate::message::{Message, Tag};
use crate::scatter::scatter;
use crate::signal::TaskSignal;
use crate::sink_edge::PacketQueue;
use std::collections::VecDeque;
use std::sync::Arc;
use tidemill_connector::Packet;
use tidemill_types::key::{KEY_GROUPS, hash, key_group};
use tidemill_types::{Chunk, EncodedKeys, KeyEncoder, Schema};

/// Something on its way out of a task.
#[derive(Debug)]
enum Parcel {
    Lane(Arc<Lane>, Message),
    Packet(Arc<PacketQueue>, Packet),
    SinkBarrier(Arc<PacketQueue>, u64),
    SinkEnd(Arc<PacketQueue>),
    Collect(Arc<CollectSender>, Chunk),
}

/// What a task has given and no queue has taken yet, in order.
#[derive(Debug)]
pub struct Outbox {
    pending: VecDeque<Parcel>,
    task: TaskSignal,
    hung_up: bool,
}

impl Outbox {
    /// An empty outbox of this task.
    pub fn new(task: TaskSignal) -> Self {
        Outbox { pending: VecDeque::new(), task, hung_up: false }
    }

    /// Hands on what the queues take; false if something is left.
    pub fn flush(&mut self) -> bool {
        while let Some(parcel) = self.pending.pop_front() {
            let refused = match parcel {
                Parcel::Lane(lane, message) => lane.push(message).map(|message| Parcel::Lane(lane, message)),
                Parcel::Packet(queue, packet) => {
                    queue.push(packet).map(|packet| Parcel::Packet(queue, packet))
                }
                Parcel::SinkBarrier(queue, epoch) => {
                    queue.barrier(epoch);
                    None
                }
                Parcel::SinkEnd(queue) => {
                    queue.end();
                    None
                }
                Parcel::Collect(sender, chunk) => match sender.push(chunk, &self.task) {
                    Collected::Taken => None,
                    Collected::Full(chunk) => Some(Parcel::Collect(sender, chunk)),
                    Collected::HungUp => {
                        self.hung_up = true;
                        None
                    }
                },
            };
            if let Some(parcel) = refused {
                self.pending.push_front(parcel);
                return false;
            }
        }
        true
    }

    /// A barrier overtakes: what was made before it goes on at once, however full the queues are. It takes no
    /// more memory there than here.
    pub fn flush_whole(&mut self) {
        for parcel in std::mem::take(&mut self.pending) {
            match parcel {
                Parcel::Lane(lane, message) => lane.force(message),
                Parcel::Packet(queue, packet) => queue.force(packet),
                Parcel::SinkBarrier(queue, epoch) => queue.barrier(epoch),
                Parcel::SinkEnd(queue) => queue.end(),
                // The caller of a query hears of no barriers.
                Parcel::Collect(..) => self.pending.push_back(parcel),
            }
        }
    }

    /// Whether the one who asked for rows has gone.
    pub fn hung_up(&self) -> bool {
        self.hung_up
    }

    /// A packet for a sink.
    pub fn packet(&mut self, queue: &Arc<PacketQueue>, packet: Packet) {
        self.pending.push_back(Parcel::Packet(queue.clone(), packet));
    }

    /// The end of an epoch of a sink's packets.
    pub fn sink_barrier(&mut self, queue: &Arc<PacketQueue>, epoch: u64) {
        self.pending.push_back(Parcel::SinkBarrier(queue.clone(), epoch));
    }

    /// The end of a sink's packets.
    pub fn sink_end(&mut self, queue: &Arc<PacketQueue>) {
        self.pending.push_back(Parcel::SinkEnd(queue.clone()));
    }

    /// Rows for the caller.
    pub fn collect(&mut self, sender: &Arc<CollectSender>, chunk: Chunk) {
        self.pending.push_back(Parcel::Collect(sender.clone(), chunk));
    }

    fn lane(&mut self, lane: &Arc<Lane>, message: Message) {
        self.pending.push_back(Parcel::Lane(lane.clone(), message));
    }
}

/// Which of the receiving tasks a row goes to.
#[derive(Debug)]
pub enum Router {
    /// There is only one lane.
    One,
    /// By the key group of columns.
    Keys(KeyRouter),
}

/// Routes rows by key group; group `g` of `G` belongs to task `g * tasks / G`, as in Flink.
#[derive(Debug)]
pub struct KeyRouter {
    columns: Vec<usize>,
    encoder: KeyEncoder,
    keys: EncodedKeys,
    tasks: u32,
}

impl KeyRouter {
    /// Routes by these columns to so many tasks.
    pub fn new(schema: &Schema, columns: &[usize], tasks: usize) -> Self {
        let types = columns.iter().map(|&column| schema.fields[column].data_type.clone());
        KeyRouter {
            columns: columns.to_vec(),
            encoder: KeyEncoder::new(types),
            keys: EncodedKeys::default(),
            tasks: tasks as u32,
        }
    }

    fn split(&mut self, chunk: &Chunk) -> Vec<Chunk> {
        let columns: Vec<_> = match chunk.rows {
            0 => Vec::new(),
            _ => self.columns.iter().map(|&column| chunk.columns[column].clone()).collect(),
        };
        if chunk.rows == 0 {
            return vec![chunk.clone(); self.tasks as usize];
        }
        self.encoder.encode(&columns, chunk.rows, &mut self.keys);
        let task = |key: &[u8]| key_group(hash(key), KEY_GROUPS) * self.tasks / KEY_GROUPS;
        let targets: Vec<u32> = self.keys.iter().map(task).collect();
        scatter(chunk, &targets, self.tasks as usize)
    }
}

/// Sends the rows of one node in one task to the tasks of another fragment.
#[derive(Debug)]
pub struct Sender {
    router: Router,
    lanes: Vec<Arc<Lane>>,
    /// The piece not yet sent in each lane, if pieces are tagged.
    held: Option<Vec<Option<Chunk>>>,
}

impl Sender {
    /// Sends through these lanes. Source fragments tag their pieces.
    pub fn new(router: Router, lanes: Vec<Arc<Lane>>, tagged: bool) -> Self {
        let held = tagged.then(|| vec![None; lanes.len()]);
        Sender { router, lanes, held }
    }

    /// Gives rows and marks on.
    pub fn send(&mut self, chunk: Chunk, tag: Option<Tag>, outbox: &mut Outbox) {
        match &mut self.router {
            Router::Keys(router) if self.lanes.len() > 1 => {
                for (lane, piece) in router.split(&chunk).into_iter().enumerate() {
                    self.send_piece(lane, piece, tag, outbox);
                }
            }
            _ => self.send_piece(0, chunk, tag, outbox),
        }
    }

    fn send_piece(&mut self, lane: usize, piece: Chunk, tag: Option<Tag>, outbox: &mut Outbox) {
        if piece.rows == 0 && piece.marks.is_empty() {
            return;
        }
        match &mut self.held {
            None => outbox.lane(&self.lanes[lane], Message::Piece { chunk: piece, tag: None }),
            Some(held) => match (held[lane].take(), tag) {
                (Some(before), Some(_)) => {
                    outbox.lane(&self.lanes[lane], Message::Piece { chunk: before, tag });
                    held[lane] = Some(piece);
                }
                (Some(before), None) => held[lane] = Some(Chunk::concat(&[before, piece])),
                (None, _) => held[lane] = Some(piece),
            },
        }
    }

    /// The blob ends here: sends what is held as its last piece, an empty one where nothing is held.
    pub fn seal(&mut self, tag: Tag, outbox: &mut Outbox) {
        for (lane, held) in self.lanes.iter().zip(self.held.iter_mut().flatten()) {
            let chunk = held.take().unwrap_or_default();
            outbox.lane(lane, Message::Piece { chunk, tag: Some(Tag { last: true, ..tag }) });
        }
    }

    /// The task's inputs have fallen silent.
    pub fn idle(&mut self, outbox: &mut Outbox) {
        self.lanes.iter().for_each(|lane| outbox.lane(lane, Message::Idle));
    }

    /// The epoch ends here.
    pub fn barrier(&mut self, barrier: &Arc<Barrier>, outbox: &mut Outbox) {
        self.lanes.iter().for_each(|lane| outbox.lane(lane, Message::Barrier(barrier.clone())));
    }

    /// The task has ended.
    pub fn end(&mut self, drained: bool, outbox: &mut Outbox) {
        self.lanes.iter().for_each(|lane| outbox.lane(lane, Message::End { drained }));
    }
}
