//! The exchange's rows, put together as they came: no number is read or written anew.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::route::Span;
use crate::market::{Book, Candle, Raw, UnixMs};

/// `[row,row,...]`.
pub(super) fn array(rows: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Bytes {
    let mut text = vec![b'['];
    for row in rows {
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend_from_slice(row.as_ref());
    }
    text.push(b']');
    text.into()
}

/// The rows of `span` out of rows that are oldest first and selected from its start or up to its
/// end.
pub(super) fn history<'a, T, S: AsRef<[u8]>>(
    rows: &'a [T],
    span: &Span,
    time: impl Fn(&T) -> UnixMs,
    text: impl Fn(&'a T) -> S,
) -> Bytes {
    if span.oldest_first {
        return array(rows.iter().map(text));
    }
    let since_start = |row: &&T| span.start.is_none_or(|start| time(row) >= start);
    array(rows.iter().rev().take_while(since_start).map(text))
}

/// `[MTS,OPEN,CLOSE,HIGH,LOW,VOLUME]` (docs.bitfinex.com/reference/rest-public-candles, 2025-11).
pub(super) fn candle(candle: &Candle) -> String {
    let Candle { open_time, open, high, low, close, volume } = candle;
    format!("[{},{open},{close},{high},{low},{volume}]", open_time.millis())
}

/// The best levels of each side: bids, then asks.
pub(super) fn book(book: &Book, levels: u32) -> Bytes {
    let levels = usize::try_from(levels).unwrap_or(usize::MAX);
    let sides = [&book.bids, &book.asks];
    array(
        sides
            .into_iter()
            .flat_map(|side| side.iter().take(levels))
            .map(|one| one.raw.bytes().as_ref()),
    )
}

/// A ticker's row with its id before the other columns.
pub(super) fn named(id: &str, raw: &Raw) -> Bytes {
    let columns = raw.bytes().strip_prefix(b"[").unwrap_or_default();
    [b"[\"", id.as_bytes(), b"\",", columns].concat().into()
}

/// Rows of tickers by their first column; `None` if `body` is no array of such rows.
pub(super) fn by_name(body: &Bytes) -> Option<HashMap<String, Bytes>> {
    let rows: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
    let named = |row: &RawValue| {
        let columns: Vec<&RawValue> = serde_json::from_str(row.get()).ok()?;
        let name = serde_json::from_str(columns.first()?.get()).ok()?;
        Some((name, body.slice_ref(row.get().as_bytes())))
    };
    rows.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Raw {
        Raw::copy_of(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn histories_are_cut_and_turned() {
        let rows: Vec<(i64, Raw)> = [1, 2, 3].map(|at| (at, raw(&format!("[{at},7e-7]")))).into();
        let text = |start: Option<i64>, oldest_first| {
            let start = start.map(UnixMs::from_millis);
            let span = Span { limit: 9, start, end: None, oldest_first };
            let time = |row: &(i64, Raw)| UnixMs::from_millis(row.0);
            history(&rows, &span, time, |row| row.1.as_str())
        };
        assert_eq!(text(None, false), "[[3,7e-7],[2,7e-7],[1,7e-7]]");
        assert_eq!(text(Some(2), false), "[[3,7e-7],[2,7e-7]]");
        assert_eq!(text(Some(4), false), "[]");
        assert_eq!(text(Some(1), true), "[[1,7e-7],[2,7e-7],[3,7e-7]]");
    }

    #[test]
    fn tickers_get_and_lose_their_names() {
        assert_eq!(named("tBTCUSD", &raw("[7e-7,1.10]")), r#"["tBTCUSD",7e-7,1.10]"#);
        let body = Bytes::from_static(br#"[["fUSD",1e-11,2],["fEUR",3,null]]"#);
        let rows = by_name(&body).unwrap();
        assert_eq!(rows["fUSD"], r#"["fUSD",1e-11,2]"#);
        assert_eq!(rows["fEUR"], r#"["fEUR",3,null]"#);
        assert_eq!(by_name(&Bytes::from_static(b"[[1,2]]")), None);
    }
}
