//! One market on several exchanges, side by side.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use futures_util::{
    FutureExt as _,
    future::{join_all, select_ok},
};
use tokio::time::Instant;

use super::{Desk, Got, ServiceError};
use crate::{
    cache::{Ask, Demand, Stamp, Verdict},
    market::{Book, Level, Listing, Number, Precision, Symbol, Ticker},
    telemetry::CacheOutcome,
};

/// Levels a side of the book that tells the best prices: the one that most requests share.
const LEVELS: u32 = 25;

/// Quotes that are worth about the same, and are put side by side for those who ask for it.
const EQUIVALENT: [&str; 3] = ["USD", "USDT", "USDC"];

/// What one exchange says about the market.
pub struct Side {
    /// Which exchange.
    pub exchange: &'static str,
    /// What it calls the market, and what it says; or why it says nothing.
    pub view: Result<Glance, ServiceError>,
}

/// A market of one exchange at a glance.
pub struct Glance {
    /// Which market.
    pub market: Arc<Listing>,
    /// Its ticker.
    pub ticker: Result<Got<Ticker>, ServiceError>,
    /// Its book.
    pub book: Result<Got<Book>, ServiceError>,
}

/// The best price of a side, and its size where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// In units of the quote.
    pub price: Number,
    /// In units of the base.
    pub amount: Option<Number>,
}

/// The best offer of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Best {
    /// Whose it is: its place in [`Comparison::sides`].
    pub side: usize,
    /// What is offered.
    pub offer: Offer,
}

/// What the best prices were taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferedIn {
    /// The order book.
    Orderbook,
    /// The ticker, since there is no book.
    Ticker,
}

impl OfferedIn {
    /// `orderbook` or `ticker`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orderbook => "orderbook",
            Self::Ticker => "ticker",
        }
    }
}

/// Best bid and best ask of one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotes {
    /// Best bid.
    pub bid: Option<Offer>,
    /// Best ask.
    pub ask: Option<Offer>,
    /// What they were taken from.
    pub from: OfferedIn,
    /// How old they are.
    pub age: Duration,
    /// True if they are as young as their policy wants them, so that they count beside others.
    pub fresh: bool,
}

impl Quotes {
    /// Best ask - best bid.
    pub fn spread(&self) -> Option<Number> {
        spread(self.bid.as_ref()?, self.ask.as_ref()?)
    }

    /// The spread in percent of the ask.
    pub fn spread_pct(&self) -> Option<f64> {
        let (bid, ask) = (self.bid.as_ref()?.price.f64(), self.ask.as_ref()?.price.f64());
        Some((ask - bid) / ask * 100.0).filter(|pct| pct.is_finite())
    }

    /// False if somebody would pay more than another one wants: no market stays so.
    fn can_be(&self) -> bool {
        match (&self.bid, &self.ask) {
            (Some(bid), Some(ask)) => bid.price.decimal() < ask.price.decimal(),
            _ => true,
        }
    }
}

/// Best ask - best bid, of whichever exchanges; negative where they cross.
pub fn spread(bid: &Offer, ask: &Offer) -> Option<Number> {
    Some(ask.price.decimal()?.checked_sub(bid.price.decimal()?)?.into())
}

impl Glance {
    /// The best prices: the book's, else the ticker's; `None` where there is neither.
    pub fn quotes(&self, now: Instant) -> Option<Quotes> {
        let is_fresh = |stamp: &Stamp| {
            Demand::default().judge(stamp.age(now), &stamp.policy) != Verdict::Unusable
        };
        if let Ok(book) = &self.book {
            let best = |levels: &[Level]| {
                let best = levels.first()?;
                Some(Offer { price: best.price.clone(), amount: Some(best.amount.clone()) })
            };
            let (bid, ask) = (best(&book.bids), best(&book.asks));
            return Some(Quotes {
                bid,
                ask,
                from: OfferedIn::Orderbook,
                age: book.stamp().age(now),
                fresh: is_fresh(book.stamp()),
            });
        }
        let ticker = self.ticker.as_ref().ok()?;
        let best = |price: &Option<Number>, amount: &Option<Number>| {
            Some(Offer { price: price.clone()?, amount: amount.clone() })
        };
        Some(Quotes {
            bid: best(&ticker.bid, &ticker.bid_volume),
            ask: best(&ticker.ask, &ticker.ask_volume),
            from: OfferedIn::Ticker,
            age: ticker.stamp().age(now),
            fresh: is_fresh(ticker.stamp()),
        })
    }

