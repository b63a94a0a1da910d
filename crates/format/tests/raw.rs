//! The format `raw` both ways.

#[path = "support/harness.rs"]
mod harness;

use arrow_buffer::Buffer;
use harness::{Table, int, text};
use tidemill_types::{Blob, DataType, Framing, TypeKind};

fn records(bytes: &[u8], ends: &[u32]) -> Blob {
    let starts = [0].into_iter().chain(ends.iter().copied());
    let ranges = starts.zip(ends).map(|(start, &end)| start..end).collect();
    Blob { bytes: Buffer::from(bytes), framing: Framing::Records(ranges) }
}

#[test]
fn lines_are_values_blank_ones_too() {
    let table = Table::new("raw", &[("line", text())]);
    assert_eq!(
        table.rows("hello\n\n  spaced  \r\n{\"json\": true}\n中文 😀 longer than that"),
        [
            r#"{"line":"hello"}"#,
            r#"{"line":""}"#,
            r#"{"line":"  spaced  "}"#,
            r#"{"line":"{\"json\": true}"}"#,
            r#"{"line":"中文 😀 longer than that"}"#,
        ]
    );
}

#[test]
fn charsets_are_decoded_and_encoded() {
    for (charset, bytes) in [
        ("ISO-8859-1", b"caf\xE9".to_vec()),
        ("windows-1252", b"caf\xE9".to_vec()),
        ("UTF-16BE", b"\0c\0a\0f\0\xE9".to_vec()),
        ("UTF-16LE", b"c\0a\0f\0\xE9\0".to_vec()),
        ("UTF-16", b"\xFE\xFF\0c\0a\0f\0\xE9".to_vec()),
        ("GB18030", b"caf\xA8\xA6".to_vec()),
    ] {
        let table = Table::new("raw", &[("s", text())]).option("charset", charset);
        let blob = records(&bytes, &[bytes.len() as u32]);
        assert_eq!(table.read_blobs(&[blob]).unwrap().rows, ["+I {\"s\":\"café\"}"], "{charset}");
        let written = table.write("{\"s\":\"café\"}").unwrap();
        assert_eq!(written, [String::from_utf8_lossy(&bytes)], "{charset}");
    }
    let latin = Table::new("raw", &[("s", text())]).option("charset", "ISO-8859-1");
    assert_eq!(latin.write("{\"s\":\"中a\"}").unwrap(), ["?a"]);
    assert!(
        Table::new("raw", &[("s", text())]).option("charset", "x").refusal().contains("no known charset")
    );
    let utf8 = Table::new("raw", &[("s", text())]);
    assert_eq!(utf8.read_blobs(&[records(b"a\xFFb", &[3])]).unwrap().rows, ["+I {\"s\":\"a\u{FFFD}b\"}"]);
}

#[test]
fn numbers_have_their_size_and_order() {
    let big = Table::new("raw", &[("n", int())]);
    let read = big.read_blobs(&[records(&[0, 0, 1, 2, 9], &[4, 5])]).unwrap();
    assert_eq!(read.rows, ["+I {\"n\":258}"]);
    assert_eq!(read.rejects[0].1, "can't read field 'n': 1 bytes are no INT");
    let little =
        Table::new("raw", &[("n", TypeKind::SmallInt.nullable())]).option("endianness", "little-endian");
    assert_eq!(little.read_blobs(&[records(&[2, 1], &[2])]).unwrap().rows, ["+I {\"n\":258}"]);
    assert_eq!(little.write("{\"n\":16706}\n{}").unwrap(), ["BA", ""]);
    let bytes = Table::new("raw", &[("b", DataType::bytes())]);
    assert_eq!(bytes.read_blobs(&[records(&[0xFF], &[1])]).unwrap().rows, ["+I {\"b\":\"/w==\"}"]);
}

#[test]
fn exactly_one_column_of_a_simple_type_is_taken() {
    assert!(Table::new("raw", &[("a", text()), ("b", int())]).refusal().contains("exactly one column"));
    assert!(Table::new("raw", &[("a", TypeKind::Date.nullable())]).refusal().contains("raw' can't carry"));
}
