//! Functions on text, among them empty, NULL and non-ASCII text.

#[path = "support/call.rs"]
mod call;

use call::check;

#[test]
fn parts() {
    check(&[
        ("SUBSTRING('Hello World', 2)", "ello World"),
        ("SUBSTRING('Hello World', 3, 2)", "ll"),
        ("SUBSTRING('Hello World', -3)", "rld"),
        ("SUBSTRING('Hello World', -3, 2)", "rl"),
        ("SUBSTRING('Hello World', 0, 2)", "He"),
        ("SUBSTRING('NULL', 5)", ""),
        ("SUBSTRING('ab', -3)", ""),
        ("SUBSTRING('ab', 1, -1)", "NULL"),
        ("SUBSTRING('中文测试😀ab', -3, 2)", "😀a"),
        ("SUBSTRING('中文测试😀ab', 3, 4)", "测试😀a"),
        ("TYPEOF(SUBSTRING('abc'::CHAR(3), 1))", "VARCHAR(3)"),
        ("SUBSTRING(1)", "!SUBSTRING takes (STRING, INT) or (STRING, INT, INT), not (INT)"),
        ("REPLACE('a', 'a')", "!REPLACE takes (STRING, STRING, STRING), not (CHAR(1), CHAR(1))"),
        ("LEFT('Hello', 3)", "Hel"),
        ("LEFT('Hello', -2)", ""),
        ("RIGHT('中文测试😀ab', 3)", "😀ab"),
        ("RIGHT('ab', 5)", "ab"),
        ("RIGHT('ab', -5)", ""),
        ("SPLIT_INDEX('a,b,,c,', ',', 1)", "b"),
        ("SPLIT_INDEX('a,b,,c,', ',', 2)", ""),
        ("SPLIT_INDEX('a,b', ',', 9)", "NULL"),
        ("SPLIT_INDEX('a,b', ',', -1)", "NULL"),
        ("SPLIT_INDEX('', ',', 0)", "NULL"),
        ("SPLIT_INDEX('ABCabc123', 'abc', 1)", "123"),
        ("SPLIT_INDEX('a,b', 44, 1)", "b"),
    ]);
}

#[test]
fn places() {
    check(&[
        ("POSITION('o', 'Hello World')", "5"),
        ("POSITION('x', 'Hello World')", "0"),
        ("POSITION('', '')", "1"),
        ("LOCATE('o', 'Hello World', 6)", "8"),
        ("LOCATE('测', '中文测试😀ab')", "3"),
        ("INSTR('Hello World', 'o')", "5"),
        ("INSTR('Hello World', 'o', -1)", "8"),
        ("INSTR('Hello World', 'o', 1, 2)", "8"),
        ("POSITION(NULL::STRING, 'a')", "NULL"),
        ("STARTSWITH('abc', '')", "TRUE"),
        ("STARTSWITH('abc', 'ab')", "TRUE"),
        ("ENDSWITH('abc', 'ab')", "FALSE"),
        ("ENDSWITH('abc'::BYTES, 'bc'::BYTES)", "TRUE"),
    ]);
}

#[test]
fn case_length_and_trimming() {
    check(&[
        ("UPPER('ÄÖÜß straße')", "ÄÖÜSS STRASSE"),
        ("LOWER('中文测试😀AB')", "中文测试😀ab"),
        ("TYPEOF(UPPER('abc'))", "CHAR(3) NOT NULL"),
        ("UPPER(1)", "!UPPER takes (STRING), not (INT)"),
        ("CHAR_LENGTH('中文测试😀ab')", "7"),
        ("CHARACTER_LENGTH('')", "0"),
        ("TRIM('  padded  ')", "padded"),
        ("BTRIM('Hello World', 'aH d')", "ello Worl"),
        ("LTRIM('  padded  ', ' p')", "added  "),
        ("RTRIM('  padded  ', 'd ')", "  padde"),
        ("BTRIM('a', '')", "a"),
        ("LTRIM('\ttab')", "\ttab"),
        ("INITCAP('tab\tnew-line 3rd')", "Tab\tNew-Line 3rd"),
        ("INITCAP('ÄÖÜß straße')", "ÄÖÜß StraßE"),
        ("INITCAP('ABCabc123')", "Abcabc123"),
        ("REVERSE('中文测试😀ab')", "ba😀试测文中"),
        ("ASCII('中')", "-28"),
        ("ASCII('')", "0"),
        ("CHR(67)", "C"),
        ("CHR(164)", "¤"),
        ("CHR(-36)", ""),
        ("CHR(321)", "A"),
    ]);
}

