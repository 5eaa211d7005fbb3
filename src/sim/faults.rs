//! Faults by script: which, for whom, how often.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Family;

/// Something that goes wrong. In JSON: an object whose `kind` is the name in snake case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// The true answer, late.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// No answer; the connection stays open.
    Hang,
    /// The connection is reset (a TCP RST) before any answer.
    Reset,
    /// The true answer's head, `bytes` of its body (half if absent), then the connection closes.
    Cut {
        /// Bytes of the body that are sent.
        #[serde(default)]
        bytes: Option<usize>,
    },
    /// Another status and body. Without a body: the gateway's own
    /// `{"code":503,"error":"temporarily_unavailable",...}`.
    Status {
        /// HTTP status.
        status: u16,
        /// The whole body.
        #[serde(default)]
        body: Option<String>,
    },
    /// What the exchange answers beyond its limit, without any limit broken: Bitfinex 429
    /// `["error",11010,"ratelimit: error"]`.
    RateLimited {
        /// Seconds in a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Bitfinex: 429 `{"error":"ERR_RATE_LIMIT"}`; others as [`Fault::RateLimited`], without any limit broken.
    RateLimitedObject {
        /// Seconds in a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The address is banned: Binance 418, Kraken `EGeneral:Temporary lockout`; others as
    /// [`Fault::RateLimited`].
    Banned {
        /// Seconds in a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Not served to where the client is: Binance 451, others 403.
    Restricted,
    /// A page of the content delivery network.
    Html {
        /// HTTP status; 200 is seen too.
        status: u16,
    },
    /// The true answer with every number as a string.
    Strings,
    /// The true answer with `null` for all numbers but the first of each row.
    Nulls,
    /// The true answer with the literal `NaN` for its last number; where prices are strings, with
    /// `"NaN"` for each that has a decimal point.
    NotANumber,
    /// The true answer with two fields in each row, and one less where there are no more.
    TruncatedRows,
    /// Status 200 with an error array; elsewhere than on Bitfinex, the error as that exchange words
    /// it.
    ErrorArray {
        /// Error code.
        code: i64,
        /// Text of the error.
        message: String,
    },
    /// Status 200 with `[]`, or without anything in the exchange's usual envelope.
    Empty,
    /// A book whose best bid and best ask have changed places.
    Crossed,
    /// 500 `["error",20060,"maintenance"]`, `[0]` for platform/status; other exchanges' words for it.
    Maintenance,
    /// 500 `["error",11000,"ready: invalid"]`; other exchanges' words for being overloaded.
    NotReady,
    /// A body of `bytes` of rows, of any length if absent, that announces no length.
    Oversized {
        /// Bytes of the body.
        #[serde(default)]
        bytes: Option<u64>,
    },
    /// The true answer, `chunk` bytes every `ms` milliseconds.
    Drip {
        /// Bytes at a time.
        chunk: usize,
        /// Milliseconds between.
        ms: u64,
    },
}

impl Fault {
    /// The delay of [`Fault::Delay`].
    pub fn delay(by: Duration) -> Self {
        Self::Delay { ms: u64::try_from(by.as_millis()).unwrap_or(u64::MAX) }
    }

    /// Seconds that a `Retry-After` header tells.
    pub(super) const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after }
            | Self::RateLimitedObject { retry_after }
            | Self::Banned { retry_after } => *retry_after,
            _ => None,
        }
    }

    /// For every family and until cleared.
    pub fn always(self) -> FaultRule {
        FaultRule { fault: self, family: None, path: None, times: None, probability: None }
    }

    /// For the next `times` calls of `family`.
    pub fn times(self, family: Family, times: u32) -> FaultRule {
        FaultRule { family: Some(family), times: Some(times), ..self.always() }
    }

    /// For every call of `family` until cleared.
    pub fn on(self, family: Family) -> FaultRule {
        FaultRule { family: Some(family), ..self.always() }
    }
}

/// A fault and the calls that it befalls. The first rule that fits a call decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRule {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// Only calls of this family; `None` for all.
    #[serde(default)]
    pub family: Option<Family>,
    /// Only calls whose path and query, as sent, contain this.
    #[serde(default)]
    pub path: Option<String>,
    /// How many calls it befalls; `None` until cleared.
    #[serde(default)]
    pub times: Option<u32>,
    /// With which probability a call that fits is befallen, drawn from the seed; `None` is 1.
    #[serde(default)]
    pub probability: Option<f64>,
}

/// The rules in force.
#[derive(Default)]
pub(super) struct Script {
    rules: Vec<FaultRule>,
    draws: u64,
    seed: u64,
}

impl Script {
    pub(super) fn new(seed: u64) -> Self {
        Self { rules: Vec::new(), draws: 0, seed }
    }

    pub(super) fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn rules(&self) -> &[FaultRule] {
        &self.rules
    }

    /// The fault that befalls this call, used up by one.
    pub(super) fn strike(&mut self, family: Family, path: &str) -> Option<Fault> {
        let fits = |rule: &FaultRule| {
            rule.family.is_none_or(|wanted| wanted == family)
                && rule.path.as_ref().is_none_or(|part| path.contains(part.as_str()))
        };
        for place in 0..self.rules.len() {
            let rule = &self.rules[place];
            if !fits(rule) {
                continue;
            }
            if let Some(probability) = rule.probability {
                self.draws += 1;
                if super::engine::lot(self.seed, self.draws) >= probability {
                    continue;
                }
            }
            let rule = &mut self.rules[place];
            let fault = rule.fault.clone();
            if let Some(times) = &mut rule.times {
                *times = times.saturating_sub(1);
            }
            self.rules.retain(|rule| rule.times != Some(0));
            return Some(fault);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_befalls_its_calls_as_often_as_it_says() {
        let mut script = Script::new(1);
        let rule = r#"{"kind":"delay","ms":5,"family":"book","path":"tBTC","times":2}"#;
        script.add(serde_json::from_str(rule).unwrap());
        script.add(Fault::Hang.on(Family::Trades));
        assert_eq!(script.strike(Family::Book, "/v2/book/tETHUSD/P0"), None);
        assert_eq!(script.strike(Family::Candles, "/v2/candles/tBTCUSD"), None);
        for _ in 0..2 {
            let struck = script.strike(Family::Book, "/v2/book/tBTCUSD/P0");
            assert_eq!(struck, Some(Fault::Delay { ms: 5 }));
        }
        assert_eq!(script.strike(Family::Book, "/v2/book/tBTCUSD/P0"), None);
        assert_eq!(script.rules().len(), 1, "a rule that is used up is gone");
        script.clear();
        assert_eq!(script.strike(Family::Trades, "/"), None);
    }

    #[test]
    fn probability_is_drawn_from_the_seed() {
        let strikes = |seed| {
            let mut script = Script::new(seed);
            script.add(FaultRule { probability: Some(0.3), ..Fault::Empty.always() });
            (0..1_000).map(|_| script.strike(Family::Book, "/").is_some()).collect::<Vec<_>>()
        };
        let struck = strikes(5).iter().filter(|struck| **struck).count();
        assert!((230..370).contains(&struck), "{struck}");
        assert_eq!(strikes(5), strikes(5));
        assert_ne!(strikes(5), strikes(6));
    }
}
