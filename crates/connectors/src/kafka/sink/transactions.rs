//! Transactions of a sink, by the protocol itself so that one that an earlier process prepared can be committed.
//!
//! 1. An epoch's records go into a transaction with an id of its own: `base-run-task-slot`.
//! 2. `prepare` saves the id with the producer's number and epoch, and the next records begin another one.
//! 3. `commit` ends it by what was saved; ending it twice is the same as once.
//! 4. A slot is used again only when an epoch was committed that was prepared after its own commit, so that the
//!    checkpoint to resume from holds it no more; and with a new producer epoch, so that an old checkpoint can never
//!    commit newer records.
//! 5. What former runs left open is aborted at the first commit: then every sink of the table has recovered, so
//!    nothing that is open belongs to the checkpoint any more.

use super::config::{SinkConfig, TransactionNames};
use crate::kafka::client::failure::{Doing, Failure, Outcome, check};
use crate::kafka::client::{BackOff, Client, Looks, is_moved, persist, topic_name};
use bytes::{Buf, BufMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest, ProducerId,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemill_types::{Error, Result};

/// How long a coordinator is asked before it is reported that it can't.
const PATIENCE: Duration = Duration::from_secs(10);
/// The version of what `prepare` saves.
const FORM: u8 = 1;

/// A producer that a broker knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) transactional_id: Option<String>,
    pub(super) id: i64,
    pub(super) epoch: i16,
}

impl Producer {
    /// One without number: repeated batches can't be told.
    pub(super) const ANONYMOUS: Producer = Producer { transactional_id: None, id: -1, epoch: -1 };

    /// What a checkpoint keeps of it.
    pub(super) fn save(&self) -> Vec<u8> {
        let id = self.transactional_id.as_deref().unwrap_or_default();
        let mut saved = Vec::with_capacity(11 + id.len());
        saved.put_u8(FORM);
        saved.put_i64(self.id);
        saved.put_i16(self.epoch);
        saved.extend_from_slice(id.as_bytes());
        saved
    }

    /// The producer that a checkpoint kept.
    pub(super) fn load(mut saved: &[u8]) -> Result<Producer> {
        let bad = || Error::external_fatal("a checkpoint holds no Kafka transaction that can be read");
        if saved.len() < 11 || saved.get_u8() != FORM {
            return Err(bad());
        }
        let (id, epoch) = (saved.get_i64(), saved.get_i16());
        let transactional_id = Some(String::from_utf8(saved.to_vec()).map_err(|_| bad())?);
        Ok(Producer { transactional_id, id, epoch })
    }
}

/// Gets a producer number; with an id of transactions this ends whatever was open under it.
pub(super) async fn init_producer(
    client: &Client,
    transactional_id: Option<&str>,
    timeout: Duration,
) -> Outcome<Producer> {
    let id = |id: &str| TransactionalId(StrBytes::from_string(id.to_string()));
    let request = InitProducerIdRequest::default()
        .with_transactional_id(transactional_id.map(id))
        .with_transaction_timeout_ms(timeout.as_millis().min(i32::MAX as u128) as i32)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let answer = match transactional_id {
        Some(key) => client.call_coordinator(Looks::Transaction, key, &request).await?,
        None => client.any().await?.call(&request).await?,
    };
    settle(client, transactional_id, check(answer.error_code)).await?;
    Ok(Producer {
        transactional_id: transactional_id.map(str::to_string),
        id: answer.producer_id.0,
        epoch: answer.producer_epoch,
    })
}

/// Makes the next attempt ask who the coordinator is, if it has moved.
async fn settle(client: &Client, id: Option<&str>, outcome: Outcome<()>) -> Outcome<()> {
    if let Some(id) = id.filter(|_| outcome.as_ref().is_err_and(is_moved)) {
        client.forget_coordinator(Looks::Transaction, id).await;
    }
    outcome
}

/// The transactions of one sink.
#[derive(Debug)]
pub(super) struct Transactions {
    names: TransactionNames,
    timeout: Duration,
    task: usize,
    parallelism: usize,
    /// Slots that no checkpoint needs any more.
    free: BTreeSet<usize>,
    next_slot: usize,
    /// How many epochs were prepared.
    prepared: u64,
    /// Slots that wait for their commit, with the number of their epoch.
    waiting: BTreeMap<usize, u64>,
    /// Slots that were committed, with how many epochs were prepared by then.
    committed: Vec<(usize, u64)>,
    /// The transaction of the epoch at hand, and what takes part in it.
    current: Option<(Producer, BTreeSet<(String, i32)>)>,
    cleaned: bool,
}

impl Transactions {
    pub(super) fn new(config: &SinkConfig, names: TransactionNames) -> Self {
        Transactions {
            names,
            timeout: config.transaction_timeout,
            task: config.task,
            parallelism: config.parallelism,
            free: BTreeSet::new(),
            next_slot: 0,
            prepared: 0,
            waiting: BTreeMap::new(),
            committed: Vec::new(),
            current: None,
            cleaned: false,
        }
    }

    fn own_base(&self) -> String {
        format!("{}{}-", self.names.base, self.names.run)
    }

