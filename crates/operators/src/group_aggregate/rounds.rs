//! Rounds: the rows of a chunk cut so that no group comes twice in one of them.

use super::changes::Changed;
use arrow_array::UInt32Array;
use tidemill_types::Chunk;

/// The rows of each round, ascending: the first has the first row of every group, and so on.
/// `places` is the group of each row, below `groups`.
pub(super) fn rounds(places: &[usize], groups: usize) -> Vec<Vec<u32>> {
    let mut seen = vec![0usize; groups];
    let mut rounds: Vec<Vec<u32>> = Vec::new();
    for (row, &place) in places.iter().enumerate() {
        let round = seen[place];
        seen[place] += 1;
        if round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[round].push(row as u32);
    }
    rounds
}

/// The changes of all rounds in the order of the rows that they are due to. With each part come the rows of
/// its round.
pub(super) fn in_row_order(parts: Vec<(Changed, Vec<u32>)>) -> Chunk {
    let mut order: Vec<(u32, u32)> = Vec::new();
    for (changed, rows) in &parts {
        for origin in changed.origin.values() {
            order.push((rows[*origin as usize], order.len() as u32));
        }
    }
    order.sort_unstable();
    let chunks: Vec<Chunk> = parts.into_iter().map(|(changed, _)| changed.rows).collect();
    Chunk::concat(&chunks).take(&UInt32Array::from_iter_values(order.into_iter().map(|(_, place)| place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_the_next_row_of_every_group() {
        assert_eq!(rounds(&[0, 1, 0, 0, 2, 1], 3), [vec![0, 1, 4], vec![2, 5], vec![3]]);
    }
}
