//! Buckets of cloud providers. Access keys and the like come from the usual environment variables
//! (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, `GOOGLE_SERVICE_ACCOUNT`, `AZURE_STORAGE_ACCOUNT_NAME`, ...).

#[cfg(feature = "cloud")]
use super::failure::failed;
use super::location::Location;
#[cfg(feature = "cloud")]
use super::lock::Guard;
#[cfg(feature = "cloud")]
use object_store::{ObjectStore, ObjectStoreScheme, parse_url_opts};
#[cfg(feature = "cloud")]
use std::collections::HashMap;
#[cfg(feature = "cloud")]
use std::sync::{Arc, Mutex, PoisonError};
use tidemill_types::{Error, Result};
use url::Url;

/// A bucket. Stores are kept by bucket, since each has a pool of connections.
#[cfg(feature = "cloud")]
pub(crate) fn open(url: &Url) -> Result<Location> {
    static STORES: Mutex<Option<HashMap<String, Arc<dyn ObjectStore>>>> = Mutex::new(None);
    let (scheme, root) = ObjectStoreScheme::parse(url).map_err(|_| unknown_scheme(url))?;
    if matches!(scheme, ObjectStoreScheme::Http) {
        return Err(unknown_scheme(url));
    }
    let bucket = url[..url::Position::BeforePath].to_owned();
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    let stores = stores.get_or_insert_default();
    let store = match stores.get(&bucket) {
        Some(store) => store.clone(),
        None => {
            // TLS needs to be told which cryptography to use; whoever comes first in this process tells it.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let opened = parse_url_opts(url, std::env::vars());
            let (store, _) = opened.map_err(|error| failed(&format!("open '{url}'"), error))?;
            let store: Arc<dyn ObjectStore> = Arc::from(store);
            stores.insert(bucket, store.clone());
            store
        }
    };
    Ok(Location { store, root, local: None, text: url.to_string(), guard: Guard::default() })
}

#[cfg(not(feature = "cloud"))]
pub(crate) fn open(url: &Url) -> Result<Location> {
    match url.scheme() {
        "s3" | "s3a" | "gs" | "az" | "adl" | "azure" | "abfs" | "abfss" | "http" | "https" => {
            Err(Error::user_hint(
                format!("this tidemill was built without cloud storage, which '{url}' needs"),
                "build it with the feature 'cloud'",
            ))
        }
        _ => Err(unknown_scheme(url)),
    }
}

fn unknown_scheme(url: &Url) -> Error {
    Error::user_hint(
        format!("state can't live at '{url}'"),
        "give a folder or a URL with s3://, gs://, az://, file:// or memory://",
    )
}
