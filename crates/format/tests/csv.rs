//! CSV both ways: quotes, options, short and long records, what is quoted when writing.

#[path = "support/harness.rs"]
mod harness;

use harness::{Table, array, assert_cuts_do_not_matter, int, row, text};
use proptest::prelude::*;
use tidemill_types::{DataType, TypeKind};

fn table(columns: &[(&str, DataType)]) -> Table<'static> {
    Table::new("csv", columns)
}

#[test]
fn quotes_hold_delimiters_quotes_and_line_ends() {
    let table = table(&[("id", int()), ("s", text()), ("n", int())]);
    assert_eq!(
        table.rows("1,\"pear, green\",2\n2,\"say \"\"hi\"\" there, twice\",3\r\n 3 ,a\"b, 4\n4,\"two\nlines\" ,5\n5,,6\n6,\"\",7"),
        [
            r#"{"id":1,"s":"pear, green","n":2}"#,
            r#"{"id":2,"s":"say \"hi\" there, twice","n":3}"#,
            r#"{"id":3,"s":"a\"b","n":4}"#,
            r#"{"id":4,"s":"two\nlines","n":5}"#,
            r#"{"id":5,"s":"","n":6}"#,
            r#"{"id":6,"s":"","n":7}"#,
        ]
    );
    assert_cuts_do_not_matter(&table, "1,a,2\nx,b,3\n4,\"c\",5\r\n");
}

