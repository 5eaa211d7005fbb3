//! Public trades.

use std::{ops::Range, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Foreseen, Got, Product, Series, ServiceError, Shelf, Value,
    product::got_trades,
    span::{Bounds, fetch_size, select},
};
use crate::{
    cache::{Ask, Loaded},
    exchange::{Asked, TradeHistory},
    market::{Listing, Trade, TradeQuery, UnixMs},
    telemetry::{DataKind, Payer},
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

    /// Trades as `view` says: cut from the newest ones where those cover them, else fetched as a
    /// span. Where nothing can be meant, the newest ones tell so: a request for the impossible is
    /// not to spend a call of its own. An exchange that cannot be asked for a span is asked for
    /// the newest ones at most.
    ///
    /// # Errors
    /// [`ServiceError::Unsupported`] for a span that the exchange does not tell, and whatever keeps
    /// a fetch from succeeding.
    ///
    /// # Cancel safety
    /// Dropping the future neither cancels nor repeats a fetch.
    pub async fn get(
        &self,
        market: &Arc<Listing>,
        view: TradeView,
        ask: Ask,
    ) -> Result<Trades, ServiceError> {
        let (bounds, ends_here) = self.bounds(view);
        let is_told = self.tells(&bounds);
        let mut got = None;
        if ends_here || !is_told || self.covers(market, &bounds) {
            let limit = bounds.limit.min(self.most());
            let latest = self.latest(market, limit, ask).await?;
            latest.wanted(limit);
            if !ends_here && !is_told && !self.is_covered(&bounds, &latest) {
                return Err(self.refusal(&latest));
            }
            got = Some(latest).filter(|latest| ends_here || self.is_covered(&bounds, latest));
        }
        let got = match got {
            Some(got) => got,
            None => self.span(market, &bounds, ask).await?,
        };
        let rows = select(&got.rows, &bounds);
        Ok(Trades { got, rows })
    }

    /// What [`TradeSeries::get`] would do now.
    pub fn foresee(&self, market: &Listing, view: TradeView, ask: &Ask) -> Foreseen {
        let (bounds, ends_here) = self.bounds(view);
        let limit = fetch_size(bounds.limit, self.shelf.exchange.profile().max_trades);
        let asked = Asked::Trades { limit };
        if ends_here || !self.tells(&bounds) || self.covers(market, &bounds) {
            let kind = DataKind::Trades;
            let enough = reaches(bounds.limit.min(self.most()));
            return self.shelf.foresee(newest(market), kind, asked, ask, enough);
        }
        let (product, kind) = (self.span_of(market, &bounds), DataKind::History);
        self.shelf.foresee(product, kind, asked, ask, |_| true)
    }

    /// What is meant, and whether the newest trades tell all of it.
    fn bounds(&self, view: TradeView) -> (Bounds<Trade>, bool) {
        let now = self.shelf.clock.now();
        let until = view.until.filter(|until| *until < now);
        let bounds = Bounds { limit: view.limit, since: view.since, until, time };
        (bounds, bounds.is_latest() || bounds.is_void(now))
    }

    /// True if the newest trades that are held are all that is meant.
    fn covers(&self, market: &Listing, bounds: &Bounds<Trade>) -> bool {
        let held = self.shelf.cache.peek(&self.shelf.key(newest(market)));
        held.is_some_and(|entry| {
            trades(&entry.value).is_some_and(|series| self.is_covered(bounds, series))
        })
    }

    /// True if these newest trades are all that is meant. Where the newest ones are all that an
    /// exchange ever tells, few of them do not mean that there are no others.
    fn is_covered(&self, bounds: &Bounds<Trade>, series: &Series<Trade>) -> bool {
        match self.shelf.exchange.profile().trade_history {
            TradeHistory::Whole | TradeHistory::Since => bounds.is_covered_by(series),
            TradeHistory::Newest => bounds.is_reached_by(series),
        }
    }

    /// True if the exchange can be asked for such a span.
    fn tells(&self, bounds: &Bounds<Trade>) -> bool {
        match self.shelf.exchange.profile().trade_history {
            TradeHistory::Whole => true,
            TradeHistory::Since => bounds.since.is_some(),
            TradeHistory::Newest => false,
        }
    }

    /// Most trades that one request brings.
    fn most(&self) -> u32 {
        self.shelf.exchange.profile().max_trades
    }

    /// That the newest trades are all that is told.
    fn refusal(&self, newest: &Series<Trade>) -> ServiceError {
        let (name, count) = (self.shelf.name(), newest.rows.len());
        let back = newest.rows.first().map(|row| format!(", back to {}", row.at.iso()));
        let back = back.unwrap_or_default();
        let how = match self.shelf.exchange.profile().trade_history {
            TradeHistory::Since => " and those from a time on, so give `since`",
            TradeHistory::Whole | TradeHistory::Newest => "",
        };
        let text = format!("{name} tells only the newest trades ({count}{back}){how}");
        ServiceError::Unsupported(text)
    }

    fn span_of(&self, market: &Listing, bounds: &Bounds<Trade>) -> Product {
        let limit = fetch_size(bounds.limit, self.shelf.exchange.profile().max_trades);
        let (since, until) = (bounds.start(), bounds.until);
        Product::TradeSpan { id: market.id.clone(), limit, since, until }
    }

    async fn latest(
        &self,
        market: &Arc<Listing>,
        limit: u32,
        ask: Ask,
    ) -> Result<Got<Series<Trade>>, ServiceError> {
        let load = |shelf: Arc<Shelf>, payer, deadline| {
            let market = market.clone();
            async move {
                let before = shelf.cache.peek(&shelf.key(newest(&market)));
                let before = before.as_ref().and_then(|entry| trades(&entry.value));
                let (deepest, had) =
                    before.map_or((0, 0), |series| (series.deepest(), series.rows.len()));
                let asked = fetch_size(limit.max(deepest), shelf.exchange.profile().max_trades);
                let query = TradeQuery { market, limit: asked, since: None, until: None };
                let rows = call(&shelf, &query, payer, deadline).await?;
                if rows.is_empty() && had > 0 {
                    let text = format!("no trades, where there were {had}");
                    return Err(ServiceError::Invalid(text));
                }
                Ok(keep(&shelf, DataKind::Trades, rows, asked))
            }
        };
        let enough = reaches(limit);
        let read = self.shelf.read(newest(market), DataKind::Trades, ask, enough, load).await?;
        Ok(got_trades(read))
    }

    async fn span(
        &self,
        market: &Arc<Listing>,
        bounds: &Bounds<Trade>,
        ask: Ask,
    ) -> Result<Got<Series<Trade>>, ServiceError> {
        let limit = fetch_size(bounds.limit, self.shelf.exchange.profile().max_trades);
        let (since, until) = (bounds.start(), bounds.until);
        let load = |shelf: Arc<Shelf>, payer, deadline| {
            let market = market.clone();
            async move {
                let query = TradeQuery { market, limit, since, until };
                let rows = call(&shelf, &query, payer, deadline).await?;
                let is_full = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
                let last = rows.last().map(time).filter(|_| is_full);
                let now = shelf.clock.now();
                let is_past = until.or(last).is_some_and(|end| end + LATE <= now);
                let kind = if is_past { DataKind::History } else { DataKind::Trades };
                Ok(keep(&shelf, kind, rows, limit))
            }
        };
        let product = self.span_of(market, bounds);
        Ok(got_trades(self.shelf.read(product, DataKind::History, ask, |_| true, load).await?))
    }
}

fn newest(market: &Listing) -> Product {
    Product::Trades(market.id.clone())
}

fn time(row: &Trade) -> UnixMs {
    row.at
}

fn reaches(limit: u32) -> impl Fn(&Value) -> bool {
    move |value| trades(value).is_some_and(|series| series.reaches(limit))
}

fn trades(value: &Value) -> Option<&Series<Trade>> {
    match value {
        Value::Trades(series) => Some(series),
        _ => None,
    }
}

async fn call(
    shelf: &Shelf,
    query: &TradeQuery,
    payer: Payer,
    deadline: Instant,
) -> Result<Vec<Trade>, ServiceError> {
    let request = || shelf.exchange.trades(query);
    let charge = shelf.charge(Asked::Trades { limit: query.limit });
    Ok(shelf.upstream.call(charge, payer, deadline, request).await?)
}

fn keep(shelf: &Shelf, kind: DataKind, rows: Vec<Trade>, asked: u32) -> Loaded<Value> {
    let is_empty = rows.is_empty();
    shelf.loaded_unless_empty(is_empty, kind, Value::Trades(Series::new(rows, asked)))
}
