//! `sink.buffer-flush.*` of `upsert-kafka`: of several rows with one key only the last is written.

use super::front::{TIMESTAMP_BYTES, key_of};
use std::collections::HashMap;
use tidemill_connector::Packet;

/// Records that wait for newer ones of their key.
#[derive(Debug)]
pub(super) struct Latest {
    rows_max: usize,
    /// Topic, then key, to the place of the record.
    places: HashMap<(String, Vec<u8>), usize>,
    /// Records in the order in which their keys came first.
    records: Vec<(String, Vec<u8>)>,
}

impl Latest {
    pub(super) fn new(rows_max: usize) -> Self {
        Latest { rows_max, places: HashMap::new(), records: Vec::new() }
    }

    /// Takes records in; the packets to write now, if there are as many keys as may wait.
    pub(super) fn take(&mut self, packet: &Packet) -> Vec<Packet> {
        let mut start = 0;
        for &end in &packet.ends {
            let record = &packet.bytes[start..end];
            start = end;
            let key = key_of(&record[TIMESTAMP_BYTES..]).unwrap_or_default().to_vec();
            let place = *self.places.entry((packet.partition.clone(), key)).or_insert(self.records.len());
            match self.records.get_mut(place) {
                Some(known) => known.1 = record.to_vec(),
                None => self.records.push((packet.partition.clone(), record.to_vec())),
            }
        }
        if self.records.len() >= self.rows_max { self.drain() } else { Vec::new() }
    }

    /// Everything that waits.
    pub(super) fn drain(&mut self) -> Vec<Packet> {
        self.places.clear();
        let mut packets: Vec<Packet> = Vec::new();
        for (topic, record) in self.records.drain(..) {
            let place = packets.iter().position(|packet| packet.partition == topic).unwrap_or_else(|| {
                packets.push(Packet { partition: topic, ..Packet::default() });
                packets.len() - 1
            });
            let packet = &mut packets[place];
            packet.bytes.extend_from_slice(&record);
            packet.ends.push(packet.bytes.len());
            packet.rows += 1;
        }
        packets
    }
}
