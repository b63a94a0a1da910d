//! Options of connectors, formats and settings: declared once, and from the declaration come parsing,
//! the refusal of unknown keys with the near ones, and the reference page.

use crate::{Error, Result};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the text of an option must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// `true`, `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `10s`, `1 min`, `500 ms`, `1 d`.
    Duration,
    /// `128MB`, `2 kb`.
    Memory,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// One declared option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptionSpec {
    /// Flink's key. A `*` stands for any text (`fields.*.kind`, `properties.*`).
    pub key: &'static str,
    /// What its text must be.
    pub kind: OptionKind,
    /// Whether it must be given.
    pub required: bool,
    /// The text used when it is absent.
    pub default: Option<&'static str>,
    /// A sentence for the reference page and error hints.
    pub help: &'static str,
}

impl OptionSpec {
    /// An optional option without a default.
    pub const fn new(key: &'static str, kind: OptionKind, help: &'static str) -> Self {
        OptionSpec { key, kind, required: false, default: None, help }
    }

    /// The same, required.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same, with a default.
    pub const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    /// Whether a given key is meant by this declaration.
    pub fn matches(&self, key: &str) -> bool {
        match self.key.split_once('*') {
            None => self.key == key,
            Some((before, after)) => {
                key.len() > before.len() + after.len() && key.starts_with(before) && key.ends_with(after)
            }
        }
    }
}

/// The options that a table gives, by key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options(pub BTreeMap<String, String>);

impl Options {
    /// Options of these pairs.
    pub fn new<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Options(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// The text of an option.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The options whose key starts with `prefix`, without it.
    pub fn under(&self, prefix: &str) -> Options {
        Options::new(
            self.0.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value.clone()))),
        )
    }

    /// Checks every given key and value against the declarations and that required ones are there.
    pub fn check(&self, owner: &str, specs: &[&[OptionSpec]]) -> Result<()> {
        let specs = || specs.iter().flat_map(|part| part.iter());
        for (key, value) in &self.0 {
            let spec = specs().find(|spec| spec.matches(key)).ok_or_else(|| unknown(owner, key, specs()))?;
            check_value(key, value, spec)?;
        }
        match specs().find(|spec| spec.required && self.get(spec.key).is_none()) {
            Some(missing) => Err(Error::user_hint(
                format!("{owner} needs the option '{}'", missing.key),
                missing.help.to_string(),
            )),
            None => Ok(()),
        }
    }

    /// The text of a declared option, or its default.
    pub fn text(&self, spec: &OptionSpec) -> Option<&str> {
        self.get(spec.key).or(spec.default)
    }

    /// A declared boolean; false without text and default.
    pub fn boolean(&self, spec: &OptionSpec) -> Result<bool> {
        match self.text(spec) {
            None => Ok(false),
            Some(text) => parse_boolean(text).ok_or_else(|| bad_value(spec.key, text, "true or false")),
        }
    }

    /// A declared whole number.
    pub fn integer(&self, spec: &OptionSpec) -> Result<Option<i64>> {
        self.text(spec)
            .map(|text| text.trim().parse().map_err(|_| bad_value(spec.key, text, "a whole number")))
            .transpose()
    }

    /// A declared number.
    pub fn number(&self, spec: &OptionSpec) -> Result<Option<f64>> {
        self.text(spec)
            .map(|text| text.trim().parse().map_err(|_| bad_value(spec.key, text, "a number")))
            .transpose()
    }

    /// A declared duration.
    pub fn duration(&self, spec: &OptionSpec) -> Result<Option<Duration>> {
        self.text(spec)
            .map(|text| parse_duration(text).ok_or_else(|| bad_value(spec.key, text, DURATION_HELP)))
            .transpose()
    }

    /// A declared size in bytes.
    pub fn memory(&self, spec: &OptionSpec) -> Result<Option<u64>> {
        self.text(spec)
            .map(|text| parse_memory(text).ok_or_else(|| bad_value(spec.key, text, MEMORY_HELP)))
            .transpose()
    }
}

const DURATION_HELP: &str = "a duration such as '10s', '1 min', '500 ms' or '1 d'";
const MEMORY_HELP: &str = "a size such as '128MB' or '2 kb'";

