//! Casts between constructed types: element by element, by position.

use super::{CastFn, plan};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ListArray, StructArray};
use arrow_schema::{DataType as Arrow, Fields};
use std::sync::Arc;
use tidemill_plan::SessionInfo;
use tidemill_types::arrow_type::{arrow_type, element_field};
use tidemill_types::map::{map_array, map_keys};
use tidemill_types::{DataType, RowField, TypeKind};

/// The cast between two constructed types, if their parts can be cast.
pub fn between(from: &DataType, to: &DataType, session: SessionInfo) -> Option<CastFn> {
    use TypeKind::*;
    match (&from.kind, &to.kind) {
        (Array(a), Array(b)) => list(plan(a, b, session)?, b),
        (Map(k, v), Map(l, w)) => map(plan(k, l, session)?, plan(v, w, session)?, (l, w)),
        (Multiset(a), Multiset(b)) => map(plan(a, b, session)?, super::identity(), (b, &Int.not_null())),
        (Row(a), Row(b)) if a.len() == b.len() => row(a, b, session, to),
        _ => None,
    }
}

fn list(cast: CastFn, element: &DataType) -> Option<CastFn> {
    let field = element_field(element);
    Some(Box::new(move |array, lenient| {
        let list = array.as_list::<i32>();
        let values = cast(list.values(), lenient)?;
        Ok(Arc::new(ListArray::new(field.clone(), list.offsets().clone(), values, list.nulls().cloned())))
    }))
}

fn map(key: CastFn, value: CastFn, to: (&DataType, &DataType)) -> Option<CastFn> {
    let to = (to.0.clone(), to.1.clone());
    Some(Box::new(move |array, lenient| {
        let map = array.as_map();
        let entries = (key(map_keys(map), lenient)?, value(map.values(), lenient)?);
        let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
        Ok(Arc::new(map_array((&to.0, &to.1), offsets, entries, nulls)))
    }))
}

fn row(from: &[RowField], to: &[RowField], session: SessionInfo, whole: &DataType) -> Option<CastFn> {
    let casts: Vec<CastFn> = from
        .iter()
        .zip(to)
        .map(|(from, to)| plan(&from.data_type, &to.data_type, session))
        .collect::<Option<_>>()?;
    let Arrow::Struct(fields) = arrow_type(whole) else { return None };
    Some(Box::new(move |array, lenient| {
        let row = array.as_struct();
        let columns = row
            .columns()
            .iter()
            .zip(&casts)
            .map(|(column, cast)| cast(column, lenient))
            .collect::<tidemill_types::Result<Vec<_>>>()?;
        let fields: Fields = fields.clone();
        let result = StructArray::try_new_with_length(fields, columns, row.nulls().cloned(), row.len());
        Ok(Arc::new(result.expect("the columns of a row are cast one by one")))
    }))
}
