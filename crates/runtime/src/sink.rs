//! The synchronous half of a sink: refuses or drops NULLs, encodes on the worker, hands packets on.

use crate::collect::CollectSender;
use crate::exchange::Outbox;
use crate::sink_edge::PacketQueue;
use arrow_array::{Array, BooleanArray};
use std::sync::Arc;
use tidemill_connector::{Packet, SinkFront};
use tidemill_operators::RowCounters;
use tidemill_plan::SinkPlan;
use tidemill_plan::stream::NotNullEnforcer;
use tidemill_types::{Chunk, Error, Result, Schema};

/// Where a sink's rows go.
pub enum SinkOut {
    /// Through a connector.
    Packets {
        /// Encodes.
        front: Box<dyn SinkFront>,
        /// Takes the packets.
        queue: Arc<PacketQueue>,
    },
    /// To the caller.
    Collect(Arc<CollectSender>),
}

/// The sink of one task.
pub struct SinkHead {
    not_null: NotNullEnforcer,
    not_null_columns: Vec<(usize, String)>,
    out: SinkOut,
}

impl SinkHead {
    /// A sink whose columns have the names of `schema`.
    pub fn new(plan: &SinkPlan, schema: &Schema, out: SinkOut) -> Self {
        let name =
            |column: usize| schema.fields.get(column).map_or_else(String::new, |field| field.name.clone());
        let not_null_columns = plan.not_null_columns.iter().map(|&column| (column, name(column))).collect();
        SinkHead { not_null: plan.not_null, not_null_columns, out }
    }

    /// Takes rows and marks.
    pub fn take(&mut self, chunk: Chunk, counters: &mut RowCounters, outbox: &mut Outbox) -> Result<()> {
        counters.input += chunk.rows as u64;
        let given = chunk.rows;
        let chunk = self.enforce_not_null(chunk)?;
        counters.filtered += (given - chunk.rows) as u64;
        counters.forwarded += chunk.rows as u64;
        counters.emitted += chunk.rows as u64;
        match &mut self.out {
            SinkOut::Packets { queue, .. } if chunk.rows == 0 => {
                let watermark = chunk.marks.last();
                outbox.packet(queue, Packet { watermark, ..Packet::default() });
            }
            SinkOut::Packets { front, queue } => {
                let mut packets = Vec::new();
                front.encode(&chunk, &mut packets)?;
                packets.into_iter().for_each(|packet| outbox.packet(queue, packet));
            }
            SinkOut::Collect(sender) if chunk.rows > 0 => outbox.collect(sender, chunk),
            SinkOut::Collect(_) => {}
        }
        Ok(())
    }

    /// The epoch ends here.
    pub fn barrier(&mut self, epoch: u64, outbox: &mut Outbox) {
        if let SinkOut::Packets { queue, .. } = &self.out {
            outbox.sink_barrier(queue, epoch);
        }
    }

    /// Nothing more will come.
    pub fn end(&mut self, outbox: &mut Outbox) {
        if let SinkOut::Packets { queue, .. } = &self.out {
            outbox.sink_end(queue);
        }
    }

    fn enforce_not_null(&self, mut chunk: Chunk) -> Result<Chunk> {
        if chunk.rows == 0 {
            return Ok(chunk);
        }
        for (column, name) in &self.not_null_columns {
            let values = chunk.columns[*column].clone();
            if values.logical_null_count() == 0 {
                continue;
            }
            if self.not_null == NotNullEnforcer::Error {
                return Err(Error::data(format!(
                    "column '{name}' is NOT NULL, but a null value is being written into it; set \
                     'table.exec.sink.not-null-enforcer' = 'DROP' to drop such rows"
                )));
            }
            let valid: BooleanArray = (0..chunk.rows).map(|row| Some(values.is_valid(row))).collect();
            chunk = chunk.filter(&valid);
        }
        Ok(chunk)
    }
}
