//! The connector `ledger`: a transactional sink in memory that outlives the jobs which write it.
//!
//! 1. Rows that were written but not prepared are lost with their job.
//! 2. What was prepared stays, unseen, until it is committed.
//! 3. A write may take its time, so that queues fill up.
//! 4. Now and then a call fails although it was done, or without having been done; the runtime has to call again.
//!
//! Invariant: a transaction counts once, however often it is committed.

use crate::random::Random;
use crate::run::Folded;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidemill_connector::{Connector, Guarantee, Lookups, NoFront, OpenSink, Packet, Sink, TableRequest};
use tidemill_format::write_display;
use tidemill_types::{Chunk, Error, OptionKind, OptionSpec, Result, Schema};

const NAME: OptionSpec = OptionSpec::new("name", OptionKind::Text, "which ledger").required();
const SEED: OptionSpec = OptionSpec::new("seed", OptionKind::Integer, "decides the failures").default("0");
const FAILURES: OptionSpec =
    OptionSpec::new("one-in", OptionKind::Integer, "one call in so many fails; 0: none").default("0");
const SLOW: OptionSpec =
    OptionSpec::new("slow-ms", OptionKind::Integer, "how long a write takes at most").default("0");

/// The connector.
pub const LEDGER: Connector = Connector {
    name: "ledger",
    summary: "transactions in memory",
    options: &[NAME, SEED, FAILURES, SLOW],
    formatted: false,
    metadata: &[],
    sink_takes_changes: true,
    sink_skips_update_before: false,
    finds_fields_by_name: false,
    upserts: false,
    bounded: |_| true,
    check: |_| Ok(()),
    source: None,
    sink: Some(open),
    lookups: Lookups::NONE,
    single_task_sink: false,
};

/// A change of a row: the texts of its values, and whether it was added.
type Change = (Vec<String>, i64);

/// What one ledger holds.
#[derive(Debug, Default)]
struct Ledger {
    prepared: BTreeMap<String, Vec<Change>>,
    committed: BTreeSet<String>,
    rows: Folded,
}

static LEDGERS: LazyLock<Mutex<BTreeMap<String, Ledger>>> = LazyLock::new(Mutex::default);

fn ledgers() -> MutexGuard<'static, BTreeMap<String, Ledger>> {
    LEDGERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The visible rows of a ledger.
pub fn visible(name: &str) -> Folded {
    ledgers().get(name).map(|ledger| ledger.rows.clone()).unwrap_or_default()
}

/// Forgets a ledger.
pub fn forget(name: &str) {
    ledgers().remove(name);
}

struct LedgerSink {
    name: String,
    /// Begins the names of its transactions.
    prefix: String,
    schema: Schema,
    zone: chrono_tz::Tz,
    written: Vec<Change>,
    made: usize,
    random: Random,
    one_in: u64,
    slow_ms: u64,
}

fn open(request: &TableRequest<'_>) -> Result<OpenSink> {
    let name = request.options.text(&NAME).unwrap_or_default().to_string();
    let seed = request.options.integer(&SEED)?.unwrap_or_default() as u64;
    let sink = LedgerSink {
        prefix: format!("{}/{}/{}", request.pipeline_id, request.run_id, request.task),
        name,
        schema: request.schema.clone(),
        zone: request.zone,
        written: Vec::new(),
        made: 0,
        random: Random::new(seed ^ (request.task as u64).wrapping_mul(0x9E37_79B9)),
        one_in: request.options.integer(&FAILURES)?.unwrap_or_default() as u64,
        slow_ms: request.options.integer(&SLOW)?.unwrap_or_default() as u64,
    };
    Ok(OpenSink { front: Box::new(NoFront), sink: Box::new(sink), guarantee: Guarantee::ExactlyOnce })
}

impl LedgerSink {
    fn fails(&mut self) -> Result<()> {
        match self.one_in > 0 && self.random.below(self.one_in) == 0 {
            true => Err(Error::external("the ledger is busy")),
            false => Ok(()),
        }
    }

    fn note(&mut self, chunk: &Chunk) {
        for row in 0..chunk.rows {
            let text = |column: usize| {
                let mut out = Vec::new();
                let data_type = &self.schema.fields[column].data_type;
                write_display(chunk.columns[column].as_ref(), data_type, row, self.zone, &mut out);
                String::from_utf8_lossy(&out).into_owned()
            };
            let cells = (0..self.schema.len()).map(text).collect();
            let sign = chunk.kinds.as_ref().map_or(1, |kinds| kinds[row].sign());
            self.written.push((cells, sign));
        }
    }
}

#[async_trait::async_trait]
impl Sink for LedgerSink {
    async fn write(&mut self, packet: Packet) -> Result<()> {
        if self.slow_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.random.below(self.slow_ms))).await;
        }
        self.fails()?;
        packet.chunk.iter().for_each(|chunk| self.note(chunk));
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        self.fails()
    }

    async fn finish(&mut self) -> Result<()> {
        assert!(self.written.is_empty(), "the end of a run with checkpoints is prepared");
        Ok(())
    }

    async fn prepare(&mut self, _epoch: u64) -> Result<Vec<u8>> {
        self.fails()?;
        if self.written.is_empty() {
            return Ok(Vec::new());
        }
        let transaction = format!("{}/{}", self.prefix, self.made);
        self.made += 1;
        let written = std::mem::take(&mut self.written);
        ledgers().entry(self.name.clone()).or_default().prepared.insert(transaction.clone(), written);
        Ok(transaction.into_bytes())
    }

    async fn commit(&mut self, prepared: &[u8]) -> Result<()> {
        self.fails()?;
        let transaction = String::from_utf8_lossy(prepared).into_owned();
        {
            let mut ledgers = ledgers();
            let ledger = ledgers.entry(self.name.clone()).or_default();
            if ledger.committed.insert(transaction.clone()) {
                let changes = ledger.prepared.remove(&transaction);
                let changes = changes.ok_or_else(|| Error::internal("committed what was never prepared"))?;
                for (row, sign) in changes {
                    *ledger.rows.entry(row).or_default() += sign;
                }
                ledger.rows.retain(|_, count| *count != 0);
            }
        }
        // It was done, but nobody hears of it.
        self.fails()
    }
}
