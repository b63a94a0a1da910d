//! The suite for sinks: runs that die at random and are resumed, with one to three sinks.

use crate::admin::{new_topic, unique};
use crate::tables::{committed_records, open_sinks, options};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tidemill_connector::OpenSink;
use tidemill_testkit::sink_suite::{SinkBench, assert_keeps_promise};
use tidemill_types::arrow::{Int64Array, StringViewArray};
use tidemill_types::{Chunk, Options};

const ROWS: u64 = 400;

struct Bench {
    topic: String,
    options: Options,
}

impl Bench {
    fn new(guarantee: &str) -> Self {
        let (topic, prefix) = (new_topic("promise", 3), unique("promise"));
        let more =
            [("sink.delivery-guarantee", guarantee), ("sink.transactional-id-prefix", prefix.as_str())];
        Bench { options: options(&topic, &more), topic }
    }
}

#[async_trait::async_trait]
impl SinkBench for Bench {
    fn open(&mut self, run: u64, sinks: usize) -> Vec<OpenSink> {
        open_sinks(&self.options, &format!("run-{run}"), sinks)
    }

    fn rows(&self, numbers: Range<u64>) -> Chunk {
        let count = numbers.clone().count();
        let keys =
            StringViewArray::from_iter_values(numbers.clone().map(|number| format!("k{}", number % 7)));
        let values = Int64Array::from_iter_values(numbers.map(|number| number as i64));
        Chunk::new(vec![Arc::new(keys), Arc::new(values)], count)
    }

    async fn visible(&mut self) -> Vec<u64> {
        // A broker shows a transaction a moment after it has taken its end.
        const LOOKS: usize = 10;
        let mut seen = Vec::new();
        for _ in 0..LOOKS {
            let number = |record: &String| {
                let value = record.split("\"v\":").nth(1).unwrap();
                value.trim_end_matches('}').parse().unwrap()
            };
            seen = committed_records(&self.topic).await.iter().map(number).collect();
            if seen.len() as u64 >= ROWS {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        seen
    }
}

#[tokio::test]
async fn exactly_once_is_kept_whatever_dies() {
    let mut deaths = 0;
    for seed in 0..4 {
        deaths += assert_keeps_promise(&mut Bench::new("exactly-once"), seed, ROWS).await;
    }
    assert!(deaths > 10, "only {deaths} runs died");
}

#[tokio::test]
async fn at_least_once_is_kept_whatever_dies() {
    for seed in 10..12 {
        assert_keeps_promise(&mut Bench::new("at-least-once"), seed, ROWS).await;
    }
}