fn check_value(key: &str, value: &str, spec: &OptionSpec) -> Result<()> {
    let (valid, wanted) = match spec.kind {
        OptionKind::Text => (true, String::new()),
        OptionKind::Boolean => (parse_boolean(value).is_some(), "true or false".into()),
        OptionKind::Integer => (value.trim().parse::<i64>().is_ok(), "a whole number".into()),
        OptionKind::Number => (value.trim().parse::<f64>().is_ok(), "a number".into()),
        OptionKind::Duration => (parse_duration(value).is_some(), DURATION_HELP.into()),
        OptionKind::Memory => (parse_memory(value).is_some(), MEMORY_HELP.into()),
        OptionKind::Choice(words) => (
            words.iter().any(|word| word.eq_ignore_ascii_case(value)),
            format!("one of {}", words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")),
        ),
    };
    if valid { Ok(()) } else { Err(bad_value(key, value, &wanted)) }
}

fn bad_value(key: &str, value: &str, wanted: &str) -> Error {
    Error::user(format!("option '{key}' is '{value}', but must be {wanted}"))
}

fn unknown<'a>(owner: &str, key: &str, specs: impl Iterator<Item = &'a OptionSpec>) -> Error {
    let known: Vec<&str> = specs.map(|spec| spec.key).collect();
    let hint = match near(key, known.iter().copied()).as_slice() {
        [] => format!("it takes: {}", known.join(", ")),
        names => format!("did you mean {}? it takes: {}", quoted_or(names), known.join(", ")),
    };
    Error::user_hint(format!("{owner} has no option '{key}'"), hint)
}

/// The names of `known` that a typo of `name` may have meant, nearest first; at most three.
pub fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score > 0.84)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.dedup_by_key(|(_, candidate)| *candidate);
    scored.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

/// `'a'`, `'a' or 'b'`, `'a', 'b' or 'c'`.
pub fn quoted_or(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("'{one}'"),
        [init @ .., last] => {
            let init: Vec<String> = init.iter().map(|name| format!("'{name}'")).collect();
            format!("{} or '{last}'", init.join(", "))
        }
    }
}

fn parse_boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Reads Flink's durations: a whole number and a unit; a bare number is milliseconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let nanos: u64 = match unit.as_str() {
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
        "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => 1_000,
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000_000_000,
        "h" | "hour" | "hours" => 3_600_000_000_000,
        "d" | "day" | "days" => 86_400_000_000_000,
        _ => return None,
    };
    number.checked_mul(nanos).map(Duration::from_nanos)
}

/// Reads Flink's memory sizes: a whole number and a unit; a bare number is bytes.
pub fn parse_memory(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let factor: u64 = match unit.as_str() {
        "" | "b" | "bytes" => 1,
        "k" | "kb" | "kibibytes" => 1 << 10,
        "m" | "mb" | "mebibytes" => 1 << 20,
        "g" | "gb" | "gibibytes" => 1 << 30,
        "t" | "tb" | "tebibytes" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn number_and_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, text[digits..].trim().to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[OptionSpec] = &[
        OptionSpec::new("path", OptionKind::Text, "the file to read").required(),
        OptionSpec::new("fields.*.kind", OptionKind::Choice(&["random", "sequence"]), "how it is made"),
        OptionSpec::new("idle", OptionKind::Duration, "how long").default("1 min"),
    ];

    #[test]
    fn unknown_keys_are_refused_with_the_near_ones() {
        let error = Options::new([("pth", "x")]).check("connector 'files'", &[SPECS]).unwrap_err();
        assert_eq!(error.to_string(), "connector 'files' has no option 'pth'");
        assert!(error.hint().unwrap().starts_with("did you mean 'path'?"));
    }

    #[test]
    fn values_and_required_keys_are_checked() {
        let check = |pairs: &[(&str, &str)]| Options::new(pairs.iter().copied()).check("it", &[SPECS]);
        assert!(check(&[("path", "p"), ("fields.a.b.kind", "random")]).is_ok());
        assert!(check(&[("path", "p"), ("fields.a.kind", "other")]).is_err());
        assert_eq!(check(&[("idle", "1s")]).unwrap_err().to_string(), "it needs the option 'path'");
    }

    #[test]
    fn durations_and_sizes_follow_flink() {
        assert_eq!(parse_duration("1 min"), Some(Duration::from_secs(60)));
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("2 weeks"), None);
        assert_eq!(parse_memory("128MB"), Some(128 << 20));
        assert_eq!(Options::default().duration(&SPECS[2]).unwrap(), Some(Duration::from_secs(60)));
    }
}
