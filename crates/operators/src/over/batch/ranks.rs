//! The functions that number the rows of a partition.

use arrow_array::{ArrayRef, Float64Array, Int64Array};
use std::ops::Range;
use std::sync::Arc;
use tidemill_plan::over::RankFunction;

/// The numbers of all rows; `peers` are the rows that are equal to each.
pub(super) fn rank(function: RankFunction, peers: &[Range<usize>]) -> ArrayRef {
    let rows = peers.len();
    match function {
        RankFunction::RowNumber => whole(1..=rows as i64),
        RankFunction::Rank => whole(peers.iter().map(|peers| peers.start as i64 + 1)),
        RankFunction::DenseRank => {
            let mut rank = 0;
            whole(peers.iter().enumerate().map(|(row, peers)| {
                rank += i64::from(peers.start == row);
                rank
            }))
        }
        RankFunction::PercentRank => share(peers.iter().map(|peers| match rows {
            1 => 0.0,
            _ => peers.start as f64 / (rows - 1) as f64,
        })),
        RankFunction::CumeDist => share(peers.iter().map(|peers| peers.end as f64 / rows as f64)),
        RankFunction::Ntile(buckets) => whole((0..rows as i64).map(|row| bucket(row, rows as i64, buckets))),
    }
}

/// The first buckets have one row more than the others if rows don't divide evenly.
fn bucket(row: i64, rows: i64, buckets: i64) -> i64 {
    let (size, larger) = (rows / buckets, rows % buckets);
    let in_larger = larger * (size + 1);
    match row < in_larger {
        true => row / (size + 1) + 1,
        false => larger + (row - in_larger) / size.max(1) + 1,
    }
}

fn whole(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn share(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};

    fn numbers(function: RankFunction) -> Vec<i64> {
        let peers = [0..1, 1..3, 1..3, 3..4, 4..5];
        rank(function, &peers).as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn peers_share_ranks_but_not_row_numbers() {
        assert_eq!(numbers(RankFunction::RowNumber), [1, 2, 3, 4, 5]);
        assert_eq!(numbers(RankFunction::Rank), [1, 2, 2, 4, 5]);
        assert_eq!(numbers(RankFunction::DenseRank), [1, 2, 2, 3, 4]);
        let shares = rank(RankFunction::PercentRank, &[0..1, 1..3, 1..3]);
        assert_eq!(shares.as_primitive::<Float64Type>().values().to_vec(), [0.0, 0.5, 0.5]);
        let shares = rank(RankFunction::CumeDist, &[0..1, 1..4, 1..4, 1..4]);
        assert_eq!(shares.as_primitive::<Float64Type>().values().to_vec(), [0.25, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn buckets_differ_by_one_row_at_most() {
        assert_eq!(numbers(RankFunction::Ntile(1)), [1, 1, 1, 1, 1]);
        assert_eq!(numbers(RankFunction::Ntile(2)), [1, 1, 1, 2, 2]);
        assert_eq!(numbers(RankFunction::Ntile(4)), [1, 1, 2, 3, 4]);
        assert_eq!(numbers(RankFunction::Ntile(9)), [1, 2, 3, 4, 5]);
    }
}
