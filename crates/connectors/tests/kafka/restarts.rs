//! A broker that is killed and comes back while records are written and read.

use crate::admin::create_topic;
use crate::tables::{open_sink, open_source, options, packets, records};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A broker of this test alone, ended with it.
struct Broker {
    dir: tempfile::TempDir,
}

impl Broker {
    fn run(&self, command: &str) {
        let script = std::env::var("TIDEMILL_KAFKA_SCRIPT").unwrap();
        let status = Command::new(script).arg(command).arg(self.dir.path()).status().unwrap();
        assert!(status.success(), "{command}");
    }

    fn address(&self) -> String {
        let environment = std::fs::read_to_string(Path::new(self.dir.path()).join("environment")).unwrap();
        let line = environment.lines().find_map(|line| line.strip_prefix("TIDEMILL_KAFKA="));
        line.unwrap().to_string()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.run("kill");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_and_reading_go_on_when_the_broker_comes_back() {
    let broker = Broker { dir: tempfile::tempdir().unwrap() };
    broker.run("start");
    let address = broker.address();
    create_topic(&address, "t", 2);
    let bootstrap = ("properties.bootstrap.servers", address.as_str());
    let mut source =
        open_source(&options("t", &[bootstrap, ("scan.startup.mode", "earliest-offset")])).source;
    let sink_options = options("t", &[bootstrap, ("sink.partitioner", "round-robin")]);
    let writer = tokio::spawn(async move {
        let mut sink = open_sink(&sink_options, "run");
        for value in 0..200i64 {
            for packet in packets(&mut sink, &[("k", value)]) {
                while let Err(error) = sink.sink.write(packet.clone()).await {
                    assert!(
                        matches!(error, tidemill_types::Error::External { retryable: true, .. }),
                        "{error}"
                    );
                }
            }
            while let Err(error) = sink.sink.flush().await {
                assert!(matches!(error, tidemill_types::Error::External { retryable: true, .. }), "{error}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let before = records(source.as_mut(), 40).await;
    broker.run("kill");
    broker.run("start");
    let after = records(source.as_mut(), 200 - before.len()).await;
    writer.await.unwrap();
    let all: BTreeSet<&String> = before.iter().chain(&after).collect();
    assert_eq!((all.len(), before.len() + after.len()), (200, 200), "each record once");
}
