//! What the tests of plans share.

use std::sync::Arc;
use tidemill_sql::{Diagnostic, Outcome, Session, parse_script};

/// The plan of the last job of these statements, as EXPLAIN shows it.
pub fn plan_of(text: &str) -> Result<String, Diagnostic> {
    let (statements, errors) = parse_script(text);
    assert_eq!(errors, [], "the texts of these tests parse");
    let functions = Arc::new(tidemill_functions::registry());
    let mut session = Session::new(functions, Arc::new(tidemill_connectors::connectors()));
    let mut last = String::new();
    for statement in &statements {
        if let Outcome::Job(job) = session.run(statement)? {
            last = job.plan.explain();
        }
    }
    Ok(last)
}
