//! How far an exchange's candles reach: which times it can be asked about, and of which times an
//! answer tells.

use std::time::Duration;

use super::{
    track::Selection,
    want::{Gap, Toward, Want, buckets, is_aligned},
};
use crate::{
    exchange::{CandleHistory, CandlePages, Profile},
    market::{CandleQuery, Span, Timeframe, UnixMs},
    service::ServiceError,
};

/// After so many pages in a row without a candle a request goes no further.
const EMPTY_PAGES: usize = 3;
/// Pages of buckets are asked for in no smaller size, since a call costs the same however few rows
/// it brings.
pub(super) const FEWEST: usize = 250;

/// What an exchange tells of the series of one width.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach<'a> {
    profile: &'a Profile,
    timeframe: Timeframe,
}

impl<'a> Reach<'a> {
    pub(super) fn new(profile: &'a Profile, timeframe: Timeframe) -> Self {
        Self { profile, timeframe }
    }

    /// Most rows, or buckets, of one answer.
    pub(super) fn most(&self) -> usize {
        usize::try_from(self.profile.max_candles).unwrap_or(usize::MAX)
    }

    /// True if an answer is about so many buckets, not about so many rows.
    pub(super) fn is_by_buckets(&self) -> bool {
        self.profile.candle_pages == CandlePages::Buckets
    }

    /// True if every answer has the newest candles, so that it costs nothing to take them all.
    pub(super) fn is_limited(&self) -> bool {
        matches!(self.profile.candle_history, CandleHistory::Newest(_))
    }

    /// The first opening time that can be asked about at `at`; `None`: there is no such limit. The
    /// bucket that is open counts as one of those that the exchange tells.
    pub(super) fn begin(&self, at: UnixMs) -> Option<UnixMs> {
        let CandleHistory::Newest(count) = self.profile.candle_history else { return None };
        let newest = if is_aligned(self.timeframe) { self.timeframe.start_of(at) } else { at };
        Some(newest - self.width() * count.saturating_sub(1))
    }

    /// The part of a gap that can be asked for at `at`; `None` if its near end cannot.
    pub(super) fn within(&self, gap: Gap, at: UnixMs) -> Option<Gap> {
        let Some(begin) = self.begin(at) else { return Some(gap) };
        match gap.toward {
            Toward::Later => (gap.span.from >= begin).then_some(gap),
            Toward::Earlier => {
                let span = Span::new(gap.span.from.max(begin), gap.span.to);
                (!span.is_empty()).then_some(Gap { span, ..gap })
            }
        }
    }

    /// That something cannot be asked for.
    pub(super) fn refusal(&self, at: UnixMs) -> ServiceError {
        let (name, width) = (self.profile.name, self.timeframe);
        let begin = self.begin(at).map(UnixMs::iso).unwrap_or_default();
        let count = match self.profile.candle_history {
            CandleHistory::Newest(count) => count,
            CandleHistory::Whole => 0,
        };
        ServiceError::Unsupported(format!(
            "{name} tells only the newest {count} candles of a width: {width} ones from {begin} on. \
             Earlier ones are not held here"
        ))
    }

    /// The opening times that a query is about, where answers are about buckets. A query without
    /// bounds is about nothing that could be told for certain.
    pub(super) fn of_query(&self, query: &CandleQuery) -> Span {
        let reach = self.width() * query.limit;
        let end = query.until.map(|until| self.timeframe.end_of(until));
        match (query.since, end) {
            (Some(since), None) => Span::new(since, since + reach),
            (Some(since), Some(end)) => Span::new(since, end.min(since + reach)),
            (None, Some(end)) => Span::new(end - reach, end),
            (None, None) => Span::new(UnixMs::from_millis(0), UnixMs::from_millis(0)),
        }
    }

    /// True if so many buckets without a candle are known beside a gap that a request goes no
    /// further: `so_far` is what is known before the gap.
    pub(super) fn is_quiet(&self, want: &Want, gap: &Gap, so_far: &Selection) -> bool {
        let quiet = match gap.toward {
            Toward::Earlier => {
                let first = so_far.rows.first().map(|row| row.open_time);
                Span::new(gap.span.to, first.unwrap_or(want.to))
            }
            Toward::Later => {
                let last = so_far.rows.last().map(|row| self.timeframe.end_of(row.open_time));
                Span::new(last.or(want.from).unwrap_or(gap.span.from), gap.span.from)
            }
        };
        let buckets = buckets(self.timeframe, quiet.from, quiet.to);
        self.is_by_buckets() && buckets >= EMPTY_PAGES * FEWEST.min(self.most())
    }

