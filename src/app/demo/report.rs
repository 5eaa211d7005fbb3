//! What the demo prints, no line longer than a terminal of 80 columns.

use std::{fmt::Write as _, net::SocketAddr, time::Duration};

use super::tally::Seen;
use crate::sim::{Counts, Family, Limits};

/// What it is, and what to paste.
pub(super) fn opening(
    gateway: SocketAddr,
    exchange: &str,
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
    format!(
        "\
A simulated exchange (seed {seed}, {exchange}) that enforces the
limits which Bitfinex documents, and in front of it the gateway:

  http://{gateway}

{operate}Paste these into another terminal; the first shows the age of its answer, the
second how old each part of it is, the third is the exchange's own interface,
and the fourth follows a market live.

curl -i {gateway}/api/market-data/ticker/BTC/USD
curl -s {gateway}/api/market-data/market-context/ETHUSD | tail -c600
curl -i {gateway}/v2/ticker/tBTCUSD
curl -N '{gateway}/api/market-data/stream?symbols=BTCUSD&channels=trades'

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
    /// The family with the least of its budget left, what is left, and the whole.
    pub(super) scarcest: Option<(&'static str, u32, u32)>,
    /// What 99 % of the latest answers stayed below.
    pub(super) p99: Option<Duration>,
}

/// The head of the table whose rows are [`Status::row`].
pub(super) const HEAD: &str =
    "  time      asked  from cache  streams  upstream  429s    budget left       p99\n";

impl Status {
    /// A row of the table.
    pub(super) fn row(&self) -> String {
        let from_cache =
            self.from_cache.map_or_else(|| "-".to_owned(), |count| percent(count, self.asked));
        let left = match self.scarcest {
            Some((family, left, limit)) => format!("{family} {left}/{limit}"),
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

/// What happened in all.
#[derive(Debug)]
pub(super) struct Summary {
    /// How many clients asked.
    pub(super) clients: usize,
    /// How long.
    pub(super) lasted: Duration,
    /// What they saw.
    pub(super) seen: Seen,
    /// Requests to the gateway, the clients' and a guest's.
    pub(super) asked: u64,
    /// What the exchange saw.
    pub(super) exchange: Counts,
}

impl Summary {
    /// The text.
    pub(super) fn text(&self) -> String {
        let mut text = format!("\nSummary of {:.0} s\n", self.lasted.as_secs_f64());
        if self.clients > 0 {
            self.tell_clients(&mut text);
        } else {
            let _ = writeln!(text, "\n  the gateway was asked {} times", grouped(self.asked));
        }
        self.tell_exchange(&mut text);
        if self.clients > 0 {
            self.tell_alternative(&mut text);
        }
        text
    }

    fn tell_clients(&self, text: &mut String) {
        let seen = &self.seen;
        let rate = seen.asked as f64 / self.lasted.as_secs_f64().max(0.001);
        let share = |count| format!("{:>9} {:>6}", grouped(count), percent(count, seen.asked));
        let quantile = |share| seen.took.quantile(share).map_or_else(|| "-".to_owned(), duration);
        let others = seen.asked - seen.from_cache - seen.refused - seen.failed;
        let _ = write!(
            text,
            "
  asked by {:<5} clients   {:>9}        {rate:.0} a second
  answered from the cache  {}
  all of it from streams   {}
  waited for the exchange  {}
  refused with a reason    {}
  not answered             {}
  time to answer           half within {}, 99 % within {}
  oldest data served       {} s, which its Age header said
",
            self.clients,
            grouped(seen.asked),
            share(seen.from_cache),
            share(seen.from_streams),
            share(others),
            share(seen.refused),
            share(seen.failed),
            quantile(0.5),
            quantile(0.99),
            seen.oldest,
        );
    }

    fn tell_exchange(&self, text: &mut String) {
        let counts = &self.exchange;
        let head = "\n  the exchange saw    calls   most in a minute   allowed in a minute\n";
        text.push_str(head);
        for (family, calls) in &counts.received {
            let allowed = Limits::DOCUMENTED.of(*family);
            let allowed = allowed.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
            let peak = counts.peak_of(*family);
            let (name, calls) = (family.as_str(), grouped(*calls));
            let _ = writeln!(text, "  {name:<14} {calls:>10} {peak:>18} {allowed:>21}");
        }
        let total = counts.total();
        let _ = write!(text, "  {:<14} {:>10}", "in all", grouped(total));
        if total > 0 && self.asked > 0 {
            let ratio = self.asked as f64 / total as f64;
            let _ = write!(text, "   one call for {ratio:.1} requests");
        }
        let _ = writeln!(text, "\n  {:<14} {:>10}", "answered 429", counts.refused_total());
    }

    fn tell_alternative(&self, text: &mut String) {
        let calls = &self.seen.calls;
        let Some((most, count)) = calls.iter().max_by_key(|(family, count)| overrun(family, count))
        else {
            return;
        };
        let total: u64 = calls.values().sum();
        let minute = self.lasted.as_secs_f64() / Limits::MINUTE.as_secs_f64();
        let rate = (*count as f64 / minute.max(f64::EPSILON)).round() as u64;
        let allowed = Limits::DOCUMENTED.of(*most).unwrap_or_default();
        let mut words = format!(
            "Without the gateway the exchange would have been sent {} calls (a market context is \
             three), {} of them for {most}: {} a minute, where it allows {allowed}",
            grouped(total),
            grouped(*count),
            grouped(rate),
        );
        if let Some((family, after)) = self.seen.breach {
            let _ = write!(
                words,
                ", and its first 429 would have come after {:.1} s, for {family}",
                after.as_secs_f64()
            );
        }
        words.push('.');
        text.push('\n');
        text.push_str(&wrapped(&words));
    }
}

/// How many thousandths of a minute's limit so many calls are.
fn overrun(family: &Family, count: &u64) -> u64 {
    Limits::DOCUMENTED.of(*family).map_or(0, |limit| count * 1000 / u64::from(limit.max(1)))
}

/// The budgets' worst: least left in proportion. Ties go to the smaller budget.
pub(super) fn scarcest(
    budgets: impl Iterator<Item = (&'static str, u32, u32)>,
) -> Option<(&'static str, u32, u32)> {
    let share = |left: u32, limit: u32| u64::from(left) * 1_000_000 / u64::from(limit.max(1));
    budgets.min_by_key(|(_, left, limit)| (share(*left, *limit), *limit))
}

fn wrapped(words: &str) -> String {
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
fn grouped(count: u64) -> String {
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
fn percent(part: u64, whole: u64) -> String {
    let share = part as f64 / whole.max(1) as f64 * 100.0;
    if part == 0 {
        "0%".to_owned()
    } else if part == whole {
        "100%".to_owned()
    } else {
        format!("{:.1}%", share.clamp(0.1, 99.9))
    }
}

fn duration(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    match millis {
        0.0..10.0 => format!("{millis:.2} ms"),
        10.0..1000.0 => format!("{millis:.0} ms"),
        _ => format!("{:.2} s", millis / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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

    #[tokio::test(start_paused = true)]
    async fn the_summary_says_what_was_counted() {
        let mut seen = Seen::new();
        seen.asked = 400;
        seen.from_cache = 390;
        seen.from_streams = 200;
        seen.refused = 1;
        seen.oldest = 17;
        seen.calls = BTreeMap::from([(Family::Candles, 300), (Family::Ticker, 400)]);
        seen.breach = Some((Family::Candles, Duration::from_millis(1_240)));
        let exchange = Counts {
            received: BTreeMap::from([(Family::Candles, 9), (Family::Ticker, 11)]),
            refused: BTreeMap::new(),
            peak: BTreeMap::from([(Family::Candles, 8), (Family::Ticker, 11)]),
            ..Counts::default()
        };
        let lasted = Duration::from_secs(30);
        let summary = Summary { clients: 50, lasted, seen, asked: 402, exchange };
        let text = summary.text();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let table: Vec<&str> =
            text.lines().skip_while(|line| !line.contains("exchange saw")).take(3).collect();
        assert_eq!(
            table,
            [
                "  the exchange saw    calls   most in a minute   allowed in a minute",
                "  ticker                 11                 11                    90",
                "  candles                 9                  8                    30",
            ]
        );
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in [
            "Summary of 30 s",
            "asked by 50 clients 400 13 a second",
            "answered from the cache 390 97.5%",
            "all of it from streams 200 50.0%",
            "waited for the exchange 9 2.2%",
            "refused with a reason 1 0.2%",
            "oldest data served 17 s",
            "candles 9 8 30",
            "ticker 11 11 90",
            "in all 20 one call for 20.1 requests",
            "answered 429 0",
            "would have been sent 700 calls (a market context is three), 300 of them for candles: \
             600 a minute, where it allows 30, and its first 429 would have come after 1.2 s, for \
             candles.",
        ] {
            assert!(words.contains(said), "{said} is not in {text}");
        }
    }
}
