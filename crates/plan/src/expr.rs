//! Bound expressions: every name resolved to a column, every cast explicit, every type known.

use crate::Kernel;
use arrow_array::{Array, ArrayRef};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use tidemill_types::DataType;

/// A bound expression.
#[derive(Clone)]
pub enum Expr {
    /// A column of the input.
    Column {
        /// Its index.
        index: usize,
        /// Its type.
        data_type: DataType,
        /// Its name, for EXPLAIN.
        name: String,
    },
    /// A constant: an array of one value.
    Literal {
        /// The value.
        value: ArrayRef,
        /// Its type.
        data_type: DataType,
        /// How it was written, for EXPLAIN.
        text: String,
    },
    /// A function or cast.
    Call {
        /// How EXPLAIN shows it: the function's name or sign.
        name: String,
        /// What computes it.
        kernel: Arc<dyn Kernel>,
        /// The arguments, in the types the kernel wants.
        args: Vec<Expr>,
        /// The type of the result.
        data_type: DataType,
    },
    /// The first branch whose condition is TRUE.
    Case {
        /// Conditions and results.
        branches: Vec<(Expr, Expr)>,
        /// The result without one.
        otherwise: Box<Expr>,
        /// The type of all results.
        data_type: DataType,
    },
    /// All terms hold.
    And(Vec<Expr>),
    /// Some term holds.
    Or(Vec<Expr>),
    /// The first value that is not NULL.
    Coalesce {
        /// The values, all of `data_type`.
        args: Vec<Expr>,
        /// Their type.
        data_type: DataType,
    },
}

impl Expr {
    /// A column.
    pub fn column(index: usize, name: impl Into<String>, data_type: DataType) -> Self {
        Expr::Column { index, data_type, name: name.into() }
    }

    /// Its type.
    pub fn data_type(&self) -> DataType {
        match self {
            Expr::Column { data_type, .. }
            | Expr::Literal { data_type, .. }
            | Expr::Call { data_type, .. }
            | Expr::Case { data_type, .. }
            | Expr::Coalesce { data_type, .. } => data_type.clone(),
            Expr::And(terms) | Expr::Or(terms) => tidemill_types::TypeKind::Boolean
                .nullable()
                .with_nullable(terms.iter().any(|term| term.data_type().nullable)),
        }
    }

    /// Its parts.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Column { .. } | Expr::Literal { .. } => Vec::new(),
            Expr::Call { args, .. } | Expr::And(args) | Expr::Or(args) | Expr::Coalesce { args, .. } => {
                args.iter().collect()
            }
            Expr::Case { branches, otherwise, .. } => branches
                .iter()
                .flat_map(|(condition, result)| [condition, result])
                .chain([otherwise.as_ref()])
                .collect(),
        }
    }

    /// The same expression with each column replaced by what `with` gives for it.
    pub fn map_columns(&self, with: &impl Fn(usize, &str, &DataType) -> Expr) -> Expr {
        let map = |exprs: &[Expr]| exprs.iter().map(|expr| expr.map_columns(with)).collect();
        match self {
            Expr::Column { index, data_type, name } => with(*index, name, data_type),
            Expr::Literal { .. } => self.clone(),
            Expr::Call { name, kernel, args, data_type } => Expr::Call {
                name: name.clone(),
                kernel: kernel.clone(),
                args: map(args),
                data_type: data_type.clone(),
            },
            Expr::Case { branches, otherwise, data_type } => Expr::Case {
                branches: branches.iter().map(|(c, r)| (c.map_columns(with), r.map_columns(with))).collect(),
                otherwise: Box::new(otherwise.map_columns(with)),
                data_type: data_type.clone(),
            },
            Expr::And(terms) => Expr::And(map(terms)),
            Expr::Or(terms) => Expr::Or(map(terms)),
            Expr::Coalesce { args, data_type } => {
                Expr::Coalesce { args: map(args), data_type: data_type.clone() }
            }
        }
    }

    /// The indices of the columns it reads.
    pub fn columns(&self) -> BTreeSet<usize> {
        fn collect(expr: &Expr, into: &mut BTreeSet<usize>) {
            if let Expr::Column { index, .. } = expr {
                into.insert(*index);
            }
            expr.children().into_iter().for_each(|child| collect(child, into));
        }
        let mut columns = BTreeSet::new();
        collect(self, &mut columns);
        columns
    }

    /// Whether it or a part may give another value for the same columns.
    pub fn volatile(&self) -> bool {
        matches!(self, Expr::Call { kernel, .. } if kernel.volatile())
            || self.children().into_iter().any(Expr::volatile)
    }

    /// The constant it is, if it is one.
    pub fn literal(&self) -> Option<&ArrayRef> {
        match self {
            Expr::Literal { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Whether it is the constant TRUE.
    pub fn is_true(&self) -> bool {
        use arrow_array::cast::AsArray;
        self.literal()
            .and_then(|value| value.as_boolean_opt())
            .is_some_and(|value| value.is_valid(0) && value.value(0))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, args: &[Expr], separator: &str| {
            args.iter().enumerate().try_for_each(|(i, arg)| {
                f.write_str(if i == 0 { "" } else { separator })?;
                write!(f, "{arg}")
            })
        };
        match self {
            Expr::Column { name, .. } => f.write_str(name),
            Expr::Literal { text, .. } => f.write_str(text),
            Expr::Call { name, args, .. } if args.len() == 2 && !name.starts_with(char::is_alphabetic) => {
                write!(f, "({} {name} {})", args[0], args[1])
            }
            Expr::Call { name, args, data_type, .. } if name == "CAST" || name == "TRY_CAST" => {
                write!(f, "{name}({} AS {data_type})", args[0])
            }
            Expr::Call { name, args, .. } => {
                write!(f, "{name}(")?;
                join(f, args, ", ")?;
                f.write_str(")")
            }
            Expr::Case { branches, otherwise, .. } => {
                f.write_str("CASE")?;
                for (condition, result) in branches {
                    write!(f, " WHEN {condition} THEN {result}")?;
                }
                write!(f, " ELSE {otherwise} END")
            }
            Expr::And(terms) => {
                f.write_str("(")?;
                join(f, terms, " AND ")?;
                f.write_str(")")
            }
            Expr::Or(terms) => {
                f.write_str("(")?;
                join(f, terms, " OR ")?;
                f.write_str(")")
            }
            Expr::Coalesce { args, .. } => {
                f.write_str("COALESCE(")?;
                join(f, args, ", ")?;
                f.write_str(")")
            }
        }
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
