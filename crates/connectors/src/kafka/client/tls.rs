//! TLS by `rustls`: `ssl.truststore.*` and `ssl.keystore.*` in PEM form, the machine's roots otherwise.
//!
//! Deliberately not here: Java key stores (JKS, PKCS12), which only the JVM reads well; the error says how to
//! turn them into PEM.

use super::failure::{Failure, Outcome};
use super::properties::Properties;
use std::sync::Arc;
use tidemill_types::{Error, Result};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What connections are encrypted with.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// From the properties of a table.
    pub(super) fn from(properties: &mut Properties<'_>) -> Result<Self> {
        let roots = roots(properties)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal(format!("TLS versions: {error}")))?
            .with_root_certificates(roots);
        let config = match own_identity(properties)? {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| Error::user(format!("'properties.ssl.keystore' can't be used: {error}")))?,
        };
        Ok(Tls(Arc::new(config)))
    }

    /// Encrypts a stream to this host.
    pub(super) async fn wrap(&self, host: &str, stream: TcpStream) -> Outcome<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_string())
            .map_err(|_| Failure::Fatal(format!("'{host}' is no name that a certificate could be for")))?;
        TlsConnector::from(self.0.clone()).connect(name, stream).await.map_err(|error| {
            let refused = error.get_ref().is_some_and(|inner| inner.is::<tokio_rustls::rustls::Error>());
            match refused {
                true => Failure::Fatal(format!("no encrypted connection: {error}")),
                false => Failure::Connection(error.to_string()),
            }
        })
    }
}

fn roots(properties: &mut Properties<'_>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(pem) = pem(properties, "ssl.truststore", "ssl.truststore.certificates")? else {
        // Roots of the machine that can't be read are left out, as other clients do.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    for certificate in certificates(&pem, "ssl.truststore")? {
        roots.add(certificate).map_err(|error| {
            Error::user(format!("'properties.ssl.truststore' holds a bad certificate: {error}"))
        })?;
    }
    Ok(roots)
}

fn own_identity(
    properties: &mut Properties<'_>,
) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>> {
    let key_pem = properties.take("ssl.keystore.key").map(|text| text.as_bytes().to_vec());
    let Some(chain_pem) = pem(properties, "ssl.keystore", "ssl.keystore.certificate.chain")? else {
        return Ok(None);
    };
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_ref().unwrap_or(&chain_pem)).map_err(|error| {
        Error::user(format!("'properties.ssl.keystore' holds no usable private key: {error:?}"))
    })?;
    Ok(Some((certificates(&chain_pem, "ssl.keystore")?, key)))
}

/// PEM text given in place or in a file.
fn pem(properties: &mut Properties<'_>, store: &str, in_place: &str) -> Result<Option<Vec<u8>>> {
    let kind = properties.take(&format!("{store}.type"));
    properties.take(&format!("{store}.password"));
    if let Some(text) = properties.take(in_place) {
        return Ok(Some(text.as_bytes().to_vec()));
    }
    let Some(path) = properties.take(&format!("{store}.location")) else { return Ok(None) };
    let read = std::fs::read(path).map_err(|error| {
        Error::user(format!("can't read '{path}' ('properties.{store}.location'): {error}"))
    })?;
    let is_pem = read.windows(10).any(|window| window == b"-----BEGIN");
    if !is_pem || kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("PEM")) {
        return Err(Error::user_hint(
            format!("'{path}' ('properties.{store}.location') is no PEM file"),
            format!(
                "turn a Java key store into PEM, for example with keytool -exportcert -rfc, and set \
                 'properties.{store}.type' = 'PEM'"
            ),
        ));
    }
    Ok(Some(read))
}

fn certificates(pem: &[u8], store: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Error::user(format!("'properties.{store}' holds no certificate"))),
        Err(error) => Err(Error::user(format!("'properties.{store}' is no PEM: {error:?}"))),
    }
}