    /// A span in as many parts as it takes answers to tell about all of it; whole, where answers
    /// are about rows.
    pub(super) fn pages(&self, span: Span) -> Vec<Span> {
        if !self.is_by_buckets() {
            return vec![span];
        }
        let page = self.width() * self.profile.max_candles;
        let mut pages = Vec::new();
        let mut from = span.from;
        while from < span.to {
            let to = span.to.min(from + page);
            pages.push(Span::new(from, to));
            from = to;
        }
        pages
    }

    /// No bucket of the series is shorter.
    fn width(&self) -> Duration {
        self.timeframe.fixed().unwrap_or(Duration::from_secs(28 * 86_400))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        exchange::{coinbase, kraken},
        market::{Bound, Kind, Listing, Symbol},
    };

    fn at(text: &str) -> UnixMs {
        text.parse().unwrap()
    }

    fn span(from: &str, to: &str) -> Span {
        Span::new(at(from), at(to))
    }

    fn gap(from: &str, to: &str, toward: Toward) -> Gap {
        Gap { span: span(from, to), toward, count: 10, anew: false }
    }

    #[test]
    fn what_lies_before_the_newest_ones_cannot_be_asked_for() {
        let reach = Reach::new(&kraken::PROFILE, Timeframe::H1);
        let now = at("2026-03-31T12:30:00Z");
        // 720 hours with the open one among them.
        assert_eq!(reach.begin(now), Some(at("2026-03-01T13:00:00Z")));
        let across = ("2026-02-01", "2026-03-05");
        let earlier = reach.within(gap(across.0, across.1, Toward::Earlier), now).unwrap();
        assert_eq!(earlier.span, span("2026-03-01T13:00:00Z", "2026-03-05"));
        assert_eq!(reach.within(gap(across.0, across.1, Toward::Later), now), None);
        assert_eq!(
            reach.within(gap("2026-02-01", "2026-03-01T13:00:00Z", Toward::Earlier), now),
            None
        );
        let later = gap("2026-03-01T13:00:00Z", "2026-03-05", Toward::Later);
        assert_eq!(reach.within(later, now), Some(later));
        let ServiceError::Unsupported(text) = reach.refusal(now) else { panic!() };
        assert!(text.contains("newest 720") && text.contains("2026-03-01T13:00:00.000Z"), "{text}");
        let whole = Reach::new(&coinbase::PROFILE, Timeframe::H1);
        assert_eq!(whole.begin(now), None);
    }

    #[test]
    fn a_page_of_buckets_is_known_by_its_query() {
        let reach = Reach::new(&coinbase::PROFILE, Timeframe::M1);
        let market = Arc::new(Listing {
            symbol: Symbol::spot("BTC", "USD"),
            id: "BTC-USD".into(),
            listed_as: None,
            base: "BTC".into(),
            quote: "USD".into(),
            settle: None,
            kind: Kind::Spot,
            margin: None,
            amount: Bound::default(),
            amount_decimals: None,
            price_significant_digits: None,
            amount_step: None,
            price_step: None,
            aliases: Vec::new(),
        });
        let told = |since: Option<&str>, until: Option<&str>| {
            let (since, until) = (since.map(at), until.map(at));
            let (market, timeframe) = (market.clone(), Timeframe::M1);
            reach.of_query(&CandleQuery { market, timeframe, limit: 60, since, until })
        };
        let (nine, ten) = ("2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z");
        assert_eq!(told(Some(nine), None), span(nine, ten));
        assert_eq!(told(None, Some("2026-03-01T09:59:00Z")), span(nine, ten));
        let half = "2026-03-01T09:29:00Z";
        assert_eq!(told(Some(nine), Some(half)), span(nine, "2026-03-01T09:30:00Z"));
        assert_eq!(told(Some(nine), Some("2026-03-02")), span(nine, ten));
        let pages = reach.pages(span(nine, "2026-03-01T20:00:00Z"));
        let lengths: Vec<u128> =
            pages.iter().map(|it| it.to.since(it.from).as_secs().into()).collect();
        assert_eq!(lengths, [18_000, 18_000, 3_600]);
    }
}
