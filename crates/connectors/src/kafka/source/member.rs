//! The task that keeps a source in its consumer group: joins, gives signs of life, joins again when the group changes.
//!
//! 1. Partitions are the source's from `Assigned` to `Revoked` or `Lost`.
//! 2. `Revoked`: the group is about to share out anew. This member joins again when the source says that what it has
//!    handed on is covered by a checkpoint and committed; until then the group waits.
//! 3. `Lost`: the group has gone on without this member; others may read its partitions already.
//!
//! Deliberately not here: cooperative rebalancing (every change revokes all partitions) and static membership.

use super::config::SourceConfig;
use super::start;
use crate::kafka::client::failure::{Failure, Outcome};
use crate::kafka::client::membership::{Joined, Member, heartbeat, join, leave, range, sync};
use crate::kafka::client::offsets::TopicPartition;
use crate::kafka::client::{BackOff, Client, is_moved, persist};
use kafka_protocol::ResponseError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tidemill_types::Error;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// How long failures are tried again before they are reported.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// How long leaving may take; if it fails the session ends by itself.
const LEAVE_PATIENCE: Duration = Duration::from_secs(1);

/// What the source hears.
#[derive(Debug)]
pub(super) enum Shift {
    /// These partitions are this member's.
    Assigned(Member, BTreeSet<TopicPartition>),
    /// Read no more, and say when all is committed.
    Revoked,
    /// Others may read them.
    Lost,
    /// It does not work; perhaps later.
    Failed(Error),
}

/// How a generation ended for this member.
enum End {
    Changed,
    Lost,
    Closed,
}

/// The task's state.
pub(super) struct Membership {
    client: Arc<Client>,
    config: Arc<SourceConfig>,
    out: mpsc::Sender<Shift>,
    drained: mpsc::Receiver<()>,
    /// What the group calls this member; empty until it said so.
    id: String,
    /// The partitions that the leader shared out; empty for others.
    shared: BTreeMap<String, Vec<i32>>,
}

impl Membership {
    /// Starts the task: what the source hears, and where it says that it has drained.
    pub(super) fn spawn(
        client: Arc<Client>,
        config: Arc<SourceConfig>,
    ) -> (mpsc::Receiver<Shift>, mpsc::Sender<()>) {
        let (out, shifts) = mpsc::channel(1);
        let (drained_in, drained) = mpsc::channel(1);
        let task = Membership { client, config, out, drained, id: String::new(), shared: BTreeMap::new() };
        tokio::spawn(task.run());
        (shifts, drained_in)
    }

    async fn run(mut self) {
        let mut back_off = BackOff::new();
        let out = self.out.clone();
        loop {
            let joined = tokio::select! {
                biased;
                () = out.closed() => return,
                joined = self.join() => joined,
            };
            let (member, partitions) = match joined {
                Ok(joined) => joined,
                Err(failure) if must_join_again(&failure) => {
                    self.forget_if_unknown(&failure);
                    back_off.pause().await;
                    continue;
                }
                Err(failure) => {
                    let error = failed(&self.config, &failure);
                    let is_final = !matches!(error, Error::External { retryable: true, .. });
                    if out.send(Shift::Failed(error)).await.is_err() || is_final {
                        return;
                    }
                    continue;
                }
            };
            back_off.reset();
            let mut end = match out.send(Shift::Assigned(member.clone(), partitions)).await {
                Ok(()) => self.stay(&member).await,
                Err(_) => End::Closed,
            };
            if let End::Changed = end {
                end = self.give_up(&member).await;
            }
            match end {
                End::Closed => {
                    let _ = persist(LEAVE_PATIENCE, || leave(&self.client, &member)).await;
                    return;
                }
                End::Lost => drop(out.send(Shift::Lost).await),
                End::Changed => {}
            }
        }
    }

