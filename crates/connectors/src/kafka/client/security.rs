//! `security.protocol`: whether a connection is encrypted and how it logs in.

use super::connection::{Connection, Stream};
use super::failure::{Failure, Outcome};
use super::properties::Properties;
use super::sasl::Login;
use super::tls::Tls;
use tidemill_types::{Error, Result};
use tokio::net::TcpStream;

/// How connections are secured.
#[derive(Debug, Default)]
pub(crate) struct Security {
    tls: Option<Tls>,
    login: Option<Login>,
}

impl Security {
    /// From the properties of a table.
    pub(crate) fn from(properties: &mut Properties<'_>) -> Result<Self> {
        let protocol = properties.take("security.protocol").unwrap_or("PLAINTEXT").to_ascii_uppercase();
        let (tls, login) = match protocol.as_str() {
            "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            _ => {
                return Err(Error::user_hint(
                    format!("option 'properties.security.protocol' is '{protocol}'"),
                    "it must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL",
                ));
            }
        };
        Ok(Security {
            tls: tls.then(|| Tls::from(properties)).transpose()?,
            login: login.then(|| Login::from(properties)).transpose()?,
        })
    }

    /// The stream to speak over.
    pub(super) async fn wrap(&self, host: &str, stream: TcpStream) -> Outcome<Box<dyn Stream>> {
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some(tls) => Ok(Box::new(tls.wrap(host, stream).await?)),
        }
    }

    /// Logs in, if that is asked for.
    pub(super) async fn log_in(&self, connection: &Connection) -> Outcome<()> {
        match &self.login {
            None => Ok(()),
            Some(login) => login.run(connection).await.map_err(|failure| match failure {
                Failure::Broker(error) => Failure::Fatal(format!("logging in was refused: {error}")),
                other => other,
            }),
        }
    }
}
