//! The front half of the sink: splits chunks by partition and encodes them, on the worker.
//!
//! Invariant: partition columns are in the folder's name and nowhere else; the watermark of a chunk travels
//! with its last packet.

use super::options::DEFAULT_NAME;
use super::partition::{Codes, codes};
use super::path::escape;
use super::whole::is_whole;
use arrow_array::UInt32Array;
use std::collections::HashMap;
use tidemill_connector::{Packet, SinkFront, TableRequest};
use tidemill_format::{EncodeRequest, Encoder, format};
use tidemill_types::{Chunk, DataType, Error, Result, Schema};

/// Encodes the rows of one task.
pub(super) struct Front {
    /// `None`: rows are handed on as they are, for files that are written as wholes.
    encoder: Option<Box<dyn Encoder>>,
    /// The columns that are encoded.
    kept: Vec<usize>,
    partitions: Vec<PartitionColumn>,
    default_name: String,
}

struct PartitionColumn {
    index: usize,
    /// `column=`, escaped.
    folder: String,
    data_type: DataType,
}

impl Front {
    /// The front half for a table; its format must be one that writes.
    pub(super) fn open(request: &TableRequest<'_>) -> Result<Self> {
        let partitions = request.partition_by.iter().map(|name| partition_column(request, name));
        let partitions = partitions.collect::<Result<Vec<_>>>()?;
        let is_kept = |index: &usize| !partitions.iter().any(|partition| partition.index == *index);
        let kept: Vec<usize> = (0..request.schema.len()).filter(is_kept).collect();
        Ok(Front {
            encoder: if is_whole(request)? { None } else { Some(open_encoder(request, &kept)?) },
            kept,
            partitions,
            default_name: request.options.text(&DEFAULT_NAME).unwrap_or_default().to_string(),
        })
    }

    fn packet(&mut self, partition: String, rows: &Chunk) -> Result<Packet> {
        let columns = self.kept.iter().map(|&index| rows.columns[index].clone()).collect();
        let columns = rows.with_columns(columns);
        let mut packet = Packet { partition, rows: rows.rows, ..Packet::default() };
        match &mut self.encoder {
            Some(encoder) => encoder.encode(&columns, b"\n", &mut packet.bytes, &mut packet.ends)?,
            None => packet.chunk = Some(columns),
        }
        Ok(packet)
    }

    /// The groups of rows that belong to one partition each, in order of appearance.
    fn groups(&self, chunk: &Chunk) -> Result<Vec<(String, Vec<u32>)>> {
        let columns = self.partitions.iter();
        let columns = columns.map(|partition| codes(&chunk.columns[partition.index], &partition.data_type));
        let columns = columns.collect::<Result<Vec<Codes>>>()?;
        let mut known: HashMap<u64, usize> = HashMap::new();
        let mut groups: Vec<(String, Vec<u32>)> = Vec::new();
        for row in 0..chunk.rows {
            let combined = columns.iter().fold(0u64, |combined, column| {
                combined * column.texts.len() as u64 + u64::from(column.codes[row])
            });
            let group = *known.entry(combined).or_insert_with(|| {
                groups.push((self.folder(&columns, row), Vec::new()));
                groups.len() - 1
            });
            groups[group].1.push(row as u32);
        }
        Ok(groups)
    }

    fn folder(&self, columns: &[Codes], row: usize) -> String {
        let part = |(partition, codes): (&PartitionColumn, &Codes)| {
            let text = codes.texts[codes.codes[row] as usize].as_deref();
            format!("{}{}", partition.folder, escape(text.unwrap_or(&self.default_name)))
        };
        self.partitions.iter().zip(columns).map(part).collect::<Vec<_>>().join("/")
    }

    fn encode_partitioned(&mut self, chunk: &Chunk, out: &mut Vec<Packet>) -> Result<()> {
        // Different codes may share a folder (NULL and the empty text); the back half joins them again.
        for (partition, rows) in self.groups(chunk)? {
            let packet = match rows.len() == chunk.rows {
                true => self.packet(partition, chunk)?,
                false => self.packet(partition, &chunk.take(&UInt32Array::from(rows)))?,
            };
            out.push(packet);
        }
        Ok(())
    }
}

impl SinkFront for Front {
    fn encode(&mut self, chunk: &Chunk, out: &mut Vec<Packet>) -> Result<()> {
        let before = out.len();
        match (chunk.rows, self.partitions.is_empty()) {
            (0, _) => {}
            (_, true) => out.push(self.packet(String::new(), chunk)?),
            (_, false) => self.encode_partitioned(chunk, out)?,
        }
        if let Some(watermark) = chunk.marks.last() {
            if out.len() == before {
                out.push(Packet::default());
            }
            out.last_mut().expect("a packet was just made").watermark = Some(watermark);
        }
        Ok(())
    }
}

fn partition_column(request: &TableRequest<'_>, name: &str) -> Result<PartitionColumn> {
    let index = request
        .schema
        .index_of(name)
        .ok_or_else(|| Error::user(format!("the partition column '{name}' is not a column of the table")))?;
    let data_type = request.schema.fields[index].data_type.clone();
    Ok(PartitionColumn { index, folder: format!("{}=", escape(name)), data_type })
}

fn open_encoder(request: &TableRequest<'_>, kept: &[usize]) -> Result<Box<dyn Encoder>> {
    let name = request.options.get("format").ok_or_else(|| {
        Error::user_hint(
            format!("table '{}' needs the option 'format'", request.table),
            "it says how rows are written, such as 'json' or 'csv'",
        )
    })?;
    let encoder = format(name)?.encoder.ok_or_else(|| {
        Error::user(format!("the format '{name}' can only be read, so '{}' can't be written", request.table))
    })?;
    let schema = Schema::new(kept.iter().map(|&index| request.schema.fields[index].clone()).collect());
    encoder(&EncodeRequest {
        schema: &schema,
        options: &request.options.under(&format!("{name}.")),
        zone: request.zone,
    })
}
