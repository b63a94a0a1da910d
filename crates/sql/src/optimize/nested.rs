//! Fields of ROW columns that nobody needs are not even decoded.
//!
//! 1. From the sinks up: whether each column of a node is used as a whole, or only some of its fields.
//! 2. Sources that can leave fields out get ROW types of the fields that are used.
//! 3. From the sources down: columns that are passed on get the new types, and `FIELD` the new numbers.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use std::collections::BTreeSet;
use tidemill_plan::{Exchange, Expr, Node, Operator, StreamPlan};
use tidemill_types::{DataType, TypeKind};

/// How a column is used.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Use {
    Fields(BTreeSet<usize>),
    Whole,
}

impl Use {
    fn add(&mut self, other: &Use) {
        match (&mut *self, other) {
            (Use::Fields(fields), Use::Fields(more)) => fields.extend(more),
            _ => *self = Use::Whole,
        }
    }
}

/// A column of a narrower ROW type: the type and which of the former fields it has.
#[derive(Debug, Clone)]
struct Narrowed {
    data_type: DataType,
    kept: Vec<usize>,
}

/// For each column of a node, if it became narrower.
type Columns = Vec<Option<Narrowed>>;

pub(super) fn narrow(mut plan: StreamPlan) -> StreamPlan {
    let uses = uses(&plan);
    let mut columns: Vec<Columns> = Vec::with_capacity(plan.nodes.len());
    for (node, uses) in plan.nodes.iter_mut().zip(&uses) {
        let narrowed = match &node.operator {
            Operator::Source(source) if source.narrows_rows => narrow_source(node, uses),
            Operator::Calc { .. } => rewrite_calc(node, &columns),
            Operator::Watermark { .. } => columns[node.inputs[0].node].clone(),
            _ => vec![None; node.schema.len()],
        };
        for (field, narrowed) in node.schema.fields.iter_mut().zip(&narrowed) {
            narrowed.iter().for_each(|narrowed| field.data_type = narrowed.data_type.clone());
        }
        columns.push(narrowed);
    }
    plan
}

fn uses(plan: &StreamPlan) -> Vec<Vec<Use>> {
    let unused = |node: &Node| vec![Use::Fields(BTreeSet::new()); node.schema.len()];
    let mut uses: Vec<Vec<Use>> = plan.nodes.iter().map(unused).collect();
    for node in plan.nodes.iter().rev() {
        for input in &node.inputs {
            let (below, above) = uses.split_at_mut(node.id);
            let (own, of_input) = (&above[0], &mut below[input.node]);
            match &node.operator {
                Operator::Calc { filter, project } => {
                    filter.iter().for_each(|filter| use_in(filter, of_input));
                    for (expr, own) in project.iter().zip(own) {
                        match expr {
                            Expr::Column { index, .. } => of_input[*index].add(own),
                            expr => use_in(expr, of_input),
                        }
                    }
                }
                Operator::Watermark { watermark, .. } => {
                    use_in(watermark, of_input);
                    of_input.iter_mut().zip(own).for_each(|(of_input, own)| of_input.add(own));
                }
                _ => of_input.fill(Use::Whole),
            }
            if let Exchange::Hash(keys) = &input.exchange {
                keys.iter().for_each(|key| of_input[*key] = Use::Whole);
            }
        }
    }
    uses
}

/// The column and the field that an expression is, if it is one.
fn field_of(expr: &Expr) -> Option<(usize, usize)> {
    let Expr::Call { name, args, .. } = expr else { return None };
    let [Expr::Column { index, .. }, number] = args.as_slice() else { return None };
    let number = number.literal()?.as_primitive_opt::<Int32Type>()?.value(0);
    (name == "FIELD").then_some((*index, usize::try_from(number).ok()?))
}

fn use_in(expr: &Expr, uses: &mut [Use]) {
    if let Some((column, field)) = field_of(expr) {
        return uses[column].add(&Use::Fields(BTreeSet::from([field])));
    }
    if let Expr::Column { index, .. } = expr {
        uses[*index] = Use::Whole;
    }
    expr.children().into_iter().for_each(|child| use_in(child, uses));
}

fn narrow_source(node: &mut Node, uses: &[Use]) -> Columns {
    let Operator::Source(source) = &mut node.operator else { unreachable!("the caller looked") };
    let mut columns = vec![None; uses.len()];
    for ((column, used), narrowed) in source.wanted.iter().zip(uses).zip(&mut columns) {
        let data_type = &mut source.physical.fields[*column].data_type;
        let (Use::Fields(used), TypeKind::Row(fields)) = (used, &data_type.kind) else { continue };
        if used.is_empty() || used.len() == fields.len() {
            continue;
        }
        let kept: Vec<usize> = used.iter().copied().collect();
        let kind = TypeKind::Row(kept.iter().map(|&field| fields[field].clone()).collect());
        *data_type = kind.nullable().with_nullable(data_type.nullable);
        *narrowed = Some(Narrowed { data_type: data_type.clone(), kept });
    }
    columns
}

fn rewrite_calc(node: &mut Node, columns: &[Columns]) -> Columns {
    let of_input = &columns[node.inputs[0].node];
    let Operator::Calc { filter, project } = &mut node.operator else { unreachable!("the caller looked") };
    if of_input.iter().all(Option::is_none) {
        return vec![None; project.len()];
    }
    filter.iter_mut().for_each(|filter| rewrite(filter, of_input));
    let rewritten = project.iter_mut().map(|expr| {
        rewrite(expr, of_input);
        match expr {
            Expr::Column { index, .. } => of_input[*index].clone(),
            _ => None,
        }
    });
    rewritten.collect()
}

fn rewrite(expr: &mut Expr, columns: &Columns) {
    if let Some((column, field)) = field_of(expr)
        && let Some(narrowed) = &columns[column]
        && let Expr::Call { args, .. } = expr
    {
        let place = narrowed.kept.iter().position(|kept| *kept == field).expect("used fields were kept");
        args[1] = crate::bind::literal_int(place as i32);
    }
    match expr {
        Expr::Column { index, data_type, .. } => {
            columns[*index].iter().for_each(|narrowed| *data_type = narrowed.data_type.clone());
        }
        Expr::Literal { .. } => {}
        Expr::Call { args, .. } | Expr::And(args) | Expr::Or(args) | Expr::Coalesce { args, .. } => {
            args.iter_mut().for_each(|arg| rewrite(arg, columns));
        }
        Expr::Case { branches, otherwise, .. } => {
            for (condition, result) in branches {
                rewrite(condition, columns);
                rewrite(result, columns);
            }
            rewrite(otherwise, columns);
        }
    }
}
