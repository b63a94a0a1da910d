//! The lock of a state folder: one run at a time.
//!
//! Locally it is a lock of the operating system on the file `lock`, which ends with the process however it
//! ends. In an object store it is a lease: an object with its owner that the owner renews. It is free when it was
//! released, or was not renewed for [`LEASE_MS`].
//!
//! Invariant: the lease is only changed by conditional writes, so of two runs that want it one fails.

use super::failure::{failed, io};
use super::location::Location;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidemill_types::{Clock, Error, Result};
use tokio::task::JoinHandle;

/// How long a lease lasts that nobody renews.
pub const LEASE_MS: i64 = 30_000;
/// How often it is renewed.
const RENEW: Duration = Duration::from_millis(LEASE_MS as u64 / 3);
/// How often a lease of somebody else is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Holds the lock of a state folder until it is dropped or released.
#[derive(Debug)]
pub struct StateLock {
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// Closing the file frees it.
    File {
        _file: File,
    },
    Lease(Lease),
}

impl StateLock {
    pub(crate) async fn take(location: &Location, name: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let held = match &location.local {
            Some(folder) => Held::File { _file: lock_file(&folder.join(name), &location.text)? },
            None => Held::Lease(Lease::take(location.clone(), name, clock).await?),
        };
        Ok(StateLock { held })
    }

    /// Refuses if the lease was lost: another run may have taken over. Publishing refuses then too.
    pub fn check(&self) -> Result<()> {
        match &self.held {
            Held::File { .. } => Ok(()),
            Held::Lease(lease) => lease.shared.validity.check(),
        }
    }

    /// Frees the lock. Dropping does it too, but for a lease the next run then waits until it ends.
    pub async fn release(self) -> Result<()> {
        match self.held {
            Held::File { .. } => Ok(()),
            Held::Lease(lease) => lease.release().await,
        }
    }
}

fn lock_file(path: &std::path::Path, folder: &str) -> Result<File> {
    let doing = format!("lock the state folder '{folder}'");
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = opened.map_err(|error| io(&doing, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use(folder, &owner_of(&mut file))),
        Err(TryLockError::Error(error)) => return Err(io(&doing, &error)),
    }
    let owner = format!("process {}\n", std::process::id());
    let written =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(owner.as_bytes()));
    written.map_err(|error| io(&doing, &error))?;
    Ok(file)
}