    /// The producer of the epoch at hand, and whether it is a new one.
    pub(super) async fn producer(&mut self, client: &Client) -> Result<(Producer, bool)> {
        if let Some((producer, _)) = &self.current {
            return Ok((producer.clone(), false));
        }
        let slot = self.free.first().copied().unwrap_or(self.next_slot);
        let id = format!("{}{}-{slot}", self.own_base(), self.task);
        let made = persist(PATIENCE, || init_producer(client, Some(&id), self.timeout)).await;
        let producer = match made {
            Err(failure) if failure.is(ResponseError::InvalidTransactionTimeout) => {
                return Err(Error::user_hint(
                    format!(
                        "the broker does not let transactions be open for {} ms",
                        self.timeout.as_millis()
                    ),
                    "set 'properties.transaction.timeout.ms' no higher than the broker's transaction.max.timeout.ms \
                     (15 min unless it was changed)",
                ));
            }
            other => other.doing(format!("can't begin the transaction '{id}'"))?,
        };
        self.free.remove(&slot);
        self.next_slot = self.next_slot.max(slot + 1);
        self.current = Some((producer.clone(), BTreeSet::new()));
        Ok((producer, true))
    }

    /// Tells the coordinator which partitions the transaction writes to.
    pub(super) async fn add(
        &mut self,
        client: &Client,
        partitions: impl Iterator<Item = (String, i32)>,
    ) -> Result<()> {
        let Some((producer, known)) = &mut self.current else {
            return Err(Error::internal("records without a transaction"));
        };
        let new: BTreeSet<(String, i32)> = partitions.filter(|place| !known.contains(place)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let added = persist(PATIENCE, || add_partitions(client, producer, &new)).await;
        added.doing("can't add partitions to a transaction")?;
        known.extend(new);
        Ok(())
    }

    /// Ends the epoch at hand: what `commit` needs, nothing if nothing was written.
    pub(super) fn prepare(&mut self) -> Vec<u8> {
        self.prepared += 1;
        match self.current.take() {
            Some((producer, partitions)) if !partitions.is_empty() => {
                self.waiting.extend(self.slot_of(&producer).map(|slot| (slot, self.prepared)));
                producer.save()
            }
            unused => {
                self.current = unused;
                Vec::new()
            }
        }
    }

    /// Commits what was prepared by this or an earlier run.
    pub(super) async fn commit(&mut self, client: &Client, prepared: &[u8]) -> Result<()> {
        if !prepared.is_empty() {
            let producer = Producer::load(prepared)?;
            let ended = persist(PATIENCE, || end(client, &producer, true)).await;
            ended.map_err(|failure| not_committed(&producer, &failure))?;
            self.release(&producer);
        }
        if !self.cleaned {
            self.abort_leftovers(client).await?;
            self.cleaned = true;
        }
        Ok(())
    }

    /// Commits what an earlier run had prepared.
    pub(super) async fn recover(&mut self, client: &Client, prepared: &[Vec<u8>]) -> Result<()> {
        for prepared in prepared.iter().filter(|prepared| !prepared.is_empty()) {
            let producer = Producer::load(prepared)?;
            let ended = persist(PATIENCE, || end(client, &producer, true)).await;
            ended.map_err(|failure| not_committed(&producer, &failure))?;
        }
        Ok(())
    }

    fn slot_of(&self, producer: &Producer) -> Option<usize> {
        let own = format!("{}{}-", self.own_base(), self.task);
        producer.transactional_id.as_deref()?.strip_prefix(&own)?.parse().ok()
    }

    /// This slot was committed; those are free whose commit came before this one's epoch was prepared.
    fn release(&mut self, producer: &Producer) {
        let Some(slot) = self.slot_of(producer) else { return };
        let Some(number) = self.waiting.remove(&slot) else { return };
        let (gone, kept) = std::mem::take(&mut self.committed).into_iter().partition(|(_, by)| *by < number);
        self.committed = kept;
        let gone: Vec<(usize, u64)> = gone;
        self.free.extend(gone.into_iter().map(|(slot, _)| slot));
        self.committed.push((slot, self.prepared));
    }

    /// Aborts what former runs of this table left open, as far as it is this task's to do.
    async fn abort_leftovers(&self, client: &Client) -> Result<()> {
        let open = persist(PATIENCE, || open_transactions(client)).await;
        let open = match open {
            // Old brokers, or ones that don't allow it: what is left open times out.
            Err(failure) if !failure.retryable() => return Ok(()),
            open => open.doing("can't ask for open transactions")?,
        };
        for id in open.iter().filter(|id| self.is_leftover(id)) {
            let aborted = persist(PATIENCE, || init_producer(client, Some(id), self.timeout)).await;
            aborted.doing(format!("can't abort the transaction '{id}' of an earlier run"))?;
        }
        Ok(())
    }

    fn is_leftover(&self, id: &str) -> bool {
        let Some(rest) = id.strip_prefix(&self.names.base) else { return false };
        let parts: Vec<&str> = rest.split('-').collect();
        match parts.as_slice() {
            [run, task, slot] if *run != self.names.run && slot.parse::<usize>().is_ok() => task
                .parse::<usize>()
                .is_ok_and(|task| task % self.parallelism == self.task % self.parallelism),
            _ => false,
        }
    }
}

fn not_committed(producer: &Producer, failure: &Failure) -> Error {
    let id = producer.transactional_id.as_deref().unwrap_or_default();
    if failure.retryable() {
        return failure.error(format!("can't commit the transaction '{id}'"));
    }
    Error::external_fatal(format!(
        "the transaction '{id}' of the last checkpoint can't be committed: {failure}. It was open for longer than \
         'properties.transaction.timeout.ms' and the broker has aborted it, or another pipeline uses the same \
         'sink.transactional-id-prefix': its records are lost"
    ))
}

async fn end(client: &Client, producer: &Producer, commit: bool) -> Outcome<()> {
    let id = producer.transactional_id.clone().unwrap_or_default();
    let request = EndTxnRequest::default()
        .with_transactional_id(TransactionalId(StrBytes::from_string(id.clone())))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_committed(commit);
    let answer = client.call_coordinator(Looks::Transaction, &id, &request).await?;
    settle(client, Some(&id), check(answer.error_code)).await
}

async fn add_partitions(
    client: &Client,
    producer: &Producer,
    partitions: &BTreeSet<(String, i32)>,
) -> Outcome<()> {
    let id = producer.transactional_id.clone().unwrap_or_default();
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        AddPartitionsToTxnTopic::default().with_name(topic_name(name)).with_partitions(partitions)
    });
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(TransactionalId(StrBytes::from_string(id.clone())))
        .with_v3_and_below_producer_id(ProducerId(producer.id))
        .with_v3_and_below_producer_epoch(producer.epoch)
        .with_v3_and_below_topics(topics.collect());
    let answer = client.call_coordinator(Looks::Transaction, &id, &request).await?;
    for topic in &answer.results_by_topic_v3_and_below {
        for partition in &topic.results_by_partition {
            settle(client, Some(&id), check(partition.partition_error_code)).await?;
        }
    }
    Ok(())
}