#[test]
fn joining_and_replacing() {
    check(&[
        ("||('a', 'b')", "ab"),
        ("||('a', NULL::STRING)", "NULL"),
        ("TYPEOF(||('a', 'bc'))", "CHAR(3) NOT NULL"),
        ("CONCAT('a', '-', 'b')", "a-b"),
        ("CONCAT('a', NULL)", "NULL"),
        ("TYPEOF(CONCAT('a', 'x'))", "STRING NOT NULL"),
        ("CONCAT_WS('|', '', NULL, 'z')", "|z"),
        ("CONCAT_WS(NULL, 'a')", "NULL"),
        ("ELT(1, 'a', 'b')", "a"),
        ("ELT(3, 'a', 'b')", "NULL"),
        ("ELT(0, 'a', 'b')", "NULL"),
        ("ELT(-1, 'a', 'b')", "!from 0 on, not -1"),
        ("REPLACE('Hello World', 'o', '#')", "Hell# W#rld"),
        ("REPLACE('', '', '#')", "#"),
        ("TRANSLATE('abcabc', 'abc', 'xy')", "xyxy"),
        ("TRANSLATE('abc', 'b', NULL::STRING)", "ac"),
        ("TRANSLATE(NULL::STRING, 'b', 'x')", "NULL"),
        ("REPEAT('测', 3)", "测测测"),
        ("REPEAT('a', -1)", ""),
        ("LPAD('Hello World', 4, '*')", "Hell"),
        ("LPAD('Hello World', 14, 'xy')", "xyxHello World"),
        ("RPAD('中文测试😀ab', 14, 'xy')", "中文测试😀abxyxyxy"),
        ("LPAD('a', -1, 'x')", "NULL"),
        ("LPAD('a', 20, '')", "NULL"),
        ("OVERLAY('Hello World', '__', 3)", "He__o World"),
        ("OVERLAY('Hello World', '__', 3, 1)", "He__lo World"),
        ("OVERLAY('Hello World', '__', 50)", "Hello World"),
        ("OVERLAY('NULL', '__', 3)", "NU__"),
    ]);
}

