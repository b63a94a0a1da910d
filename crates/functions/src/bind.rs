//! How functions are declared: a name, its forms, and for each form what it wants, gives and runs.
//!
//! Invariant: the first form that takes the arguments wins, so narrower forms come first. Unless said
//! otherwise a result may be NULL exactly if an argument may.

pub use crate::want::Want;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, make_array};
use arrow_schema::DataType as Arrow;
use std::sync::Arc;
use tidemill_plan::{
    BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry, Kernel, ScalarFunction, SessionInfo,
};
use tidemill_types::arrow_type::arrow_type;
use tidemill_types::{DataType, Error, Result, TypeKind};

/// A call whose form is chosen.
pub struct Binding<'a> {
    /// The function.
    pub name: &'a str,
    /// The types the arguments are cast to.
    pub args: Vec<DataType>,
    /// The values of the constant arguments, before they are cast.
    pub literals: Vec<Option<&'a ArrayRef>>,
    /// The session.
    pub session: SessionInfo,
}

impl Binding<'_> {
    /// The text of a constant argument; `None` if it is NULL or no constant.
    pub fn text(&self, arg: usize) -> Option<&str> {
        let array = self.literals.get(arg).copied().flatten()?;
        let text = array.as_string_view_opt()?;
        text.is_valid(0).then(|| text.value(0))
    }

    /// The value of a constant integer argument; `None` if it is NULL or no constant.
    pub fn integer(&self, arg: usize) -> Option<i64> {
        literal_integer(self.literals.get(arg).copied().flatten()?)
    }

    /// Whether an argument may be NULL.
    pub fn any_nullable(&self) -> bool {
        self.args.iter().any(|arg| arg.nullable)
    }
}

/// The integer in an array of length one.
pub fn literal_integer(array: &ArrayRef) -> Option<i64> {
    if array.is_null(0) {
        return None;
    }
    match array.data_type() {
        Arrow::Int8 => Some(array.as_primitive::<Int8Type>().value(0).into()),
        Arrow::Int16 => Some(array.as_primitive::<Int16Type>().value(0).into()),
        Arrow::Int32 => Some(array.as_primitive::<Int32Type>().value(0).into()),
        Arrow::Int64 => Some(array.as_primitive::<Int64Type>().value(0)),
        _ => None,
    }
}

