//! The `REGEXP` functions.
//!
//! An invalid pattern gives NULL, except that REGEXP gives FALSE. A replacement is plain text. Places count
//! UTF-16 units, as Java's matcher does.

use super::{Compiled, PatternCache};
use crate::bind::{Binding, Closure, Form, Gives, Make, STRING, Want, declare, declare_all};
use crate::lane::{Flag, I32, Reader, Text, as_datum, map_rows, row_count, text_rows};
use crate::string::split::text_lists;
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::{DataType, Result, TypeKind};

/// Adds the functions on regular expressions.
pub fn register(registry: &mut FunctionRegistry) {
    use Want::{Int, Text as T};
    let test: Make = |binding| kernel(binding, regexp);
    declare_all(registry, &["REGEXP", "RLIKE"], &[Form::made(&[T, T], TypeKind::Boolean, test)]);
    let extract: Make = |binding| kernel(binding, extract);
    declare(
        registry,
        "REGEXP_EXTRACT",
        [
            Form::made(&[T, T], STRING, extract).nullable(),
            Form::made(&[T, T, Int], STRING, extract).nullable(),
        ],
    );
    let all: Make = |binding| kernel(binding, extract_all);
    let list = || Gives::Kind(TypeKind::Array(Box::new(DataType::string())));
    declare(
        registry,
        "REGEXP_EXTRACT_ALL",
        [Form::made(&[T, T], list(), all).nullable(), Form::made(&[T, T, Int], list(), all).nullable()],
    );
    let replace: Make = |binding| kernel(binding, replace);
    declare(registry, "REGEXP_REPLACE", [Form::made(&[T, T, T], STRING, replace).nullable()]);
    let substr: Make = |binding| kernel(binding, substr);
    declare(registry, "REGEXP_SUBSTR", [Form::made(&[T, T], STRING, substr).nullable()]);
    let count: Make = |binding| kernel(binding, count);
    declare(registry, "REGEXP_COUNT", [Form::made(&[T, T], TypeKind::Int, count).nullable()]);
    let instr: Make = |binding| kernel(binding, instr);
    declare(registry, "REGEXP_INSTR", [Form::made(&[T, T], TypeKind::Int, instr).nullable()]);
}

/// The patterns of one call.
struct Patterns<'a> {
    /// Compiled when the call was bound; `Some(None)` is constant but invalid.
    constant: Option<Option<&'a Compiled>>,
    cache: PatternCache,
    column: Reader<'a, Text>,
}

/// What stands in a row's pattern.
enum Pattern<'p> {
    Null,
    Invalid,
    Valid(&'p Compiled),
}

impl Patterns<'_> {
    fn get(&mut self, row: usize) -> Pattern<'_> {
        let Some(pattern) = self.column.get(row) else { return Pattern::Null };
        let compiled = match self.constant {
            Some(constant) => constant,
            None => self.cache.get_ref(pattern),
        };
        compiled.map_or(Pattern::Invalid, Pattern::Valid)
    }
}

type Body = fn(&[Datum], &EvalContext<'_>, Patterns<'_>) -> Result<Datum>;

fn kernel(binding: &Binding<'_>, body: Body) -> Result<Arc<dyn Kernel>> {
    let constant = binding.text(1).map(|pattern| Compiled::new(pattern).ok());
    Ok(Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let patterns = Patterns {
            constant: constant.as_ref().map(Option::as_ref),
            cache: PatternCache::default(),
            column: Reader::new(&args[1]),
        };
        body(args, ctx, patterns)
    }))
}

fn regexp(args: &[Datum], ctx: &EvalContext<'_>, mut patterns: Patterns<'_>) -> Result<Datum> {
    let text = Reader::<Text>::new(&args[0]);
    let empty = Reader::<Text>::new(&args[1]);
    map_rows::<Flag>(args, ctx, |row| {
        let Some(text) = text.get(row) else { return Ok(None) };
        match patterns.get(row) {
            Pattern::Null => Ok(None),
            Pattern::Invalid => Ok(Some(false)),
            Pattern::Valid(_) if empty.get(row) == Some("") => Ok(Some(false)),
            Pattern::Valid(regex) => regex.is_match(text).map(Some),
        }
    })
}

