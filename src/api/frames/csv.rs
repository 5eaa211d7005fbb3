//! Tables as text: the exchange's own digits, lines ended by a line feed.

use std::fmt::Write as _;

use crate::market::{Candle, Number, Trade};

pub(super) fn candles(rows: &[Candle], is_closed: impl Fn(&Candle) -> bool) -> Vec<u8> {
    let mut text = "timestamp,open,high,low,close,volume,closed\n".to_owned();
    for candle in rows {
        let Candle { open_time, open, high, low, close, volume } = candle;
        let (at, closed) = (open_time.millis(), is_closed(candle));
        let _ = writeln!(text, "{at},{open},{high},{low},{close},{volume},{closed}");
    }
    text.into_bytes()
}

pub(super) fn trades(rows: &[Trade]) -> Vec<u8> {
    let mut text = "timestamp,id,side,price,amount,cost\n".to_owned();
    for trade in rows {
        let Trade { id, at, side, price, amount, .. } = trade;
        let (at, side, cost) = (at.millis(), side.as_str(), trade.cost());
        let cost = cost.as_ref().map_or("", Number::as_str);
        let _ = writeln!(text, "{at},{id},{side},{price},{amount},{cost}");
    }
    text.into_bytes()
}
