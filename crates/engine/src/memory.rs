//! The memory budget of a run, from its settings.

use crate::EngineError;
use std::path::Path;
use tidemill_runtime::{process_bytes, watch_memory};
use tidemill_sql::catalog::Settings;
use tidemill_state::MemoryBudget;
use tidemill_types::Error;
use tidemill_types::options::parse_memory;

const KEY: &str = "tidemill.memory";
/// What the process must be able to take beyond what it takes before it begins, and more for each task.
const ROOM_BYTES: usize = 16 << 20;
const ROOM_BYTES_OF_TASK: usize = 4 << 20;
/// How much may wait in front of a task: a share of the budget within these bounds.
const QUEUE_SHARE: usize = 64;
const QUEUE_BYTES_MIN: usize = 256 << 10;
const QUEUE_BYTES_MAX: usize = 4 << 20;

/// The budget, if there is one, and somebody who watches that it is kept.
pub(crate) fn budget(
    settings: &Settings,
    parallelism: usize,
    folder: &Path,
) -> Result<Option<MemoryBudget>, EngineError> {
    let Some(bytes) = settings.get(KEY).and_then(parse_memory) else { return Ok(None) };
    let limit = usize::try_from(bytes).unwrap_or(usize::MAX);
    let Some(taken) = process_bytes() else { return Ok(Some(MemoryBudget::new(limit, folder))) };
    let least = taken + ROOM_BYTES + parallelism * ROOM_BYTES_OF_TASK;
    if limit < least {
        let (least, taken) = (least.div_ceil(1 << 20), taken.div_ceil(1 << 20));
        return Err(Error::user_hint(
            format!(
                "a memory budget of {limit} bytes is too small: the process takes {taken} MB before the first row comes"
            ),
            format!("'{KEY}' (--memory) is for the whole process; give at least {least}MB, such as '{}MB'", 2 * least),
        )
        .into());
    }
    let budget = MemoryBudget::of_process(limit, taken, folder);
    watch_memory(&budget, |message| eprintln!("note: {message}"));
    Ok(Some(budget))
}

/// How much may wait in front of each task under a budget.
pub(crate) fn queue_bytes(budget: &MemoryBudget) -> usize {
    let whole = budget.process_limit().unwrap_or(usize::MAX);
    (whole / QUEUE_SHARE).clamp(QUEUE_BYTES_MIN, QUEUE_BYTES_MAX)
}
