//! Escapes of `U&'..'` and `E'..'` strings.

/// Why a string's escapes are malformed.
#[derive(Debug, PartialEq)]
pub(super) struct BadEscape {
    /// What is wrong.
    pub(super) message: String,
    /// How to write it.
    pub(super) hint: &'static str,
}

/// Resolves the escapes of `U&'..'`: the escape character and four hexadecimal digits (one UTF-16
/// unit), or the escape character twice.
pub(super) fn unicode(raw: &str, escape: char) -> Result<String, BadEscape> {
    let mut units = Vec::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        if c != escape {
            push(&mut units, c);
        } else if chars.next_if_eq(&escape).is_some() {
            push(&mut units, escape);
        } else {
            let digits: String = chars.by_ref().take(4).collect();
            units.push(hex(&digits, 4).ok_or_else(|| BadEscape {
                message: format!("`{escape}{digits}` is no Unicode escape"),
                hint: "write the escape character and exactly four hexadecimal digits",
            })?);
        }
    }
    decode(&units)
}

/// Resolves the escapes of `E'..'`: those of C and `\uXXXX`.
pub(super) fn c_style(raw: &str) -> Result<String, BadEscape> {
    let mut units = Vec::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            push(&mut units, c);
            continue;
        }
        let Some(kind) = chars.next() else { break };
        match kind {
            'b' => units.push(8),
            'f' => units.push(12),
            'n' => units.push(10),
            'r' => units.push(13),
            't' => units.push(9),
            'u' | 'U' | 'x' => units.push(hex_escape(kind, &mut chars)?),
            '0'..='7' => units.push(octal_escape(kind, &mut chars)),
            other => push(&mut units, other),
        }
    }
    decode(&units)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// `\xH`, `\xHH` or `\uXXXX`, its first two characters read.
fn hex_escape(kind: char, chars: &mut Chars<'_>) -> Result<u16, BadEscape> {
    let (least, most) = if kind == 'x' { (1, 2) } else { (4, 4) };
    let mut digits = String::new();
    while digits.len() < most {
        let Some(digit) = chars.next_if(char::is_ascii_hexdigit) else {
            break;
        };
        digits.push(digit);
    }
    hex(&digits, least).ok_or_else(|| BadEscape {
        message: format!("`\\{kind}{digits}` is no escape"),
        hint: "write \\xHH with one or two, \\uXXXX with four hexadecimal digits, or \\\\ for a backslash",
    })
}

/// Up to three octal digits, the first one read.
fn octal_escape(first: char, chars: &mut Chars<'_>) -> u16 {
    let value = |c: char| u16::try_from(c.to_digit(8).unwrap_or(0)).unwrap_or(0);
    let mut code = value(first);
    for _ in 0..2 {
        match chars.next_if(|c| ('0'..='7').contains(c)) {
            Some(c) => code = code * 8 + value(c),
            None => break,
        }
    }
    code
}

fn push(units: &mut Vec<u16>, c: char) {
    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
}

fn hex(digits: &str, least: usize) -> Option<u16> {
    let well_formed = digits.len() >= least && digits.chars().all(|c| c.is_ascii_hexdigit());
    well_formed.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

fn decode(units: &[u16]) -> Result<String, BadEscape> {
    String::from_utf16(units).map_err(|_| BadEscape {
        message: "the escapes hold half of a surrogate pair".to_owned(),
        hint: "write both halves, the high one (D800 to DBFF) first",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unicode_escapes() {
        for (raw, escape, expected) in [
            ("\\4E2D\\6587", '\\', "中文"),
            ("a#0041#", '#', ""),
            ("#0041##b", '#', "A#b"),
            ("\\D83D\\DE00", '\\', "😀"),
        ] {
            match unicode(raw, escape) {
                Ok(text) => assert_eq!(text, expected, "{raw}"),
                Err(_) => assert_eq!(expected, "", "{raw}"),
            }
        }
        assert!(unicode("\\D83D", '\\').is_err());
        assert!(unicode("\\+00041", '\\').is_err());
    }

    #[test]
    fn c_escapes() {
        for (raw, expected) in [
            ("a\\tb\\n", "a\tb\n"),
            ("\\u4e2d\\x41\\101\\x9", "中AA\t"),
            ("x\\\\y\\'z", "x\\y'z"),
            ("\\q", "q"),
        ] {
            assert_eq!(c_style(raw).as_deref(), Ok(expected), "{raw}");
        }
        assert!(c_style("\\u12").is_err());
        assert!(c_style("\\xg").is_err());
    }
}
