//! Hash functions; the digest is lower-case hexadecimal text.

use crate::bind::{Compute, Form, Want, declare};
use crate::lane::{Bytes, I32, Lane, Text, text1, text2};
use crate::string::encode::hex;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use tidemill_plan::{Datum, EvalContext, FunctionRegistry};
use tidemill_types::{Error, Result, TypeKind};

const SHA2: TypeKind = TypeKind::Varchar(128);

/// Adds the hash functions.
pub fn register(registry: &mut FunctionRegistry) {
    let mut add = |name: &str, digits: u32, text: Compute, bytes: Compute| {
        let forms = [
            Form::new(&[Want::Text], TypeKind::Char(digits), text).total(),
            Form::new(&[Want::Bytes], TypeKind::Char(digits), bytes).total(),
        ];
        declare(registry, name, forms);
    };
    add("MD5", 32, digest::<Text, Md5>, digest::<Bytes, Md5>);
    add("SHA1", 40, digest::<Text, Sha1>, digest::<Bytes, Sha1>);
    add("SHA224", 56, digest::<Text, Sha224>, digest::<Bytes, Sha224>);
    add("SHA256", 64, digest::<Text, Sha256>, digest::<Bytes, Sha256>);
    add("SHA384", 96, digest::<Text, Sha384>, digest::<Bytes, Sha384>);
    add("SHA512", 128, digest::<Text, Sha512>, digest::<Bytes, Sha512>);
    declare(
        registry,
        "SHA2",
        [
            Form::new(&[Want::Text, Want::Int], SHA2, sha2::<Text>).nullable(),
            Form::new(&[Want::Bytes, Want::Int], SHA2, sha2::<Bytes>).nullable(),
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

/// A length that there is no hash of ends the job.
fn sha2<L: Lane>(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum>
where
    for<'a> L::Value<'a>: AsRef<[u8]>,
{
    text2::<L, I32>(args, ctx, |value, bits, out| {
        Ok(match bits {
            224 => hex(&Sha224::digest(value), out, false),
            256 => hex(&Sha256::digest(value), out, false),
            384 => hex(&Sha384::digest(value), out, false),
            512 => hex(&Sha512::digest(value), out, false),
            _ => {
                let hint = "one of 224, 256, 384 and 512";
                return Err(Error::data(format!("SHA2 has no hash of '{bits}' bits; use {hint}")));
            }
        })
    })
}
