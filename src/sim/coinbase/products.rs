//! What is listed: products, and aliases that are the same market under another name.

use std::collections::HashMap;

use crate::sim::{
    engine::MarketEngine,
    listing::{Market, Quoted, markets},
};

/// A product under its id.
pub(super) struct Product {
    pub(super) market: Market,
    /// `BTC-USD`.
    pub(super) id: String,
    /// The currency it is paid in; an alias's is not its market's.
    pub(super) quote: String,
    /// The product that this one is another name of.
    pub(super) alias: Option<String>,
}

/// In order of listing, each alias after its product.
pub(super) struct Products {
    pub(super) all: Vec<Product>,
    by_id: HashMap<String, usize>,
}

const QUOTES: [&str; 5] = ["USD", "USDT", "EUR", "GBP", "BTC"];

impl Products {
    pub(super) fn new(engine: &MarketEngine, basis: f64) -> Self {
        let listed = markets(engine, basis).into_iter();
        let listed = listed.filter(|market| {
            QUOTES.contains(&market.quote.as_str())
                && !matches!(market.base.as_str(), "USDC" | "EUR" | "GBP")
        });
        let mut all = Vec::new();
        for market in listed {
            let id = format!("{}-{}", market.base, market.quote);
            let twin = (market.quote == "USD").then(|| Product {
                market: market.clone(),
                id: format!("{}-USDC", market.base),
                quote: "USDC".to_owned(),
                alias: Some(id.clone()),
            });
            all.push(Product { quote: market.quote.clone(), market, id, alias: None });
            all.extend(twin);
        }
        let by_id = all.iter().enumerate().map(|(place, one)| (one.id.clone(), place)).collect();
        Self { all, by_id }
    }

    pub(super) fn place_of(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(super) fn find(&self, id: &str) -> Option<&Product> {
        self.place_of(id).map(|place| &self.all[place])
    }

    /// The place of the product that an id means, where aliases mean another one.
    pub(super) fn canonical(&self, id: &str) -> Option<usize> {
        let place = self.place_of(id)?;
        match &self.all[place].alias {
            Some(alias) => self.place_of(alias),
            None => Some(place),
        }
    }
}

impl Product {
    /// No longer traded.
    pub(super) fn is_delisted(&self) -> bool {
        self.market.base == "RRT"
    }

    /// The product as lists have it.
    pub(super) fn print(&self, quoted: Quoted<'_>) -> String {
        let day = quoted.day();
        let (market, delisted) = (&self.market, self.is_delisted());
        let [price, high, low] =
            [day.close, day.high, day.low].map(|raw| quoted.price(raw).short());
        let (status, id) = (if delisted { "delisted" } else { "online" }, &self.id);
        let step = crate::sim::decimal::Decimal::step(market.places);
        let alias = self.alias.as_deref().unwrap_or_default();
        let alias_to = match (&self.alias, market.quote.as_str()) {
            (None, "USD") => format!(r#""{}-USDC""#, market.base),
            _ => String::new(),
        };
        let (base, quote) = (&market.base, &self.quote);
        format!(
            r#"{{"product_id":"{id}","price":"{price}","price_percentage_change_24h":"{}","volume_24h":"{}","volume_percentage_change_24h":"1.5","base_increment":"0.00000001","quote_increment":"{step}","quote_min_size":"1","quote_max_size":"150000000","base_min_size":"{}","base_max_size":"1000000","base_name":"{base}","quote_name":"{quote}","watched":false,"is_disabled":{delisted},"new":false,"status":"{status}","cancel_only":false,"limit_only":false,"post_only":false,"trading_disabled":{delisted},"auction_mode":false,"product_type":"SPOT","quote_currency_id":"{quote}","base_currency_id":"{base}","fcm_trading_session_details":null,"mid_market_price":"","alias":"{alias}","alias_to":[{alias_to}],"base_display_symbol":"{base}","quote_display_symbol":"{}","view_only":false,"price_increment":"{step}","display_name":"{id}","product_venue":"CBE","approximate_quote_24h_volume":"{:.2}","new_at":"2023-01-01T00:00:00Z","best_bid_price":"","best_ask_price":"","high_24h":"{high}","low_24h":"{low}"}}"#,
            percent(&day),
            volume(day.volume),
            market.min_order,
            market.quote,
            quoted.exact(day.turnover),
        )
    }
}

/// The change over a bar, as the exchange prints it.
pub(super) fn percent(bar: &crate::sim::engine::Bar) -> String {
    format!("{:.13}", (bar.close / bar.open - 1.0) * 100.0)
}

pub(super) fn volume(raw: f64) -> String {
    crate::sim::decimal::Decimal::of(raw, crate::sim::listing::AMOUNT_PLACES).short()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::UnixMs;

    #[test]
    fn an_alias_means_its_product() {
        let now = UnixMs::from_millis(1_795_360_452_345);
        let engine = MarketEngine::new(1, UnixMs::from_millis(1_790_000_000_000), now);
        let products = Products::new(&engine, 0.0);
        let canonical = products.canonical("BTC-USDC").unwrap();
        assert_eq!(products.all[canonical].id, "BTC-USD");
        assert_eq!(products.canonical("BTC-USD"), Some(canonical));
        assert_eq!(products.place_of("BTC-USDC"), Some(canonical + 1));
        assert_eq!(products.canonical("NOPE-USD"), None);
        let quoted = |product: &Product| {
            product.print(Quoted { engine: &engine, market: &product.market, now })
        };
        let product = quoted(&products.all[canonical]);
        assert!(product.contains(r#""alias":"","alias_to":["BTC-USDC"]"#), "{product}");
        let twin = quoted(&products.all[canonical + 1]);
        assert!(twin.contains(r#""alias":"BTC-USD","alias_to":[]"#), "{twin}");
        assert!(
            twin.contains(r#""quote_currency_id":"USDC""#)
                && twin.contains(r#""quote_display_symbol":"USD""#)
        );
    }
}
