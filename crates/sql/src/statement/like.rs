//! CREATE TABLE … LIKE: what is taken over from another table.
//!
//! Rule (Flink documentation, "CREATE TABLE", LIKE): the default is INCLUDING ALL OVERWRITING OPTIONS;
//! physical columns are always taken.

use crate::ast::{self, LikeFeature, LikeStrategy, TableLike};
use crate::bind::Bound;
use crate::catalog::{CatalogEntry, ColumnKind, Session, Table};
use crate::diagnostic::Diagnostic;
use tidemill_types::Options;

/// The part of the source table that is taken over.
pub(super) fn base(session: &Session, like: &TableLike) -> Bound<Table> {
    let CatalogEntry::Table(source) = session.catalog.lookup(&like.source, session.catalog.current())? else {
        return Err(Diagnostic::new(like.source.span(), "LIKE takes a table, not a view"));
    };
    let mut table = source.clone();
    let excluded = |feature| strategy(like, feature) == LikeStrategy::Excluding;
    table.columns.retain(|column| match column.kind {
        ColumnKind::Physical => true,
        ColumnKind::Metadata { .. } => !excluded(LikeFeature::Metadata),
        ColumnKind::Computed(_) => !excluded(LikeFeature::Generated),
    });
    if excluded(LikeFeature::Watermarks)
        && let Some(watermark) = table.watermark.take()
    {
        let columns = table.columns.iter_mut().filter(|column| column.name == watermark.column);
        columns.for_each(|column| column.time = None);
    }
    if excluded(LikeFeature::Constraints) {
        table.primary_key.clear();
    }
    if excluded(LikeFeature::Partitions) {
        table.partition_by.clear();
    }
    if excluded(LikeFeature::Options) {
        table.options = Options::default();
    }
    Ok(table)
}

/// Whether options may be given again.
pub(super) fn overwrites_options(like: &TableLike) -> bool {
    strategy(like, LikeFeature::Options) != LikeStrategy::Including
}

/// Whether a column of this kind may be declared again.
pub(super) fn overwrites(like: &TableLike, kind: &ast::ColumnKind) -> bool {
    let feature = match kind {
        ast::ColumnKind::Computed(_) => LikeFeature::Generated,
        ast::ColumnKind::Metadata { .. } => LikeFeature::Metadata,
        _ => return false,
    };
    strategy(like, feature) == LikeStrategy::Overwriting
}

/// What happens to a part: what is said of it, else what is said of ALL, else the default.
fn strategy(like: &TableLike, feature: LikeFeature) -> LikeStrategy {
    let said =
        |wanted| like.options.iter().find(|option| option.feature == wanted).map(|option| option.strategy);
    let default = match feature {
        LikeFeature::Options => LikeStrategy::Overwriting,
        _ => LikeStrategy::Including,
    };
    said(feature).or(said(LikeFeature::All)).unwrap_or(default)
}
