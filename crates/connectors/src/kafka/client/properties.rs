//! The `properties.*` of a table: each is taken by the part that honours it; what is left gets a warning.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;
use tidemill_types::{Error, Options, Result};

/// Properties of the Java client that change nothing here: classes that it loads, and pools that this client
/// does not have.
const WITHOUT_EFFECT: &[&str] = &[
    "key.deserializer",
    "value.deserializer",
    "key.serializer",
    "value.serializer",
    "enable.auto.commit",
    "auto.commit.interval.ms",
    "client.dns.lookup",
    "ssl.endpoint.identification.algorithm",
    "partition.discovery.interval.ms",
];

/// The properties of a table that nobody has taken yet.
#[derive(Debug)]
pub(crate) struct Properties<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Properties<'a> {
    /// All of them.
    pub(crate) fn of(options: &'a Options) -> Self {
        let named = options.0.iter();
        Properties(
            named
                .filter_map(|(key, value)| Some((key.strip_prefix("properties.")?, value.as_str())))
                .collect(),
        )
    }

    /// Takes one.
    pub(crate) fn take(&mut self, key: &str) -> Option<&'a str> {
        self.0.remove(key).map(str::trim)
    }

    /// Takes one that is a number.
    pub(crate) fn number<T: FromStr>(&mut self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.take(key) else { return Ok(None) };
        let bad =
            || Error::user(format!("option 'properties.{key}' is '{text}', but must be a whole number"));
        text.parse().map(Some).map_err(|_| bad())
    }

    /// Takes one that is a number of milliseconds.
    pub(crate) fn millis(&mut self, key: &str) -> Result<Option<Duration>> {
        Ok(self.number(key)?.map(Duration::from_millis))
    }

    /// Takes one that is one of these words.
    pub(crate) fn word(&mut self, key: &str, words: &[&str]) -> Result<Option<&'a str>> {
        match self.take(key) {
            Some(text) if !words.contains(&text) => Err(Error::user_hint(
                format!("option 'properties.{key}' is '{text}'"),
                format!("it must be one of {}", words.join(", ")),
            )),
            found => Ok(found),
        }
    }

    /// Those that were given and that nobody has taken.
    pub(crate) fn left(self) -> Vec<&'a str> {
        self.0.into_keys().filter(|key| !WITHOUT_EFFECT.contains(key)).collect()
    }
}
