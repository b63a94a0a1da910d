//! The connector `cut-file`: the lines of a file in blobs whose cuts a seed decides.
//!
//! A result must not depend on how its input was cut; this source makes that testable.

use crate::random::Random;
use tidemill_connector::{
    Connector, Fetched, FetchedBlob, Lookups, OpenSource, Place, Positions, Source, TableRequest,
};
use tidemill_types::{Blob, Error, OptionKind, OptionSpec, Result};

const PATH: OptionSpec = OptionSpec::new("path", OptionKind::Text, "the file").required();
const SEED: OptionSpec = OptionSpec::new("seed", OptionKind::Integer, "decides the cuts").default("0");
const LINES: OptionSpec =
    OptionSpec::new("blob-lines-max", OptionKind::Integer, "the most lines in a blob").default("20");

/// The connector.
pub const CUT_FILE: Connector = Connector {
    name: "cut-file",
    summary: "a file cut at random",
    options: &[PATH, SEED, LINES],
    formatted: true,
    metadata: &[],
    sink_takes_changes: false,
    sink_skips_update_before: false,
    finds_fields_by_name: false,
    upserts: false,
    bounded: |_| true,
    check: |_| Ok(()),
    source: Some(open),
    sink: None,
    lookups: Lookups::NONE,
    single_task_sink: false,
};

fn open(request: &TableRequest<'_>) -> Result<OpenSource> {
    let path = request.options.text(&PATH).unwrap_or_default();
    let text = std::fs::read(path).map_err(|error| Error::external_fatal(format!("{path}: {error}")))?;
    let seed = request.options.integer(&SEED)?.unwrap_or_default() as u64;
    let lines_max = request.options.integer(&LINES)?.unwrap_or(1).max(1) as u64;
    let source = CutFile { text, at: 0, random: Random::new(seed), lines_max, path: path.into() };
    Ok(OpenSource { source: Box::new(source), bounded: true, watermark_per_split: false, replayable: true })
}

struct CutFile {
    text: Vec<u8>,
    at: usize,
    random: Random,
    lines_max: u64,
    path: std::sync::Arc<str>,
}

#[async_trait::async_trait]
impl Source for CutFile {
    async fn next(&mut self) -> Result<Fetched> {
        if self.at == self.text.len() {
            return Ok(Fetched::End);
        }
        let start = self.at;
        let lines = 1 + self.random.below(self.lines_max);
        for _ in 0..lines {
            let end = self.text[self.at..].iter().position(|byte| *byte == b'\n');
            self.at = end.map_or(self.text.len(), |end| self.at + end + 1);
        }
        let place = Place { split: self.path.clone(), split_index: 0, offset: start as u64, line: 0 };
        let blob = Blob::lines(self.text[start..self.at].to_vec());
        Ok(Fetched::Blob(FetchedBlob::new(blob, place)))
    }
    fn positions(&self) -> Positions {
        Positions::from([(self.path.to_string(), self.at.to_string())])
    }

    async fn restore(&mut self, positions: &Positions) -> Result<()> {
        let at = positions.get(&*self.path).and_then(|at| at.parse().ok());
        self.at = at.ok_or_else(|| Error::internal("no position of this file"))?;
        Ok(())
    }
}