#[test]
fn bad_records_are_shown_whole() {
    let table = table(&[("id", int()), ("d", TypeKind::Date.nullable())]);
    let read = table.read("1,2024-01-01\n2,never\r\n3\n\n4,2024-01-02,x\nx,2024-01-03\n5,\"2024-01-04\"x\n6,2024-1-5\n7,\"open\n8,z");
    assert_eq!(read.rows, [r#"+I {"id":1,"d":"2024-01-01"}"#, r#"+I {"id":6,"d":"2024-01-05"}"#]);
    let expected = [
        ("2,never", "can't read field 'd': 'never' is no date such as '2024-01-31'"),
        ("3", "the record has 1 fields instead of 2"),
        ("", "the record has 1 fields instead of 2"),
        ("4,2024-01-02,x", "the record has 3 fields instead of 2"),
        ("x,2024-01-03", "can't read field 'id': 'x' is no INT"),
        ("5,\"2024-01-04\"x", "text follows the closing quote of a field"),
        ("7,\"open", "a quoted field is not closed"),
        ("8,z", "can't read field 'd': 'z' is no date such as '2024-01-31'"),
    ];
    let found: Vec<(&str, &str)> =
        read.rejects.iter().map(|(bytes, reason)| (bytes.as_str(), reason.as_str())).collect();
    assert_eq!(found, expected);
    assert_eq!(read.records, 10);
}

#[test]
fn ignored_errors_fill_and_drop() {
    let table = table(&[("id", int()), ("n", int()), ("d", TypeKind::Date.nullable())])
        .option("ignore-parse-errors", "true");
    let read = table.read("1,10,2024-01-01\n2,ten,2024-01-02\n4,40\n5,50,2024-01-05,extra\n\n6,60,\n");
    assert_eq!(
        read.rows,
        [
            r#"+I {"id":1,"n":10,"d":"2024-01-01"}"#,
            r#"+I {"id":2,"n":null,"d":"2024-01-02"}"#,
            r#"+I {"id":4,"n":40,"d":null}"#,
            r#"+I {"id":null,"n":null,"d":null}"#,
            r#"+I {"id":6,"n":60,"d":null}"#,
        ]
    );
    assert_eq!((read.skipped, read.rejects.len()), (1, 0));
}

#[test]
fn every_option_is_obeyed() {
    let columns = [
        ("id", int()),
        ("s", text()),
        ("a", array(int())),
        ("r", row(&[("a", int()), ("b", text())])),
        ("d", TypeKind::Double.nullable()),
    ];
    let table = table(&columns)
        .option("field-delimiter", "|")
        .option("quote-character", "'")
        .option("escape-character", "\\")
        .option("null-literal", "n/a")
        .option("allow-comments", "true")
        .option("array-element-delimiter", "^");
    assert_eq!(
        table.rows("1|'it\\'s'|1^2^3|7^x|1.5\n# a comment|x\n2|n/a|n/a|n/a^n/a|n/a\n3|'pipe | inside'|4|9^|-0\n4|pl\\|ain||1^z|1e3\n"),
        [
            r#"{"id":1,"s":"it's","a":[1,2,3],"r":{"a":7,"b":"x"},"d":1.5}"#,
            r#"{"id":2,"s":null,"a":[null],"r":{"a":null,"b":null},"d":null}"#,
            r#"{"id":3,"s":"pipe | inside","a":[4],"r":{"a":9,"b":""},"d":-0.0}"#,
            r#"{"id":4,"s":"pl|ain","a":[],"r":{"a":1,"b":"z"},"d":1000.0}"#,
        ]
    );
    let tabs = Table::new("csv", &[("id", int()), ("s", text())])
        .option("field-delimiter", "\\t")
        .option("disable-quote-character", "true");
    assert_eq!(tabs.rows("1\t\"q\"\n2\ta,b\n"), [r#"{"id":1,"s":"\"q\""}"#, r#"{"id":2,"s":"a,b"}"#]);
}

#[test]
fn types_without_a_form_are_refused() {
    assert!(table(&[("m", harness::map(int()))]).refusal().contains("csv' can't carry"));
    assert!(table(&[("a", array(array(int())))]).refusal().contains("csv' can't carry"));
    let clash =
        table(&[("a", int())]).option("disable-quote-character", "true").option("quote-character", "'");
    assert!(clash.refusal().contains("can't both be given"));
}

#[test]
fn every_type_is_read() {
    let columns = [
        ("b", TypeKind::Boolean.nullable()),
        ("t", TypeKind::TinyInt.nullable()),
        ("s", TypeKind::SmallInt.nullable()),
        ("l", TypeKind::BigInt.nullable()),
        ("f", TypeKind::Float.nullable()),
        ("d", DataType::decimal(10, 2)),
        ("ti", TypeKind::Time(0).nullable()),
        ("ts", TypeKind::Timestamp(3).nullable()),
        ("lz", TypeKind::TimestampLtz(3).nullable()),
        ("by", DataType::bytes()),
    ];
    assert_eq!(
        table(&columns).rows("TRUE,-1,300,9223372036854775807,0.1,0.105,10:00,2024-05-01 10:00:02.5,2024-05-01 10:00:02Z,aGk=\n"),
        [concat!(
            r#"{"b":true,"t":-1,"s":300,"l":9223372036854775807,"f":0.1,"d":{"$decimal":"0.11"},"ti":"10:00:00","#,
            r#""ts":"2024-05-01 10:00:02.5","lz":"2024-05-01 10:00:02","by":"aGk="}"#
        )]
    );
}

#[test]
fn text_is_quoted_where_flink_does() {
    let columns = [
        ("id", int()),
        ("s", text()),
        ("bo", TypeKind::Boolean.nullable()),
        ("d", TypeKind::Double.nullable()),
        ("de", DataType::decimal(10, 4)),
        ("ts", TypeKind::Timestamp(3).nullable()),
        ("b", DataType::bytes()),
        ("a", array(int())),
        ("r", row(&[("x", int()), ("y", text())])),
    ];
    let line = |id: u32, s: &str, b: &str| {
        format!(
            "{{\"id\":{id},\"s\":{s},\"bo\":true,\"d\":{id}e10,\"de\":{id},\"ts\":\"2024-01-02 03:04:05.600\",\"b\":{b},\"a\":[{id},null],\"r\":{{\"x\":{id},\"y\":{s}}}}}"
        )
    };
    let written = |id, s, b| table(&columns).write(&line(id, s, b)).unwrap().remove(0);
    let stamp = "\"2024-01-02 03:04:05.6\"";
    assert_eq!(
        written(10, "\"plain\"", "\"cGxhaW4=\""),
        format!("10,plain,true,1.0E11,1E+1,{stamp},cGxhaW4=,10;,10;plain")
    );
    assert_eq!(
        written(2, "\"a,b\"", "\"5Lit5paH8J+YgA==\""),
        format!("2,\"a,b\",true,2.0E10,2,{stamp},\"5Lit5paH8J+YgA==\",2;,\"2;a,b\"")
    );
    assert_eq!(
        written(3, "\"say \\\"hi\\\"\"", "null"),
        format!("3,\"say \"\"hi\"\"\",true,3.0E10,3,{stamp},,3;,\"3;say \"\"hi\"\"\"")
    );
    assert_eq!(written(4, "null", "\"\""), format!("4,,true,4.0E10,4,{stamp},,4;,4;"));
    assert_eq!(written(5, "\"中文😀\"", "null"), format!("5,中文😀,true,5.0E10,5,{stamp},,5;,5;中文😀"));
    let long = "\"abcdefghijklmnopqrstuvwxy\"";
    assert_eq!(
        written(6, long, "null"),
        format!("6,{long},true,6.0E10,6,{stamp},,6;,\"6;abcdefghijklmnopqrstuvwxy\"")
    );
}

#[test]
fn options_change_what_is_written() {
    let columns = [("id", int()), ("s", text()), ("a", array(text()))];
    let one = table(&columns)
        .option("field-delimiter", ";")
        .option("quote-character", "'")
        .option("null-literal", "NULL")
        .option("array-element-delimiter", "|");
    assert_eq!(
        one.write("{\"id\":1,\"s\":\"it's\",\"a\":[\"k\",null]}\n{\"id\":2}").unwrap(),
        ["1;'it''s';k|NULL", "2;NULL;NULL"]
    );
    let two = table(&columns).option("disable-quote-character", "true");
    assert_eq!(two.write("{\"id\":4,\"s\":\"x,y\",\"a\":[\" \"]}").unwrap(), ["4,x,y, "]);
}

proptest! {
    /// Text is read back as it was written; an absent one with the help of a literal.
    #[test]
    fn written_rows_are_read_back(rows in prop::collection::vec((any::<i32>(), "[ -~\n中😀]{0,30}", any::<bool>()), 1..20)) {
        let table = table(&[("i", int()), ("s", text())]).option("null-literal", "\u{1}");
        let json: Vec<String> = rows.iter().map(|(i, s, null)| {
            let s = s.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            if *null { format!("{{\"i\":{i}}}") } else { format!("{{\"i\":{i},\"s\":\"{s}\"}}") }
        }).collect();
        let json = json.join("\n");
        let written = table.write(&json).unwrap().join("\n") + "\n";
        let expected = Table::new("json", &[("i", int()), ("s", text())]).rows(&json);
        prop_assert_eq!(table.rows(&written), expected);
    }

    #[test]
    fn any_bytes_are_accounted_for(bytes in prop::collection::vec(prop::sample::select(b"1,\"\"a;\r\n\\#\xC3 ".to_vec()), 0..100)) {
        let table = table(&[("a", int()), ("t", text()), ("l", array(int()))]).option("escape-character", "\\");
        let read = table.read_blobs(&[tidemill_types::Blob::lines(arrow_buffer::Buffer::from(&bytes[..]))]).unwrap();
        prop_assert_eq!(read.rejects.len() + read.rows.len(), read.records);
    }
}