/// The type of a form's result.
#[derive(Clone)]
pub enum Gives {
    /// Always the same.
    Kind(TypeKind),
    /// The type of an argument.
    Same(usize),
    /// Computed from the arguments.
    From(fn(&Binding<'_>) -> Result<TypeKind>),
}

/// When a result may be NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nulls {
    IfAny,
    IfFirst,
    Always,
    Never,
}

/// Computes a chunk.
pub type Compute = fn(&[Datum], &EvalContext<'_>) -> Result<Datum>;
/// Makes a kernel for the types and constants at hand.
pub type Make = fn(&Binding<'_>) -> Result<Arc<dyn Kernel>>;

#[derive(Clone, Copy)]
enum Body {
    Compute(Compute),
    Make(Make),
}

/// One way to call a function.
#[derive(Clone)]
pub struct Form {
    wants: Vec<Want>,
    repeats: bool,
    gives: Gives,
    nulls: Nulls,
    body: Body,
    infallible: bool,
    volatile: bool,
}

impl Form {
    /// A form computed by a plain function of the columns.
    pub fn new(wants: &[Want], gives: impl Into<Gives>, compute: Compute) -> Self {
        Form::with_body(wants, gives.into(), Body::Compute(compute))
    }

    /// A form whose kernel depends on types or constants.
    pub fn made(wants: &[Want], gives: impl Into<Gives>, make: Make) -> Self {
        Form::with_body(wants, gives.into(), Body::Make(make))
    }

    fn with_body(wants: &[Want], gives: Gives, body: Body) -> Self {
        Form {
            wants: wants.to_vec(),
            repeats: false,
            gives,
            nulls: Nulls::IfAny,
            body,
            infallible: false,
            volatile: false,
        }
    }

    /// The last argument may come any number of times, also never.
    pub fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// The same with a result of this type.
    pub fn gives(mut self, kind: TypeKind) -> Self {
        self.gives = Gives::Kind(kind);
        self
    }

    /// The result may be NULL although no argument may.
    pub fn nullable(mut self) -> Self {
        self.nulls = Nulls::Always;
        self
    }

    /// Only NULL in the first place makes the result NULL.
    pub fn nullable_if_first(mut self) -> Self {
        self.nulls = Nulls::IfFirst;
        self
    }

    /// The result is never NULL.
    pub fn not_null(mut self) -> Self {
        self.nulls = Nulls::Never;
        self
    }

    /// No value can make it fail.
    pub fn total(mut self) -> Self {
        self.infallible = true;
        self
    }

    /// Two calls may differ.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    fn accept(&self, call: &BindCall<'_>) -> Option<Vec<DataType>> {
        let given = call.args.len();
        let fits = if self.repeats { given + 1 >= self.wants.len() } else { given == self.wants.len() };
        if !fits {
            return None;
        }
        let last = self.wants.last();
        let wants = self
            .wants
            .iter()
            .take(given)
            .chain(std::iter::repeat_n(last.unwrap_or(&Want::Any), given.saturating_sub(self.wants.len())));
        call.args.iter().zip(wants).map(|(arg, want)| want.accept(arg.data_type)).collect()
    }

    fn bind(&self, binding: Binding<'_>) -> Result<BoundScalar> {
        let kind = match &self.gives {
            Gives::Kind(kind) => kind.clone(),
            Gives::Same(arg) => binding.args[*arg].kind.clone(),
            Gives::From(kind) => kind(&binding)?,
        };
        let nullable = match self.nulls {
            Nulls::IfAny => binding.any_nullable(),
            Nulls::IfFirst => binding.args.first().is_some_and(|first| first.nullable),
            Nulls::Always => true,
            Nulls::Never => false,
        };
        let return_type = DataType { kind, nullable };
        let kernel: Arc<dyn Kernel> = match self.body {
            Body::Compute(compute) => Arc::new(Plain {
                compute,
                gives: arrow_type(&return_type),
                infallible: self.infallible,
                volatile: self.volatile,
            }),
            Body::Make(make) => make(&binding)?,
        };
        Ok(BoundScalar { arg_types: binding.args, return_type, kernel })
    }

    /// This form for arguments of these types, whatever it wants.
    pub fn bound(&self, name: &str, args: Vec<DataType>, call: &BindCall<'_>) -> Result<BoundScalar> {
        let literals = call.args.iter().map(|arg| arg.literal).collect();
        self.bind(Binding { name, args, literals, session: call.session })
    }

    fn describe(&self) -> String {
        let mut names: Vec<&str> = self.wants.iter().map(|want| want.name()).collect();
        if self.repeats {
            names.push("…");
        }
        format!("({})", names.join(", "))
    }
}

impl From<TypeKind> for Gives {
    fn from(kind: TypeKind) -> Self {
        Gives::Kind(kind)
    }
}

/// `STRING` as the result of a form.
pub const STRING: TypeKind = TypeKind::Varchar(tidemill_types::data_type::LENGTH_MAX);
/// `BYTES` as the result of a form.
pub const BYTES: TypeKind = TypeKind::Varbinary(tidemill_types::data_type::LENGTH_MAX);

/// A function with its forms.
struct Function {
    name: String,
    forms: Vec<Form>,
}

impl ScalarFunction for Function {
    fn bind(&self, call: &BindCall<'_>) -> Result<BoundScalar> {
        let Some((form, args)) =
            self.forms.iter().find_map(|form| form.accept(call).map(|args| (form, args)))
        else {
            let forms: Vec<String> = self.forms.iter().map(Form::describe).collect();
            return Err(wrong_arguments(&self.name, &forms, call));
        };
        let literals = call.args.iter().map(|arg| arg.literal).collect();
        form.bind(Binding { name: &self.name, args, literals, session: call.session })
    }
}

/// The refusal of a call that no form takes.
pub fn wrong_arguments(name: &str, forms: &[String], call: &BindCall<'_>) -> Error {
    let given: Vec<String> = call.args.iter().map(|arg| arg.data_type.kind.to_string()).collect();
    let forms = match forms {
        [init @ .., last] if !init.is_empty() => format!("{} or {last}", init.join(", ")),
        _ => forms.concat(),
    };
    Error::user(format!("{name} takes {forms}, not ({})", given.join(", ")))
}

/// Declares a function.
pub fn declare(registry: &mut FunctionRegistry, name: &str, forms: impl IntoIterator<Item = Form>) {
    let function = Function { name: name.into(), forms: forms.into_iter().collect() };
    registry.scalars.insert(name.into(), Arc::new(function));
}

/// Declares the same function under several names.
pub fn declare_all(registry: &mut FunctionRegistry, names: &[&str], forms: &[Form]) {
    names.iter().for_each(|name| declare(registry, name, forms.iter().cloned()));
}

/// How a function whose types depend on each other is bound; `None` if it does not take the arguments.
pub type BindTypes = fn(&BindCall<'_>) -> Result<Option<BoundScalar>>;

struct Typed {
    name: String,
    forms: Vec<String>,
    bind: BindTypes,
}

impl ScalarFunction for Typed {
    fn bind(&self, call: &BindCall<'_>) -> Result<BoundScalar> {
        (self.bind)(call)?.ok_or_else(|| wrong_arguments(&self.name, &self.forms, call))
    }
}

/// Declares a function whose types depend on each other; `forms` are shown when it is called wrongly.
pub fn declare_typed(registry: &mut FunctionRegistry, name: &str, forms: &[&str], bind: BindTypes) {
    let forms = forms.iter().map(|form| (*form).to_owned()).collect();
    registry.scalars.insert(name.into(), Arc::new(Typed { name: name.into(), forms, bind }));
}

struct Plain {
    compute: Compute,
    gives: Arrow,
    infallible: bool,
    volatile: bool,
}

impl Kernel for Plain {
    fn eval(&self, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        Ok(retyped((self.compute)(args, ctx)?, &self.gives))
    }

    fn volatile(&self) -> bool {
        self.volatile
    }

    fn infallible(&self) -> bool {
        self.infallible
    }
}

/// Gives a result the parameters of its type (precision, scale, zone), which the loops don't know.
pub fn retyped(datum: Datum, to: &Arrow) -> Datum {
    if datum.array().data_type() == to {
        return datum;
    }
    let retype = |array: ArrayRef| {
        let data = array.to_data().into_builder().data_type(to.clone()).build();
        make_array(data.expect("a result has the layout of its type"))
    };
    match datum {
        Datum::Array(array) => Datum::Array(retype(array)),
        Datum::Scalar(array) => Datum::Scalar(retype(array)),
    }
}

/// A kernel from a closure.
pub struct Closure<F> {
    compute: F,
    gives: Option<Arrow>,
    infallible: bool,
}

impl<F> Closure<F>
where
    F: Fn(&[Datum], &EvalContext<'_>) -> Result<Datum> + Send + Sync + 'static,
{
    /// A kernel that may fail and whose results have the full type already.
    pub fn kernel(compute: F) -> Arc<dyn Kernel> {
        Arc::new(Closure { compute, gives: None, infallible: false })
    }

    /// A kernel that may fail, whose results are given this type.
    pub fn typed(gives: &TypeKind, compute: F) -> Arc<dyn Kernel> {
        let gives = Some(arrow_type(&gives.clone().nullable()));
        Arc::new(Closure { compute, gives, infallible: false })
    }

    /// A kernel that can't fail, whose results are given this type.
    pub fn total(gives: &TypeKind, compute: F) -> Arc<dyn Kernel> {
        let gives = Some(arrow_type(&gives.clone().nullable()));
        Arc::new(Closure { compute, gives, infallible: true })
    }
}

impl<F> Kernel for Closure<F>
where
    F: Fn(&[Datum], &EvalContext<'_>) -> Result<Datum> + Send + Sync,
{
    fn eval(&self, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        let result = (self.compute)(args, ctx)?;
        Ok(match &self.gives {
            Some(gives) => retyped(result, gives),
            None => result,
        })
    }

    fn infallible(&self) -> bool {
        self.infallible
    }
}
