//! Windowing table functions: TUMBLE, HOP, CUMULATE and SESSION, by position or by name.
//!
//! Rules (Flink documentation, "Windowing table-valued functions"): sizes are positive day-time intervals;
//! the size of HOP and CUMULATE is a multiple of slide and step; the output adds window_start, window_end
//! and window_time, and the time column is an ordinary timestamp from there on.

use super::literal::interval_ms;
use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn, Windowing, unsupported};
use crate::ast::{self, ExprKind, FunctionCall, TableArgSource};
use crate::diagnostic::Diagnostic;
use tidemill_plan::{Expr, Operator, WindowKind, WindowSpec};
use tidemill_types::{Field, TimeAttribute, TypeKind};

/// The arguments of a windowing function in order of position.
fn parameters(function: &str) -> Option<&'static [&'static str]> {
    Some(match function {
        "TUMBLE" => &["DATA", "TIMECOL", "SIZE", "OFFSET"],
        "HOP" => &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
        "CUMULATE" => &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
        "SESSION" => &["DATA", "TIMECOL", "GAP"],
        _ => return None,
    })
}

impl Binder<'_> {
    /// Binds a table function in FROM.
    pub(crate) fn bind_table_function(&mut self, call: &FunctionCall) -> Bound<Relation> {
        if let Some(relation) = self.bind_changelog_function(call)? {
            return Ok(relation);
        }
        let name = call.name.last().value.to_uppercase();
        let Some(parameters) = parameters(&name) else {
            return Err(unsupported(call.span, &format!("the table function {name}")));
        };
        let args = ordered(call, &name, parameters)?;
        let [Some(data), Some(time), spans @ ..] = args.as_slice() else {
            let form = format!("{name}(TABLE t, DESCRIPTOR(time), INTERVAL ..)");
            return Err(Diagnostic::new(call.span, format!("{name} needs a table and a time column"))
                .with_hint(format!("write {form}")));
        };
        let (input, partition) = self.table_argument(data, &name)?;
        let input = self.assign_windows(input);
        if !partition.is_empty() && name != "SESSION" {
            return Err(Diagnostic::new(data.span, format!("{name} takes no PARTITION BY"))
                .with_hint("put the column into GROUP BY"));
        }
        let scope = Scope::of(&input);
        let (time_column, time_kind) = time_attribute(time, scope, &name)?;
        let partition = partition
            .iter()
            .map(|expr| match self.bind_over(expr, scope)? {
                Expr::Column { index, .. } => Ok(index),
                _ => Err(Diagnostic::new(expr.span, "PARTITION BY of SESSION takes columns")),
            })
            .collect::<Bound<Vec<_>>>()?;
        let kind = self.window_kind(&name, call, spans, &parameters[2..], partition)?;
        let zone = self.window_zone(&input.columns[time_column].field.data_type.kind, time_kind);
        Ok(windowed(input, WindowSpec { kind, time_column, time: time_kind, zone }))
    }

    /// The rows of a table argument, and its PARTITION BY.
    pub(crate) fn table_argument(
        &mut self,
        data: &ast::Expr,
        name: &str,
    ) -> Bound<(Relation, Vec<ast::Expr>)> {
        match &*data.kind {
            ExprKind::Table(table) => {
                let relation = match &table.source {
                    TableArgSource::Name(name) => self.bind_table(name, &[])?,
                    TableArgSource::Query(query) => self.bind_query(query)?,
                };
                Ok((relation, table.partition_by.clone()))
            }
            ExprKind::Subquery(query) => Ok((self.bind_query(query)?, Vec::new())),
            _ => Err(Diagnostic::new(data.span, format!("the first argument of {name} is a table"))
                .with_hint("write TABLE before its name")),
        }
    }

    fn window_kind(
        &self,
        name: &str,
        call: &FunctionCall,
        spans: &[Option<&ast::Expr>],
        names: &[&str],
        partition: Vec<usize>,
    ) -> Bound<WindowKind> {
        let mut ms = Vec::with_capacity(spans.len());
        for (span, parameter) in spans.iter().zip(names) {
            ms.push(self.span_ms(call, *span, name, parameter)?);
        }
        let kind = match (name, ms.as_slice()) {
            ("TUMBLE", [size, offset]) => WindowKind::Tumble { size: *size, offset: *offset },
            ("HOP", [slide, size, offset]) => WindowKind::Hop { slide: *slide, size: *size, offset: *offset },
            ("CUMULATE", [step, size, offset]) => {
                WindowKind::Cumulate { step: *step, size: *size, offset: *offset }
            }
            ("SESSION", [gap]) => WindowKind::Session { gap: *gap, partition },
            _ => return Err(Diagnostic::new(call.span, format!("{name} was given the wrong arguments"))),
        };
        if let WindowKind::Tumble { size, offset } = kind
            && offset.abs() >= size
        {
            return Err(Diagnostic::new(
                call.span,
                format!(
                    "the offset of TUMBLE must be smaller than its size, but got size {size} ms and offset {offset} ms"
                ),
            ));
        }
        let (part, size, word) = match kind {
            WindowKind::Hop { slide, size, .. } => (slide, size, "slide"),
            WindowKind::Cumulate { step, size, .. } => (step, size, "step"),
            _ => return Ok(kind),
        };
        if size % part != 0 {
            return Err(Diagnostic::new(
                call.span,
                format!(
                    "{name} table function based aggregate requires size must be an integral multiple of {word}, but got size {size} ms and {word} {part} ms"
                ),
            ));
        }
        Ok(kind)
    }

    /// The milliseconds of a size (positive) or offset (any, 0 by default).
    fn span_ms(
        &self,
        call: &FunctionCall,
        span: Option<&ast::Expr>,
        name: &str,
        parameter: &str,
    ) -> Bound<i64> {
        let optional = parameter == "OFFSET";
        let Some(expr) = span else {
            return if optional {
                Ok(0)
            } else {
                Err(Diagnostic::new(call.span, format!("{name} lacks the argument {parameter}"))
                    .with_hint(form(name)))
            };
        };
        let bound = self.bind_over(expr, Scope::EMPTY)?;
        let ms = interval_ms(&bound).filter(|ms| optional || *ms > 0);
        ms.ok_or_else(|| {
            Diagnostic::new(expr.span, format!("{parameter} of {name} must be a positive day-time interval"))
                .with_hint("write INTERVAL '10' SECOND; MONTH and YEAR have no fixed length")
        })
    }

    /// The zone whose wall clock windows over a time attribute follow.
    pub(crate) fn window_zone(&self, kind: &TypeKind, time: TimeAttribute) -> Option<chrono_tz::Tz> {
        let zone = self.session.info().zone;
        let follows = matches!(kind, TypeKind::TimestampLtz(_)) || time == TimeAttribute::Proctime;
        (follows && zone != chrono_tz::Tz::UTC).then_some(zone)
    }

    /// Computes the window columns of a pending windowing function.
    pub(crate) fn assign_windows(&mut self, mut relation: Relation) -> Relation {
        let Some(Windowing::Pending(spec)) = &relation.windowing else { return relation };
        let spec = spec.clone();
        let width = relation.columns.len();
        let traits = NodeTraits { changelog: self.plan.nodes[relation.node].changelog, upsert_key: None };
        let schema = relation.schema();
        let (kind, window) = (spec.time, spec.kind.clone());
        relation.node = self.push_forward(Operator::WindowAssign(spec), relation.node, schema, traits);
        let (start, end, time) = (width - 3, width - 2, Some(width - 1));
        relation.windowing = Some(Windowing::Attached { start, end, time, kind, window });
        relation
    }
}

