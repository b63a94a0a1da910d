//! URL_ENCODE, URL_DECODE and PARSE_URL, as Java's `URLEncoder`, `URLDecoder` and `URL` do it.

use crate::bind::{Form, STRING, Want, declare};
use crate::lane::{Text, text1, text2, text3};
use tidemill_plan::FunctionRegistry;

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    use Want::Text as T;
    declare(
        registry,
        "URL_ENCODE",
        [Form::new(&[T], STRING, |a, c| text1::<Text>(a, c, |text, out| Ok(encode(text, out))))
            .nullable()
            .total()],
    );
    declare(
        registry,
        "URL_DECODE",
        [Form::new(&[T], STRING, |a, c| text1::<Text>(a, c, |text, out| Ok(decode(text, out))))
            .nullable()
            .total()],
    );
    declare(
        registry,
        "PARSE_URL",
        [
            Form::new(&[T, T], STRING, |a, c| {
                text2::<Text, Text>(a, c, |url, part, out| {
                    Ok(push(Url::parse(url).and_then(|url| url.part(part)), out))
                })
            })
            .nullable()
            .total(),
            Form::new(&[T, T, T], STRING, |a, c| {
                text3::<Text, Text, Text>(a, c, |url, part, key, out| {
                    let query = Url::parse(url).filter(|_| part == "QUERY").and_then(|url| url.query);
                    Ok(push(query.and_then(|query| query_value(query, key)).map(str::to_owned), out))
                })
            })
            .nullable()
            .total(),
        ],
    );
}

fn push(value: Option<String>, out: &mut String) -> bool {
    out.push_str(value.as_deref().unwrap_or_default());
    value.is_some()
}

fn encode(text: &str, out: &mut String) -> bool {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                super::encode::hex(&[byte], out, true);
            }
        }
    }
    true
}

/// FALSE if an escape is malformed.
fn decode(text: &str, out: &mut String) -> bool {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let value = digits
                    .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let Some(value) = value else { return false };
                bytes.push(value);
                rest = &after[2..];
            }
            _ => bytes.push(byte),
        }
    }
    out.push_str(&String::from_utf8_lossy(&bytes));
    true
}

/// The parts of an address.
struct Url<'a> {
    protocol: String,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Protocols that Java knows.
    const PROTOCOLS: [&'static str; 6] = ["http", "https", "ftp", "file", "jar", "mailto"];

    fn parse(url: &'a str) -> Option<Url<'a>> {
        let (protocol, rest) = url.trim().split_once(':')?;
        let protocol = protocol.to_ascii_lowercase();
        if !Self::PROTOCOLS.contains(&protocol.as_str()) {
            return None;
        }
        let (rest, fragment) = match rest.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (rest, None),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        Some(Url { protocol, authority, path, query, fragment })
    }

    fn part(&self, name: &str) -> Option<String> {
        let user = self.authority.rsplit_once('@').map(|(user, _)| user);
        let text = |text: &str| Some(text.to_owned());
        match name {
            "HOST" => text(self.host()),
            "PATH" => text(self.path),
            "QUERY" => self.query.map(str::to_owned),
            "REF" => self.fragment.map(str::to_owned),
            "PROTOCOL" => text(&self.protocol),
            "FILE" => match self.query {
                Some(query) => Some(format!("{}?{query}", self.path)),
                None => text(self.path),
            },
            "AUTHORITY" => text(self.authority),
            "USERINFO" => user.map(str::to_owned),
            _ => None,
        }
    }

    fn host(&self) -> &'a str {
        let host = self.authority.rsplit_once('@').map_or(self.authority, |(_, host)| host);
        match host.rfind(']') {
            Some(end) => &host[..=end],
            None => host.split_once(':').map_or(host, |(host, _)| host),
        }
    }
}

/// The first value of a key in a query.
fn query_value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key).map(|(_, value)| value))
}
