//! A job with one table of each kind that changes in every epoch, and a text of what it holds.

#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tidemill_state::checkpoint::{Chains, CheckpointStore, Loaded, Manifest, SourceState};
use tidemill_state::{
    GroupTable, JoinTable, OrderedTable, PanedTable, SessionTable, SharedValue, StateTable, Timers,
};
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Cells, Result};

pub const GROUPS: u32 = 16;
const TASKS: u32 = 2;
const KINDS: &[CellKind] =
    &[CellKind::I64, CellKind::I128, CellKind::F64, CellKind::Bytes, CellKind::Multiset];

/// The tables of one task.
pub struct Tables {
    groups: GroupTable,
    ordered: OrderedTable,
    panes: PanedTable,
    join: JoinTable,
    sessions: SessionTable,
    timers: Timers,
    shared: SharedValue,
}

impl Tables {
    fn new() -> Self {
        Tables {
            groups: GroupTable::new(KINDS, 1, 0, GROUPS),
            ordered: OrderedTable::new(GROUPS),
            panes: PanedTable::new(&[CellKind::I64], 0, GROUPS),
            join: JoinTable::new(tidemill_state::JoinRows::Counted, 0, GROUPS),
            sessions: SessionTable::new(&[CellKind::I64], 0, GROUPS),
            timers: Timers::new(GROUPS),
            shared: SharedValue::new(-1),
        }
    }

    pub fn all(&mut self) -> [(&'static str, &mut dyn StateTable); 7] {
        [
            ("groups", &mut self.groups),
            ("ordered", &mut self.ordered),
            ("panes", &mut self.panes),
            ("join", &mut self.join),
            ("sessions", &mut self.sessions),
            ("timers", &mut self.timers),
            ("shared", &mut self.shared),
        ]
    }

    /// What the rows of key `n` do in an epoch.
    fn step(&mut self, epoch: u64, n: u64) {
        let key = format!("key-{n}");
        let mut keys = EncodedKeys::default();
        keys.bytes.extend(key.as_bytes());
        keys.ends.push(keys.bytes.len() as u32);
        let (key, hashes) = (key.as_bytes(), [hash(key.as_bytes())]);
        self.step_groups(epoch, &keys, &hashes);
        self.ordered.insert(key, &(epoch % 3).to_be_bytes(), format!("row {epoch}").as_bytes());
        if n % 4 == epoch % 4 {
            self.ordered.remove(key, &((epoch + 1) % 3).to_be_bytes());
            self.timers.pop(epoch as i64 * 10 - 20);
        }
        self.timers.set((epoch * 10 + n) as i64, key);
        let (mut ids, mut slots) = (Vec::new(), Vec::new());
        self.panes.intern(&keys, &hashes, &mut ids);
        self.panes.slots((epoch as i64 / 2, 0), &ids, &mut slots);
        add(&mut self.panes.values.cells[0], slots[0]);
        self.panes.drop_pane((epoch as i64 / 2 - 2, 0));
        let row = format!("left {n} of {epoch}");
        self.join.add((hashes[0], key), row.as_bytes(), row.as_bytes(), (n % 3) as i64, 0);
        if epoch > 2 {
            self.join.retract(format!("left {n} of {}", epoch - 2).as_bytes(), 0);
        }
        self.sessions.intern(&keys, &hashes, &mut ids);
        let slot = self.sessions.open(ids[0], epoch as i64 * 100, epoch as i64 * 100 + 50);
        add(&mut self.sessions.values.cells[0], slot);
        self.shared.raise(epoch as i64);
    }

    fn step_groups(&mut self, epoch: u64, keys: &EncodedKeys, hashes: &[u64]) {
        let mut slots = Vec::new();
        self.groups.resolve(keys, hashes, 0, &mut slots);
        let slot = slots[0];
        if epoch % 5 == 4 && hashes[0].is_multiple_of(3) {
            return self.groups.remove(slot);
        }
        self.groups.values.sets[0].add(slot, hash(&[epoch as u8]), &[epoch as u8], 1);
        for cells in &mut self.groups.values.cells {
            match cells {
                Cells::I64(values) => values[slot as usize] += 1,
                Cells::I128(values) => values[slot as usize] -= 1 << 70,
                Cells::F64(values) => values[slot as usize] += 0.5,
                Cells::Bytes(values) => values[slot as usize] = Some(keys.key(0).into()),
                Cells::Multiset(values) => {
                    *values[slot as usize].entry(Box::from(&epoch.to_be_bytes()[..])).or_default() += 1;
                }
            }
        }
    }

    /// What the tables hold, in an order of its own.
    fn describe(&mut self, lines: &mut BTreeSet<String>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for slot in self.groups.slots().collect::<Vec<_>>() {
            let mut set: Vec<(Vec<u8>, i64)> = self.groups.values.sets[0]
                .entries(slot)
                .map(|(value, count)| (value.to_vec(), count))
                .collect();
            set.sort();
            let cells: Vec<String> = self.groups.values.cells.iter().map(|cells| cell(cells, slot)).collect();
            lines.insert(format!("groups {} {cells:?} {set:?}", text(self.groups.key(slot))));
        }
        for key in self.ordered.keys() {
            let rows: Vec<_> =
                self.ordered.range(&key).map(|(sort, row)| (sort.to_vec(), text(row))).collect();
            lines.insert(format!("ordered {} {rows:?}", text(&key)));
        }
        for pane in self.panes.panes().collect::<Vec<_>>() {
            for &slot in self.panes.pane(pane) {
                let value = cell(&self.panes.values.cells[0], slot);
                lines.insert(format!("panes {pane:?} {} {value}", text(self.panes.key(slot))));
            }
        }
        for id in self.join.ids() {
            let (row, count, matches) = (text(self.join.row(id)), self.join.count(id), self.join.matches(id));
            lines.insert(format!("join {row} {count} {matches}"));
        }
        while let Some((key, session)) = self.sessions.pop() {
            let value = cell(&self.sessions.values.cells[0], session.slot);
            lines.insert(format!(
                "sessions {} {}..{} {value}",
                text(self.sessions.key(key)),
                session.start,
                session.end
            ));
        }
        while let Some((time, key)) = self.timers.pop(i64::MAX) {
            lines.insert(format!("timers {time} {}", text(&key)));
        }
        lines.insert(format!("shared {}", self.shared.get()));
    }
}

fn add(cells: &mut Cells, slot: u32) {
    if let Cells::I64(values) = cells {
        values[slot as usize] += 1;
    }
}

fn cell(cells: &Cells, slot: u32) -> String {
    let at = slot as usize;
    match cells {
        Cells::I64(values) => values[at].to_string(),
        Cells::I128(values) => values[at].to_string(),
        Cells::F64(values) => values[at].to_string(),
        Cells::Bytes(values) => format!("{:?}", values[at].as_deref().map(String::from_utf8_lossy)),
        Cells::Multiset(values) => format!("{:?}", values[at]),
    }
}

/// A job of two tasks.
pub struct Job {
    tasks: Vec<Tables>,
    chains: Chains,
}

impl Job {
    pub fn new() -> Self {
        Job { tasks: (0..TASKS).map(|_| Tables::new()).collect(), chains: Chains::default() }
    }

