//! SASL: PLAIN and SCRAM (RFC 5802, RFC 7677), with names and passwords from `sasl.jaas.config` or from
//! `sasl.username` and `sasl.password`.
//!
//! Deliberately not here: GSSAPI and OAUTHBEARER. Invariant: no message holds a password.

use super::connection::Connection;
use super::failure::{Failure, Outcome, check};
use super::properties::Properties;
use super::scram::{Hash, Scram};
use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use tidemill_types::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mechanism {
    Plain,
    Scram(Hash),
}

/// How to log in.
pub(super) struct Login {
    mechanism: Mechanism,
    user: String,
    password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({:?}, {})", self.mechanism, self.user)
    }
}

impl Login {
    /// From the properties of a table.
    pub(super) fn from(properties: &mut Properties<'_>) -> Result<Self> {
        let name = properties.take("sasl.mechanism").or_else(|| properties.take("sasl.mechanisms"));
        let mechanism = match name.unwrap_or("GSSAPI").to_ascii_uppercase().as_str() {
            "PLAIN" => Mechanism::Plain,
            "SCRAM-SHA-256" => Mechanism::Scram(Hash::Sha256),
            "SCRAM-SHA-512" => Mechanism::Scram(Hash::Sha512),
            other => {
                return Err(Error::user_hint(
                    format!("'properties.sasl.mechanism' is '{other}', which is not supported"),
                    "PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are; the default of Kafka's clients is GSSAPI",
                ));
            }
        };
        let jaas = properties.take("sasl.jaas.config").unwrap_or_default();
        let given = |own: Option<&str>, key: &str| {
            own.map(str::to_string).or_else(|| jaas_value(jaas, key)).ok_or_else(|| {
                Error::user_hint(
                    format!("the login of a Kafka table has no {key}"),
                    "give 'properties.sasl.jaas.config' = '… required username=\"…\" password=\"…\";' or \
                     'properties.sasl.username' and 'properties.sasl.password'",
                )
            })
        };
        let user = given(properties.take("sasl.username"), "username")?;
        let password = given(properties.take("sasl.password"), "password")?;
        Ok(Login { mechanism, user, password })
    }

    /// Logs in over a new connection.
    pub(super) async fn run(&self, connection: &Connection) -> Outcome<()> {
        let name = match self.mechanism {
            Mechanism::Plain => "PLAIN",
            Mechanism::Scram(hash) => hash.mechanism(),
        };
        let hello = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(name));
        let answer = connection.call(&hello).await?;
        check(answer.error_code).map_err(|_| {
            let offered: Vec<&str> = answer.mechanisms.iter().map(|name| &**name).collect();
            Failure::Fatal(format!("the broker does not take {name}; it takes: {}", offered.join(", ")))
        })?;
        match self.mechanism {
            Mechanism::Plain => {
                let message = format!("\0{}\0{}", self.user, self.password);
                self.exchange(connection, message.into_bytes()).await.map(drop)
            }
            Mechanism::Scram(hash) => {
                let (scram, first) = Scram::start(hash, &self.user);
                let challenge = self.exchange(connection, first.into_bytes()).await?;
                let (proof, expected) = scram.answer(&self.password, &challenge).map_err(Failure::Fatal)?;
                let last = self.exchange(connection, proof.into_bytes()).await?;
                expected.verify(&last).map_err(Failure::Fatal)
            }
        }
    }

    async fn exchange(&self, connection: &Connection, message: Vec<u8>) -> Outcome<Bytes> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
        let answer = connection.call(&request).await?;
        check(answer.error_code).map_err(|failure| match answer.error_message {
            Some(message) => {
                Failure::Fatal(format!("logging in as '{}' was refused: {}", self.user, &*message))
            }
            None => failure,
        })?;
        Ok(answer.auth_bytes)
    }
}

/// A value of a JAAS line: `key="value"`.
fn jaas_value(jaas: &str, key: &str) -> Option<String> {
    let mut rest = jaas;
    loop {
        let at = rest.find(key)?;
        let is_word = at == 0 || rest[..at].ends_with(|c: char| c.is_whitespace());
        let after = rest[at + key.len()..].trim_start();
        rest = &rest[at + key.len()..];
        let Some(value) = after.strip_prefix('=').filter(|_| is_word) else { continue };
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        return match quote {
            Some(quote) => unquote(&value[1..], quote),
            None => Some(value.split([' ', ';', '\t', '\n']).next().unwrap_or_default().to_string()),
        };
    }
}

fn unquote(text: &str, quote: char) -> Option<String> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '\\' => value.push(characters.next()?),
            c if c == quote => return Some(value),
            c => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jaas_line_gives_its_values() {
        let line = "org.apache.kafka.common.security.plain.PlainLoginModule required\n  \
                    username=\"al\\\"ice\" password='s e;cret' ;";
        assert_eq!(jaas_value(line, "username").as_deref(), Some("al\"ice"));
        assert_eq!(jaas_value(line, "password").as_deref(), Some("s e;cret"));
        assert_eq!(jaas_value(line, "serviceName"), None);
        assert_eq!(jaas_value("x required username=bob;", "username").as_deref(), Some("bob"));
    }
}
