//! What the data of streams become.

use super::*;

fn trade(id: i64) -> String {
    format!(
        r#"{{"stream":"bnbbtc@aggTrade","data":{{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":{id},"p":"0.001","q":"100","f":100,"l":105,"T":1672515782136,"m":true,"M":true}}}}"#
    )
}

fn kline(open: &str, close: &str) -> String {
    format!(
        r#"{{"stream":"bnbbtc@kline_1m","data":{{"e":"kline","E":1,"s":"BNBBTC","k":{{"t":{open},"T":1,"s":"BNBBTC","i":"1m","f":100,"L":200,"o":"0.0010","c":"{close}","h":"0.0025","l":"0.0005","v":"1000","n":100,"x":false,"q":"1","V":"5","Q":"1","B":"0"}}}}}}"#
    )
}

#[test]
fn a_trade_is_on_the_books_when_it_is_told() {
    let topic = topic("BNBBTC", Stream::Trades);
    let mut script = Script::with(std::slice::from_ref(&topic));
    script.hear(&trade(7));
    let told = script.told();
    let [Event::Data(_, Data::Trade(first, Report::Confirmed))] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((first.id, first.side.as_str(), first.price.as_str()), (7, "sell", "0.001"));
    assert!(first.raw.as_str().starts_with(r#"{"e":"aggTrade","#));
    script.hear(&trade(8));
    assert!(matches!(&script.told()[..], [Event::Data(_, Data::Trade(it, _))] if it.id == 8));
    script.hear(&trade(8));
    script.hear(&trade(7));
    assert!(script.told().is_empty(), "no trade is told twice");
}

#[test]
fn a_gap_among_trades_is_no_secret() {
    let topic = topic("BNBBTC", Stream::Trades);
    let mut script = Script::with(std::slice::from_ref(&topic));
    script.hear(&trade(7));
    script.told();
    script.hear(&trade(9));
    // In place of what was known: 8 is missing between them.
    assert!(
        matches!(&script.told()[..], [Event::Data(_, Data::Trades(it))] if it.len() == 1 && it[0].id == 9)
    );
    script.hear(&trade(10));
    assert!(matches!(&script.told()[..], [Event::Data(_, Data::Trade(it, _))] if it.id == 10));
    script.hear(&trade(11).replace("\"0.001\"", "\"free\""));
    assert!(matches!(&script.told()[..], [Event::Broken(_, Broken::Invalid(_))]));
    script.hear(&trade(12));
    assert!(matches!(&script.told()[..], [Event::Data(_, Data::Trades(it))] if it[0].id == 12));
    assert!(script.sent().is_empty(), "the stream is still open");
}

#[test]
fn the_first_candle_stands_for_itself() {
    let topic = topic("BNBBTC", Stream::Candles(Timeframe::M1));
    let mut script = Script::with(std::slice::from_ref(&topic));
    script.hear(&kline("1672515780000", "0.0020"));
    script.hear(&kline("1672515780000", "0.0021"));
    script.hear(&kline("1672515840000", "0.0022"));
    let told = script.told();
    let [
        Event::Data(_, Data::Candles(first)),
        Event::Data(_, Data::Candle(second)),
        Event::Data(_, Data::Candle(third)),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    let closes = [&first[0], second, third].map(|it| (it.open_time.millis(), it.close.as_str()));
    assert_eq!(
        closes,
        [
            (1_672_515_780_000, "0.0020"),
            (1_672_515_780_000, "0.0021"),
            (1_672_515_840_000, "0.0022")
        ]
    );
    script.hear(&kline("1672515840001", "0.0020"));
    assert!(matches!(&script.told()[..], [Event::Broken(..)]), "it opens no minute");
    script.hear(&kline("1672515840000", "0.0020"));
    assert!(matches!(&script.told()[..], [Event::Data(_, Data::Candles(it))] if it.len() == 1));
}

#[test]
fn a_ticker_of_another_market_is_none() {
    let topic = topic("BNBBTC", Stream::Ticker);
    let mut script = Script::with(std::slice::from_ref(&topic));
    let tick = r#"{"stream":"bnbbtc@ticker","data":{"e":"24hrTicker","s":"BNBBTC","c":"0.0025","C":86400000,"p":"0.0015","o":"0.0010"}}"#;
    script.hear(tick);
    let told = script.told();
    let [Event::Data(_, Data::Ticker(ticker))] = &told[..] else { panic!("{told:?}") };
    assert_eq!(ticker.last.as_ref().unwrap().as_str(), "0.0025");
    assert_eq!(ticker.at.unwrap().millis(), 86_400_000);
    assert!(ticker.raw.as_str().starts_with(r#"{"e":"24hrTicker","#));
    script.hear(&tick.replace("BNBBTC", "ETHBTC"));
    assert!(matches!(&script.told()[..], [Event::Broken(..)]));
    script.hear(tick);
    assert!(matches!(&script.told()[..], [Event::Data(_, Data::Ticker(_))]));
}
