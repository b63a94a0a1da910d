//! Measures a socket with a log: `ingest FOLDER [LINES]` sends lines over the loopback to a table whose state folder is
//! `FOLDER`, with acknowledgements, and says how fast they came out of the log.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tidemill_connector::{Fetched, TableRequest};
use tidemill_connectors::connectors;
use tidemill_types::{DataType, Field, Options, Schema, SystemDisk};

/// A line as a sensor may send it.
const LINE: &str = r#"{"device":"d-0042","ts":"2026-01-01 00:00:00","temperature":21.5,"humidity":40}"#;

fn send(port: u16, lines: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let mut hear = stream.try_clone()?;
    let hearing = std::thread::spawn(move || {
        let mut text = String::new();
        hear.read_to_string(&mut text).map(|_| text)
    });
    let block = format!("{LINE}\n").repeat(100);
    for _ in 0..lines / 100 {
        stream.write_all(block.as_bytes())?;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    let told = hearing.join().map_err(|_| std::io::Error::other("the hearing thread failed"))??;
    println!(
        "{} acknowledgements, the last: {}",
        told.lines().count(),
        told.lines().last().unwrap_or("none")
    );
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().expect("a folder is given");
    let lines: usize = arguments.get(1).map_or(5_000_000, |text| text.parse().expect("a number of lines"));
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let port_text = port.to_string();
    let options = [("port", port_text.as_str()), ("ack.enabled", "true"), ("end-when-clients-left", "true")];
    let (registry, options) = (connectors(), Options::new(options));
    let connector = registry.find("socket").expect("the connector is built in");
    let schema = Schema::new(vec![Field::new("line", DataType::string())]);
    let open = connector.source.expect("it can be read")(&TableRequest {
        table: "t",
        options: &options,
        schema: &schema,
        wanted: &[0],
        metadata: &[],
        partition_by: &[],
        primary_key: &[],
        overwrite: false,
        task: 0,
        parallelism: 1,
        zone: chrono_tz::Tz::UTC,
        run_id: "run",
        pipeline_id: "p",
        checkpointed: true,
        state_dir: Some(Path::new(folder)),
        disk: Arc::new(SystemDisk),
    });
    let mut source = open.expect("the options are right").source;
    let sending = std::thread::spawn(move || send(port, lines));
    let (mut bytes, start) = (0, Instant::now());
    while let Fetched::Blob(fetched) = source.next().await.expect("it can be read") {
        bytes += fetched.blob.bytes.len();
        let positions = source.positions();
        source.committed(&positions).await.expect("segments can be deleted");
    }
    let seconds = start.elapsed().as_secs_f64();
    sending.join().expect("the sending thread ends").expect("lines can be sent");
    println!(
        "{:.0} lines/s, {:.0} MB/s",
        bytes as f64 / (LINE.len() + 1) as f64 / seconds,
        bytes as f64 / seconds / 1e6
    );
}