fn extract(args: &[Datum], ctx: &EvalContext<'_>, mut patterns: Patterns<'_>) -> Result<Datum> {
    let text = Reader::<Text>::new(&args[0]);
    let group = args.get(2).map(Reader::<I32>::new);
    text_rows(args, ctx, |row, out| {
        let Some(text) = text.get(row) else { return Ok(false) };
        let Some(group) = group.as_ref().map_or(Some(0), |group| group.get(row)) else { return Ok(false) };
        let (Pattern::Valid(regex), Ok(group)) = (patterns.get(row), usize::try_from(group)) else {
            return Ok(false);
        };
        let found = regex.captures_from(text, 0)?;
        let found = found.as_ref().and_then(|groups| groups.get(group)).map(|group| group.as_str());
        out.push_str(found.unwrap_or_default());
        Ok(found.is_some())
    })
}

/// Without a number the first group is taken.
fn extract_all(args: &[Datum], ctx: &EvalContext<'_>, mut patterns: Patterns<'_>) -> Result<Datum> {
    let text = Reader::<Text>::new(&args[0]);
    let group = args.get(2).map(Reader::<I32>::new);
    let mut lists = text_lists();
    for row in 0..row_count(args, ctx) {
        let group = group.as_ref().map_or(Some(1), |group| group.get(row));
        let group = group.and_then(|group| usize::try_from(group).ok());
        let (Some(text), Some(group), Pattern::Valid(regex)) = (text.get(row), group, patterns.get(row))
        else {
            lists.append(false);
            continue;
        };
        let known = group <= regex.groups();
        let mut from = 0;
        while known && from <= text.len() {
            let Some(groups) = regex.captures_from(text, from)? else { break };
            let whole = groups.get(0).expect("a match has the group 0");
            lists.values().append_option(groups.get(group).map(|group| group.as_str()));
            from = super::after_match(text, whole.start(), whole.end());
        }
        lists.append(known);
    }
    Ok(as_datum(args, Arc::new(lists.finish())))
}

fn replace(args: &[Datum], ctx: &EvalContext<'_>, mut patterns: Patterns<'_>) -> Result<Datum> {
    let (text, with) = (Reader::<Text>::new(&args[0]), Reader::<Text>::new(&args[2]));
    text_rows(args, ctx, |row, out| {
        let (Some(text), Some(with)) = (text.get(row), with.get(row)) else { return Ok(false) };
        let Pattern::Valid(regex) = patterns.get(row) else { return Ok(false) };
        let mut from = 0;
        regex.each_match(text, |start, end| {
            out.push_str(&text[from..start]);
            out.push_str(with);
            from = end;
        })?;
        out.push_str(&text[from..]);
        Ok(true)
    })
}

fn substr(args: &[Datum], ctx: &EvalContext<'_>, mut patterns: Patterns<'_>) -> Result<Datum> {
    let text = Reader::<Text>::new(&args[0]);
    text_rows(args, ctx, |row, out| {
        let (Some(text), Pattern::Valid(regex)) = (text.get(row), patterns.get(row)) else {
            return Ok(false);
        };
        let found = regex.find_from(text, 0)?;
        out.push_str(found.map_or("", |(start, end)| &text[start..end]));
        Ok(found.is_some())
    })
}

fn count(args: &[Datum], ctx: &EvalContext<'_>, mut patterns: Patterns<'_>) -> Result<Datum> {
    let text = Reader::<Text>::new(&args[0]);
    map_rows::<I32>(args, ctx, |row| {
        let (Some(text), Pattern::Valid(regex)) = (text.get(row), patterns.get(row)) else { return Ok(None) };
        let mut matches = 0;
        regex.each_match(text, |start, end| {
            // An empty match also fits between the two units of a character beyond the first plane.
            let skipped = text[end..].chars().next().filter(|_| start == end).map_or(1, char::len_utf16);
            matches += skipped as i32;
        })?;
        Ok(Some(matches))
    })
}

fn instr(args: &[Datum], ctx: &EvalContext<'_>, mut patterns: Patterns<'_>) -> Result<Datum> {
    let text = Reader::<Text>::new(&args[0]);
    map_rows::<I32>(args, ctx, |row| {
        let (Some(text), Pattern::Valid(regex)) = (text.get(row), patterns.get(row)) else { return Ok(None) };
        let found = regex.find_from(text, 0)?;
        Ok(Some(found.map_or(0, |(start, _)| text[..start].encode_utf16().count() as i32 + 1)))
    })
}
