//! Metadata columns of records.

use crate::columns::fixed;
use crate::kafka::batch::reader::{Run, headers};
use arrow_array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow_array::{ArrayRef, Int32Array, StringViewArray};
use arrow_buffer::OffsetBuffer;
use std::sync::Arc;
use tidemill_connector::TableRequest;
use tidemill_types::map::map_array;
use tidemill_types::{DataType, Error, Result, TypeKind};

/// A metadata column with a value for each record.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Headers,
    LeaderEpoch,
    Offset,
    Timestamp,
    TimestampType,
}

/// The metadata columns that a source gives.
#[derive(Debug, Clone, Default)]
pub(super) struct MetadataColumns {
    topic: Vec<usize>,
    partition: Vec<usize>,
    of_records: Vec<(usize, Kind)>,
}

impl MetadataColumns {
    /// Those that a request wants.
    pub(super) fn of(request: &TableRequest<'_>) -> Self {
        let mut columns = MetadataColumns::default();
        for (at, (key, _)) in request.metadata.iter().enumerate() {
            let at = request.wanted.len() + at;
            let kind = match key.as_str() {
                "topic" => {
                    columns.topic.push(at);
                    continue;
                }
                "partition" => {
                    columns.partition.push(at);
                    continue;
                }
                "headers" => Kind::Headers,
                "leader-epoch" => Kind::LeaderEpoch,
                "offset" => Kind::Offset,
                "timestamp" => Kind::Timestamp,
                "timestamp-type" => Kind::TimestampType,
                // The format's.
                _ => continue,
            };
            columns.of_records.push((at, kind));
        }
        columns
    }

    /// Whether a column has a value for each record.
    pub(super) fn by_record(&self) -> bool {
        !self.of_records.is_empty()
    }

    /// The columns with one value for a whole partition.
    pub(super) fn constants(&self, topic: &str, partition: i32) -> Vec<(usize, ArrayRef)> {
        let topic: ArrayRef = Arc::new(StringViewArray::from(vec![topic]));
        let partition: ArrayRef = Arc::new(Int32Array::from(vec![partition]));
        let topics = self.topic.iter().map(|at| (*at, topic.clone()));
        topics.chain(self.partition.iter().map(|at| (*at, partition.clone()))).collect()
    }

    /// The columns with a value for each record of a run.
    pub(super) fn of_run(&self, run: &Run) -> Result<Vec<(usize, ArrayRef)>> {
        let array = |&(at, kind): &(usize, Kind)| Ok((at, column(run, kind)?));
        self.of_records.iter().map(array).collect()
    }
}

fn column(run: &Run, kind: Kind) -> Result<ArrayRef> {
    let long = TypeKind::BigInt.not_null();
    Ok(match kind {
        Kind::Offset => fixed(&long, run.offsets.iter().map(|offset| *offset as i64).collect(), None),
        Kind::Timestamp => fixed(&TypeKind::TimestampLtz(3).not_null(), run.timestamps.clone(), None),
        Kind::LeaderEpoch => {
            let known = |epoch: i32| (epoch >= 0).then_some(epoch);
            Arc::new(run.leader_epochs.iter().map(|epoch| known(*epoch)).collect::<Int32Array>())
        }
        Kind::TimestampType => {
            let name = |append: &bool| if *append { "LogAppendTime" } else { "CreateTime" };
            Arc::new(run.log_append.iter().map(|append| Some(name(append))).collect::<StringViewArray>())
        }
        Kind::Headers => header_maps(run)?,
    })
}

fn header_maps(run: &Run) -> Result<ArrayRef> {
    let (mut names, mut values) = (StringViewBuilder::new(), BinaryViewBuilder::new());
    let mut lengths = Vec::with_capacity(run.headers.len());
    for range in &run.headers {
        let bytes = &run.bytes()[range.start as usize..range.end as usize];
        let all = headers(bytes).ok_or_else(|| Error::data("the headers of a record are damaged"))?;
        // A map has each name once: the last header of a name counts.
        let last = |at: usize| !all[at + 1..].iter().any(|(name, _)| *name == all[at].0);
        let kept: Vec<_> = (0..all.len()).filter(|at| last(*at)).collect();
        lengths.push(kept.len());
        for at in kept {
            names.append_value(all[at].0);
            values.append_option(all[at].1);
        }
    }
    let offsets = OffsetBuffer::from_lengths(lengths);
    let (names, values): (ArrayRef, ArrayRef) = (Arc::new(names.finish()), Arc::new(values.finish()));
    Ok(Arc::new(map_array((&DataType::string(), &bytes_type()), offsets, (names, values), None)))
}

/// BYTES.
pub(in crate::kafka) fn bytes_type() -> DataType {
    TypeKind::Varbinary(tidemill_types::data_type::LENGTH_MAX).nullable()
}
