//! Tests on text: what characters it has and whether bytes are text.

use super::basic::flag_rows;
use crate::bind::{Form, STRING, Want, declare};
use crate::lane::{Bytes, Flag, I64, Text, map1, text1};
use std::net::Ipv4Addr;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry};
use tidemill_types::{Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    let mut test = |name: &str, compute| {
        let on_text = Form::new(&[Want::Text], TypeKind::Boolean, compute).not_null().total();
        declare(registry, name, [on_text]);
    };
    test("IS_ALPHA", |a, c| {
        flag_rows(a, c, |text| !text.is_empty() && text.chars().all(char::is_alphabetic))
    });
    test("IS_DIGIT", |a, c| flag_rows(a, c, |text| !text.is_empty() && text.chars().all(|c| c.is_numeric())));
    test("IS_DECIMAL", |a, c| flag_rows(a, c, is_decimal));
    declare(
        registry,
        "IS_VALID_UTF8",
        [Form::new(&[Want::Bytes], TypeKind::Boolean, |a, c| {
            map1::<Bytes, Flag>(a, c, |bytes| Ok(Some(std::str::from_utf8(bytes).is_ok())))
        })
        .total()],
    );
    declare(
        registry,
        "MAKE_VALID_UTF8",
        [Form::new(&[Want::Bytes], STRING, |a, c| {
            text1::<Bytes>(a, c, |bytes, out| {
                out.push_str(&String::from_utf8_lossy(bytes));
                Ok(true)
            })
        })
        .total()],
    );
    declare(
        registry,
        "INET_ATON",
        [Form::new(&[Want::Text], TypeKind::BigInt, |a, c| {
            map1::<Text, I64>(a, c, |text| Ok(text.parse::<Ipv4Addr>().ok().map(|ip| u32::from(ip).into())))
        })
        .nullable()
        .total()],
    );
    declare(registry, "INET_NTOA", [Form::new(&[Want::BigInt], STRING, inet_ntoa).nullable().total()]);
}

fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    !(whole.is_empty() && fraction.is_empty())
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
}

fn inet_ntoa(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    text1::<I64>(args, ctx, |number, out| {
        let Ok(number) = u32::try_from(number) else { return Ok(false) };
        out.push_str(&Ipv4Addr::from(number).to_string());
        Ok(true)
    })
}
