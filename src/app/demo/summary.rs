//! What happened in all, as text.

use std::{fmt::Write as _, time::Duration};

use super::{
    report::{duration, grouped, percent, wrapped},
    tally::Seen,
};
use crate::sim::{Counts, Family, Kind, Limits};

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
    /// What the exchanges saw.
    pub(super) exchanges: Vec<Saw>,
}

/// What one exchange saw.
#[derive(Debug)]
pub(super) struct Saw {
    pub(super) exchange: Kind,
    pub(super) counts: Counts,
    /// What the gateway may use of it in a minute, and of what.
    pub(super) budget: Vec<(u32, &'static str)>,
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
        self.tell_exchanges(&mut text);
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

    fn tell_exchanges(&self, text: &mut String) {
        let is_alone = self.exchanges.len() == 1;
        for saw in &self.exchanges {
            saw.tell(is_alone, text);
            if is_alone && saw.exchange == Kind::Bitfinex {
                self.tell_ratio(text);
            }
            let refused = saw.counts.refused_total();
            let _ = writeln!(text, "\n  {:<14} {refused:>10}", "answered 429");
        }
        if !matches!(&self.exchanges[..], [Saw { exchange: Kind::Bitfinex, .. }]) {
            let _ = write!(text, "\n  {:<14} {:>10}", "all together", grouped(self.calls()));
            self.tell_ratio(text);
            text.push('\n');
        }
    }

    fn calls(&self) -> u64 {
        self.exchanges.iter().map(|saw| saw.counts.total()).sum()
    }

    fn tell_ratio(&self, text: &mut String) {
        let calls = self.calls();
        if calls > 0 && self.asked > 0 {
            let ratio = self.asked as f64 / calls as f64;
            let _ = write!(text, "   one call for {ratio:.1} requests");
        }
    }

    fn tell_alternative(&self, text: &mut String) {
        let words = match &self.exchanges[..] {
            [Saw { exchange: Kind::Bitfinex, .. }] => self.without_it(),
            _ => self.without_it_anywhere(),
        };
        if let Some(words) = words {
            text.push('\n');
            text.push_str(&wrapped(&words));
        }
    }

    fn a_minute(&self, count: u64) -> String {
        let minutes = self.lasted.as_secs_f64() / Limits::MINUTE.as_secs_f64();
        grouped((count as f64 / minutes.max(f64::EPSILON)).round() as u64)
    }

    /// What Bitfinex, with its limits for each family, would have been sent.
    fn without_it(&self) -> Option<String> {
        let calls = &self.seen.calls;
        let most = calls.iter().max_by_key(|((_, family), count)| overrun(family, count));
        let ((_, most), count) = most?;
        let total: u64 = calls.values().sum();
        let allowed = Limits::DOCUMENTED.of(*most).unwrap_or_default();
        let mut words = format!(
            "Without the gateway the exchange would have been sent {} calls (a market context is \
             three), {} of them for {most}: {} a minute, where it allows {allowed}",
            grouped(total),
            grouped(*count),
            self.a_minute(*count),
        );
        if let Some((family, after)) = self.seen.breach {
            let _ = write!(
                words,
                ", and its first 429 would have come after {:.1} s, for {family}",
                after.as_secs_f64()
            );
        }
        words.push('.');
        Some(words)
    }

    /// What several exchanges would have been sent.
    fn without_it_anywhere(&self) -> Option<String> {
        let calls = &self.seen.calls;
        let all: u64 = calls.values().sum();
        let each = self.exchanges.iter().map(|saw| {
            let own = calls.iter().filter(|((exchange, _), _)| *exchange == saw.exchange);
            let count = own.map(|(_, count)| count).sum();
            format!("{} {}", saw.exchange, self.a_minute(count))
        });
        let each = each.collect::<Vec<_>>().join(", ");
        let words = format!(
            "Without the gateway {} calls would have been sent (a market context is three); in a \
             minute: {each}.",
            grouped(all),
        );
        (all > 0).then_some(words)
    }
}

impl Saw {
    /// The table of its families, up to the number of all calls.
    fn tell(&self, is_alone: bool, text: &mut String) {
        let who = if is_alone { "the exchange" } else { self.exchange.as_str() };
        let head = format!("{who} saw");
        let _ = writeln!(text, "\n  {head:<16}    calls   most in a minute   allowed in a minute");
        for (family, calls) in &self.counts.received {
            // Only Bitfinex has a limit for each family.
            let documented = (self.exchange == Kind::Bitfinex).then_some(Limits::DOCUMENTED);
            let allowed = documented.and_then(|limits| limits.of(*family));
            let allowed = allowed.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
            let peak = self.counts.peak_of(*family);
            let (name, calls) = (family.as_str(), grouped(*calls));
            let _ = writeln!(text, "  {name:<14} {calls:>10} {peak:>18} {allowed:>21}");
        }
        let _ = write!(text, "  {:<14} {:>10}", "in all", grouped(self.counts.total()));
        if self.exchange != Kind::Bitfinex {
            for (limit, unit) in &self.budget {
                let _ = write!(text, "   the gateway's budget: {limit} {unit} a minute");
            }
        }
    }
}

/// How many thousandths of a minute's limit so many calls are.
fn overrun(family: &Family, count: &u64) -> u64 {
    Limits::DOCUMENTED.of(*family).map_or(0, |limit| count * 1000 / u64::from(limit.max(1)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_summary_says_what_was_counted() {
        let mut seen = Seen::new();
        seen.asked = 400;
        seen.from_cache = 390;
        seen.from_streams = 200;
        seen.refused = 1;
        seen.oldest = 17;
        seen.calls = BTreeMap::from([
            ((Kind::Bitfinex, Family::Candles), 300),
            ((Kind::Bitfinex, Family::Ticker), 400),
        ]);
        seen.breach = Some((Family::Candles, Duration::from_millis(1_240)));
        let counts = Counts {
            received: BTreeMap::from([(Family::Candles, 9), (Family::Ticker, 11)]),
            refused: BTreeMap::new(),
            peak: BTreeMap::from([(Family::Candles, 8), (Family::Ticker, 11)]),
            ..Counts::default()
        };
        let lasted = Duration::from_secs(30);
        let exchanges = vec![Saw { exchange: Kind::Bitfinex, counts, budget: Vec::new() }];
        let summary = Summary { clients: 50, lasted, seen, asked: 402, exchanges };
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

    #[tokio::test(start_paused = true)]
    async fn several_exchanges_have_a_table_each() {
        let mut seen = Seen::new();
        seen.asked = 900;
        seen.calls = BTreeMap::from([
            ((Kind::Kraken, Family::Ticker), 1_000),
            ((Kind::Binance, Family::Candles), 200),
            ((Kind::Binance, Family::Book), 300),
        ]);
        let saw = |exchange, family, calls, budget| Saw {
            exchange,
            counts: Counts {
                received: BTreeMap::from([(family, calls)]),
                peak: BTreeMap::from([(family, calls - 1)]),
                ..Counts::default()
            },
            budget: vec![budget],
        };
        let exchanges = vec![
            saw(Kind::Kraken, Family::Tickers, 10, (60, "requests")),
            saw(Kind::Binance, Family::Book, 20, (3_000, "weight")),
        ];
        let lasted = Duration::from_secs(30);
        let text = Summary { clients: 8, lasted, seen, asked: 900, exchanges }.text();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        for said in [
            "\n  kraken saw          calls   most in a minute   allowed in a minute\n  tickers   ",
            "  in all                 10   the gateway's budget: 60 requests a minute\n",
            "\n  binance saw         calls ",
            "   the gateway's budget: 3000 weight a minute\n",
            "\n  all together           30   one call for 30.0 requests\n",
        ] {
            assert!(text.contains(said), "{said} is not in {text}");
        }
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = "Without the gateway 1,500 calls would have been sent (a market context is three); in \
                    a minute: kraken 2,000, binance 1,000.";
        assert!(words.ends_with(said), "{text}");
    }
}
