//! Malformed records, made from good ones. Invariant: what comes out is no JSON and no web log line, and it
//! is still exactly one line.

use super::random::{Random, Share};

/// A line that some other program left behind.
const FOREIGN: &[u8] = b"WARN connection reset by peer, 3 retries left";

/// Breaks some of the records.
#[derive(Debug)]
pub(super) struct Faults(Share);

impl Faults {
    /// Faults in this share of the records.
    pub(super) fn new(share: f64) -> Self {
        Faults(Share::new(share))
    }

    /// May break the record that begins at `begin` and ends the buffer, without its line end.
    #[inline]
    pub(super) fn strike(&self, out: &mut Vec<u8>, begin: usize, random: &mut Random) {
        if random.happens(self.0) {
            break_record(out, begin, random);
        }
    }
}

#[cold]
fn break_record(out: &mut Vec<u8>, begin: usize, random: &mut Random) {
    match random.below(3) {
        0 => out.truncate(begin + 5 + random.below(20) as usize),
        1 => {
            out.truncate(begin);
            out.extend_from_slice(FOREIGN);
        }
        _ => {
            // A record loses its first colon: the one of its first key, or the one within its timestamp.
            if let Some(at) = out[begin..].iter().position(|byte| *byte == b':') {
                out[begin + at] = b' ';
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_struck_record_changes() {
        let (faults, mut random) = (Faults::new(1.0), Random::new(1));
        let record = br#"{"sensor_id":"sensor_1","temperature":20.00}"#;
        for _ in 0..100 {
            let mut out = b"before\n".to_vec();
            out.extend_from_slice(record);
            faults.strike(&mut out, 7, &mut random);
            assert!(out.starts_with(b"before\n") && &out[7..] != record);
            assert!(!out[7..].contains(&b'\n') && out.len() > 7);
        }
    }
}
