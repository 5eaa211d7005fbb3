//! The shapes of rows.

use crate::sim::{
    engine::{Bar, BookLevel, Instrument, Order, SimTicker, SimTrade},
    json::Json,
};

/// The fields of a ticker without its symbol: 11 of a pair, 17 of a funding currency; the last one,
/// the time of the first trade, came in 2026.
pub(in crate::sim) fn ticker(json: &mut Json, instrument: &Instrument, ticker: &SimTicker) {
    if instrument.is_funding() {
        // The flash return rate stands near the middle of what is offered.
        json.number((ticker.bid + ticker.ask) / 2.0)
            .number(ticker.bid)
            .int(i64::from(ticker.bid_period))
            .number(ticker.bid_size)
            .number(ticker.ask)
            .int(i64::from(ticker.ask_period))
            .number(ticker.ask_size);
    } else {
        json.number(ticker.bid).number(ticker.bid_size).number(ticker.ask).number(ticker.ask_size);
    }
    json.number(ticker.change)
        .number(ticker.change_relative)
        .number(ticker.last)
        .number(ticker.volume)
        .number(ticker.high)
        .number(ticker.low);
    if instrument.is_funding() {
        json.nulls(2).number(ticker.ask_size * 40.0);
    }
    match ticker.first_trade {
        Some(ms) => json.int(ms),
        None => json.nulls(1),
    };
}

pub(in crate::sim) fn trade(json: &mut Json, instrument: &Instrument, trade: &SimTrade) {
    json.array(|json| {
        json.int(trade.id).int(trade.ms).number(trade.amount).number(trade.price);
        if instrument.is_funding() {
            json.int(i64::from(trade.period));
        }
    });
}

pub(in crate::sim) fn level(
    json: &mut Json,
    instrument: &Instrument,
    level: &BookLevel,
    sign: f64,
) {
    json.array(|json| {
        json.number(level.price);
        if instrument.is_funding() {
            json.int(i64::from(level.period));
        }
        json.int(i64::from(level.count)).number(sign * level.amount);
    });
}

pub(in crate::sim) fn order(json: &mut Json, instrument: &Instrument, order: &Order, sign: f64) {
    json.array(|json| {
        json.int(order.id);
        if instrument.is_funding() {
            json.int(i64::from(order.period));
        }
        json.number(order.price).number(sign * order.amount);
    });
}

pub(in crate::sim) fn candle(json: &mut Json, bar: &Bar) {
    json.array(|json| candle_fields(json, bar));
}

/// Open and close come before high and low.
pub(in crate::sim) fn candle_fields(json: &mut Json, bar: &Bar) {
    json.int(bar.start)
        .number(bar.open)
        .number(bar.close)
        .number(bar.high)
        .number(bar.low)
        .number(bar.volume);
}
