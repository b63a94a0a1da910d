//! Statements without an effect of their own here, each accepted or refused as Flink does.

use super::Outcome;
use crate::bind::{Bound, unsupported};
use crate::catalog::Session;
use crate::diagnostic::Diagnostic;
use crate::span::Span;

impl Session {
    pub(super) fn other(&self, keyword: &str, span: Span) -> Bound<Outcome> {
        match keyword {
            "ADD JAR" | "REMOVE JAR" => Ok(Outcome::Done(Some(format!(
                "{keyword} has no effect: connectors and formats are built in, Java code can't be loaded"
            )))),
            "USE MODULES" | "LOAD MODULE" | "UNLOAD MODULE" => {
                Ok(Outcome::Done(Some(format!("{keyword} has no effect: the only module is 'core'"))))
            }
            "ANALYZE TABLE" => self.batch_only(keyword, span).map(|()| {
                Outcome::Done(Some("ANALYZE TABLE has no effect: plans need no statistics".to_string()))
            }),
            "TRUNCATE TABLE" | "DELETE FROM" | "UPDATE" => {
                self.batch_only(keyword, span)?;
                Err(Diagnostic::new(span, format!("no connector here supports {keyword}"))
                    .with_hint("write the rows that are to stay with INSERT OVERWRITE"))
            }
            _ => Err(unsupported(span, keyword)),
        }
    }

    fn batch_only(&self, keyword: &str, span: Span) -> Bound<()> {
        if self.info().batch {
            return Ok(());
        }
        Err(Diagnostic::new(span, format!("{keyword} is not supported in streaming mode"))
            .with_hint("SET 'execution.runtime-mode' = 'batch'"))
    }
}
