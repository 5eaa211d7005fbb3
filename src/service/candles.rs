//! Candles.

use std::{ops::Range, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{
    Got, Product, Series, ServiceError, Shelf, Value,
    product::got_candles,
    series::{self, Line},
    span::{Bounds, select},
};
use crate::{
    cache::{Ask, Read},
    exchange::{Family, Profile, UpstreamError},
    market::{Candle, CandleQuery, Listing, Timeframe, UnixMs},
    telemetry::DataKind,
};

/// Trades may arrive late: a bucket counts as closed this long after its end.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// What of a series a client wants to see. Bounds are inclusive opening times.
#[derive(Clone, Copy, Debug)]
pub struct CandleView {
    /// Width.
    pub timeframe: Timeframe,
    /// At most this many.
    pub limit: u32,
    /// The first candles from here on; without it the last ones.
    pub since: Option<UnixMs>,
    /// Nothing later than this.
    pub until: Option<UnixMs>,
    /// Leave out a candle that may still change.
    pub closed_only: bool,
}

/// Candles that were read: the part of a held series that was asked for.
pub struct Candles {
    got: Got<Series<Candle>>,
    rows: Range<usize>,
    timeframe: Timeframe,
}

impl Candles {
    /// The series they are part of, with its stamp.
    pub fn got(&self) -> &Got<Series<Candle>> {
        &self.got
    }

    /// Oldest first.
    pub fn rows(&self) -> &[Candle] {
        self.got.rows.get(self.rows.clone()).unwrap_or_default()
    }

    /// Whether a candle was final when it was received. It never becomes so by waiting: what is
    /// held is what was seen while the bucket was open. A stream that confirms it after its end
    /// is another receipt ([`Live`](super::Live) stamps the series anew then).
    pub fn is_closed(&self, candle: &Candle) -> bool {
        is_closed(self.timeframe, candle.open_time, self.got.stamp().received_at)
    }
}

/// Whether the bucket that opened then had ended for good when it was seen.
pub(super) fn is_closed(timeframe: Timeframe, open_time: UnixMs, seen_at: UnixMs) -> bool {
    timeframe.end_of(open_time) + CLOSE_GRACE <= seen_at
}

/// The candle series of one exchange.
#[derive(Clone)]
pub struct CandleSeries {
    shelf: Arc<Shelf>,
}

impl CandleSeries {
    pub(super) fn new(shelf: Arc<Shelf>) -> Self {
        Self { shelf }
    }

    /// Candles as `view` says.
    pub async fn get(
        &self,
        market: &Arc<Listing>,
        view: CandleView,
        ask: Ask,
    ) -> Result<Candles, ServiceError> {
        let timeframe = view.timeframe;
        self.shelf.offered(timeframe)?;
        let bounds = self.bounds(&view);
        let line = CandleLine { market: market.clone(), timeframe };
        let got = series::read(&self.shelf, &line, &bounds, ask).await?;
        let seen_at = got.stamp().received_at;
        let open = |candle: &&Candle| !is_closed(timeframe, candle.open_time, seen_at);
        let left_out =
            if view.closed_only { got.rows.iter().rev().take_while(open).count() } else { 0 };
        let closed = &got.rows[..got.rows.len() - left_out];
        let rows = select(closed, &Bounds { limit: view.limit, ..bounds });
        Ok(Candles { got, rows, timeframe })
    }

    /// Bounds moved onto buckets, so that requests which mean the same are the same; one row more
    /// where the newest one may have to be left out.
    fn bounds(&self, view: &CandleView) -> Bounds<Candle> {
        let timeframe = view.timeframe;
        // Exchanges count two-week buckets from days of their own.
        let aligns = timeframe != Timeframe::W2;
        let now = self.shelf.clock.now();
        let since = view.since.map(|since| match timeframe.start_of(since) {
            start if aligns && start != since => timeframe.end_of(start),
            _ => since,
        });
        let until = view.until.filter(|until| *until < now);
        let until = until.map(|until| if aligns { timeframe.start_of(until) } else { until });
        let spare = u32::from(view.closed_only && since.is_none());
        let limit = (view.limit + spare).min(self.shelf.exchange.profile().max_candles);
        Bounds { limit, since, until, time: CandleLine::time }
    }
}

#[derive(Clone)]
struct CandleLine {
    market: Arc<Listing>,
    timeframe: Timeframe,
}

impl Line for CandleLine {
    type Row = Candle;
    const FAMILY: Family = Family::Candles;
    const LATEST: DataKind = DataKind::Ohlcv;

    fn latest(&self) -> Product {
        Product::Candles { id: self.market.id.clone(), timeframe: self.timeframe }
    }

    fn span(&self, limit: u32, since: Option<UnixMs>, until: Option<UnixMs>) -> Product {
        let (id, timeframe) = (self.market.id.clone(), self.timeframe);
        Product::CandleSpan { id, timeframe, limit, since, until }
    }

    fn max(profile: &Profile) -> u32 {
        profile.max_candles
    }

    fn fetch(
        self,
        shelf: Arc<Shelf>,
        limit: u32,
        since: Option<UnixMs>,
        until: Option<UnixMs>,
    ) -> BoxFuture<'static, Result<Vec<Candle>, UpstreamError>> {
        let (market, timeframe) = (self.market, self.timeframe);
        let query = CandleQuery { market, timeframe, limit, since, until };
        Box::pin(async move { shelf.exchange.candles(&query).await })
    }

    fn time(row: &Candle) -> UnixMs {
        row.open_time
    }

    fn is_past(&self, at: UnixMs, now: UnixMs) -> bool {
        is_closed(self.timeframe, at, now)
    }

    fn wrap(series: Series<Candle>) -> Value {
        Value::Candles(series)
    }

    fn unwrap(value: &Value) -> Option<&Series<Candle>> {
        match value {
            Value::Candles(series) => Some(series),
            _ => None,
        }
    }

    fn got(read: Read<Value>) -> Got<Series<Candle>> {
        got_candles(read)
    }
}