    /// The stamps of what is there.
    pub fn stamps(&self) -> impl Iterator<Item = &Arc<Stamp>> {
        let ticker = self.ticker.as_ref().ok().map(Got::stamp);
        ticker.into_iter().chain(self.book.as_ref().ok().map(Got::stamp))
    }

    /// How they were come by.
    pub fn outcomes(&self) -> impl Iterator<Item = CacheOutcome> {
        let ticker = self.ticker.as_ref().ok().map(|ticker| ticker.outcome);
        ticker.into_iter().chain(self.book.as_ref().ok().map(|book| book.outcome))
    }

    /// Why a part is missing: the ticker first.
    pub fn problem(&self) -> Option<ServiceError> {
        let ticker = self.ticker.as_ref().err().map(|error| error.clone().of_part("ticker"));
        ticker.or_else(|| Some(self.book.as_ref().err()?.clone().of_part("orderbook")))
    }
}

/// One market on several exchanges.
pub struct Comparison {
    /// The market's unified name; what was asked, where no exchange lists it.
    pub symbol: String,
    /// What each exchange says, in the order in which they were asked for.
    pub sides: Vec<Side>,
}

impl Comparison {
    /// Puts the market that `text` names on each of `desks` side by side: that very base and quote,
    /// or, if `equivalent`, also the quotes that are worth about the same as its quote. All are
    /// asked at once, through the entries that the single endpoints read. One that fails or is slow
    /// says so in its place.
    ///
    /// # Errors
    /// [`ServiceError::UnknownSymbol`] if every exchange has told its markets, and none has this.
    ///
    /// # Cancel safety
    /// Dropping the future neither cancels nor repeats a fetch.
    pub async fn of(
        desks: &[&Desk],
        text: &str,
        equivalent: bool,
        ask: Ask,
    ) -> Result<Self, ServiceError> {
        let names = if equivalent { equivalents(text) } else { vec![text.to_owned()] };
        let Some(market) = find(desks, &names, ask).await else {
            let refused = join_all(desks.iter().map(|desk| async {
                let refused = desk.markets.resolve(text, ask).await.err();
                Side {
                    exchange: desk.shelf.name(),
                    view: Err(refused.unwrap_or(ServiceError::DeadlineExceeded)),
                }
            }));
            return Self::of_nothing(text, refused.await);
        };
        let names = match equivalent && market.settle.is_none() {
            true => equivalents(market.symbol.as_str()),
            false => vec![market.symbol.to_string()],
        };
        let sides = join_all(desks.iter().map(|desk| sides(desk, &names, ask))).await;
        let symbol = market.symbol.to_string();
        Ok(Self { symbol, sides: sides.into_iter().flatten().collect() })
    }

    fn of_nothing(text: &str, sides: Vec<Side>) -> Result<Self, ServiceError> {
        let asked: String = text.chars().take(40).collect();
        let near = |side: &Side| match &side.view {
            Err(ServiceError::UnknownSymbol { suggestions, .. }) => Some(suggestions.clone()),
            _ => None,
        };
        let Some(near) = sides.iter().map(near).collect::<Option<Vec<_>>>() else {
            return Ok(Self { symbol: asked, sides });
        };
        let names: Vec<_> = sides.iter().map(|side| side.exchange).collect();
        Err(ServiceError::UnknownSymbol {
            exchange: names.join(", ").into(),
            asked,
            suggestions: nearest(&near),
        })
    }

    /// The highest bid and the lowest ask among quotes that are fresh; of equal ones the first.
    pub fn best(&self, now: Instant) -> (Option<Best>, Option<Best>) {
        let (mut bid, mut ask) = (None::<Best>, None::<Best>);
        for (side, it) in self.sides.iter().enumerate() {
            let quotes = it.view.as_ref().ok().and_then(|glance| glance.quotes(now));
            let Some(quotes) = quotes.filter(|it| it.fresh && it.can_be()) else { continue };
            let beats = |offer: &Offer, best: &Option<Best>, order: Ordering| {
                let price = offer.price.decimal();
                let than = best.as_ref().map(|best| best.offer.price.decimal());
                price.is_some() && than.is_none_or(|than| price.cmp(&than) == order)
            };
            if let Some(offer) = quotes.bid.filter(|it| beats(it, &bid, Ordering::Greater)) {
                bid = Some(Best { side, offer });
            }
            if let Some(offer) = quotes.ask.filter(|it| beats(it, &ask, Ordering::Less)) {
                ask = Some(Best { side, offer });
            }
        }
        (bid, ask)
    }