    /// Joins and gets this member's partitions.
    async fn join(&mut self) -> Outcome<(Member, BTreeSet<TopicPartition>)> {
        let (client, config) = (self.client.clone(), self.config.clone());
        let (group, patience) = (&config.group, config.patience);
        let partitions = persist(REPORT_EVERY, || partitions(&client, &config)).await?;
        let topics: Vec<String> = partitions.keys().cloned().collect();
        let joined = loop {
            let id = self.id.clone();
            match persist(REPORT_EVERY, || join(&client, group, &id, &topics, patience)).await? {
                Ok(joined) => break joined,
                Err(id) => self.id = id,
            }
        };
        let Joined { member, members } = joined;
        self.id = member.id.clone();
        self.shared = if members.is_empty() { BTreeMap::new() } else { partitions };
        let shares = range(&members, &self.shared);
        let own = persist(REPORT_EVERY, || sync(&client, &member, &shares, patience)).await?;
        Ok((member, own))
    }

    /// Gives signs of life until the group changes.
    async fn stay(&mut self, member: &Member) -> End {
        let mut heard = Instant::now();
        let mut looked = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = self.out.closed() => return End::Closed,
                () = sleep(self.config.patience.heartbeat) => {}
            }
            if let Some(end) = self.beat(member, &mut heard).await {
                return end;
            }
            if self.config.discovery.is_some_and(|interval| looked.elapsed() >= interval) {
                looked = Instant::now();
                if self.has_new_partitions().await {
                    return End::Changed;
                }
            }
        }
    }

    /// Tells the source to stop and waits until all that it handed on is committed.
    async fn give_up(&mut self, member: &Member) -> End {
        // What was said in an earlier generation counts no more.
        while self.drained.try_recv().is_ok() {}
        if self.out.send(Shift::Revoked).await.is_err() {
            return End::Closed;
        }
        let (begin, mut heard) = (Instant::now(), Instant::now());
        while begin.elapsed() < self.config.patience.rebalance {
            tokio::select! {
                biased;
                said = self.drained.recv() => return said.map_or(End::Closed, |()| End::Changed),
                () = sleep(self.config.patience.heartbeat) => {}
            }
            if let Some(end @ End::Lost) = self.beat(member, &mut heard).await {
                return end;
            }
        }
        End::Lost
    }

    /// One sign of life; what the group makes of it, if this generation is over.
    async fn beat(&mut self, member: &Member, heard: &mut Instant) -> Option<End> {
        match heartbeat(&self.client, member).await {
            Ok(()) => *heard = Instant::now(),
            Err(failure) if failure.is(ResponseError::RebalanceInProgress) => {
                *heard = Instant::now();
                return Some(End::Changed);
            }
            Err(failure) if must_join_again(&failure) => {
                self.forget_if_unknown(&failure);
                return Some(End::Lost);
            }
            // The coordinator moves or is away; after the session's time it has given this member up.
            Err(_) => {}
        }
        (heard.elapsed() >= self.config.patience.session).then_some(End::Lost)
    }

    /// Whether the leader would share out other partitions now.
    async fn has_new_partitions(&self) -> bool {
        if self.shared.is_empty() {
            return false;
        }
        partitions(&self.client, &self.config).await.is_ok_and(|found| found != self.shared)
    }

    fn forget_if_unknown(&mut self, failure: &Failure) {
        if failure.is(ResponseError::UnknownMemberId) {
            self.id.clear();
        }
    }
}

/// The partitions of the table's topics.
async fn partitions(client: &Client, config: &SourceConfig) -> Outcome<BTreeMap<String, Vec<i32>>> {
    let found =
        start::leaders(client, config).await.map_err(|error| Failure::Connection(error.to_string()))?;
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in found.into_keys() {
        topics.entry(topic).or_default().push(partition);
    }
    Ok(topics)
}

/// Whether the group has gone on without this member.
fn must_join_again(failure: &Failure) -> bool {
    use ResponseError::{FencedInstanceId, IllegalGeneration, RebalanceInProgress, UnknownMemberId};
    let errors = [RebalanceInProgress, IllegalGeneration, UnknownMemberId, FencedInstanceId];
    errors.into_iter().any(|error| failure.is(error))
}

fn failed(config: &SourceConfig, failure: &Failure) -> Error {
    let doing = format!("table '{}' can't join the group '{}'", config.table, config.group);
    if failure.is(ResponseError::InconsistentGroupProtocol) {
        return Error::user_hint(
            format!("{doing}: its members share partitions out by another rule"),
            "this one takes part with the assignor 'range'",
        );
    }
    match is_moved(failure) {
        true => Error::external(format!("{doing}: {failure}")),
        false => failure.error(doing),
    }
}
