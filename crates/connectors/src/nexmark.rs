//! `nexmark`: the events of the Nexmark benchmark, made where they are used.
//!
//! Source of the rules: the public generator of the benchmark for Flink (github.com/nexmark/nexmark), with
//! its proportions, ids, hot keys and times. An event depends on its number only, so runs of any
//! parallelism make the same events. Beyond its options: `base-time`.

mod auction;
mod bid;
mod config;
mod layout;
mod person;
mod source;
mod texts;

use config::*;
use tidemill_connector::{Connector, Lookups, OpenSource, TableRequest};
use tidemill_types::{Options, Result};

/// The connector.
pub(crate) fn connector() -> Connector {
    Connector {
        name: "nexmark",
        summary: "the persons, auctions and bids of the Nexmark benchmark",
        options: OPTIONS,
        formatted: false,
        metadata: &[],
        sink_takes_changes: false,
        sink_skips_update_before: false,
        finds_fields_by_name: true,
        upserts: false,
        bounded,
        check,
        source: Some(open),
        sink: None,
        lookups: Lookups::NONE,
        single_task_sink: false,
    }
}

fn bounded(options: &Options) -> bool {
    Config::of(options).is_ok_and(|config| config.events.is_some() && !config.keep_alive)
}

fn check(request: &TableRequest<'_>) -> Result<()> {
    Config::of(request.options)?;
    request.schema.fields.iter().try_for_each(|field| layout::column(field).map(drop))
}

fn open(request: &TableRequest<'_>) -> Result<OpenSource> {
    let source = source::Events::open(request)?;
    Ok(OpenSource {
        source: Box::new(source),
        bounded: bounded(request.options),
        watermark_per_split: false,
        replayable: true,
    })
}
