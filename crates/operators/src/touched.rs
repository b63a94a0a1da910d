//! Which slots a run of rows touches, each with its first row.

/// The touched slots; reused from run to run without clearing.
#[derive(Debug, Default)]
pub struct Touched {
    /// The slots in the order of their first rows.
    pub slots: Vec<u32>,
    /// The first row of each.
    pub rows: Vec<u32>,
    /// For each slot: the run that touched it last, and its place in `slots`.
    stamps: Vec<(u32, u32)>,
    run: u32,
}

impl Touched {
    /// Collects the slots of a new run. All slots are below `capacity`.
    pub fn collect(&mut self, slots: &[u32], capacity: usize) {
        self.slots.clear();
        self.rows.clear();
        self.run = self.run.wrapping_add(1);
        if self.run == 0 {
            self.stamps.fill((0, 0));
            self.run = 1;
        }
        self.stamps.resize(capacity.max(self.stamps.len()), (0, 0));
        for (row, &slot) in slots.iter().enumerate() {
            let stamp = &mut self.stamps[slot as usize];
            if stamp.0 != self.run {
                *stamp = (self.run, self.slots.len() as u32);
                self.slots.push(slot);
                self.rows.push(row as u32);
            }
        }
    }

    /// Where a touched slot stands in `slots`.
    #[inline]
    pub fn place(&self, slot: u32) -> usize {
        self.stamps[slot as usize].1 as usize
    }
}
