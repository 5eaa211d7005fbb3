//! Candles and trades as tables, for tools that work with data frames: CSV, Arrow, Parquet.
//!
//! A table has one row per candle or trade, oldest first, and begins with the column `timestamp`.
//!
//! | | CSV | Arrow and Parquet |
//! |---|---|---|
//! | `timestamp` | Unix milliseconds | instants in UTC; the index in pandas |
//! | numbers | the exchange's own decimal text | the nearest double |
//! | an unknown value | an empty cell | null |
//!
//! A table without rows has the same columns. Equal rows make equal bytes, so that the name which
//! HTTP gives to an answer (`ETag`) stands for its rows.

mod binary;
mod columns;
mod csv;
mod pandas;
#[cfg(test)]
mod tests;

use super::answer::{Format, Text};
use crate::market::{Candle, Symbol, Trade};

/// What a table is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Text with a line of headings.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file, compressed with Snappy.
    Parquet,
}

impl Frame {
    /// The format of the answer.
    pub(super) const fn format(self) -> Format {
        match self {
            Self::Csv => Format::Csv,
            Self::Arrow => Format::Arrow,
            Self::Parquet => Format::Parquet,
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Arrow => "arrows",
            Self::Parquet => "parquet",
        }
    }
}

/// Whose rows a table holds. Arrow and Parquet carry it in the schema's metadata, under these
/// names; every format has it in the file's name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    /// The market.
    pub(super) symbol: &'a Symbol,
    /// The exchange's name.
    pub(super) exchange: &'a str,
    /// The width of candles; `None` for trades.
    pub(super) timeframe: Option<&'a str>,
}

impl<'a> Origin<'a> {
    fn facts(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let timeframe = self.timeframe.map(|timeframe| ("timeframe", timeframe));
        [("symbol", self.symbol.as_str()), ("exchange", self.exchange)].into_iter().chain(timeframe)
    }

    /// `BTC-USD-5m.csv`, `BTC-USD-trades.csv`
    fn file_name(&self, frame: Frame) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let market: String = self.symbol.as_str().chars().map(plain).collect();
        format!("{market}-{}.{}", self.timeframe.unwrap_or("trades"), frame.extension())
    }
}

/// A table of candles: `timestamp`, `open`, `high`, `low`, `close`, `volume`, and `closed` as
/// `is_closed` says.
pub(super) fn candles(
    frame: Frame,
    origin: Origin<'_>,
    rows: &[Candle],
    is_closed: impl Fn(&Candle) -> bool,
) -> Text {
    let bytes = match frame {
        Frame::Csv => csv::candles(rows, is_closed),
        Frame::Arrow => binary::arrow(&columns::candles(origin, rows, is_closed)),
        Frame::Parquet => binary::parquet(&columns::candles(origin, rows, is_closed)),
    };
    Text::File(bytes.into(), origin.file_name(frame))
}

/// A table of trades: `timestamp`, `id`, `side`, `price`, `amount`, `cost`.
pub(super) fn trades(frame: Frame, origin: Origin<'_>, rows: &[Trade]) -> Text {
    let bytes = match frame {
        Frame::Csv => csv::trades(rows),
        Frame::Arrow => binary::arrow(&columns::trades(origin, rows)),
        Frame::Parquet => binary::parquet(&columns::trades(origin, rows)),
    };
    Text::File(bytes.into(), origin.file_name(frame))
}
