//! An object store that fails as stores and disks do, decided by a seed.
//!
//! What it may do: fail before or after an effect, write a part and fail, write a part and say it went well (a disk
//! that lied about being synced), be slow, be full, forget deletions when it crashes.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::*;
use std::fmt::{Display, Formatter};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong, each in one of so many operations; 0: never.
#[derive(Debug, Clone, Copy, Default)]
pub struct Odds {
    pub fails_before: u64,
    pub fails_after: u64,
    /// A part is written and the writer is told.
    pub tears: u64,
    /// A part is written and the writer is not told.
    pub lies: u64,
    pub slow: u64,
    pub deletions_forgotten: u64,
}

#[derive(Debug)]
struct State {
    random: u64,
    odds: Odds,
    room: u64,
    lies: usize,
    deleted: Vec<(Path, Bytes)>,
}

/// The store; clones share everything.
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

/// What happens to a write.
enum Fate {
    Well,
    Before,
    After,
    Torn,
    Lie,
}

impl FaultyStore {
    pub fn new(seed: u64) -> Self {
        let state =
            State { random: seed | 1, odds: Odds::default(), room: u64::MAX, lies: 0, deleted: Vec::new() };
        FaultyStore { inner: Arc::default(), state: Arc::new(Mutex::new(state)) }
    }

    pub fn set_odds(&self, odds: Odds) {
        self.state.lock().unwrap().odds = odds;
    }

    /// How many bytes fit in.
    pub fn set_room(&self, bytes: u64) {
        self.state.lock().unwrap().room = bytes;
    }

    /// How often it has lied.
    pub fn lies(&self) -> usize {
        self.state.lock().unwrap().lies
    }

    /// A random number below `bound`.
    pub fn random(&self, bound: u64) -> u64 {
        let random = &mut self.state.lock().unwrap().random;
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random % bound
    }

    /// The machine loses power: deletions, which nobody makes durable, may be undone.
    pub async fn crash(&self) {
        let deleted = std::mem::take(&mut self.state.lock().unwrap().deleted);
        let odds = self.state.lock().unwrap().odds.deletions_forgotten;
        for (path, bytes) in deleted {
            if self.happens(odds) {
                // What was written under the name again stays.
                let _ = self.inner.put_opts(&path, bytes.into(), PutMode::Create.into()).await;
            }
        }
    }

    fn happens(&self, one_in: u64) -> bool {
        one_in > 0 && self.random(one_in) == 0
    }

    fn odds(&self) -> Odds {
        self.state.lock().unwrap().odds
    }

    fn fate(&self) -> Fate {
        let odds = self.odds();
        match () {
            () if self.happens(odds.fails_before) => Fate::Before,
            () if self.happens(odds.fails_after) => Fate::After,
            () if self.happens(odds.tears) => Fate::Torn,
            () if self.happens(odds.lies) => Fate::Lie,
            () => Fate::Well,
        }
    }

    async fn wait(&self) {
        if self.happens(self.odds().slow) {
            tokio::time::sleep(Duration::from_millis(self.random(500))).await;
        }
    }

    async fn read(&self) -> Result<()> {
        self.wait().await;
        if self.happens(self.odds().fails_before) { Err(broken()) } else { Ok(()) }
    }

    /// Writes an object as fate wants it.
    async fn write(&self, location: &Path, bytes: Bytes, options: PutOptions) -> Result<PutResult> {
        self.wait().await;
        self.take_room(bytes.len() as u64)?;
        let part = bytes.slice(..self.random(bytes.len() as u64 + 1) as usize);
        match self.fate() {
            Fate::Well => self.inner.put_opts(location, bytes.into(), options).await,
            Fate::Before => Err(broken()),
            Fate::After => {
                self.inner.put_opts(location, bytes.into(), options).await?;
                Err(broken())
            }
            Fate::Torn => {
                self.inner.put_opts(location, part.into(), options).await?;
                Err(broken())
            }
            Fate::Lie => {
                self.state.lock().unwrap().lies += 1;
                self.inner.put_opts(location, part.into(), options).await
            }
        }
    }

    fn take_room(&self, bytes: u64) -> Result<()> {
        let room = &mut self.state.lock().unwrap().room;
        match room.checked_sub(bytes) {
            Some(left) => {
                *room = left;
                Ok(())
            }
            None => Err(error("no space left on device")),
        }
    }

    async fn delete_one(&self, location: Path) -> Result<Path> {
        self.wait().await;
        let fate = self.fate();
        if matches!(fate, Fate::Before) {
            return Err(broken());
        }
        let bytes = self.inner.get(&location).await?.bytes().await?;
        self.state.lock().unwrap().deleted.push((location.clone(), bytes));
        self.inner.delete(&location).await?;
        if matches!(fate, Fate::After | Fate::Torn) { Err(broken()) } else { Ok(location) }
    }
}

fn broken() -> Error {
    error("connection reset")
}

fn error(text: &str) -> Error {
    Error::Generic { store: "faulty", source: text.into() }
}

impl Display for FaultyStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.write(location, payload.into(), opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.read().await?;
        Ok(Box::new(Upload {
            store: self.clone(),
            location: location.clone(),
            parts: Arc::default(),
            next: 0,
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.read().await?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .then(move |location| {
                let store = store.clone();
                async move { store.delete_one(location?).await }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.happens(self.odds().fails_before) {
            true => futures_util::stream::iter([Err(broken())]).boxed(),
            false => self.inner.list(prefix),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct Upload {
    store: FaultyStore,
    location: Path,
    parts: Arc<Mutex<Vec<Option<PutPayload>>>>,
    next: usize,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (store, parts, at) = (self.store.clone(), self.parts.clone(), self.next);
        self.next += 1;
        Box::pin(async move {
            store.read().await?;
            let mut parts = parts.lock().unwrap();
            let len = parts.len().max(at + 1);
            parts.resize(len, None);
            parts[at] = Some(data);
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let parts = std::mem::take(&mut *self.parts.lock().unwrap());
        let all: Vec<u8> = parts
            .into_iter()
            .flat_map(|part| part.expect("an upload is completed when all its parts are there"))
            .flatten()
            .collect();
        self.store.write(&self.location, all.into(), PutOptions::default()).await
    }

    async fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}
