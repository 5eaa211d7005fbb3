use super::*;

fn parse(target: &str) -> Result<Route, NotAsked> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    Route::parse(path, query)
}

fn question(target: &str) -> Question {
    parse(target).unwrap_or_else(|why| panic!("{target}: {why:?}")).question
}

fn market(id: &str, view: View) -> Question {
    Question::Market { id: id.to_owned(), view }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn span(limit: u32, start: i64, end: i64, oldest_first: bool) -> Span {
    let at = |ms: i64| (ms != 0).then(|| UnixMs::from_millis(ms));
    Span { limit, start: at(start), end: at(end), oldest_first }
}

#[test]
fn every_public_route_is_read() {
    let last = |width| View::LastCandle(width);
    for (target, expected) in [
        ("/v2/platform/status", Question::Platform),
        ("/v2/platform/status/", Question::Platform),
        (
            "/v2/conf/pub:list:currency,pub:map:currency:sym",
            Question::Conf(names(&["pub:list:currency", "pub:map:currency:sym"])),
        ),
        ("/v2/ticker/tBTCUSD", market("tBTCUSD", View::Ticker)),
        ("/v2/ticker/tDOGE%3AUSD?x=1", market("tDOGE:USD", View::Ticker)),
        ("/v2/tickers?symbols=ALL", Question::AllTickers),
        (
            "/v2/tickers?symbols=tBTCUSD%2CtDOGE%3AUSD,fUSD,what",
            Question::Tickers(names(&["tBTCUSD", "tDOGE:USD", "fUSD", "what"])),
        ),
        ("/v2/trades/tBTCUSD/hist", market("tBTCUSD", View::Trades(span(125, 0, 0, false)))),
        (
            "/v2/trades/tBTCUSD/hist?sort=1&end=9&start=5&limit=3&_=7",
            market("tBTCUSD", View::Trades(span(3, 5, 9, true))),
        ),
        ("/v2/book/tBTCUSD/P0", market("tBTCUSD", View::Book(Precision::P0, 25))),
        ("/v2/book/tBTCUSD/P4?length=1&len=100", market("tBTCUSD", View::Book(Precision::P4, 100))),
        (
            "/v2/candles/trade%3A1m%3AtBTCUSD/hist",
            market("tBTCUSD", View::Candles(Timeframe::M1, span(100, 0, 0, false))),
        ),
        (
            "/v2/candles/trade:1D:tDOGE:USD/hist?limit=0&start=0&end=0&sort=0",
            market("tDOGE:USD", View::Candles(Timeframe::D1, span(100, 0, 0, false))),
        ),
        (
            "/v2/candles/trade:1M:tBTCUSD/hist?start=5&sort=-1&limit=",
            market("tBTCUSD", View::Candles(Timeframe::Month, span(100, 5, 0, false))),
        ),
        ("/v2/candles/trade:7D:tBTCUSD/last?limit=x", market("tBTCUSD", last(Timeframe::W1))),
        ("/v2/candles/trade:1W:tBTCUSD/last", market("tBTCUSD", last(Timeframe::W1))),
        ("/v2/candles/trade:1m:tNOPEUSD/hist", Question::Nothing),
        ("/v2/candles/trade:1m:what/last", Question::Nothing),
        ("/v2/status/deriv/what/hist", Question::Nothing),
        ("/v2/status/deriv", Question::Derivatives(Vec::new())),
        ("/v2/status/deriv?keys=tBTCF0:USTF0", Question::Derivatives(names(&["tBTCF0:USTF0"]))),
    ] {
        assert_eq!(question(target), expected, "{target}");
    }
}

#[test]
fn what_has_no_unified_form_is_asked_as_it_is() {
    let text = |question: Question| match question {
        Question::Native(query, kind) => (None, query.path_and_query().to_owned(), kind),
        Question::Market { id, view: View::Native(query, kind) } => {
            (Some(id), query.path_and_query().to_owned(), kind)
        }
        other => panic!("{other:?}"),
    };
    use DataKind::{Ohlcv, Orderbook, Status, Ticker, Trades};
    for (target, id, sent, kind) in [
        ("/v2/ticker/fUSD", None, "v2/ticker/fUSD", Ticker),
        ("/v2/trades/fUSD/hist?limit=2", None, "v2/trades/fUSD/hist?limit=2", Trades),
        ("/v2/book/fUSD/P0", None, "v2/book/fUSD/P0?len=25", Orderbook),
        ("/v2/book/tBTCUSD/R0?len=1", Some("tBTCUSD"), "v2/book/tBTCUSD/R0?len=1", Orderbook),
        (
            "/v2/candles/trade:4h:tBTCUSD/last",
            Some("tBTCUSD"),
            "v2/candles/trade:4h:tBTCUSD/last",
            Ohlcv,
        ),
        (
            "/v2/candles/trade:1h:fUSD:a30:p2:p30/hist?sort=1",
            None,
            "v2/candles/trade:1h:fUSD:a30:p2:p30/hist?sort=1",
            Ohlcv,
        ),
        (
            "/v2/tickers/hist?limit=2&symbols=tETHUSD%2CtBTCUSD",
            None,
            "v2/tickers/hist?symbols=tBTCUSD,tETHUSD&limit=2",
            Status,
        ),
        (
            "/v2/stats1/pos.size:1m:tBTCUSD:long/last",
            None,
            "v2/stats1/pos.size:1m:tBTCUSD:long/last",
            Status,
        ),
        ("/v2/status/deriv?keys=ALL", None, "v2/status/deriv?keys=ALL", Status),
        (
            "/v2/status/deriv/tBTCF0%3AUSTF0/hist?limit=3",
            Some("tBTCF0:USTF0"),
            "v2/status/deriv/tBTCF0:USTF0/hist?limit=3",
            Status,
        ),
    ] {
        let expected = (id.map(str::to_owned), sent.to_owned(), kind);
        assert_eq!(text(question(target)), expected, "{target}");
    }
}

#[test]
fn what_cannot_be_right_is_named() {
    for (target, parameter) in [
        ("/v2/ticker/BTCUSD", "symbol"),
        ("/v2/ticker/tbtcusd", "symbol"),
        ("/v2/ticker/t..%2f..%2f", "symbol"),
        ("/v2/tickers", "symbols"),
        ("/v2/tickers/hist", "symbols"),
        ("/v2/book/tBTCUSD/P9", "prec"),
        ("/v2/book/tBTCUSD/P0?len=7", "len"),
        ("/v2/trades/tBTCUSD/hist?limit=10001", "limit"),
        ("/v2/trades/tBTCUSD/hist?sort=2", "sort"),
        ("/v2/trades/tBTCUSD/hist?start=soon", "start"),
        ("/v2/candles/trade:4m:tBTCUSD/hist", "time_interval"),
        ("/v2/candles/trade:1d:tBTCUSD/hist", "time_interval"),
        ("/v2/candles/trade:1m:tBTCUSD/hist?limit=-1", "limit"),
        ("/v2/candles/tBTCUSD/hist", "key"),
        ("/v2/conf/secret", "key"),
        ("/v2/stats1/nope:1m:tBTCUSD/hist", "key"),
    ] {
        let message = format!("{parameter}: invalid");
        let expected = NotAsked::Bad(BadNative { code: 10_020, message });
        assert_eq!(parse(target), Err(expected), "{target}");
    }
}

#[test]
fn other_paths_lead_nowhere() {
    for target in [
        "/v2",
        "/v2/",
        "/v2/nope",
        "/v2/auth/r/wallets",
        "/v2/auth/ticker/tBTCUSD",
        "/v2/ticker",
        "/v2/ticker/tBTCUSD/hist",
        "/v2/ticker/%ff",
        "/v2//ticker/tBTCUSD",
        "/v2/trades/tBTCUSD",
        "/v2/candles/trade:1m:tBTCUSD",
        "/v2/candles/trade:1m:tBTCUSD/first",
        "/v2/status/liq/hist",
        "/v2/calc/trade/avg",
    ] {
        assert_eq!(parse(target), Err(NotAsked::NoRoute), "{target}");
    }
}

#[test]
fn paths_have_names_in_metrics() {
    assert_eq!(endpoint("/v2/candles/trade:1m:tBTCUSD/hist"), Endpoint::V2Candles);
    assert_eq!(endpoint("/v2/status/deriv"), Endpoint::V2Status);
    assert_eq!(endpoint("/v2/auth/r/wallets"), Endpoint::Unknown);
    assert_eq!(endpoint("/v2"), Endpoint::Unknown);
}
