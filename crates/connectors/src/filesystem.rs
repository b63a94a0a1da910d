//! `filesystem`: tables in local files and folders, standard input and standard output.
//!
//! Source of the rules: Flink documentation, "FileSystem SQL Connector". Deliberately not here: object
//! stores, compaction (files are few: they roll by size and age only).

mod civil;
mod commit;
mod cutter;
mod files;
mod front;
mod listing;
mod options;
mod partition;
mod parts;
mod path;
mod position;
mod prepared;
mod reader;
mod removal;
mod rolling;
mod sink;
mod source;
mod stdout;
mod tail;
mod whole;

use crate::carried::{self, Carrier};
use options::*;
use path::Location;
pub(crate) use stdout::StandardOutput;
use tidemill_connector::{Connector, Guarantee, Lookups, MetadataKey, OpenSink, OpenSource, TableRequest};
use tidemill_types::data_type::LENGTH_MAX;
use tidemill_types::{Error, Options, Result, TypeKind};

/// The connector.
pub(crate) fn connector() -> Connector {
    Connector {
        name: "filesystem",
        summary: "files and folders of this machine, standard input and output",
        options: ALL,
        formatted: true,
        metadata: METADATA,
        sink_takes_changes: false,
        sink_skips_update_before: false,
        finds_fields_by_name: false,
        upserts: false,
        bounded,
        check,
        source: Some(open_source),
        sink: Some(open_sink),
        lookups: Lookups {
            version: Some(version),
            version_interval: Some(MONITOR_INTERVAL),
            ..Lookups::NONE
        },
        single_task_sink: false,
    }
}

const METADATA: &[MetadataKey] = &[
    MetadataKey { key: "file.path", data_type: || TypeKind::Varchar(LENGTH_MAX).not_null(), writable: false },
    MetadataKey { key: "file.name", data_type: || TypeKind::Varchar(LENGTH_MAX).not_null(), writable: false },
    MetadataKey { key: "file.size", data_type: || TypeKind::BigInt.not_null(), writable: false },
    MetadataKey {
        key: "file.modification-time",
        data_type: || TypeKind::TimestampLtz(3).not_null(),
        writable: false,
    },
];

fn bounded(options: &Options) -> bool {
    options.get(MONITOR_INTERVAL.key).is_none()
}

fn check(request: &TableRequest<'_>) -> Result<()> {
    carried::check(request, "filesystem", Carrier::Files)?;
    let location = location(request)?;
    source::pattern(request.options)?;
    rolling::Rolling::from(request.options)?;
    commit::Committer::open(request)?;
    for column in request.partition_by {
        partition::check(request.schema, column)?;
    }
    if matches!(location, Location::Standard) {
        check_standard(request)?;
    }
    Ok(())
}

fn check_standard(request: &TableRequest<'_>) -> Result<()> {
    let whole = whole::is_whole(request)?;
    let refused = [
        (whole, "a format that has files of its own"),
        (!request.partition_by.is_empty(), "PARTITIONED BY"),
        (request.overwrite, "INSERT OVERWRITE"),
        (request.options.get(MONITOR_INTERVAL.key).is_some(), MONITOR_INTERVAL.key),
    ];
    match refused.iter().find(|(found, _)| *found) {
        Some((_, what)) => Err(Error::user_hint(
            format!("table '{}': {what} has no meaning for the path '-'", request.table),
            "'-' is standard input or standard output; give the path of a folder",
        )),
        None => Ok(()),
    }
}

fn location(request: &TableRequest<'_>) -> Result<Location> {
    let text = request.options.text(&PATH).ok_or_else(|| {
        Error::user_hint(format!("table '{}' needs the option 'path'", request.table), PATH.help)
    })?;
    path::location(text)
}

fn open_source(request: &TableRequest<'_>) -> Result<OpenSource> {
    check(request)?;
    let location = location(request)?;
    // Pipes can't be read twice; and what several tasks read depends on how many there are.
    let replayable = request.parallelism <= 1 && is_stored(&location);
    let source = Box::new(source::open(request, location)?);
    Ok(OpenSource { source, bounded: bounded(request.options), watermark_per_split: false, replayable })
}

/// A number that changes when a file comes, goes, or is written.
fn version(request: &TableRequest<'_>) -> Result<u64> {
    let Location::Path(root) = location(request)? else { return Ok(0) };
    if !root.exists() {
        let message = format!("'{}' is not there at the moment", root.display());
        return Err(Error::External { message, retryable: true });
    }
    let mut all = Vec::new();
    for file in listing::list(&root, source::pattern(request.options)?.as_ref())? {
        let Ok(metadata) = std::fs::metadata(&file) else { continue };
        let written =
            metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        all.extend_from_slice(file.as_os_str().as_encoded_bytes());
        all.extend_from_slice(&metadata.len().to_le_bytes());
        all.extend_from_slice(&written.map_or(0, |time| time.as_nanos()).to_le_bytes());
    }
    Ok(tidemill_types::key::hash(&all))
}

fn is_stored(location: &Location) -> bool {
    let Location::Path(path) = location else { return false };
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() || metadata.is_dir())
}

fn open_sink(request: &TableRequest<'_>) -> Result<OpenSink> {
    check(request)?;
    let front = Box::new(front::Front::open(request)?);
    match location(request)? {
        Location::Standard => {
            let sink = Box::new(StandardOutput::stdout());
            Ok(OpenSink { front, sink, guarantee: Guarantee::AtLeastOnce })
        }
        Location::Path(root) => {
            let sink = Box::new(sink::FileSink::open(request, root)?);
            Ok(OpenSink { front, sink, guarantee: Guarantee::ExactlyOnce })
        }
    }
}