#[test]
fn splitting_and_formatting() {
    check(&[
        ("SPLIT('a,b,,c,', ',')", "[a, b, , c, ]"),
        ("SPLIT('', ',')", "[]"),
        ("SPLIT('中文', '')", "[中, 文]"),
        ("SPLIT(NULL::STRING, ',')", "NULL"),
        ("STR_TO_MAP('a=1,b,,c=,')", "{a=1, b=NULL, =NULL, c=}"),
        ("STR_TO_MAP('Hello World', ' ', 'l')", "{He=lo, Wor=d}"),
        ("STR_TO_MAP('')", "{}"),
        ("PRINTF('%s/%d', 'x', 3)", "x/3"),
        ("PRINTF('%05d', -2)", "-0002"),
        ("PRINTF('%5d', NULL::INT)", " null"),
        ("PRINTF('%s|%-4s|%.2f|%%', NULL::STRING, 'a', 2.345)", "null|a   |2.35|%"),
        ("PRINTF('%x %,d', 255, 1234567)", "ff 1,234,567"),
        ("PRINTF('%d', 'x')", "NULL"),
        ("PRINTF('%.2f', NULL::DOUBLE)", "nu"),
        ("PRINTF('%X|%b', NULL::INT, NULL::BOOLEAN)", "NULL|false"),
        ("PRINTF('%x %o', -7, -1)", "fffffff9 37777777777"),
        ("PRINTF('%+d|% d|%(d|%(,d', 3, 3, -7, -1234)", "+3| 3|(7)|(1,234)"),
        ("IS_DECIMAL(' -3.7E2 ')", "TRUE"),
        ("IS_DECIMAL('1e')", "FALSE"),
        ("IS_DECIMAL(3)", "TRUE"),
        ("IS_DIGIT(3)", "TRUE"),
        ("INET_ATON('127.1')", "2130706433"),
        ("INET_ATON('256.1')", "NULL"),
        ("INET_ATON('1.2.3.4.5')", "NULL"),
        ("TYPEOF(MD5('x'))", "CHAR(32) NOT NULL"),
        ("TYPEOF(SHA2('x', 256))", "VARCHAR(128)"),
        ("SHA2('x', 0)", "!one of 224"),
        ("TYPEOF(CHR(65))", "STRING"),
        ("TYPEOF(LEFT('abc', 2))", "VARCHAR(3)"),
        ("FROM_BASE64('aGVsbG8')", "hello"),
        ("IS_ALPHA('ß')", "TRUE"),
        ("IS_ALPHA('')", "FALSE"),
        ("IS_ALPHA(5)", "FALSE"),
        ("IS_ALPHA(NULL::STRING)", "FALSE"),
        ("IS_DIGIT('12')", "TRUE"),
        ("IS_DIGIT('-2')", "FALSE"),
        ("IS_DECIMAL('-2')", "TRUE"),
        ("IS_DECIMAL('x')", "FALSE"),
        ("INET_ATON('1.2.3.4')", "16909060"),
        ("INET_NTOA(16909060)", "1.2.3.4"),
    ]);
}

#[test]
fn encoding() {
    check(&[
        ("TO_BASE64('Hello World')", "SGVsbG8gV29ybGQ="),
        ("FROM_BASE64('SGVsbG8gV29ybGQ=')", "Hello World"),
        ("FROM_BASE64('%')", "!not base 64"),
        ("HEX('Hello')", "48656C6C6F"),
        ("HEX(255)", "FF"),
        ("HEX(-1L)", "FFFFFFFFFFFFFFFF"),
        ("UNHEX('48656C6C6F')::STRING", "Hello"),
        ("UNHEX('4X')", "NULL"),
        ("BIN(4)", "100"),
        ("DECODE(ENCODE('中😀', 'UTF-16BE'), 'UTF-16BE')", "中😀"),
        ("TO_BASE64(ENCODE('o', 'UTF-16BE'))", "AG8="),
        ("DECODE(ENCODE('é', 'US-ASCII'), 'US-ASCII')", "?"),
        ("ENCODE('a', 'NONE')", "!no known character set"),
        ("URL_ENCODE('a+b%20c*~-_.😀')", "a%2Bb%2520c*%7E-_.%F0%9F%98%80"),
        ("URL_DECODE('a+b%20c')", "a b c"),
        ("URL_DECODE('bad%zz')", "NULL"),
        ("PARSE_URL('http://user:pw@example.com:8080/p/a.html?k1=v1&k2=#r', 'HOST')", "example.com"),
        ("PARSE_URL('http://user:pw@example.com:8080/p/a.html?k1=v1&k2=#r', 'FILE')", "/p/a.html?k1=v1&k2="),
        ("PARSE_URL('http://user:pw@example.com:8080/p/a.html?k1=v1&k2=#r', 'USERINFO')", "user:pw"),
        ("PARSE_URL('http://user:pw@example.com:8080/p/a.html?k1=v1&k2=#r', 'QUERY', 'k2')", ""),
        ("PARSE_URL('https://example.org', 'PATH')", ""),
        ("PARSE_URL('https://example.org', 'host')", "NULL"),
        ("PARSE_URL('not a url', 'HOST')", "NULL"),
    ]);
}

