//! What the demo prints, no line longer than a terminal of 80 columns.

use std::{fmt::Write as _, net::SocketAddr, time::Duration};

use crate::sim::Kind;

/// What it is, and what to paste. `exchanges`: who is simulated, and where.
pub(super) fn opening(
    gateway: SocketAddr,
    exchanges: &[(Kind, String)],
    seed: u64,
    clients: usize,
    key: Option<&str>,
) -> String {
    let fleet = match clients {
        0 => "No client asks by itself; a line appears here when you have asked.".to_owned(),
        1 => "One client begins to ask now, as a trading bot does.".to_owned(),
        _ => format!("{clients} clients begin to ask now, as trading bots do."),
    };
    let operate = key.map_or_else(String::new, |key| {
        format!(
            "\
Open it in a browser: that is the page for operators. This key, good for as long
as the demo runs, lets you drain, cordon or clear by its \"Operate...\":

  {key}

"
        )
    });
    let simulated = match exchanges {
        [(Kind::Bitfinex, url)] => format!(
            "A simulated exchange (seed {seed}, {url}) that enforces the\nlimits which Bitfinex \
             documents, and in front of it the gateway:\n"
        ),
        several => {
            let mut text = format!(
                "Simulated exchanges (seed {seed}) that enforce the limits which the real ones\n\
                 document, and in front of them the gateway:\n\n"
            );
            for (kind, url) in several {
                let _infallible = writeln!(text, "  {:<9} {url}", kind.as_str());
            }
            text
        }
    };
    let paste = match exchanges {
        [(Kind::Bitfinex, _)] => format!(
            "\
Paste these into another terminal; the first shows the age of its answer, the
second how old each part of it is, the third is the exchange's own interface,
and the fourth follows a market live.

curl -i {gateway}/api/market-data/ticker/BTC/USD
curl -s {gateway}/api/market-data/market-context/ETHUSD | tail -c600
curl -i {gateway}/v2/ticker/tBTCUSD
curl -N '{gateway}/api/market-data/stream?symbols=BTCUSD&channels=trades'
"
        ),
        several => {
            let (last, _) = &several[several.len() - 1];
            let spelt = |kind| if kind == Kind::Binance { "BTCUSDT" } else { "BTCUSD" };
            let (symbol, followed) = (spelt(*last), spelt(several[0].0));
            format!(
                "\
Paste these into another terminal; the first tells what the exchanges offer and
have left, the second shows the age of its answer, the third compares them, and
the fourth follows a market live.

curl -s {gateway}/api/market-data/exchanges
curl -i '{gateway}/api/market-data/ticker/{symbol}?exchange={last}'
curl -s '{gateway}/api/market-data/compare/BTC/USD?equivalent=true'
curl -N '{gateway}/api/market-data/stream?symbols={followed}&channels=trades'
"
            )
        }
    };
    format!(
        "\
{simulated}
  http://{gateway}

{operate}{paste}
{fleet} Ctrl-C ends it.

"
    )
}

/// The state at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status {
    /// Since the demo was ready.
    pub(super) since: Duration,
    /// Requests to the gateway.
    pub(super) asked: u64,
    /// Of those, answered out of the cache; `None` where nobody counts them.
    pub(super) from_cache: Option<u64>,
    /// Of those, answered from the exchange's WebSocket.
    pub(super) from_streams: u64,
    /// Of those, refused or not answered.
    pub(super) refused: u64,
    /// Calls that reached the exchange.
    pub(super) upstream: u64,
    /// Of those, refused for its limits.
    pub(super) limited: u64,
    /// The family with the least of its budget left, or its exchange where there are several, what
    /// is left, and the whole.
    pub(super) scarcest: Option<(&'static str, u32, u32)>,
    /// What 99 % of the latest answers stayed below.
    pub(super) p99: Option<Duration>,
}

/// The head of the table whose rows are [`Status::row`].
pub(super) const HEAD: &str =
    "  time      asked  from cache  streams  upstream  429s    budget left       p99\n";

/// Width of the column for what is left.
const LEFT: usize = 13;