fn form(name: &str) -> &'static str {
    match name {
        "TUMBLE" => "write TUMBLE(TABLE t, DESCRIPTOR(time), size [, offset])",
        "HOP" => "write HOP(TABLE t, DESCRIPTOR(time), slide, size [, offset])",
        "CUMULATE" => "write CUMULATE(TABLE t, DESCRIPTOR(time), step, size [, offset])",
        _ => "write SESSION(TABLE t [PARTITION BY k], DESCRIPTOR(time), gap)",
    }
}

/// The arguments by position, named ones put in their places.
pub(crate) fn ordered<'c>(
    call: &'c FunctionCall,
    name: &str,
    parameters: &[&str],
) -> Bound<Vec<Option<&'c ast::Expr>>> {
    let mut places: Vec<Option<&ast::Expr>> = vec![None; parameters.len()];
    for (i, arg) in call.args.iter().enumerate() {
        let place = match &arg.name {
            None => i,
            Some(given) => {
                let upper = given.value.to_uppercase();
                parameters.iter().position(|parameter| *parameter == upper).ok_or_else(|| {
                    Diagnostic::new(given.span, format!("{name} has no argument '{}'", given.value))
                        .with_hint(format!("its arguments are: {}", parameters.join(", ")))
                })?
            }
        };
        match places.get_mut(place) {
            Some(slot @ None) => *slot = Some(&arg.value),
            Some(Some(_)) => {
                return Err(Diagnostic::new(arg.value.span, format!("an argument of {name} is given twice")));
            }
            None => {
                return Err(Diagnostic::new(
                    arg.value.span,
                    format!("{name} takes at most {} arguments", parameters.len()),
                )
                .with_hint(form(name)));
            }
        }
    }
    Ok(places)
}

fn time_attribute(expr: &ast::Expr, scope: Scope<'_>, name: &str) -> Bound<(usize, TimeAttribute)> {
    let ExprKind::Descriptor(columns) = &*expr.kind else {
        return Err(Diagnostic::new(
            expr.span,
            format!("the second argument of {name} is DESCRIPTOR(time column)"),
        ));
    };
    let [column] = columns.as_slice() else {
        return Err(Diagnostic::new(expr.span, format!("{name} takes one time column")));
    };
    let (index, _) = scope.resolve(std::slice::from_ref(column))?;
    let field = &scope.columns[index].field;
    match field.time {
        Some(time) => Ok((index, time)),
        None => Err(Diagnostic::new(
            column.span,
            format!("the window function requires the timecol is a time attribute type, but '{}' is {}", column.value, field.data_type),
        )
        .with_hint("declare WATERMARK FOR on the column, or use a column AS PROCTIME(); functions and joins end a time attribute")),
    }
}

/// The rows of a windowing function with its columns still to be computed.
fn windowed(mut input: Relation, spec: WindowSpec) -> Relation {
    let time = input.columns[spec.time_column].field.clone();
    if spec.time == TimeAttribute::Rowtime {
        input.columns[spec.time_column].field.time = None;
    }
    let plain = TypeKind::Timestamp(3).not_null();
    for name in ["window_start", "window_end"] {
        input.columns.push(RelationColumn::new(name, plain.clone()));
    }
    let window_time = Field::new("window_time", time.data_type.with_nullable(false)).with_time(spec.time);
    input.columns.push(RelationColumn { qualifier: None, field: window_time, hidden: false });
    input.windowing = Some(Windowing::Pending(spec));
    input
}