    /// A job that goes on from a checkpoint.
    pub fn restored(loaded: &Loaded) -> Self {
        let mut job = Job { chains: Chains::of(loaded), ..Job::new() };
        for (task, tables) in job.tasks.iter_mut().enumerate() {
            for (name, table) in tables.all() {
                for rows in &loaded.tables[&("operator".to_owned(), name.to_owned())].rows {
                    let (whole, changes) = rows.clone().split_whole();
                    table.restore(&whole, groups_of(task as u32)).unwrap();
                    if !changes.sections.is_empty() {
                        table.apply(&changes, groups_of(task as u32)).unwrap();
                    }
                }
            }
        }
        job
    }

    pub fn step(&mut self, epoch: u64) {
        for n in 0..12 {
            let group = tidemill_types::key::key_group(hash(format!("key-{n}").as_bytes()), GROUPS);
            self.tasks[(group * TASKS / GROUPS) as usize].step(epoch, n);
        }
    }

    pub async fn save(&mut self, store: &CheckpointStore, epoch: u64) -> Result<()> {
        let writer = store.begin(epoch);
        let mut counts = BTreeMap::<String, u64>::new();
        for (task, tables) in self.tasks.iter_mut().enumerate() {
            for (name, table) in tables.all() {
                let groups = groups_of(task as u32);
                let whole = self.chains.whole_groups("operator", name, groups.clone());
                let rows = table.delta(groups, &|group| whole.contains(&group));
                *counts.entry(name.to_owned()).or_default() += table.len() as u64;
                let segment = writer.append(&rows).await?;
                self.chains.add("operator", name, &rows, segment);
            }
        }
        writer.finish().await?;
        let split = ("in.csv".to_owned(), format!("{}:{}", epoch * 1000, epoch * 10));
        store
            .publish(&Manifest {
                job: store.job().to_owned(),
                epoch,
                created_ms: 1_700_000_000_000 + epoch as i64 * 10_000,
                finished: false,
                parallelism: TASKS,
                key_groups: GROUPS,
                sources: BTreeMap::from([(
                    "source".to_owned(),
                    SourceState { ended: false, positions: BTreeMap::from([split]) },
                )]),
                watermarks: BTreeMap::from([("source".to_owned(), 1_600_000_000_000 + epoch as i64)]),
                tables: self.chains.tables(|_, table| counts[table]),
                sinks: BTreeMap::from([(
                    "sink".to_owned(),
                    vec![format!("part-{epoch}").into_bytes(), vec![0, 159, 146, 150]],
                )]),
                plan: serde_json::json!({"operators": [{"uid": "operator", "tables": ["groups"]}]}),
                settings: BTreeMap::from([("table.local-time-zone".to_owned(), "UTC".to_owned())]),
                ..Manifest::default()
            })
            .await
    }

    /// What all tasks hold.
    pub fn describe(mut self) -> String {
        let mut lines = BTreeSet::new();
        self.tasks.iter_mut().for_each(|tables| tables.describe(&mut lines));
        lines.into_iter().map(|line| line + "\n").collect()
    }
}

fn groups_of(task: u32) -> Range<u32> {
    task * GROUPS / TASKS..(task + 1) * GROUPS / TASKS
}