/// The ids of all transactions that are open on the cluster.
async fn open_transactions(client: &Client) -> Outcome<Vec<String>> {
    let request =
        ListTransactionsRequest::default().with_state_filters(vec![StrBytes::from_static_str("Ongoing")]);
    let mut back_off = BackOff::new();
    let mut open = Vec::new();
    for broker in client.brokers().await? {
        let answer = loop {
            let answer = client.broker(broker).await?.call(&request).await?;
            match check(answer.error_code) {
                Err(failure) if failure.is(ResponseError::CoordinatorLoadInProgress) => {
                    back_off.pause().await
                }
                settled => break settled.map(|()| answer)?,
            }
        };
        open.extend(answer.transaction_states.into_iter().map(|state| state.transactional_id.to_string()));
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let producer = Producer { transactional_id: Some("p-x-1-0-2".into()), id: 1 << 40, epoch: 7 };
        assert_eq!(Producer::load(&producer.save()).unwrap(), producer);
        assert!(Producer::load(b"").is_err());
        assert!(Producer::load(&[9; 20]).is_err());
    }

    fn transactions() -> Transactions {
        Transactions {
            names: TransactionNames { base: "p-pipe-".into(), run: "r2".into() },
            timeout: PATIENCE,
            task: 1,
            parallelism: 2,
            free: BTreeSet::new(),
            next_slot: 0,
            prepared: 0,
            waiting: BTreeMap::new(),
            committed: Vec::new(),
            current: None,
            cleaned: false,
        }
    }

    #[test]
    fn slots_are_free_when_no_checkpoint_to_resume_from_holds_them() {
        let mut transactions = transactions();
        let producer =
            |slot: usize| Producer { transactional_id: Some(format!("p-pipe-r2-1-{slot}")), id: 1, epoch: 0 };
        let epoch = |transactions: &mut Transactions, slot: usize| {
            transactions.current = Some((producer(slot), BTreeSet::from([("t".to_string(), 0)])));
            assert!(!transactions.prepare().is_empty());
        };
        // The checkpoint of the first epoch fails; the second one's holds both.
        epoch(&mut transactions, 0);
        epoch(&mut transactions, 1);
        transactions.release(&producer(0));
        transactions.release(&producer(1));
        assert!(transactions.free.is_empty());
        epoch(&mut transactions, 2);
        assert!(transactions.free.is_empty());
        transactions.release(&producer(2));
        transactions.release(&producer(2));
        assert_eq!(transactions.free, BTreeSet::from([0, 1]));
    }

    #[test]
    fn only_this_tables_former_runs_are_leftovers() {
        let transactions = transactions();
        assert!(transactions.is_leftover("p-pipe-r1-3-0"));
        for other in ["p-pipe-r2-1-0", "p-pipe-r1-2-0", "p-pipe-2-r1-1-0", "q-pipe-r1-1-0", "p-pipe-r1-1"] {
            assert!(!transactions.is_leftover(other), "{other}");
        }
    }
}
