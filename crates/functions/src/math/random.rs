//! RAND, RAND_INTEGER and UUID: another value for each row.
//!
//! With a constant seed the sequence is that of Java's `Random`, one for the whole statement.

use crate::bind::{Binding, Form, Make, STRING, Want, declare};
use crate::lane::{I32, Reader};
use arrow_array::builder::StringViewBuilder;
use arrow_array::{Float64Array, Int32Array};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use tidemill_plan::{Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::{Error, Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    let rand: Make = |binding| Ok(Arc::new(Rand { source: source(binding, 0), bounded: false }));
    declare(
        registry,
        "RAND",
        [
            Form::made(&[], TypeKind::Double, rand).not_null(),
            Form::made(&[Want::Int], TypeKind::Double, rand),
        ],
    );
    let integer: Make = |binding| {
        let seed = if binding.args.len() == 2 { 0 } else { usize::MAX };
        Ok(Arc::new(Rand { source: source(binding, seed), bounded: true }))
    };
    declare(
        registry,
        "RAND_INTEGER",
        [
            Form::made(&[Want::Int], TypeKind::Int, integer),
            Form::made(&[Want::Int, Want::Int], TypeKind::Int, integer),
        ],
    );
    let uuid: Make = |_| Ok(Arc::new(Uuid));
    declare(registry, "UUID", [Form::made(&[], STRING, uuid).not_null()]);
}

fn source(binding: &Binding<'_>, seed: usize) -> Mutex<JavaRandom> {
    let seed = binding.integer(seed).unwrap_or_else(|| random_bits() as i64);
    Mutex::new(JavaRandom::new(seed))
}

/// Bits that nobody can foretell; the standard library seeds its hash maps with such.
fn random_bits() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The generator of `java.util.Random`.
struct JavaRandom(u64);

impl JavaRandom {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;

    fn new(seed: i64) -> Self {
        JavaRandom((seed as u64 ^ Self::MULTIPLIER) & Self::MASK)
    }

    fn bits(&mut self, bits: u32) -> i32 {
        self.0 = self.0.wrapping_mul(Self::MULTIPLIER).wrapping_add(0xB) & Self::MASK;
        (self.0 >> (48 - bits)) as i32
    }

    fn double(&mut self) -> f64 {
        let high = i64::from(self.bits(26) as u32) << 27;
        (high + i64::from(self.bits(27) as u32)) as f64 / (1i64 << 53) as f64
    }

    fn below(&mut self, bound: i32) -> i32 {
        let bits = self.bits(31);
        if bound & (bound - 1) == 0 {
            return ((i64::from(bound) * i64::from(bits)) >> 31) as i32;
        }
        let (mut bits, mut value) = (bits, bits % bound);
        while bits.wrapping_sub(value).wrapping_add(bound - 1) < 0 {
            bits = self.bits(31);
            value = bits % bound;
        }
        value
    }
}

struct Rand {
    source: Mutex<JavaRandom>,
    bounded: bool,
}

impl Kernel for Rand {
    fn eval(&self, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.bounded {
            let values = (0..ctx.rows).map(|_| source.double());
            return Ok(Datum::Array(Arc::new(Float64Array::from_iter_values(values))));
        }
        let bound = args.last().expect("RAND_INTEGER is bound with a limit");
        let bound = Reader::<I32>::new(bound);
        let values = (0..ctx.rows).map(|row| match bound.get(row) {
            None => Ok(None),
            Some(bound @ 1..) => Ok(Some(source.below(bound))),
            Some(bound) => Err(Error::data(format!("RAND_INTEGER takes a limit above 0, not {bound}"))),
        });
        Ok(Datum::Array(Arc::new(values.collect::<Result<Int32Array>>()?)))
    }

    fn volatile(&self) -> bool {
        true
    }
}

struct Uuid;

impl Kernel for Uuid {
    fn eval(&self, _: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        let mut out = StringViewBuilder::with_capacity(ctx.rows);
        for _ in 0..ctx.rows {
            // Version 4, variant 1 (RFC 9562).
            let high = random_bits() & !0xF000 | 0x4000;
            let low = random_bits() & !(0b11 << 62) | 0b10 << 62;
            let text = format!(
                "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                high >> 32,
                high >> 16 & 0xFFFF,
                high & 0xFFFF,
                low >> 48,
                low & 0xFFFF_FFFF_FFFF
            );
            out.append_value(text);
        }
        Ok(Datum::Array(Arc::new(out.finish())))
    }

    fn volatile(&self) -> bool {
        true
    }

    fn infallible(&self) -> bool {
        true
    }
}
