//! Rows as columns.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow_schema::Schema;

use super::{Origin, pandas};
use crate::market::{Candle, Number, Trade, UnixMs};

/// What the index is called in every table.
pub(super) const INDEX: &str = "timestamp";

/// The columns of candles.
pub(super) fn candles(
    origin: Origin<'_>,
    rows: &[Candle],
    is_closed: impl Fn(&Candle) -> bool,
) -> RecordBatch {
    let numbers = |of: fn(&Candle) -> &Number| numbers(rows.iter().map(|row| Some(of(row).f64())));
    let closed: BooleanArray = rows.iter().map(|candle| Some(is_closed(candle))).collect();
    let columns = [
        (INDEX, times(rows.iter().map(|candle| candle.open_time))),
        ("open", numbers(|candle| &candle.open)),
        ("high", numbers(|candle| &candle.high)),
        ("low", numbers(|candle| &candle.low)),
        ("close", numbers(|candle| &candle.close)),
        ("volume", numbers(|candle| &candle.volume)),
        ("closed", Arc::new(closed)),
    ];
    table(origin, columns)
}

/// The columns of trades.
pub(super) fn trades(origin: Origin<'_>, rows: &[Trade]) -> RecordBatch {
    let ids = Int64Array::from_iter_values(rows.iter().map(|trade| trade.id));
    let sides = StringArray::from_iter_values(rows.iter().map(|trade| trade.side.as_str()));
    let columns = [
        (INDEX, times(rows.iter().map(|trade| trade.at))),
        ("id", Arc::new(ids)),
        ("side", Arc::new(sides)),
        ("price", numbers(rows.iter().map(|trade| Some(trade.price.f64())))),
        ("amount", numbers(rows.iter().map(|trade| Some(trade.amount.f64())))),
        ("cost", numbers(rows.iter().map(|trade| Some(trade.cost()?.f64())))),
    ];
    table(origin, columns)
}

fn times(times: impl Iterator<Item = UnixMs>) -> ArrayRef {
    let millis = TimestampMillisecondArray::from_iter_values(times.map(UnixMs::millis));
    Arc::new(millis.with_timezone("UTC"))
}

fn numbers(numbers: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(numbers.collect::<Float64Array>())
}

/// Every column may be null, as in the tables that pandas and pyarrow write: two tables can only be
/// put together where their schemas agree in that.
fn table<const N: usize>(origin: Origin<'_>, columns: [(&str, ArrayRef); N]) -> RecordBatch {
    let columns = columns.map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns)
        .expect("every column has a value for each row");
    let about_index = ("pandas", pandas::metadata(batch.schema_ref().fields(), origin));
    let facts = origin.facts().map(|(name, fact)| (name, fact.to_owned()));
    let schema = Schema::new_with_metadata(
        batch.schema_ref().fields().clone(),
        facts.chain([about_index]).collect::<arrow_schema::Metadata>(),
    );
    batch.with_schema(Arc::new(schema)).expect("the schema differs in its metadata only")
}
