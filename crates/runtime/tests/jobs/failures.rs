//! Errors, retries, bad records, panics.

use crate::support::*;
use tidemill_runtime::{BadRecords, JobOptions};
use tidemill_types::Error;

const GOOD_AND_BAD: &str = "{\"k\":1,\"v\":1}\n{\"k\":oops}\n{\"k\":3,\"v\":3}\n";

fn read(acts: Vec<Act>, options: JobOptions) -> Result<Outcome, Error> {
    let mut plan = PlanBuilder::default();
    let source = plan.source(acts);
    plan.collect(source);
    run(&plan.0, options)
}

#[test]
fn a_retryable_error_is_retried_and_a_fatal_one_ends_the_run() {
    let outcome =
        read(vec![rows(&[(1, 1, 1)]), Act::Fail(true), Act::Fail(true), rows(&[(1, 2, 2)])], options(2));
    let outcome = outcome.unwrap();
    assert_eq!(outcome.rows().len(), 2);
    assert_eq!(outcome.summary.metrics.sources[0].retries, 2);
    let error = read(vec![Act::Fail(false), rows(&[(1, 1, 1)])], options(2)).err().unwrap();
    assert_eq!(error, Error::external_fatal("the wire broke"));
    let error = read(vec![Act::Fail(true); 9], options(1)).err().unwrap();
    assert_eq!(error, Error::external("the wire broke"), "attempts have an end");
}

#[test]
fn a_bad_record_is_set_aside_and_ends_the_run_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.jsonl");
    let options = JobOptions { dead_letter: Some(path.clone()), ..options(2) };
    let error = read(vec![Act::Json(0, GOOD_AND_BAD.into())], options).err().unwrap();
    let Error::Data { message, place } = &error else { panic!("{error:?}") };
    assert_eq!(place.as_deref(), Some("part-0:2"));
    assert!(message.contains("{\"k\":oops}") && message.contains("--bad-records keep"), "{message}");
    let kept = std::fs::read_to_string(path).unwrap();
    let line: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!((line["line"].as_i64(), line["offset"].as_i64()), (Some(2), Some(14)));
    assert_eq!(line["split"], "part-0");
    assert!(line["text"].as_str().unwrap().contains("oops"));
}

#[test]
fn a_kept_bad_record_is_counted_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.jsonl");
    let bad_records = BadRecords::Keep;
    let options = JobOptions { dead_letter: Some(path.clone()), bad_records, ..options(2) };
    let outcome = read(vec![Act::Json(0, GOOD_AND_BAD.into()), rows(&[(1, 9, 9)])], options).unwrap();
    let values: Vec<i64> = outcome.rows().iter().map(|row| row.1.unwrap()).collect();
    assert_eq!(values, [1, 3, 9]);
    let source = &outcome.summary.metrics.operators[0];
    assert_eq!((source.rows.input, source.rows.bad, source.rows.emitted), (4, 1, 3));
    assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 1);
}

#[test]
fn a_panic_names_the_operator_and_ends_the_run() {
    let mut plan = PlanBuilder::default();
    let source = plan.source(vec![rows(&[(1, 1, 1)]), Act::Hang]);
    let calc = plan.calc(source, Some(condition(|v| if v == 1 { panic!("boom") } else { true })));
    plan.collect(calc);
    let error = run(&plan.0, options(3)).err().unwrap();
    assert_eq!(error, Error::internal("operator 'calc-1' panicked: boom"));
}

#[test]
fn an_unknown_connector_is_refused_before_anything_runs() {
    let mut plan = PlanBuilder::default();
    let source = plan.source(Vec::new());
    plan.collect(source);
    let options = JobOptions { connectors: Default::default(), ..options(1) };
    assert!(matches!(run(&plan.0, options), Err(Error::User { .. })));
}
