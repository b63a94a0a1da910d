//! From the text a user gives, a path or a URL, to an object store and a place in it.

use super::failure::failed;
use super::lock::Guard;
use super::remote;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::{Path, PathPart};
use object_store::{ObjectStore, ObjectStoreExt};
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, OnceLock};
use tidemill_types::{Error, Result};
use url::Url;

/// A folder in an object store.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    /// The store.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The folder in it.
    pub(crate) root: Path,
    /// The folder as a path of this machine, if it is one.
    pub(crate) local: Option<PathBuf>,
    /// What the user wrote, without secrets.
    pub(crate) text: String,
    /// The lease that protects it, if one was taken.
    pub(crate) guard: Guard,
}

impl Location {
    /// Opens a location. A local folder that does not exist is created if `create` says so, else refused.
    pub(crate) fn open(text: &str, create: bool) -> Result<Self> {
        let Some(url) = parse_url(text)? else {
            return local(FilePath::new(text), create);
        };
        match url.scheme() {
            "file" => {
                let path = url.to_file_path();
                local(&path.map_err(|()| Error::user(format!("'{text}' is no local folder")))?, create)
            }
            "memory" => {
                let root = Path::from_url_path(url.path());
                let root = root.map_err(|error| Error::user(format!("'{text}' is no place: {error}")))?;
                Ok(Location {
                    store: memory(),
                    root,
                    local: None,
                    text: text.to_owned(),
                    guard: Guard::default(),
                })
            }
            _ => remote::open(&url),
        }
    }

    /// A place in a store that was opened elsewhere.
    pub(crate) fn of_store(store: Arc<dyn ObjectStore>, text: &str) -> Self {
        Location { store, root: Path::default(), local: None, text: text.to_owned(), guard: Guard::default() }
    }

    /// A file or folder in it.
    pub(crate) fn child(&self, name: &str) -> Path {
        self.root.clone().join(PathPart::from(name))
    }

    /// The bytes of a file; none if there is none.
    pub(crate) async fn read(&self, path: &Path) -> Result<Option<bytes::Bytes>> {
        let read = async { self.store.get(path).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&format!("read '{path}' in {}", self.text), error)),
        }
    }
}

/// A URL if the text is one; `C:\state` and `state:1` are paths.
fn parse_url(text: &str) -> Result<Option<Url>> {
    if !text.contains("://") {
        return Ok(None);
    }
    match Url::parse(text) {
        Ok(url) => Ok(Some(url)),
        Err(error) => Err(Error::user(format!("'{text}' is no valid URL: {error}"))),
    }
}

fn local(folder: &FilePath, create: bool) -> Result<Location> {
    let text = folder.display().to_string();
    if create {
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::user(format!("can't create the state folder '{text}': {error}")))?;
    }
    let folder = folder
        .canonicalize()
        .map_err(|error| Error::user(format!("can't open the state folder '{text}': {error}")))?;
    let store = LocalFileSystem::new_with_prefix(&folder)
        .map_err(|error| failed(&format!("open the state folder '{text}'"), error))?;
    let store = Arc::new(store.with_fsync(true));
    Ok(Location { store, root: Path::default(), local: Some(folder), text, guard: Guard::default() })
}

/// The one store in memory of this process, so that a job that restarts in it finds what it left.
fn memory() -> Arc<dyn ObjectStore> {
    static STORE: OnceLock<Arc<InMemory>> = OnceLock::new();
    STORE.get_or_init(Arc::default).clone()
}
