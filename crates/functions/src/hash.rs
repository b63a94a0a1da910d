//! Hash functions; the digest is lower-case hexadecimal text.

use crate::bind::{Compute, Form, STRING, Want, declare};
use crate::lane::{Bytes, I32, Lane, Text, text1, text2};
use crate::string::encode::hex;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use tidemill_plan::{Datum, EvalContext, FunctionRegistry};
use tidemill_types::Result;

/// Adds the hash functions.
pub fn register(registry: &mut FunctionRegistry) {
    let mut add = |name: &str, text: Compute, bytes: Compute| {
        let forms = [
            Form::new(&[Want::Text], STRING, text).total(),
            Form::new(&[Want::Bytes], STRING, bytes).total(),
        ];
        declare(registry, name, forms);
    };
    add("MD5", digest::<Text, Md5>, digest::<Bytes, Md5>);
    add("SHA1", digest::<Text, Sha1>, digest::<Bytes, Sha1>);
    add("SHA224", digest::<Text, Sha224>, digest::<Bytes, Sha224>);
    add("SHA256", digest::<Text, Sha256>, digest::<Bytes, Sha256>);
    add("SHA384", digest::<Text, Sha384>, digest::<Bytes, Sha384>);
    add("SHA512", digest::<Text, Sha512>, digest::<Bytes, Sha512>);
    declare(
        registry,
        "SHA2",
        [
            Form::new(&[Want::Text, Want::Int], STRING, sha2::<Text>).nullable().total(),
            Form::new(&[Want::Bytes, Want::Int], STRING, sha2::<Bytes>).nullable().total(),
        ],
    );
}

fn digest<L, D: Digest>(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum>
where
    L: Lane,
    for<'a> L::Value<'a>: AsRef<[u8]>,
{
    text1::<L>(args, ctx, |value, out| Ok(hex(&D::digest(value), out, false)))
}

/// NULL for a length that there is no hash of.
fn sha2<L: Lane>(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum>
where
    for<'a> L::Value<'a>: AsRef<[u8]>,
{
    text2::<L, I32>(args, ctx, |value, bits, out| {
        Ok(match bits {
            224 => hex(&Sha224::digest(value), out, false),
            0 | 256 => hex(&Sha256::digest(value), out, false),
            384 => hex(&Sha384::digest(value), out, false),
            512 => hex(&Sha512::digest(value), out, false),
            _ => false,
        })
    })
}
