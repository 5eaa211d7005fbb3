//! Rows in the order of time: the newest ones in one entry, spans of the past in entries of their
//! own, and every request a view of one of them.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{
    Got, Product, Series, ServiceError, Shelf, Value,
    span::{Bounds, fetch_size},
};
use crate::{
    cache::{Ask, Loaded, Read},
    exchange::{Family, Profile, UpstreamError},
    market::UnixMs,
    telemetry::{DataKind, Wait},
};

/// A kind of rows of one market.
pub(super) trait Line: Clone + Send + Sync + 'static {
    /// One row.
    type Row: Send + Sync + 'static;
    /// What a request for them spends.
    const FAMILY: Family;
    /// The policy of the newest rows.
    const LATEST: DataKind;

    /// The name of the newest rows.
    fn latest(&self) -> Product;
    /// The name of a span.
    fn span(&self, limit: u32, since: Option<UnixMs>, until: Option<UnixMs>) -> Product;
    /// Most rows in one answer.
    fn max(profile: &Profile) -> u32;
    /// One request.
    fn fetch(
        self,
        shelf: Arc<Shelf>,
        limit: u32,
        since: Option<UnixMs>,
        until: Option<UnixMs>,
    ) -> BoxFuture<'static, Result<Vec<Self::Row>, UpstreamError>>;
    /// A row's time.
    fn time(row: &Self::Row) -> UnixMs;
    /// True if nothing more can happen at `at`, seen from `now`.
    fn is_past(&self, at: UnixMs, now: UnixMs) -> bool;
    /// Rows as a value of the cache.
    fn wrap(series: Series<Self::Row>) -> Value;
    /// The rows of such a value.
    fn unwrap(value: &Value) -> Option<&Series<Self::Row>>;
    /// A read of such a value.
    fn got(read: Read<Value>) -> Got<Series<Self::Row>>;
}

/// A series that holds the rows that `bounds` mean, cut from the newest rows where those cover
/// them, else fetched as a span. Where nothing can be meant, the newest rows tell so: a request
/// for the impossible is not to spend a call of its own.
pub(super) async fn read<L: Line>(
    shelf: &Arc<Shelf>,
    line: &L,
    bounds: &Bounds<L::Row>,
    ask: Ask,
) -> Result<Got<Series<L::Row>>, ServiceError> {
    let held = shelf.cache.peek(&shelf.key(line.latest()));
    let is_held = held.is_some_and(|entry| {
        L::unwrap(&entry.value).is_some_and(|held| bounds.is_covered_by(held))
    });
    let ends_here = bounds.is_latest() || bounds.is_void(shelf.clock.now());
    if ends_here || is_held {
        let got = latest(shelf, line, bounds.limit, ask).await?;
        if ends_here || bounds.is_covered_by(&got) {
            got.wanted(bounds.limit);
            return Ok(got);
        }
    }
    span(shelf, line, bounds, ask).await
}

async fn latest<L: Line>(
    shelf: &Arc<Shelf>,
    line: &L,
    limit: u32,
    ask: Ask,
) -> Result<Got<Series<L::Row>>, ServiceError> {
    let load = |shelf: Arc<Shelf>, class, deadline| {
        let line = line.clone();
        async move {
            let before = shelf.cache.peek(&shelf.key(line.latest()));
            let before = before.as_ref().and_then(|entry| L::unwrap(&entry.value));
            let (deepest, had) =
                before.map_or((0, 0), |series| (series.deepest(), series.rows.len()));
            let asked = fetch_size(limit.max(deepest), L::max(shelf.exchange.profile()));
            let rows = call(&shelf, &line, (asked, None, None), class, deadline).await?;
            if rows.is_empty() && had > 0 {
                let text = format!("no rows, where there were {had}");
                return Err(ServiceError::Invalid(text));
            }
            Ok(keep::<L>(&shelf, L::LATEST, rows, asked))
        }
    };
    let enough = |value: &Value| L::unwrap(value).is_some_and(|series| series.reaches(limit));
    Ok(L::got(shelf.read(line.latest(), L::LATEST, ask, enough, load).await?))
}

async fn span<L: Line>(
    shelf: &Arc<Shelf>,
    line: &L,
    bounds: &Bounds<L::Row>,
    ask: Ask,
) -> Result<Got<Series<L::Row>>, ServiceError> {
    let asked = fetch_size(bounds.limit, L::max(shelf.exchange.profile()));
    let (since, until) = (bounds.start(), bounds.until);
    let load = |shelf: Arc<Shelf>, class, deadline| {
        let line = line.clone();
        async move {
            let rows = call(&shelf, &line, (asked, since, until), class, deadline).await?;
            let now = shelf.clock.now();
            let full = rows.len() >= asked as usize;
            let last = rows.last().map(L::time).filter(|_| full);
            let settled = until.or(last).is_some_and(|end| line.is_past(end, now));
            let kind = if settled { DataKind::History } else { L::LATEST };
            Ok(keep::<L>(&shelf, kind, rows, asked))
        }
    };
    let product = line.span(asked, since, until);
    Ok(L::got(shelf.read(product, DataKind::History, ask, |_| true, load).await?))
}

async fn call<L: Line>(
    shelf: &Arc<Shelf>,
    line: &L,
    (limit, since, until): (u32, Option<UnixMs>, Option<UnixMs>),
    class: Wait,
    deadline: Instant,
) -> Result<Vec<L::Row>, ServiceError> {
    let request = || line.clone().fetch(shelf.clone(), limit, since, until);
    Ok(shelf.upstream.call(L::FAMILY, class, deadline, request).await?)
}

fn keep<L: Line>(shelf: &Shelf, kind: DataKind, rows: Vec<L::Row>, asked: u32) -> Loaded<Value> {
    let empty = rows.is_empty();
    shelf.loaded_unless_empty(empty, kind, L::wrap(Series::new(rows, asked)))
}
