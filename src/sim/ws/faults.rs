//! Faults of WebSocket connections: by script, or at once.

use serde::{Deserialize, Serialize};

use crate::market::UnixMs;

/// Something that goes wrong on a connection. In JSON: an object whose `ws` is the name in snake
/// case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ws", rename_all = "snake_case")]
pub enum WsFault {
    /// The upgrade is refused.
    Refuse {
        /// HTTP status; 503 if absent.
        #[serde(default = "unavailable")]
        status: u16,
    },
    /// The socket ends without a close frame, instead of sending its next array frame.
    Drop {
        /// Array frames that it sends before, heartbeats included; 0 if absent.
        #[serde(default)]
        after_frames: u64,
    },
    /// An array frame is not sent, and its sequence number is missing from then on.
    LoseFrame,
    /// A checksum of a book is wrong, once.
    WrongChecksum,
    /// From a book update on, the amount of the best level is wrong until the channel is subscribed
    /// again; checksums are those of the true book. Funding books have no checksums and are spared.
    CorruptLevel,
    /// The channel sends nothing more until it is subscribed again, the rule's time is over or the
    /// rules are removed. What happened in between is not made up for, except in books. Drawn when
    /// the rule is new to a channel, and then once a second of the market's time.
    Freeze {
        /// Heartbeats go on.
        #[serde(default)]
        heartbeats: bool,
    },
    /// No heartbeat.
    SilenceHeartbeats,
    /// The acknowledgement of a subscription, and everything of its channel, comes late.
    SlowAck {
        /// Milliseconds of the market's time.
        ms: u64,
    },
    /// A channel's data begins before its acknowledgement.
    DataFirst {
        /// Milliseconds of the market's time by which the acknowledgement is late; 0 if absent:
        /// right after the snapshot.
        #[serde(default)]
        ms: u64,
    },
    /// A subscription is answered with 10305 `subscribe: limit`, or other exchanges' words for it.
    SubscribeLimit,
    /// A trade's `tu` (`ftu`) comes after that of the next trade.
    ReorderTu,
    /// An update's row has two more columns, `null` and a number.
    GrowRow,
}

const fn unavailable() -> u16 {
    503
}

impl WsFault {
    /// Everywhere, until removed.
    pub fn always(self) -> WsRule {
        let (channel, symbol, times, probability, for_ms) = (None, None, None, None, None);
        WsRule { fault: self, channel, symbol, times, probability, for_ms }
    }

    /// The next `times` occasions of a channel (`book`) and a symbol (`tBTCUSD`).
    pub fn times(self, channel: &str, symbol: &str, times: u32) -> WsRule {
        let (channel, symbol) = (Some(channel.to_owned()), Some(symbol.to_owned()));
        WsRule { channel, symbol, times: Some(times), ..self.always() }
    }
}

/// A fault and the occasions at which it strikes. The first rule that fits an occasion decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WsRule {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: WsFault,
    /// Only channels of this kind (`ticker`, `trades`, `book`, `candles`, `status`, by these names on
    /// every exchange); `None` for all.
    #[serde(default)]
    pub channel: Option<String>,
    /// Only channels of this symbol (`tBTCUSD`, `BTC/USD`, `BTC-USD`, `BTCUSDT`); `None` for all.
    #[serde(default)]
    pub symbol: Option<String>,
    /// How often it strikes; `None` until removed.
    #[serde(default)]
    pub times: Option<u32>,
    /// With which probability it strikes at an occasion that fits, drawn from the seed; `None` is 1.
    #[serde(default)]
    pub probability: Option<f64>,
    /// How long it is in force, milliseconds of the market's time; `None` until removed.
    #[serde(default)]
    pub for_ms: Option<u64>,
}

/// What happens to every connection that is open, at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WsAction {
    /// They end without a close frame.
    Drop,
    /// 20060, or other exchanges' words for it: maintenance begins. Heartbeats go on, data does not, and new connections are told of
    /// it by the platform's status.
    MaintenanceStart,
    /// 20061: maintenance is over.
    MaintenanceEnd,
    /// 20051: the server stops. They are closed. Binance says so half a minute before.
    Restart,
}

/// Where a fault may strike.
#[derive(Clone, Copy)]
pub(in crate::sim) struct Occasion<'a> {
    pub(in crate::sim) channel: &'a str,
    pub(in crate::sim) symbol: &'a str,
    pub(in crate::sim) now: UnixMs,
}

impl Occasion<'_> {
    /// Of a connection as a whole: rules for a channel or a symbol do not fit it.
    pub(in crate::sim) const fn connection(now: UnixMs) -> Self {
        Self { channel: "", symbol: "", now }
    }
}

/// Tells for how long something that a rule began goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Hold {
    until: Option<UnixMs>,
    cleared: u64,
}

/// The rules in force.
pub(in crate::sim) struct WsScript {
    rules: Vec<(WsRule, Option<UnixMs>)>,
    seed: u64,
    draws: u64,
    cleared: u64,
    revision: u64,
}

