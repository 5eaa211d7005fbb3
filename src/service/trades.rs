//! Public trades.

use std::{ops::Range, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{
    Got, Product, Series, ServiceError, Shelf, Value,
    product::got_trades,
    series::{self, Line},
    span::{Bounds, select},
};
use crate::{
    cache::{Ask, Read},
    exchange::{Family, Profile, UpstreamError},
    market::{Listing, Trade, TradeQuery, UnixMs},
    telemetry::DataKind,
};

/// A span that ended this long ago gets no further trades.
const LATE: Duration = Duration::from_secs(10);

/// Which trades a client wants to see. Times are inclusive.
#[derive(Clone, Copy, Debug)]
pub struct TradeView {
    /// At most this many.
    pub limit: u32,
    /// The first trades from here on; without it the last ones.
    pub since: Option<UnixMs>,
    /// Nothing later than this.
    pub until: Option<UnixMs>,
}

/// Trades that were read: the part of a held series that was asked for.
pub struct Trades {
    got: Got<Series<Trade>>,
    rows: Range<usize>,
}

impl Trades {
    /// The series they are part of, with its stamp.
    pub fn got(&self) -> &Got<Series<Trade>> {
        &self.got
    }

    /// Oldest first.
    pub fn rows(&self) -> &[Trade] {
        self.got.rows.get(self.rows.clone()).unwrap_or_default()
    }
}

/// The trades of one exchange.
#[derive(Clone)]
pub struct TradeSeries {
    shelf: Arc<Shelf>,
}

impl TradeSeries {
    pub(super) fn new(shelf: Arc<Shelf>) -> Self {
        Self { shelf }
    }

    /// Trades as `view` says.
    pub async fn get(
        &self,
        market: &Arc<Listing>,
        view: TradeView,
        ask: Ask,
    ) -> Result<Trades, ServiceError> {
        let now = self.shelf.clock.now();
        let until = view.until.filter(|until| *until < now);
        let bounds = Bounds { limit: view.limit, since: view.since, until, time: TradeLine::time };
        let line = TradeLine { market: market.clone() };
        let got = series::read(&self.shelf, &line, &bounds, ask).await?;
        let rows = select(&got.rows, &bounds);
        Ok(Trades { got, rows })
    }
}

#[derive(Clone)]
struct TradeLine {
    market: Arc<Listing>,
}

impl Line for TradeLine {
    type Row = Trade;
    const FAMILY: Family = Family::Trades;
    const LATEST: DataKind = DataKind::Trades;

    fn latest(&self) -> Product {
        Product::Trades(self.market.id.clone())
    }

    fn span(&self, limit: u32, since: Option<UnixMs>, until: Option<UnixMs>) -> Product {
        Product::TradeSpan { id: self.market.id.clone(), limit, since, until }
    }

    fn max(profile: &Profile) -> u32 {
        profile.max_trades
    }

    fn fetch(
        self,
        shelf: Arc<Shelf>,
        limit: u32,
        since: Option<UnixMs>,
        until: Option<UnixMs>,
    ) -> BoxFuture<'static, Result<Vec<Trade>, UpstreamError>> {
        let query = TradeQuery { market: self.market, limit, since, until };
        Box::pin(async move { shelf.exchange.trades(&query).await })
    }

    fn time(row: &Trade) -> UnixMs {
        row.at
    }

    fn is_past(&self, at: UnixMs, now: UnixMs) -> bool {
        at + LATE <= now
    }

    fn wrap(series: Series<Trade>) -> Value {
        Value::Trades(series)
    }

    fn unwrap(value: &Value) -> Option<&Series<Trade>> {
        match value {
            Value::Trades(series) => Some(series),
            _ => None,
        }
    }

    fn got(read: Read<Value>) -> Got<Series<Trade>> {
        got_trades(read)
    }
}
