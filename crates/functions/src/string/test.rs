//! Tests on text: what characters it has and whether bytes are text.

use super::basic::flag_rows;
use crate::bind::{Compute, Form, STRING, Want, declare};
use crate::lane::{Bytes, Flag, I64, Text, map1, text1};
use arrow_array::BooleanArray;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry};
use tidemill_types::{Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    let form = |want, compute| Form::new(&[want], TypeKind::Boolean, compute).not_null().total();
    let always: Compute = |_, _| Ok(Datum::Scalar(Arc::new(BooleanArray::from(vec![true]))));
    let never: Compute = |_, _| Ok(Datum::Scalar(Arc::new(BooleanArray::from(vec![false]))));
    let mut test = |name: &str, (numbers, answer): (Want, Compute), compute| {
        declare(registry, name, [form(Want::Text, compute), form(numbers, answer)]);
    };
    test("IS_ALPHA", (Want::Numeric, never), |a, c| {
        flag_rows(a, c, |text| !text.is_empty() && text.chars().all(char::is_alphabetic))
    });
    test("IS_DIGIT", (Want::Integer, always), |a, c| {
        flag_rows(a, c, |text| !text.is_empty() && text.chars().all(|c| c.is_numeric()))
    });
    test("IS_DECIMAL", (Want::Numeric, always), |a, c| flag_rows(a, c, is_decimal));
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
            map1::<Text, I64>(a, c, |text| Ok(inet_aton(text)))
        })
        .nullable()
        .total()],
    );
    declare(registry, "INET_NTOA", [Form::new(&[Want::BigInt], STRING, inet_ntoa).nullable().total()]);
}

/// What Java reads as a `double`.
fn is_decimal(text: &str) -> bool {
    let text = text.trim_matches(|c| c <= ' ');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return true;
    }
    let unsigned = unsigned.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(unsigned);
    let (unsigned, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if exponent.is_empty() || !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    !(whole.is_empty() && fraction.is_empty())
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
}

/// An address of one to four parts; the last fills the bytes that are left.
fn inet_aton(text: &str) -> Option<i64> {
    let parts = text.split('.').collect::<Vec<_>>();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() > 4 || !parts.iter().all(digits) {
        return None;
    }
    let (last, leading) = parts.split_last()?;
    let head = leading.iter().enumerate().try_fold(0, |sum, (place, part)| {
        Some(sum | i64::from(part.parse::<u8>().ok()?) << (24 - 8 * place))
    })?;
    let last = last.parse::<i64>().ok().filter(|last| *last < 1 << (32 - 8 * leading.len()))?;
    Some(head | last)
}

fn inet_ntoa(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    text1::<I64>(args, ctx, |number, out| {
        let Ok(number) = u32::try_from(number) else { return Ok(false) };
        out.push_str(&Ipv4Addr::from(number).to_string());
        Ok(true)
    })
}
