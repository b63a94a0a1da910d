//! Where state goes that does not fit into memory: Tidemill's own runs against fjall and redb, for what spilling does.
//!
//! Keys are moved out (written), come back (read and taken out) and go again, and most keys that are asked for are not
//! there at all. Keys and rows are of 16 and 100 bytes, keys are random. Stores get 64 MB of cache; none syncs, for what
//! was moved out is worth nothing after the process. Rates are wall time of one thread; memory is what the process grew
//! by, which for fjall and redb has their cache and for none the page cache.
//! RocksDB is not here: it needs a C++ compiler and libclang and builds for many minutes, which rules it out anyway.

use redb::{Database, Durability, ReadableTable, TableDefinition};
use std::path::Path;
use std::time::Instant;
use tidemill_state::SpillStore;
use tidemill_types::key::hash;

const CACHE_BYTES: usize = 64 << 20;
const ROW_BYTES: usize = 100;
/// So many changes are one transaction where there are transactions.
const BATCH: usize = 10_000;
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

type Failure = Box<dyn std::error::Error>;

fn mix(i: u64) -> u64 {
    let x = (i ^ (i >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn key(i: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&mix(i).to_le_bytes());
    key[8..].copy_from_slice(&mix(!i).to_le_bytes());
    key
}

fn row(i: u64) -> [u8; ROW_BYTES] {
    let mut row = [0; ROW_BYTES];
    row.chunks_mut(8).enumerate().for_each(|(at, part)| {
        part.copy_from_slice(&mix(i + at as u64).to_le_bytes()[..part.len()]);
    });
    row
}

/// What spilling needs of a store, many keys at a time.
trait Store {
    fn write(&mut self, keys: &[u64]) -> Result<(), Failure>;
    /// Takes rows out; how many there were.
    fn take(&mut self, keys: &[u64]) -> Result<usize, Failure>;
}

struct Own(SpillStore);

impl Store for Own {
    fn write(&mut self, keys: &[u64]) -> Result<(), Failure> {
        for &i in keys {
            self.0.put(hash(&key(i)), &key(i), &row(i))?;
        }
        Ok(())
    }

    fn take(&mut self, keys: &[u64]) -> Result<usize, Failure> {
        let mut found = 0;
        for &i in keys {
            if self.0.take(hash(&key(i)), &key(i))?.is_some_and(|bytes| bytes == row(i)) {
                found += 1;
            }
        }
        Ok(found)
    }
}

struct Fjall(#[allow(dead_code)] fjall::Database, fjall::Keyspace);

impl Store for Fjall {
    fn write(&mut self, keys: &[u64]) -> Result<(), Failure> {
        for &i in keys {
            self.1.insert(key(i), row(i))?;
        }
        Ok(())
    }

    fn take(&mut self, keys: &[u64]) -> Result<usize, Failure> {
        let mut found = 0;
        for &i in keys {
            if self.1.get(key(i))?.is_some_and(|bytes| *bytes == row(i)) {
                self.1.remove(key(i))?;
                found += 1;
            }
        }
        Ok(found)
    }
}

struct Redb(Database);

impl Store for Redb {
    fn write(&mut self, keys: &[u64]) -> Result<(), Failure> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(Durability::None)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for &i in keys {
                table.insert(&key(i)[..], &row(i)[..])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn take(&mut self, keys: &[u64]) -> Result<usize, Failure> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(Durability::None)?;
        let mut found = 0;
        {
            let mut table = transaction.open_table(TABLE)?;
            for &i in keys {
                let there = table.get(&key(i)[..])?.is_some_and(|bytes| bytes.value() == row(i));
                if there {
                    table.remove(&key(i)[..])?;
                    found += 1;
                }
            }
        }
        transaction.commit()?;
        Ok(found)
    }
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0_usize) * 4096
}

fn rate(keys: usize, work: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let started = Instant::now();
    work()?;
    Ok(keys as f64 / 1e3 / started.elapsed().as_secs_f64())
}

fn measure(name: &str, keys: u64, open: impl FnOnce(&Path) -> Result<Box<dyn Store>, Failure>) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(std::env::temp_dir())?;
    let before = resident_bytes();
    let mut store = open(folder.path())?;
    let all: Vec<u64> = (0..keys).collect();
    let write = rate(all.len(), || all.chunks(BATCH).try_for_each(|keys| store.write(keys)))?;
    let taken: Vec<u64> = (0..keys / 10).map(|i| mix(i) % keys).collect();
    let mut back: Vec<u64> = taken.clone();
    back.sort_unstable();
    back.dedup();
    let mut found = 0;
    let take = rate(taken.len(), || {
        for keys in taken.chunks(BATCH) {
            found += store.take(keys)?;
        }
        Ok(())
    })?;
    assert_eq!(found, back.len(), "{name} has every row once");
    let again = rate(back.len(), || back.chunks(BATCH).try_for_each(|keys| store.write(keys)))?;
    let absent: Vec<u64> = (keys..keys + keys / 10).collect();
    let miss = rate(absent.len(), || {
        for keys in absent.chunks(BATCH) {
            assert_eq!(store.take(keys)?, 0, "{name} has nothing else");
        }
        Ok(())
    })?;
    let memory = resident_bytes().saturating_sub(before) as f64 / keys as f64;
    println!("{name:<10} {write:>10.0} {take:>10.0} {again:>10.0} {miss:>10.0} {memory:>14.1}");
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let keys: u64 = args.next().map_or(Ok(3_000_000), |text| text.parse())?;
    let only = args.next();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    println!("{keys} keys of 16 bytes, rows of {ROW_BYTES} bytes; thousands a second\n");
    println!("{:<10} {:>10} {:>10} {:>10} {:>10} {:>14}", "", "write", "take", "write again", "miss", "bytes per key");
    if wanted("own") {
        measure("own", keys, |path| Ok(Box::new(Own(SpillStore::new(path)))))?;
    }
    if wanted("fjall") {
        measure("fjall", keys, |path| {
            let database = fjall::Database::builder(path).cache_size(CACHE_BYTES as u64).open()?;
            let rows = database.keyspace("rows", fjall::KeyspaceCreateOptions::default)?;
            Ok(Box::new(Fjall(database, rows)))
        })?;
    }
    if wanted("redb") {
        measure("redb", keys, |path| {
            let database = Database::builder().set_cache_size(CACHE_BYTES).create(path.join("rows.redb"))?;
            Ok(Box::new(Redb(database)))
        })?;
    }
    Ok(())
}