    /// True if markets of different quotes are beside each other.
    pub fn mixes_quotes(&self) -> bool {
        let views = || self.sides.iter().filter_map(|side| side.view.as_ref().ok());
        let first = views().next().map(|view| &view.market.quote);
        views().any(|view| Some(&view.market.quote) != first)
    }
}

/// Up to three of the names that are near on one exchange or another: the nearest of each first.
fn nearest(near: &[Vec<Symbol>]) -> Vec<Symbol> {
    let ranks = near.iter().map(Vec::len).max().unwrap_or_default();
    let ranked = (0..ranks).flat_map(|rank| near.iter().filter_map(move |it| it.get(rank)));
    let mut found: Vec<Symbol> = Vec::new();
    for symbol in ranked {
        if found.len() < 3 && !found.contains(symbol) {
            found.push(symbol.clone());
        }
    }
    found
}

/// The market that one of the names stands for: on the first exchange that is known to list it,
/// else on whichever first tells that it does.
async fn find(desks: &[&Desk], names: &[String], ask: Ask) -> Option<Arc<Listing>> {
    let held =
        |name: &String| desks.iter().find_map(|desk| desk.markets.find(name).and_then(Result::ok));
    if let Some(market) = names.iter().find_map(held) {
        return Some(market);
    }
    let unlisted = desks.iter().filter(|desk| desk.markets.held().is_none());
    let told = unlisted
        .flat_map(|desk| names.iter().map(move |name| desk.markets.resolve(name, ask).boxed()));
    let told: Vec<_> = told.collect();
    if told.is_empty() {
        return None;
    }
    Some(select_ok(told).await.ok()?.0)
}

/// What an exchange says about the markets of these unified names; about the first, where it lists
/// none of them.
async fn sides(desk: &Desk, names: &[String], ask: Ask) -> Vec<Side> {
    let mut markets: Vec<Arc<Listing>> = Vec::new();
    let mut refused = None;
    for name in names {
        match listed(desk, name, ask).await {
            // Two names of one market are one market.
            Ok(market) if markets.iter().all(|other| other.id != market.id) => markets.push(market),
            Ok(_) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    let exchange = desk.shelf.name();
    if let Some(error) = refused.filter(|_| markets.is_empty()) {
        return vec![Side { exchange, view: Err(error) }];
    }
    join_all(markets.into_iter().map(|market| async move {
        let (ticker, book) = tokio::join!(
            desk.tickers.get(&market, ask),
            desk.books.get(&market, Precision::P0, LEVELS, ask),
        );
        Side { exchange, view: Ok(Glance { market, ticker, book }) }
    }))
    .await
}

/// The market of just this unified name: what an exchange calls so in its own terms, or by an alias,
/// is another one.
async fn listed(desk: &Desk, name: &str, ask: Ask) -> Result<Arc<Listing>, ServiceError> {
    let market = desk.markets.resolve(name, ask).await?;
    match market.symbol.as_str() == name {
        true => Ok(market),
        false => Err(ServiceError::UnknownSymbol {
            exchange: desk.shelf.name().into(),
            asked: name.to_owned(),
            suggestions: vec![market.symbol.clone()],
        }),
    }
}

/// A name, and the same base in the quotes that are worth about the same.
fn equivalents(name: &str) -> Vec<String> {
    let upper = name.to_ascii_uppercase();
    let Some((base, quote)) = upper.split_once(['/', '-', '_']) else { return vec![name.into()] };
    if !EQUIVALENT.contains(&quote) {
        return vec![name.to_owned()];
    }
    let others = EQUIVALENT.into_iter().filter(|other| *other != quote);
    [quote].into_iter().chain(others).map(|quote| format!("{base}/{quote}")).collect()
}
