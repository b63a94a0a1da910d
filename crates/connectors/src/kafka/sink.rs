//! The back half of a sink: batches records, and ends transactions as checkpoints ask for it.

pub(super) mod config;
pub(super) mod front;
mod latest;
pub(super) mod partitioner;
mod producer;
mod transactions;

use super::client::Client;
use config::SinkConfig;
use latest::Latest;
use producer::Sender;
use std::sync::Arc;
use tidemill_connector::{Packet, Sink, TableRequest};
use tidemill_types::Result;
use transactions::Transactions;

/// The sink of one task.
pub(super) struct KafkaSink {
    client: Arc<Client>,
    sender: Sender,
    transactions: Option<Transactions>,
    latest: Option<Latest>,
    /// Packets that were taken out of `latest` and not written yet.
    drained: Vec<Packet>,
}

impl KafkaSink {
    /// A sink that connects when the first records come.
    pub(super) fn open(request: &TableRequest<'_>, upserts: bool) -> Result<Self> {
        let (config, client, unused) = SinkConfig::read(request, upserts)?;
        super::warn_unused(request.table, &unused);
        let (client, config) = (Client::new(client), Arc::new(config));
        Ok(KafkaSink {
            sender: Sender::new(client.clone(), config.clone()),
            client,
            transactions: config.transactions.clone().map(|names| Transactions::new(&config, names)),
            latest: config.latest_rows.map(Latest::new),
            drained: Vec::new(),
        })
    }

    async fn write_drained(&mut self) -> Result<()> {
        while let Some(packet) = self.drained.first() {
            self.sender.write(packet, self.transactions.as_mut()).await?;
            self.drained.remove(0);
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Sink for KafkaSink {
    async fn write(&mut self, packet: Packet) -> Result<()> {
        if packet.ends.is_empty() {
            return Ok(());
        }
        self.write_drained().await?;
        match &mut self.latest {
            None => self.sender.write(&packet, self.transactions.as_mut()).await,
            Some(latest) => {
                self.drained = latest.take(&packet);
                Ok(())
            }
        }
    }

    async fn flush(&mut self) -> Result<()> {
        self.write_drained().await?;
        if let Some(latest) = &mut self.latest {
            self.drained = latest.drain();
            self.write_drained().await?;
        }
        self.sender.flush(self.transactions.as_mut()).await
    }

    async fn finish(&mut self) -> Result<()> {
        self.flush().await
    }

    async fn prepare(&mut self, _epoch: u64) -> Result<Vec<u8>> {
        self.flush().await?;
        Ok(self.transactions.as_mut().map(Transactions::prepare).unwrap_or_default())
    }

    async fn commit(&mut self, prepared: &[u8]) -> Result<()> {
        match &mut self.transactions {
            Some(transactions) => transactions.commit(&self.client, prepared).await,
            None => Ok(()),
        }
    }

    async fn recover(&mut self, prepared: &[Vec<u8>]) -> Result<()> {
        match &mut self.transactions {
            Some(transactions) => transactions.recover(&self.client, prepared).await,
            None => Ok(()),
        }
    }
}