impl WsScript {
    pub(in crate::sim) const fn new(seed: u64) -> Self {
        Self { rules: Vec::new(), seed, draws: 0, cleared: 0, revision: 0 }
    }

    pub(in crate::sim) fn add(&mut self, rule: WsRule, now: UnixMs) {
        let until = rule.for_ms.map(|ms| now + std::time::Duration::from_millis(ms));
        self.rules.push((rule, until));
        self.revision += 1;
    }

    pub(in crate::sim) fn clear(&mut self) {
        self.rules.clear();
        self.cleared += 1;
    }

    pub(in crate::sim) fn rules(&self) -> impl Iterator<Item = &WsRule> {
        self.rules.iter().map(|(rule, _)| rule)
    }

    /// Grows with each rule that is added.
    pub(super) const fn revision(&self) -> u64 {
        self.revision
    }

    /// What the first rule does that fits the occasion and of whose fault `pick` makes something.
    pub(in crate::sim) fn strike<T>(
        &mut self,
        occasion: Occasion<'_>,
        pick: impl Fn(&WsFault) -> Option<T>,
    ) -> Option<(T, Hold)> {
        let over = |until: Option<UnixMs>| until.is_some_and(|until| occasion.now >= until);
        self.rules.retain(|(_, until)| !over(*until));
        for place in 0..self.rules.len() {
            let (rule, until) = &self.rules[place];
            let fits = |wanted: &Option<String>, is: &str| {
                wanted.as_ref().is_none_or(|wanted| wanted == is)
            };
            if !fits(&rule.channel, occasion.channel) || !fits(&rule.symbol, occasion.symbol) {
                continue;
            }
            let Some(picked) = pick(&rule.fault) else { continue };
            if let Some(probability) = rule.probability {
                self.draws += 1;
                if crate::sim::engine::lot(self.seed, self.draws) >= probability {
                    continue;
                }
            }
            let hold = Hold { until: *until, cleared: self.cleared };
            if let Some(times) = &mut self.rules[place].0.times {
                *times = times.saturating_sub(1);
            }
            self.rules.retain(|(rule, _)| rule.times != Some(0));
            return Some((picked, hold));
        }
        None
    }

    /// True while something that a rule began goes on.
    pub(super) fn holds(&self, hold: Hold, now: UnixMs) -> bool {
        hold.cleared == self.cleared && hold.until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(channel: &'static str, symbol: &'static str, ms: i64) -> Occasion<'static> {
        Occasion { channel, symbol, now: UnixMs::from_millis(ms) }
    }

    fn lost(script: &mut WsScript, occasion: Occasion<'_>) -> bool {
        script.strike(occasion, |fault| (*fault == WsFault::LoseFrame).then_some(())).is_some()
    }

    #[test]
    fn a_rule_strikes_where_as_often_and_as_long_as_it_says() {
        let mut script = WsScript::new(1);
        let rule = r#"{"ws":"lose_frame","channel":"book","symbol":"tBTCUSD","times":2}"#;
        script.add(serde_json::from_str(rule).unwrap(), UnixMs::from_millis(0));
        assert!(!lost(&mut script, at("book", "tETHUSD", 0)));
        assert!(!lost(&mut script, at("ticker", "tBTCUSD", 0)));
        assert!(script.strike(at("book", "tBTCUSD", 0), |_| None::<()>).is_none());
        assert!(lost(&mut script, at("book", "tBTCUSD", 0)));
        assert!(lost(&mut script, at("book", "tBTCUSD", 0)));
        assert!(!lost(&mut script, at("book", "tBTCUSD", 0)));
        assert_eq!(script.rules().count(), 0, "a rule that is used up is gone");

        let brief = WsRule { for_ms: Some(500), ..WsFault::LoseFrame.always() };
        script.add(brief, UnixMs::from_millis(1_000));
        assert!(lost(&mut script, at("book", "tBTCUSD", 1_499)));
        assert!(!lost(&mut script, at("book", "tBTCUSD", 1_500)));
        script.add(WsFault::LoseFrame.always(), UnixMs::from_millis(2_000));
        let (_, hold) = script.strike(at("", "", 2_000), |_| Some(())).unwrap();
        assert!(script.holds(hold, UnixMs::from_millis(9_000)));
        script.clear();
        assert!(!script.holds(hold, UnixMs::from_millis(9_000)));
        assert!(!lost(&mut script, at("", "", 2_000)));
    }

    #[test]
    fn probability_is_drawn_from_the_seed() {
        let strikes = |seed| {
            let mut script = WsScript::new(seed);
            let rule = WsRule { probability: Some(0.3), ..WsFault::LoseFrame.always() };
            script.add(rule, UnixMs::from_millis(0));
            (0..1_000).map(|_| lost(&mut script, at("", "", 0))).collect::<Vec<_>>()
        };
        let struck = strikes(5).iter().filter(|struck| **struck).count();
        assert!((230..370).contains(&struck), "{struck}");
        assert_eq!(strikes(5), strikes(5));
        assert_ne!(strikes(5), strikes(6));
    }
}
