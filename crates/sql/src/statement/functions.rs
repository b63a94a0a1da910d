//! CREATE FUNCTION and DROP FUNCTION.
//!
//! Java does not run here: a class can be named if a function of ours does the same as it (the registry's `classes`).

use crate::ast::{CreateFunction, Drop};
use crate::bind::Bound;
use crate::catalog::Session;
use crate::diagnostic::Diagnostic;
use std::sync::Arc;

impl Session {
    pub(super) fn create_function(&mut self, create: &CreateFunction) -> Bound<()> {
        let name = create.name.last();
        let upper = name.value.to_uppercase();
        let built_in = self.functions.scalar(&upper).is_some() || self.functions.aggregate(&upper).is_some();
        if self.user_functions.contains(&upper) && create.if_not_exists {
            return Ok(());
        }
        if built_in {
            let message = format!("a function '{}' is there already", name.value);
            return Err(Diagnostic::new(create.name.span(), message)
                .with_hint("choose another name; DROP FUNCTION drops one that CREATE FUNCTION made"));
        }
        let java =
            create.language.as_ref().is_none_or(|language| language.value.eq_ignore_ascii_case("JAVA"));
        let class = self.functions.classes.get(&create.implementation.value).filter(|_| java).cloned();
        let Some(function) = class else {
            let message = format!("CREATE FUNCTION can't run '{}'", create.implementation.value);
            return Err(Diagnostic::new(create.implementation.span, message).with_hint(
                "write what it does with built-in functions; the same file runs on Apache Flink",
            ));
        };
        Arc::make_mut(&mut self.functions).scalars.insert(upper.clone(), function);
        self.user_functions.insert(upper);
        Ok(())
    }

    pub(super) fn drop_function(&mut self, drop: &Drop) -> Bound<()> {
        let name = &drop.name.last().value;
        let upper = name.to_uppercase();
        if self.user_functions.remove(&upper) {
            Arc::make_mut(&mut self.functions).scalars.remove(&upper);
            return Ok(());
        }
        match drop.if_exists {
            true => Ok(()),
            false => Err(Diagnostic::new(drop.name.span(), format!("there is no user function '{name}'"))
                .with_hint("built-in functions can't be dropped; IF EXISTS makes this no error")),
        }
    }
}
