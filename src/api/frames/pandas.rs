//! The metadata from which pandas knows that a column is the index
//! (pandas.pydata.org/docs/development/developer.html, 2026-11).
//!
//! Every reader that knows nothing of it sees an ordinary column.

use arrow_schema::{DataType, Field, Fields, TimeUnit};
use serde_json::{Map, Value, json};

use super::{Origin, columns::INDEX};

/// The value of the schema's metadata under `pandas`. The origin becomes `DataFrame.attrs`.
pub(super) fn metadata(fields: &Fields, origin: Origin<'_>) -> String {
    let attributes: Map<String, Value> =
        origin.facts().map(|(name, fact)| (name.to_owned(), fact.into())).collect();
    let metadata = json!({
        "index_columns": [INDEX],
        "column_indexes": [{
            "name": null,
            "field_name": null,
            "pandas_type": "unicode",
            "numpy_type": "object",
            "metadata": { "encoding": "UTF-8" }
        }],
        "columns": fields.iter().map(|field| column(field)).collect::<Vec<_>>(),
        "attributes": attributes,
        "creator": { "library": "tidegate", "version": env!("CARGO_PKG_VERSION") }
    });
    metadata.to_string()
}

fn column(field: &Field) -> Value {
    let (pandas_type, numpy_type) = match field.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => ("datetimetz", "datetime64[ms]"),
        DataType::Float64 => ("float64", "float64"),
        DataType::Int64 => ("int64", "int64"),
        DataType::Boolean => ("bool", "bool"),
        _ => ("unicode", "object"),
    };
    let details = match field.data_type() {
        DataType::Timestamp(_, Some(zone)) => json!({ "timezone": **zone }),
        _ => Value::Null,
    };
    json!({
        "name": field.name(),
        "field_name": field.name(),
        "pandas_type": pandas_type,
        "numpy_type": numpy_type,
        "metadata": details
    })
}
