//! A source's share of its group's partitions.
//!
//! Invariant: offsets are committed only in the generation in which they were read, so what a late checkpoint says can
//! never set back what the next owner of a partition has committed. Positions therefore carry their generation:
//! `offset@generation`.

use super::member::Shift;
use crate::kafka::client::Client;
use crate::kafka::client::membership::Member;
use crate::kafka::client::offsets::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemill_connector::Positions;
use tokio::sync::mpsc;

/// What a source has of its group.
pub(super) struct Share {
    /// Commits and tells the time of nothing else, so its answers are never late.
    pub(super) client: Arc<Client>,
    shifts: mpsc::Receiver<Shift>,
    drained: mpsc::Sender<()>,
    member: Option<Member>,
    /// What must be committed before the group may share out anew.
    target: Option<BTreeMap<TopicPartition, i64>>,
    committed: BTreeMap<TopicPartition, i64>,
}

impl Share {
    pub(super) fn new(client: Arc<Client>, shifts: mpsc::Receiver<Shift>, drained: mpsc::Sender<()>) -> Self {
        Share { client, shifts, drained, member: None, target: None, committed: BTreeMap::new() }
    }

    /// What the group says next; nothing more when the task has ended.
    pub(super) async fn next(&mut self) -> Shift {
        match self.shifts.recv().await {
            Some(shift) => shift,
            None => std::future::pending().await,
        }
    }

    /// A new generation begins.
    pub(super) fn begin(&mut self, member: Member) {
        self.member = Some(member);
        self.target = None;
        self.committed.clear();
    }

    /// The group waits until all up to these offsets is committed.
    pub(super) fn drain(&mut self, target: BTreeMap<TopicPartition, i64>) {
        self.target = Some(target);
        self.check();
    }

    /// The generation is over.
    pub(super) fn lose(&mut self) {
        self.member = None;
        self.target = None;
    }

    /// Whether the partitions are this member's, at least until what it handed on is committed.
    pub(super) fn member(&self) -> Option<&Member> {
        self.member.as_ref()
    }

    /// A position as it is saved.
    pub(super) fn position(&self, offset: i64) -> Option<String> {
        self.member.as_ref().map(|member| format!("{offset}@{}", member.generation))
    }

    /// The positions of this generation, without its number.
    pub(super) fn of_generation(&self, positions: &Positions) -> Positions {
        let own = self.member.as_ref().map(|member| member.generation.to_string());
        let of_own = positions.iter().filter_map(|(name, position)| {
            let (offset, generation) = position.split_once('@')?;
            (Some(generation) == own.as_deref()).then(|| (name.clone(), offset.to_string()))
        });
        of_own.collect()
    }

    /// These offsets are committed.
    pub(super) fn committed(&mut self, offsets: BTreeMap<TopicPartition, i64>) {
        self.committed.extend(offsets);
        self.check();
    }

    /// Says that all is committed, if that is waited for.
    fn check(&mut self) {
        let done = |(place, offset): (&TopicPartition, &i64)| {
            self.committed.get(place).is_some_and(|committed| committed >= offset)
        };
        if self.target.as_ref().is_some_and(|target| target.iter().all(done)) {
            self.lose();
            // One that waits there already says the same.
            let _ = self.drained.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::client::ClientConfig;
    use crate::kafka::client::properties::Properties;
    use tidemill_types::Options;

    fn place(partition: i32) -> TopicPartition {
        ("t".to_string(), partition)
    }

    #[test]
    fn the_group_goes_on_when_all_that_was_handed_on_is_committed_in_this_generation() {
        let options = Options([("properties.bootstrap.servers".to_string(), "h:1".to_string())].into());
        let client = Client::new(ClientConfig::from(&mut Properties::of(&options)).unwrap());
        let ((_shifts_in, shifts), (drained, mut said)) = (mpsc::channel(1), mpsc::channel(1));
        let mut share = Share::new(client, shifts, drained);
        let member = |generation| Member { group: "g".into(), id: "m".into(), generation };
        share.begin(member(3));
        let saved: Positions =
            [("t/0".to_string(), share.position(7).unwrap()), ("t/1".to_string(), "9@2".to_string())].into();
        assert_eq!(share.of_generation(&saved), [("t/0".to_string(), "7".to_string())].into());
        share.drain([(place(0), 7), (place(1), 4)].into());
        share.committed([(place(0), 7)].into());
        assert!(said.try_recv().is_err() && share.member().is_some());
        share.committed([(place(1), 4)].into());
        assert!(said.try_recv().is_ok() && share.member().is_none());
        assert!(share.position(8).is_none() && share.of_generation(&saved).is_empty());
        share.begin(member(4));
        share.drain(BTreeMap::new());
        assert!(said.try_recv().is_ok());
    }
}
