//! `socket`: lines of text from TCP connections; it listens for clients, or connects to a server as Flink's
//! socket source does.
//!
//! Invariant: lines of one connection stay in order and none is lost, not even a last one without its end;
//! a consumer that is slow stops the reading, so that TCP slows the sender. With a state folder lines go through the log
//! of what came in, and none is lost from there on either; a client knows by the acknowledgements.

mod connect;
mod lines;
mod listen;

use crate::carried::{self, Carrier};
use crate::ingest_log::{self, Inflow};
use tidemill_connector::{Connector, Fetched, Lookups, OpenSource, Positions, Source, TableRequest};
use tidemill_types::{Error, OptionKind, OptionSpec, Options, Result};

const MODE: OptionSpec = OptionSpec::new(
    "mode",
    OptionKind::Choice(&["listen", "connect"]),
    "whether clients come here, or a server is connected to",
)
.default("listen");
const HOSTNAME: OptionSpec =
    OptionSpec::new("hostname", OptionKind::Text, "the address to listen at or to connect to")
        .default("127.0.0.1");
const PORT: OptionSpec = OptionSpec::new("port", OptionKind::Integer, "the TCP port").required();
const LINE_BYTES: OptionSpec =
    OptionSpec::new("max-line-bytes", OptionKind::Memory, "a client with a longer line is sent away")
        .default("1mb");
const CONNECTIONS: OptionSpec =
    OptionSpec::new("max-connections", OptionKind::Integer, "how many clients are served; others wait")
        .default("1024");
const DELIMITER: OptionSpec = OptionSpec::new(
    "byte-delimiter",
    OptionKind::Integer,
    "the code of the byte that ends a record; 10 is the end of a line",
)
.default("10");
const END_WHEN_LEFT: OptionSpec = OptionSpec::new(
    "end-when-clients-left",
    OptionKind::Boolean,
    "ends after the last client has left, rather than to wait for more",
)
.default("false");
const RECONNECT: OptionSpec = OptionSpec::new(
    "reconnect",
    OptionKind::Boolean,
    "connects again when the server closes, rather than to end",
)
.default("false");

const ACKNOWLEDGE: OptionSpec = OptionSpec::new(
    "ack.enabled",
    OptionKind::Boolean,
    "sends 'ok <count>' back when the first <count> records of a connection are safe: in the log of what came in, or \
     without a state folder handed to the run; a client must read that",
)
.default("false");

const OPTIONS: &[OptionSpec] = &[
    MODE,
    HOSTNAME,
    PORT,
    LINE_BYTES,
    CONNECTIONS,
    DELIMITER,
    END_WHEN_LEFT,
    RECONNECT,
    ACKNOWLEDGE,
    ingest_log::SYNC_INTERVAL,
    ingest_log::SEGMENT_SIZE,
    ingest_log::MAX_SIZE,
];

/// The connector.
pub(crate) fn connector() -> Connector {
    Connector {
        name: "socket",
        summary: "lines of text from TCP connections",
        options: OPTIONS,
        formatted: true,
        metadata: &[],
        sink_takes_changes: false,
        sink_skips_update_before: false,
        finds_fields_by_name: false,
        upserts: false,
        bounded,
        check: |request| Config::of(request).map(drop),
        source: Some(open),
        sink: None,
        lookups: Lookups::NONE,
        single_task_sink: false,
    }
}

/// The checked options.
#[derive(Debug, Clone)]
struct Config {
    table: String,
    host: String,
    port: u16,
    line_bytes_max: usize,
    connections_max: usize,
    delimiter: u8,
    end_when_left: bool,
    reconnect: bool,
    acknowledge: bool,
}

impl Config {
    fn of(request: &TableRequest<'_>) -> Result<Self> {
        carried::check(request, "socket", Carrier::Lines)?;
        let options = request.options;
        Ok(Config {
            table: request.table.to_string(),
            host: options.text(&HOSTNAME).unwrap_or_default().to_string(),
            port: within(options, PORT, 0, u16::MAX.into())? as u16,
            line_bytes_max: options.memory(&LINE_BYTES)?.unwrap_or(0).clamp(1, 1 << 30) as usize,
            connections_max: within(options, CONNECTIONS, 1, 1 << 20)? as usize,
            delimiter: within(options, DELIMITER, 0, u8::MAX.into())? as u8,
            end_when_left: options.boolean(&END_WHEN_LEFT)?,
            reconnect: options.boolean(&RECONNECT)?,
            acknowledge: options.boolean(&ACKNOWLEDGE)?,
        })
    }
}

fn within(options: &Options, spec: OptionSpec, min: i64, max: i64) -> Result<i64> {
    match options.integer(&spec)? {
        Some(value) if (min..=max).contains(&value) => Ok(value),
        Some(value) => Err(Error::user(format!(
            "option '{}' is {value}, but must lie between {min} and {max}",
            spec.key
        ))),
        None => Err(Error::user_hint(format!("the option '{}' is missing", spec.key), spec.help)),
    }
}

fn listens(options: &Options) -> bool {
    options.text(&MODE).is_none_or(|mode| mode.eq_ignore_ascii_case("listen"))
}

fn bounded(options: &Options) -> bool {
    match listens(options) {
        true => options.boolean(&END_WHEN_LEFT).unwrap_or(false),
        false => !options.boolean(&RECONNECT).unwrap_or(false),
    }
}

fn open(request: &TableRequest<'_>) -> Result<OpenSource> {
    let config = Config::of(request)?;
    let inflow: Box<dyn Inflow> = match (request.task, listens(request.options)) {
        (0, true) => Box::new(listen::Listener::bind(config)?),
        (0, false) => Box::new(connect::Connection::new(config)),
        _ => return Ok(nothing(bounded(request.options))),
    };
    let (source, replayable) = ingest_log::open(request, inflow)?;
    Ok(OpenSource { source, bounded: bounded(request.options), watermark_per_split: false, replayable })
}

/// One port has one listener; the other tasks get their rows from the exchange behind it.
fn nothing(bounded: bool) -> OpenSource {
    OpenSource { source: Box::new(Nothing), bounded, watermark_per_split: false, replayable: true }
}

struct Nothing;

#[async_trait::async_trait]
impl Source for Nothing {
    async fn next(&mut self) -> Result<Fetched> {
        Ok(Fetched::End)
    }

    async fn restore(&mut self, _positions: &Positions) -> Result<()> {
        Ok(())
    }
}