#[test]
fn hashes() {
    check(&[
        ("MD5('')", "d41d8cd98f00b204e9800998ecf8427e"),
        ("MD5('Hello World')", "b10a8db164e0754105b7a99be72e3fe5"),
        ("SHA1('Hello World')", "0a4d55a8d778e5022fab701977c5d840bbc486d0"),
        ("SHA224('Hello World')", "c4890faffdb0105d991a461e668e276685401b02eab1ef4372795047"),
        ("SHA2('Hello World', 256)", "a591a6d40bf420404a011733cfb7b190d62c65bf0bcda32b57b277d9ad9f146e"),
        ("SHA256(NULL::STRING)", "NULL"),
    ]);
}

#[test]
fn regular_expressions() {
    check(&[
        ("REGEXP_EXTRACT('Hello World', '([a-z]+)([0-9]+)?', 0)", "ello"),
        ("REGEXP_EXTRACT('Hello World', '([A-Za-z]+)\\s*([A-Za-z]*)', 2)", "World"),
        ("REGEXP_EXTRACT('Hello', '(o)', 5)", "NULL"),
        ("REGEXP_EXTRACT('Hello', '(x)?l', 1)", "NULL"),
        ("REGEXP_EXTRACT('Hello', '(x*)l', 1)", ""),
        ("REGEXP_EXTRACT('Hello', '(')", "NULL"),
        ("REGEXP_EXTRACT('https://x/?a=1&channel_id=47', '(&|^)channel_id=([^&]*)', 2)", "47"),
        ("REGEXP_REPLACE('Hello', '(\\w)(\\w)', '$2$1')", "$2$1$2$1o"),
        ("REGEXP_REPLACE('ABCabc', '(?i)abc', 'X')", "XX"),
        ("REGEXP_REPLACE('a', '[', 'x')", "NULL"),
        ("REGEXP('Hello', '(.)\\1')", "TRUE"),
        ("REGEXP('foo%bar', 'foo(?=%)')", "TRUE"),
        ("REGEXP('a,b,,c,', '(?<!b)c')", "TRUE"),
        ("REGEXP('中文', '\\p{IsHan}')", "TRUE"),
        ("REGEXP('', '')", "FALSE"),
        ("REGEXP('aab', 'a++b')", "TRUE"),
        ("REGEXP('tab\tnew\nline', '(?s)tab.new.line')", "TRUE"),
        ("REGEXP('tab\tnew\nline', 'new.line')", "FALSE"),
        ("REGEXP('١', '\\d')", "FALSE"),
        ("REGEXP('a.c', '\\Qa.c\\E')", "TRUE"),
        ("REGEXP('é', '\\u00e9')", "TRUE"),
        ("REGEXP_COUNT('Hello World', 'o')", "2"),
        ("REGEXP_COUNT('a😀', '')", "4"),
        ("REGEXP_INSTR('中文测试😀ab', 'a')", "7"),
        ("REGEXP_SUBSTR('Hello', '[a-z]{3}')", "ell"),
        ("REGEXP_SUBSTR('Hello', 'x')", "NULL"),
        ("REGEXP_EXTRACT_ALL('Hello World', '([a-z])([a-z])', 2)", "[l, o, r, d]"),
        ("REGEXP_EXTRACT_ALL('Hello World', '[a-z]+', 0)", "[ello, orld]"),
        ("REGEXP_EXTRACT_ALL('HELLO', '[a-z]+', 0)", "[]"),
    ]);
}

#[test]
fn lengths_are_checked_for_sinks() {
    check(&[
        ("CHECK_LENGTH$('abc'::CHAR(3), 'c')", "abc"),
        ("CHECK_LENGTH$('中文'::VARCHAR(2), 'c')", "中文"),
        ("CHECK_LENGTH$(NULL::VARCHAR(2), 'c')", "NULL"),
        ("CHECK_LENGTH$('abc'::BYTES, 'c')::STRING", "abc"),
        ("CHECK_LENGTH$(1, 'c')", "!CHECK_LENGTH$"),
    ]);
}
