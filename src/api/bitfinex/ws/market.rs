//! From a subscription to a topic of a listed market, and to its acknowledgement.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::request::code;
use crate::{
    exchange::{
        Stream, Topic,
        bitfinex::{Subscription, native::BadNative},
    },
    market::{Identity, Kind, Listing},
    registry::Registry,
};

/// A subscription that can be right: of a listed market, or of a currency that one has.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// The channel's name.
    pub(super) channel: &'a str,
    /// What it brings.
    pub(super) topic: Arc<Topic>,
    /// Its market; `None` for topics in the exchange's own terms.
    pub(super) market: Option<Arc<Listing>>,
    /// What makes two rows of its book the same.
    pub(super) identity: Identity,
    /// Whether it is about loans.
    pub(super) is_funding: bool,
    /// What the exchange says if it does not open it.
    pub(super) refusal: &'static str,
}

impl<'a> Asked<'a> {
    /// What cannot be right, or is about a market that is not listed, is refused in the exchange's
    /// words and never reaches it.
    pub(super) fn parse(
        subscription: &'a Subscription,
        registry: &Registry,
    ) -> Result<Self, BadNative> {
        let topic = Arc::new(subscription.topic()?);
        let channel = subscription.channel.as_deref().unwrap_or_default();
        let of_key = matches!(channel, "candles" | "status");
        let refusal = if of_key { "key: invalid" } else { "symbol: invalid" };
        let key = subscription.key.as_deref().unwrap_or_default();
        // `trade:1m:tBTCF0:USTF0`, `deriv:tBTCF0:USTF0`.
        let symbol = match channel {
            "candles" => key.splitn(3, ':').nth(2).unwrap_or_default(),
            "status" => key.split_once(':').map_or("", |(_, symbol)| symbol),
            _ => &topic.id,
        };
        let is_funding = symbol.starts_with('f');
        let market = registry.by_id(symbol).cloned();
        let is_listed = match &market {
            Some(market) => channel != "status" || market.kind == Kind::Swap,
            None => is_funding && is_currency(symbol, registry),
        };
        if !is_listed {
            let message = refusal.to_owned();
            return Err(BadNative { code: code::SUBSCRIPTION_FAILED, message });
        }
        let of_orders = subscription.prec.as_deref() == Some("R0");
        let identity = if of_orders { Identity::Number } else { Identity::Price };
        let market = market.filter(|_| !matches!(topic.stream, Stream::Native(_)));
        Ok(Self { channel, topic, market, identity, is_funding, refusal })
    }

    /// The acknowledgement of a channel of this number; `sub_id` is repeated if it was sent.
    pub(super) fn ack(
        &self,
        id: u64,
        subscription: &Subscription,
        sub_id: Option<&Value>,
    ) -> String {
        let mut ack = Map::new();
        let mut put = |name: &str, value: Value| ack.insert(name.to_owned(), value);
        put("event", json!("subscribed"));
        put("channel", json!(self.channel));
        put("chanId", json!(id));
        let of_key = matches!(self.channel, "candles" | "status");
        let symbol = self.topic.id.as_str();
        if of_key {
            put("key", json!(subscription.key));
        } else {
            put("symbol", json!(symbol));
        }
        if self.channel == "book" {
            let or = |given: &Option<_>, default: &str| json!(given.as_deref().unwrap_or(default));
            put("prec", or(&subscription.prec, "P0"));
            put("freq", or(&subscription.freq, "F0"));
            put("len", or(&subscription.len, "25"));
        }
        if let Some(sub_id) = sub_id {
            put("subId", sub_id.clone());
        }
        if !of_key {
            let kind = if self.is_funding { "currency" } else { "pair" };
            put(kind, json!(&symbol[1..]));
        }
        Value::Object(ack).to_string()
    }
}

/// True for `fUSD`, or `fUSD:p30`, if a market has that currency.
fn is_currency(symbol: &str, registry: &Registry) -> bool {
    let code = symbol[1..].split(':').next().unwrap_or_default();
    registry.all().iter().any(|market| match market.id[1..].split_once(':') {
        Some((base, quote)) => base == code || quote == code,
        // Without a colon both sides have three letters.
        None => market.id.get(1..4) == Some(code) || market.id.get(4..) == Some(code),
    })
}
