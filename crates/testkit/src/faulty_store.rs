//! An object store in memory whose writes fail under a seed: some before anything was done, some after everything was.
//!
//! Invariant: what was answered with success is there whole; what was answered with an error is there whole or not at
//! all. So it is with object stores; disks that lose flushes are [`crate::simulated_disk`]'s.

use crate::random::Random;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The store.
#[derive(Debug)]
pub struct FaultyStore {
    inner: InMemory,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug)]
struct Faults {
    random: Random,
    /// One write in so many fails; 0: none.
    one_in: u64,
}

/// When a write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Before,
    After,
}

impl Faults {
    fn draw(faults: &Mutex<Faults>) -> Option<Fault> {
        let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
        let one_in = faults.one_in;
        match one_in > 0 && faults.random.below(one_in) == 0 {
            true => Some(*faults.random.pick(&[Fault::Before, Fault::After])),
            false => None,
        }
    }
}

fn broken() -> Error {
    Error::Generic { store: "faulty", source: "the wire broke".into() }
}

impl FaultyStore {
    /// An empty store of which one write in so many fails; 0: none.
    pub fn new(seed: u64, one_in: u64) -> Self {
        FaultyStore {
            inner: InMemory::new(),
            faults: Arc::new(Mutex::new(Faults { random: Random::new(seed), one_in })),
        }
    }

    /// Nothing fails from here on.
    pub fn calm(&self) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).one_in = 0;
    }

    /// Nothing fails while this runs.
    pub fn undisturbed<T>(&self, act: impl FnOnce() -> T) -> T {
        let one_in = |to: u64| {
            let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut faults.one_in, to)
        };
        let before = one_in(0);
        let done = act();
        one_in(before);
        done
    }

    async fn write<T>(&self, act: impl Future<Output = Result<T>>) -> Result<T> {
        match Faults::draw(&self.faults) {
            Some(Fault::Before) => Err(broken()),
            Some(Fault::After) => act.await.and(Err(broken())),
            None => act.await,
        }
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a faulty store in memory")
    }
}

#[async_trait::async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, to: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.write(self.inner.put_opts(to, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(to, options).await?;
        Ok(Box::new(FaultyUpload { upload, faults: self.faults.clone() }))
    }

    async fn get_opts(&self, from: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(from, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.write(self.inner.copy_opts(from, to, options)).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    upload: Box<dyn MultipartUpload>,
    faults: Arc<Mutex<Faults>>,
}

#[async_trait::async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match Faults::draw(&self.faults) {
            Some(_) => Box::pin(std::future::ready(Err(broken()))),
            None => self.upload.put_part(data),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        match Faults::draw(&self.faults) {
            Some(Fault::Before) => Err(broken()),
            Some(Fault::After) => self.upload.complete().await.and(Err(broken())),
            None => self.upload.complete().await,
        }
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
