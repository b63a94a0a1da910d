//! Runs calls written as text, so that a test is a table: `"SUBSTRING('abc', 2)" => "bc"`.
//!
//! Arguments: `'text'`, `1`, `1L`, `1.5` (DECIMAL), `1e0`, `TRUE`, `NULL`, `[1, 2]`, other calls, and any of
//! these with `::TYPE` (CAST) or `::?TYPE` (TRY_CAST) behind it. Each call is computed for constants and for columns, and
//! must give the same.

use std::sync::Arc;
use tidemill_functions::cast::write::write_value;
use tidemill_plan::{ArgumentInfo, BindCall, CastMode, Datum, EvalContext, FunctionRegistry, SessionInfo};
use tidemill_types::arrow::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, StringViewArray,
    new_null_array,
};
use tidemill_types::data_type::LENGTH_MAX;
use tidemill_types::{DataType, Error, TypeKind};

/// A typed constant.
#[derive(Clone)]
pub struct Value {
    array: ArrayRef,
    data_type: DataType,
    literal: bool,
}

/// Checks each call against the text of its result; `!part` expects an error that contains the part.
pub fn check(table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(call, wanted)| {
            let given = run(call);
            let fits = match (wanted.strip_prefix('!'), &given) {
                (Some(part), Err(error)) => error.to_string().contains(part),
                (None, Ok(text)) => text == wanted,
                _ => false,
            };
            let given = given.unwrap_or_else(|error| format!("!{error}"));
            (!fits).then(|| format!("{call}\n    wanted {wanted}\n    got    {given}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The text of a call's result.
pub fn run(call: &str) -> Result<String, Error> {
    let mut parser = Parser { registry: tidemill_functions::registry(), session: session(), rest: call };
    let value = parser.expression()?;
    assert!(parser.rest.trim().is_empty(), "left over: {}", parser.rest);
    Ok(text(&value))
}

fn session() -> SessionInfo {
    SessionInfo { zone: chrono_tz::Tz::Europe__Berlin, legacy_cast: false, batch: false }
}

fn text(value: &Value) -> String {
    if value.array.is_null(0) || value.data_type.kind == TypeKind::Null {
        return "NULL".into();
    }
    let mut out = String::new();
    write_value(&mut out, &value.data_type.kind, value.array.as_ref(), 0, session().zone);
    out
}

struct Parser<'a> {
    registry: FunctionRegistry,
    session: SessionInfo,
    rest: &'a str,
}

fn value(array: impl Array + 'static, kind: TypeKind) -> Value {
    Value { array: Arc::new(array), data_type: kind.not_null(), literal: true }
}

impl<'a> Parser<'a> {
    fn expression(&mut self) -> Result<Value, Error> {
        let mut value = self.primary()?;
        while let Some(rest) = self.rest.strip_prefix("::") {
            let mode = if rest.starts_with('?') { CastMode::TryCast } else { CastMode::Cast };
            self.rest = rest.strip_prefix('?').unwrap_or(rest);
            let to = self.data_type();
            value = self.cast(value, &to, mode)?;
        }
        Ok(value)
    }

    fn cast(&self, value: Value, to: &DataType, mode: CastMode) -> Result<Value, Error> {
        let kernel = self
            .registry
            .cast(&value.data_type, to, mode, self.session)
            .ok_or_else(|| Error::user(format!("no cast from {} to {to}", value.data_type)))?;
        let result = kernel.eval(&[Datum::Scalar(value.array)], &EvalContext::constant(0))?;
        let nullable = value.data_type.nullable || mode == CastMode::TryCast;
        Ok(Value {
            array: result.into_array(1),
            data_type: to.clone().with_nullable(nullable),
            literal: value.literal,
        })
    }

    fn primary(&mut self) -> Result<Value, Error> {
        self.rest = self.rest.trim_start();
        let next = self.rest.chars().next().expect("an expression");
        let number =
            self.rest.strip_prefix('-').unwrap_or(self.rest).starts_with(|c: char| c.is_ascii_digit());
        match next {
            '\'' => Ok(self.string()),
            '[' => {
                self.rest = &self.rest[1..];
                self.call("ARRAY", ']')
            }
            _ if number => Ok(self.number()),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Value, Error> {
        for (word, kind) in [("TRUE", Some(true)), ("FALSE", Some(false)), ("NULL", None)] {
            if let Some(rest) = self.rest.strip_prefix(word).filter(|rest| !rest.starts_with(['(', ' ', 'I']))
            {
                self.rest = rest;
                return Ok(match kind {
                    Some(truth) => value(BooleanArray::from(vec![truth]), TypeKind::Boolean),
                    None => Value {
                        array: new_null_array(&arrow_schema::DataType::Null, 1),
                        data_type: TypeKind::Null.nullable(),
                        literal: true,
                    },
                });
            }
        }
        let (name, rest) = self.rest.split_once('(').expect("a call has a parenthesis");
        self.rest = rest;
        self.call(name, ')')
    }

    fn string(&mut self) -> Value {
        let mut text = String::new();
        let mut chars = self.rest[1..].char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' if chars.next_if(|(_, c)| *c == '\'').is_none() => {
                    self.rest = &self.rest[at + 2..];
                    break;
                }
                c => text.push(c),
            }
        }
        let length = text.chars().count() as u32;
        value(StringViewArray::from(vec![text]), TypeKind::Char(length))
    }

    fn number(&mut self) -> Value {
        let end = self.rest[1..]
            .find(|c: char| !(c.is_ascii_digit() || ".eE".contains(c)))
            .map_or(self.rest.len(), |at| at + 1);
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        if digits.contains(['e', 'E']) {
            return value(
                Float64Array::from(vec![digits.parse::<f64>().expect("the test is written well")]),
                TypeKind::Double,
            );
        }
        if let Some((whole, fraction)) = digits.split_once('.') {
            let unscaled: i128 = format!("{whole}{fraction}").parse().expect("the test is written well");
            let precision = (whole.trim_start_matches('-').len() + fraction.len()) as u8;
            let scale = fraction.len() as u8;
            let array = Decimal128Array::from(vec![unscaled])
                .with_precision_and_scale(precision, scale as i8)
                .expect("the test is written well");
            return value(array, TypeKind::Decimal { precision, scale });
        }
        if let Some(rest) = self.rest.strip_prefix('L') {
            self.rest = rest;
            return value(
                Int64Array::from(vec![digits.parse::<i64>().expect("the test is written well")]),
                TypeKind::BigInt,
            );
        }
        value(Int32Array::from(vec![digits.parse::<i32>().expect("the test is written well")]), TypeKind::Int)
    }

    fn call(&mut self, name: &str, close: char) -> Result<Value, Error> {
        let mut args = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches([' ', ',']);
            if let Some(rest) = self.rest.strip_prefix(close) {
                self.rest = rest;
                break;
            }
            args.push(self.expression()?);
        }
        self.apply(name, &args)
    }

    fn apply(&self, name: &str, args: &[Value]) -> Result<Value, Error> {
        let function =
            self.registry.scalar(name).ok_or_else(|| Error::user(format!("no function {name}")))?;
        let infos: Vec<ArgumentInfo<'_>> = args
            .iter()
            .map(|arg| ArgumentInfo { data_type: &arg.data_type, literal: arg.literal.then_some(&arg.array) })
            .collect();
        let bound = function.bind(&BindCall { args: &infos, session: self.session })?;
        let args = args
            .iter()
            .zip(&bound.arg_types)
            .map(|(arg, wanted)| match arg.data_type.same_kind(wanted) {
                true => Ok(arg.clone()),
                false => self.cast(arg.clone(), wanted, CastMode::Implicit),
            })
            .collect::<Result<Vec<Value>, Error>>()?;
        let constants: Vec<Datum> = args.iter().map(|arg| Datum::Scalar(arg.array.clone())).collect();
        let result = bound.kernel.eval(&constants, &EvalContext::constant(0))?.into_array(1);
        let wanted = tidemill_types::arrow_type::arrow_type(&bound.return_type);
        assert_eq!(*result.data_type(), wanted, "{name} gives what it declares");
        if !args.is_empty() && !bound.kernel.volatile() {
            self.same_for_columns(name, &args, &bound, &result);
        }
        Ok(Value { array: result, data_type: bound.return_type, literal: true })
    }

    fn same_for_columns(
        &self,
        name: &str,
        args: &[Value],
        bound: &tidemill_plan::BoundScalar,
        wanted: &ArrayRef,
    ) {
        let ctx = EvalContext { rows: 3, ..EvalContext::constant(0) };
        let columns: Vec<Datum> =
            args.iter().map(|arg| Datum::Array(Datum::Scalar(arg.array.clone()).into_array(3))).collect();
        let mut mixed = columns.clone();
        if let [_, rest @ ..] = mixed.as_mut_slice() {
            rest.iter_mut()
                .zip(&args[1..])
                .for_each(|(datum, arg)| *datum = Datum::Scalar(arg.array.clone()));
        }
        for args in [columns, mixed] {
            let result = bound.kernel.eval(&args, &ctx).expect("columns fail no sooner").into_array(3);
            assert_eq!(result.len(), 3, "{name} gives a value for each row");
            for row in 0..3 {
                assert_eq!(result.slice(row, 1).to_data(), wanted.to_data(), "{name}, row {row}");
            }
        }
    }

    fn data_type(&mut self) -> DataType {
        let end =
            self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        let kind = match name {
            "TINYINT" => TypeKind::TinyInt,
            "SMALLINT" => TypeKind::SmallInt,
            "INT" => TypeKind::Int,
            "BIGINT" => TypeKind::BigInt,
            "FLOAT" => TypeKind::Float,
            "DOUBLE" => TypeKind::Double,
            "BOOLEAN" => TypeKind::Boolean,
            "STRING" => TypeKind::Varchar(LENGTH_MAX),
            "BYTES" => TypeKind::Varbinary(LENGTH_MAX),
            "DATE" => TypeKind::Date,
            "TIME" => TypeKind::Time(0),
            "MONTHS" => TypeKind::IntervalMonth,
            "SPAN" => TypeKind::IntervalDay,
            "ARRAY" => {
                self.rest = &self.rest[1..];
                let element = self.data_type();
                self.rest = &self.rest[1..];
                TypeKind::Array(Box::new(element))
            }
            "MAP" => {
                self.rest = &self.rest[1..];
                let key = self.data_type();
                self.rest = &self.rest[1..];
                let element = self.data_type();
                self.rest = &self.rest[1..];
                TypeKind::Map(Box::new(key), Box::new(element))
            }
            _ => {
                let numbers = self.numbers();
                match name {
                    "CHAR" => TypeKind::Char(numbers[0]),
                    "VARCHAR" => TypeKind::Varchar(numbers[0]),
                    "BINARY" => TypeKind::Binary(numbers[0]),
                    "VARBINARY" => TypeKind::Varbinary(numbers[0]),
                    "DECIMAL" => TypeKind::Decimal { precision: numbers[0] as u8, scale: numbers[1] as u8 },
                    "TIMESTAMP" => TypeKind::Timestamp(numbers[0] as u8),
                    "LTZ" => TypeKind::TimestampLtz(numbers[0] as u8),
                    other => panic!("no type {other}"),
                }
            }
        };
        kind.nullable()
    }

    fn numbers(&mut self) -> Vec<u32> {
        let (inside, rest) = self.rest[1..].split_once(')').expect("parameters end");
        self.rest = rest;
        inside.split(',').map(|number| number.trim().parse().expect("the test is written well")).collect()
    }
}