impl Status {
    /// A row of the table.
    pub(super) fn row(&self) -> String {
        let from_cache =
            self.from_cache.map_or_else(|| "-".to_owned(), |count| percent(count, self.asked));
        let left = match self.scarcest {
            Some((name, left, limit)) => {
                let whole = format!("{name} {left}/{limit}");
                if whole.len() <= LEFT {
                    whole
                } else {
                    format!("{name} {}%", left * 100 / limit.max(1))
                }
            }
            None => "-".to_owned(),
        };
        let seconds = self.since.as_secs();
        let mut row = format!(
            "{:>3}:{:02}  {:>9}  {from_cache:>10}  {:>7}  {:>8}  {:>4}  {left:>13}  {:>8}",
            seconds / 60,
            seconds % 60,
            grouped(self.asked),
            percent(self.from_streams, self.asked),
            grouped(self.upstream),
            self.limited,
            self.p99.map_or_else(|| "-".to_owned(), duration),
        );
        if self.refused > 0 {
            let share = percent(self.refused, self.asked);
            let _ = write!(row, "\n        refused or unanswered: {} ({share})", self.refused);
        }
        row.push('\n');
        row
    }
}

/// The budgets' worst: least left in proportion. Ties go to the smaller budget.
pub(super) fn scarcest(
    budgets: impl Iterator<Item = (&'static str, u32, u32)>,
) -> Option<(&'static str, u32, u32)> {
    let share = |left: u32, limit: u32| u64::from(left) * 1_000_000 / u64::from(limit.max(1));
    budgets.min_by_key(|(_, left, limit)| (share(*left, *limit), *limit))
}

pub(super) fn wrapped(words: &str) -> String {
    const WIDTH: usize = 78;
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let line = lines.last_mut().expect("there is a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n") + "\n"
}

/// Digits in groups of three.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share that is 100 % or 0 % only where it is exactly that.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let share = part as f64 / whole.max(1) as f64 * 100.0;
    if part == 0 {
        "0%".to_owned()
    } else if part == whole {
        "100%".to_owned()
    } else {
        format!("{:.1}%", share.clamp(0.1, 99.9))
    }
}

pub(super) fn duration(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    match millis {
        0.0..10.0 => format!("{millis:.2} ms"),
        10.0..1000.0 => format!("{millis:.0} ms"),
        _ => format!("{:.2} s", millis / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: Status = Status {
        since: Duration::from_secs(125),
        asked: 12_345_678,
        from_cache: Some(12_345_677),
        from_streams: 6_172_839,
        refused: 0,
        upstream: 1_234,
        limited: 0,
        scarcest: Some(("candles", 22, 30)),
        p99: Some(Duration::from_micros(4_126)),
    };

    #[test]
    fn rows_stand_under_their_heads_within_80_columns() {
        let row = STATUS.row();
        assert_eq!(
            format!("{HEAD}{row}"),
            "  time      asked  from cache  streams  upstream  429s    budget left       p99\n  \
             2:05  12,345,678       99.9%    50.0%     1,234     0  candles 22/30   4.13 ms\n"
        );
        let refused = Status { refused: 3, ..STATUS }.row();
        assert!(refused.ends_with("\n        refused or unanswered: 3 (0.1%)\n"), "{refused}");
        assert!(refused.lines().chain(HEAD.lines()).all(|line| line.len() <= 80), "{refused}");
        let silent = Status { from_cache: None, p99: None, scarcest: None, ..STATUS }.row();
        assert_eq!(silent.matches(" -").count(), 3, "{silent}");
        let wide = Status { scarcest: Some(("coinbase", 297, 300)), ..STATUS }.row();
        assert!(wide.contains("   coinbase 99%  "), "{wide}");
    }

    #[test]
    fn shares_are_never_rounded_to_all_or_nothing() {
        assert_eq!(percent(0, 0), "0%");
        assert_eq!(percent(0, 9), "0%");
        assert_eq!(percent(1, 1_000_000), "0.1%");
        assert_eq!(percent(999_999, 1_000_000), "99.9%");
        assert_eq!(percent(9, 9), "100%");
        assert_eq!((grouped(7).as_str(), grouped(1_234_567).as_str()), ("7", "1,234,567"));
    }

    #[test]
    fn the_scarcest_budget_is_the_one_with_the_least_share_left() {
        let budgets = [("ticker", 80, 90), ("candles", 4, 30), ("book", 30, 240)];
        assert_eq!(scarcest(budgets.into_iter()), Some(("book", 30, 240)));
        assert_eq!(scarcest([("a", 90, 90), ("b", 15, 15)].into_iter()), Some(("b", 15, 15)));
        assert_eq!(scarcest(std::iter::empty()), None);
    }
}