/// What the holder wrote; it may be about to write it.
fn owner_of(file: &mut File) -> String {
    let mut owner = String::new();
    match file.read_to_string(&mut owner) {
        Ok(_) if !owner.trim().is_empty() => owner.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

fn in_use(folder: &str, owner: &str) -> Error {
    Error::user_hint(
        format!("the state folder '{folder}' is in use by {owner}"),
        "stop that run first, or give this one a folder of its own",
    )
}

/// The object that stands for a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LeaseText {
    /// Who holds it, for people; empty: nobody.
    owner: String,
    /// Tells the runs of one owner apart.
    run: String,
    /// When it ends, by the owner's clock.
    expires_ms: i64,
}

/// A lease that is being renewed.
#[derive(Debug)]
struct Lease {
    shared: Arc<Shared>,
    version: tokio::sync::watch::Receiver<UpdateVersion>,
    renewal: JoinHandle<()>,
}

struct Shared {
    location: Location,
    path: Path,
    text: LeaseText,
    validity: Arc<Validity>,
}

/// How long a lease is certainly ours.
pub(crate) struct Validity {
    folder: String,
    clock: Arc<dyn Clock>,
    /// [`i64::MIN`]: it was lost.
    until: AtomicI64,
}

impl Validity {
    fn check(&self) -> Result<()> {
        match self.until.load(Ordering::Acquire) > self.clock.now_ms() {
            true => Ok(()),
            false => Err(Error::external_fatal(format!(
                "the lock of the state folder '{}' could not be renewed in time; another run may have it now",
                self.folder
            ))),
        }
    }
}

/// Lets whoever publishes know of the lease that was taken, if one was.
#[derive(Clone, Default)]
pub(crate) struct Guard(Arc<Mutex<Option<Arc<Validity>>>>);

impl Guard {
    /// Refuses if there was a lease and it was lost.
    pub(crate) fn check(&self) -> Result<()> {
        let validity = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        validity.map_or(Ok(()), |validity| validity.check())
    }

    fn set(&self, validity: Arc<Validity>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(validity);
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guard({})", self.check().is_ok())
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("path", &self.path).field("text", &self.text).finish()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Lease {
    async fn take(location: Location, name: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let now = clock.now_ms();
        let owner = format!("process {} on {}", std::process::id(), host());
        let run = format!("{}-{now}-{:x}", std::process::id(), run_number());
        let text = LeaseText { owner, run, expires_ms: 0 };
        let path = location.child(name);
        let folder = location.text.clone();
        let validity = Arc::new(Validity { folder, clock, until: AtomicI64::new(i64::MIN) });
        let shared = Shared { location, path, text, validity };
        let mode = shared.wait_until_free().await?;
        let version = match shared.write(mode, LEASE_MS).await? {
            Some(version) => version,
            None => return Err(in_use(&shared.location.text, "another run that started just now")),
        };
        let (sender, version) = tokio::sync::watch::channel(version);
        shared.location.guard.set(shared.validity.clone());
        let shared = Arc::new(shared);
        let renewal = tokio::spawn(renew(shared.clone(), sender));
        Ok(Lease { shared, version, renewal })
    }

    async fn release(mut self) -> Result<()> {
        self.renewal.abort();
        // An abort may come while a renewal is being written: then its version is not known, and the lease just ends.
        let _ = (&mut self.renewal).await;
        let version = self.version.borrow().clone();
        self.shared.write(PutMode::Update(version), 0).await.map(|_| ())
    }
}

/// Renews until the lease is lost.
async fn renew(shared: Arc<Shared>, version: tokio::sync::watch::Sender<UpdateVersion>) {
    loop {
        tokio::time::sleep(RENEW).await;
        let known = version.borrow().clone();
        match shared.write(PutMode::Update(known), LEASE_MS).await {
            Ok(Some(next)) => drop(version.send(next)),
            Ok(None) => {
                // Somebody else wrote, or our last write succeeded without an answer.
                match shared.read().await {
                    Ok(Some((text, next))) if text.run == shared.text.run => drop(version.send(next)),
                    Ok(_) => return shared.validity.until.store(i64::MIN, Ordering::Release),
                    Err(_) => {}
                }
            }
            // It stays ours until it ends; the next try may succeed.
            Err(_) => {}
        }
    }
}

impl Shared {
    /// Waits until nobody holds the lease and tells how to take it. A lease that ended, or that is not renewed while
    /// we look, belongs to a run that died.
    async fn wait_until_free(&self) -> Result<PutMode> {
        let Some((first, version)) = self.read().await? else {
            return Ok(PutMode::Create);
        };
        // Clocks may differ: one that ended long ago is free, else only watching it tells.
        if first.owner.is_empty() || first.expires_ms.saturating_add(LEASE_MS) < self.validity.clock.now_ms()
        {
            return Ok(PutMode::Update(version));
        }
        let looks = LEASE_MS as u64 / LOOK.as_millis() as u64 + 1;
        for _ in 0..looks {
            tokio::time::sleep(LOOK).await;
            match self.read().await? {
                None => return Ok(PutMode::Create),
                Some((text, version)) if text.owner.is_empty() => return Ok(PutMode::Update(version)),
                Some((text, now)) if now != version => return Err(in_use(&self.location.text, &text.owner)),
                Some(_) => {}
            }
        }
        Ok(PutMode::Update(version))
    }

    async fn read(&self) -> Result<Option<(LeaseText, UpdateVersion)>> {
        let doing = || format!("read the lock '{}' in {}", self.path, self.location.text);
        let got = match self.location.store.get(&self.path).await {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(&doing(), error)),
        };
        let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: got.meta.version.clone() };
        let bytes = got.bytes().await.map_err(|error| failed(&doing(), error))?;
        let text = serde_json::from_slice(&bytes)
            .map_err(|error| Error::external_fatal(format!("can't {}: it is damaged: {error}", doing())))?;
        Ok(Some((text, version)))
    }

    /// Writes the lease if nobody has changed it; none if somebody has. `lasts_ms` 0 gives it up.
    async fn write(&self, mode: PutMode, lasts_ms: i64) -> Result<Option<UpdateVersion>> {
        let expires_ms = self.validity.clock.now_ms() + lasts_ms;
        let mut text = LeaseText { expires_ms, ..self.text.clone() };
        if lasts_ms == 0 {
            text.owner.clear();
        }
        let bytes = serde_json::to_vec(&text).map_err(|error| Error::internal(error.to_string()))?;
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.location.store.put_opts(&self.path, bytes.into(), options).await {
            Ok(put) => {
                self.validity.until.store(expires_ms, Ordering::Release);
                Ok(Some(put.into()))
            }
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(None)
            }
            Err(error) => {
                Err(failed(&format!("write the lock '{}' in {}", self.path, self.location.text), error))
            }
        }
    }
}

/// Tells the leases that one process takes apart.
fn run_number() -> i64 {
    static RUNS: AtomicI64 = AtomicI64::new(0);
    RUNS.fetch_add(1, Ordering::Relaxed)
}

/// The name of this machine, as far as it is known without asking the system.
fn host() -> String {
    let named = std::fs::read_to_string("/etc/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    named.map_or_else(|| "an unknown host".to_owned(), |name| name.trim().to_owned())
}
