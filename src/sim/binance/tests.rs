//! The exchange as its clients see it, in process.

use std::time::Duration;

use serde_json::Value;

use crate::{
    market::UnixMs,
    sim::{
        Conversation, Fault, Frame, Kind, ManualTime, SimClock, SimConfig, Venue, WsAction,
        WsConfig, WsFault,
    },
};

/// 2026-11-22 15:14:12.345 UTC.
const NOW: i64 = 1_795_360_452_345;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn venue(ws: WsConfig) -> (Venue, ManualTime) {
    let time = ManualTime::new(UnixMs::from_millis(NOW));
    let clock = SimClock::Manual(time.clone());
    let history = Duration::from_secs(20 * 86_400);
    let config = SimConfig { exchange: Kind::Binance, clock, history, ws, ..SimConfig::default() };
    (Venue::new(config), time)
}

fn ask(venue: &Venue, target: &str) -> Value {
    let (status, body) = venue.rest(target);
    assert_eq!(status, 200, "{target}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn refused(venue: &Venue, target: &str) -> (u16, i64) {
    let (status, body) = venue.rest(target);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert!(body["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{body}");
    (status, body["code"].as_i64().unwrap())
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).parse().unwrap()
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no array"))
}

#[test]
fn the_list_tells_grids_limits_and_what_is_not_traded() {
    let (venue, _) = venue(WsConfig::default());
    let info = ask(&venue, "/api/v3/exchangeInfo");
    assert_eq!(info["serverTime"], NOW);
    assert_eq!(info["rateLimits"][0]["limit"], 6_000);
    let symbols = rows(&info["symbols"]);
    assert!(symbols.len() > 100, "{}", symbols.len());
    let one = ask(&venue, "/api/v3/exchangeInfo?symbol=BTCUSDT");
    let btc = &one["symbols"][0];
    assert_eq!((&btc["baseAsset"], &btc["quoteAsset"]), (&"BTC".into(), &"USDT".into()));
    assert_eq!(btc["filters"][0]["filterType"], "PRICE_FILTER");
    assert_eq!(btc["permissionSets"][0][0], "SPOT");
    let halted = ask(&venue, "/api/v3/exchangeInfo?symbolStatus=BREAK");
    assert_eq!(rows(&halted["symbols"]).len(), 2, "{halted}");
    assert_eq!(refused(&venue, "/api/v3/exchangeInfo?symbol=NOSUCH"), (400, -1121));
}

#[test]
fn rows_of_all_endpoints_agree_with_each_other() {
    let (venue, _) = venue(WsConfig::default());
    let day = ask(&venue, "/api/v3/ticker/24hr?symbol=BTCUSDT");
    let trades = ask(&venue, "/api/v3/trades?symbol=BTCUSDT&limit=1000");
    let trades = rows(&trades);
    assert_eq!(trades.len(), 1_000);
    assert!(trades.is_sorted_by(|a, b| a["id"].as_i64() < b["id"].as_i64()));
    let last = trades.last().unwrap();
    assert_eq!((&day["lastPrice"], &day["lastQty"]), (&last["price"], &last["qty"]));
    assert_eq!(day["lastId"], last["id"]);
    assert_eq!(day["closeTime"], NOW);

    let since = NOW - 24 * HOUR;
    let minutes = ask(
        &venue,
        &format!("/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime={}&limit=5", since),
    );
    assert_eq!(minutes[0][0], (since / MINUTE + 1) * MINUTE, "not aligned: the next bucket");
    let hours = ask(&venue, "/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=24");
    let hours = rows(&hours);
    let open = hours.last().unwrap();
    assert_eq!(open[0], NOW / HOUR * HOUR, "the last one is not closed");
    assert_eq!((&open[4], open[6].as_i64()), (&last["price"], Some(NOW / HOUR * HOUR + HOUR - 1)));
    let of_hour = |trade: &&Value| trade["time"].as_i64() >= open[0].as_i64();
    let own: Vec<&Value> = trades.iter().filter(of_hour).collect();
    let volume: f64 = own.iter().map(|trade| number(&trade["qty"])).sum();
    let bought = own.iter().filter(|trade| trade["isBuyerMaker"] == false);
    let bought: f64 = bought.map(|trade| number(&trade["qty"])).sum();
    assert_eq!(open[8].as_u64(), Some(own.len() as u64));
    assert!((number(&open[5]) - volume).abs() < 1e-6, "{open}");
    assert!((number(&open[9]) - bought).abs() < 1e-6, "{open}");

    let aggregates = ask(&venue, "/api/v3/aggTrades?symbol=BTCUSDT&limit=3");
    let newest = &rows(&aggregates)[2];
    assert_eq!((&newest["l"], &newest["p"]), (&last["id"], &last["price"]));
    let from = newest["a"].as_i64().unwrap() - 1;
    let again = ask(&venue, &format!("/api/v3/aggTrades?symbol=BTCUSDT&fromId={from}"));
    assert_eq!(rows(&again), &rows(&aggregates)[1..]);
    let (start, end) = (&aggregates[0]["T"], &aggregates[1]["T"]);
    let between = format!("/api/v3/aggTrades?symbol=BTCUSDT&startTime={start}&endTime={end}");
    assert!(rows(&ask(&venue, &between)).contains(&aggregates[1]));
    assert!(!rows(&ask(&venue, &between)).contains(newest));

    let book = ask(&venue, "/api/v3/depth?symbol=BTCUSDT&limit=7");
    assert_eq!((rows(&book["bids"]).len(), rows(&book["asks"]).len()), (7, 7));
    let best = ask(&venue, "/api/v3/ticker/bookTicker?symbol=BTCUSDT");
    assert_eq!((&best["bidPrice"], &best["bidQty"]), (&book["bids"][0][0], &book["bids"][0][1]));
    assert_eq!((&best["askPrice"], &day["askPrice"]), (&book["asks"][0][0], &best["askPrice"]));
    assert!(number(&best["bidPrice"]) < number(&best["askPrice"]));

    let some =
        ask(&venue, "/api/v3/ticker/24hr?type=MINI&symbols=%5B%22ETHBTC%22,%22BTCUSDT%22%5D");
    assert_eq!((&some[0]["symbol"], &some[1]["volume"]), (&"ETHBTC".into(), &day["volume"]));
    assert_eq!(some[1]["bidPrice"], Value::Null);
}

#[test]
fn buckets_without_trades_are_flat_and_none_is_left_out() {
    let (venue, _) = venue(WsConfig::default());
    let klines = ask(&venue, "/api/v3/klines?symbol=ZRXUSDT&interval=1m&limit=1000");
    let klines = rows(&klines);
    assert_eq!(klines.len(), 1_000);
    let mut empty = 0;
    for pair in klines.windows(2) {
        assert_eq!(pair[1][0].as_i64().unwrap() - pair[0][0].as_i64().unwrap(), MINUTE);
        if pair[1][8] == 0 {
            empty += 1;
            assert_eq!(pair[1][5], "0.00000000");
            let price = &pair[0][4];
            assert!((1..=4).all(|column| pair[1][column] == *price), "{pair:?}");
        }
    }
    assert!((1..1_000).contains(&empty), "{empty}");
}

#[test]
fn wrong_requests_are_told_by_number() {
    let (venue, _) = venue(WsConfig::default());
    for (target, answer) in [
        ("ticker/24hr?symbol=NOSUCH", (400, -1121)),
        ("ticker/24hr?symbol=btcusdt", (400, -1100)),
        ("ticker/24hr?symbols=%5B%22BTCUSDT%22,%22NOSUCH%22%5D", (400, -1121)),
        ("ticker/24hr?symbol=BTCUSDT&symbols=%5B%22BTCUSDT%22%5D", (400, -1128)),
        ("depth", (400, -1102)),
        ("depth?symbol=BTCUSDT&limit=0", (400, -1130)),
        ("depth?symbol=BTCUSDT&limit=ten", (400, -1100)),
        ("depth?symbol=BTCUSDT&depth=10", (400, -1104)),
        ("klines?symbol=BTCUSDT", (400, -1102)),
        ("klines?symbol=BTCUSDT&interval=1H", (400, -1120)),
        ("aggTrades?symbol=BTCUSDT&fromId=1&startTime=1", (400, -1128)),
    ] {
        assert_eq!(refused(&venue, &format!("/api/v3/{target}")), answer, "{target}");
    }
    assert_eq!(venue.rest("/api/v3/nothing").0, 404);
    let most = ask(&venue, "/api/v3/depth?symbol=BTCUSDT&limit=9000");
    assert!(rows(&most["bids"]).len() > 100);
}

#[tokio::test(start_paused = true)]
async fn weights_are_told_and_whoever_asks_on_is_banned() {
    let (venue, _) = venue(WsConfig::default());
    for n in 1..=75 {
        let (status, _) = venue.rest("/api/v3/ticker/24hr?type=MINI");
        assert_eq!(status, 200, "{n}");
    }
    for n in 1..=10 {
        assert_eq!(refused(&venue, "/api/v3/ping"), (429, -1003), "{n}");
    }
    assert_eq!(refused(&venue, "/api/v3/ping"), (418, -1003));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(refused(&venue, "/api/v3/ping"), (418, -1003), "the ban outlasts the minute");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(venue.rest("/api/v3/ping"), (200, "{}".to_owned()));
}

#[test]
fn faults_are_told_in_the_exchanges_own_words() {
    let (venue, _) = venue(WsConfig::default());
    for (fault, answer) in [
        (Fault::RateLimited { retry_after: None }, (429, -1003)),
        (Fault::Banned { retry_after: None }, (418, -1003)),
        (Fault::Restricted, (451, 0)),
        (Fault::NotReady, (503, -1008)),
        (Fault::ErrorArray { code: -1007, message: "Timeout".to_owned() }, (400, -1007)),
        (Fault::Status { status: 502, body: None }, (502, -1001)),
    ] {
        let shown = format!("{fault:?}");
        venue.fault(fault.always());
        assert_eq!(refused(&venue, "/api/v3/ping"), answer, "{shown}");
        venue.clear_faults();
    }
}

/// A conversation and the market's time, which goes on in steps of 100 ms.
struct Talk {
    venue: Venue,
    talk: Conversation,
    time: ManualTime,
}

impl Talk {
    fn at(target: &str, ws: WsConfig) -> Self {
        let (venue, time) = venue(ws);
        let talk = venue.connect_to(target).unwrap();
        Self { venue, talk, time }
    }

    fn say(&mut self, text: &str) -> Vec<Frame> {
        let mut out = Vec::new();
        self.talk.on_text(text, self.time.now(), &mut out);
        out
    }

    fn wait(&mut self, ms: u64) -> Vec<Frame> {
        let mut out = Vec::new();
        for _ in 0..ms.div_ceil(100) {
            let before = out.len();
            self.time.advance(Duration::from_millis(100));
            self.talk.on_time(self.time.now(), &mut out);
            // A living client.
            if out[before..].iter().any(|frame| matches!(frame, Frame::Ping(_))) {
                self.talk.heard(self.time.now());
            }
        }
        out
    }

    /// The data of a stream within the next so many milliseconds.
    fn data(&mut self, stream: &str, ms: u64) -> Vec<Value> {
        let frames = self.wait(ms).into_iter().filter_map(json);
        frames.filter(|one| one["stream"] == stream).map(|mut one| one["data"].take()).collect()
    }
}

fn json(frame: Frame) -> Option<Value> {
    match frame {
        Frame::Text(text) => Some(serde_json::from_str(&text).unwrap()),
        _ => None,
    }
}

fn text(frames: Vec<Frame>) -> Value {
    let [frame] = <[Frame; 1]>::try_from(frames).unwrap();
    json(frame).unwrap()
}

#[test]
fn requests_are_acknowledged_listed_and_refused() {
    let mut talk = Talk::at("/stream", WsConfig::default());
    let ack =
        talk.say(r#"{"method":"SUBSCRIBE","params":["btcusdt@trade","nosuch@trade"],"id":1}"#);
    assert_eq!(ack, [Frame::Text(r#"{"result":null,"id":1}"#.to_owned())]);
    let list = r#"{"method":"LIST_SUBSCRIPTIONS","id":"list"}"#;
    let both = serde_json::json!(["btcusdt@trade", "nosuch@trade"]);
    assert_eq!(text(talk.say(list))["result"], both);
    let undo = r#"{"method":"UNSUBSCRIBE","params":["nosuch@trade"],"id":null}"#;
    assert_eq!(text(talk.say(undo)), serde_json::json!({"result": null, "id": null}));
    talk.wait(1_000);
    assert_eq!(text(talk.say(list))["result"], serde_json::json!(["btcusdt@trade"]));
    for (request, code) in
        [("[", 3), (r#"{"id":1}"#, 2), (r#"{"method":"SUBSCRIBE","params":[1],"id":1}"#, 2)]
    {
        assert_eq!(text(talk.say(request))["code"], code, "{request}");
    }
    assert_eq!(talk.venue.counts().ws.subscribes, 2);
}

#[test]
fn the_changes_of_a_book_join_the_snapshot_of_rest() {
    let mut talk = Talk::at("/stream?streams=btcusdt@depth@100ms", WsConfig::default());
    let mut events = talk.data("btcusdt@depth@100ms", 3_000);
    let snapshot = ask(&talk.venue, "/api/v3/depth?symbol=BTCUSDT&limit=5000");
    let id = snapshot["lastUpdateId"].as_i64().unwrap();
    events.extend(talk.data("btcusdt@depth@100ms", 20_000));
    let int = |event: &Value, name: &str| event[name].as_i64().unwrap();
    for pair in events.windows(2) {
        assert_eq!(int(&pair[1], "U"), int(&pair[0], "u") + 1);
    }
    events.retain(|event| int(event, "u") > id);
    let first = &events[0];
    assert!((int(first, "U")..=int(first, "u")).contains(&(id + 1)), "{id} {first}");
    let side = |levels: &Value| -> std::collections::BTreeMap<String, String> {
        let pair = |level: &Value| [&level[0], &level[1]].map(|text| text.as_str().unwrap().into());
        rows(levels).iter().map(pair).map(|[price, amount]| (price, amount)).collect()
    };
    let mut sides = [side(&snapshot["bids"]), side(&snapshot["asks"])];
    for event in &events {
        for (have, name) in sides.iter_mut().zip(["b", "a"]) {
            have.extend(side(&event[name]));
            have.retain(|_, amount| amount != "0.00000000");
        }
    }
    let now = ask(&talk.venue, "/api/v3/depth?symbol=BTCUSDT&limit=5000");
    assert_eq!(int(&now, "lastUpdateId"), int(events.last().unwrap(), "u"));
    assert_eq!(sides, [side(&now["bids"]), side(&now["asks"])]);
}

/// The acknowledgement comes in the last moment of a second, and the next look is in the one after.
#[test]
fn nothing_is_missing_between_an_acknowledgement_and_the_first_change() {
    let mut talk = Talk::at("/stream", WsConfig::default());
    talk.time.advance(Duration::from_millis(650)); // 12.995
    talk.say(r#"{"method":"SUBSCRIBE","params":["btcusdt@depth"],"id":1}"#);
    let book = ask(&talk.venue, "/api/v3/depth?symbol=BTCUSDT&limit=5");
    let first = &talk.data("btcusdt@depth", 3_000)[0];
    assert_eq!(first["U"].as_i64().unwrap(), book["lastUpdateId"].as_i64().unwrap() + 1);
}

#[test]
fn a_lost_frame_is_a_gap_and_a_freeze_is_silence() {
    let mut talk = Talk::at("/stream?streams=btcusdt@depth", WsConfig::default());
    talk.data("btcusdt@depth", 2_000);
    talk.venue.ws_fault(WsFault::LoseFrame.times("book", "BTCUSDT", 1));
    let events = talk.data("btcusdt@depth", 5_000);
    let gap = events[0]["U"].as_i64().unwrap();
    assert_eq!(events.len(), 4);
    assert!(
        events
            .windows(2)
            .all(|pair| { pair[1]["U"].as_i64().unwrap() == pair[0]["u"].as_i64().unwrap() + 1 })
    );
    let before = ask(&talk.venue, "/api/v3/depth?symbol=BTCUSDT")["lastUpdateId"].as_i64().unwrap();
    assert!(gap < before);
    talk.venue.ws_fault(WsFault::Freeze { heartbeats: false }.always());
    talk.wait(1_000);
    assert!(talk.data("btcusdt@depth", 5_000).is_empty());
}

#[test]
fn streams_tell_what_rest_tells() {
    let names = "btcusdt@trade/btcusdt@aggTrade/btcusdt@ticker/btcusdt@miniTicker/\
                 btcusdt@bookTicker/btcusdt@depth5@100ms/btcusdt@kline_1m/!miniTicker@arr";
    let mut talk = Talk::at(&format!("/stream?streams={names}"), WsConfig::default());
    let frames: Vec<Value> = talk.wait(150_000).into_iter().filter_map(json).collect();
    let of = |name: &str| -> Vec<&Value> {
        let named = frames.iter().filter(|one| one["stream"] == name);
        named.map(|one| &one["data"]).collect()
    };
    let trades = ask(&talk.venue, "/api/v3/trades?symbol=BTCUSDT&limit=1000");
    let recent = rows(&trades).iter().filter(|one| one["time"].as_i64().unwrap() > NOW + 100);
    let ids: Vec<&Value> = recent.map(|one| &one["id"]).collect();
    assert!(ids.len() > 1, "{ids:?}");
    assert_eq!(of("btcusdt@trade").iter().map(|one| &one["t"]).collect::<Vec<_>>(), ids);
    let aggregates = of("btcusdt@aggTrade");
    let filled: i64 = aggregates
        .iter()
        .map(|one| one["l"].as_i64().unwrap() - one["f"].as_i64().unwrap() + 1)
        .sum();
    assert_eq!(filled, ids.len() as i64);

    let klines: Vec<&Value> = of("btcusdt@kline_1m").iter().map(|one| &one["k"]).collect();
    let closed: Vec<&&Value> = klines.iter().filter(|one| one["x"] == true).collect();
    assert_eq!(closed.len(), 2, "two minutes ended");
    let rest = ask(&talk.venue, "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=3");
    for (stream, row) in closed.iter().zip(rows(&rest)) {
        for (name, column) in [
            ("t", 0),
            ("o", 1),
            ("h", 2),
            ("l", 3),
            ("c", 4),
            ("v", 5),
            ("T", 6),
            ("q", 7),
            ("n", 8),
        ] {
            assert_eq!(stream[name], row[column], "{name}");
        }
    }
    let ticker = *of("btcusdt@ticker").last().unwrap();
    let day = ask(&talk.venue, "/api/v3/ticker/24hr?symbol=BTCUSDT");
    for (name, key) in [("c", "lastPrice"), ("b", "bidPrice"), ("a", "askPrice"), ("L", "lastId")] {
        assert_eq!(ticker[name], day[key], "{name}");
    }
    let best = *of("btcusdt@bookTicker").last().unwrap();
    assert_eq!((&best["b"], &best["e"]), (&day["bidPrice"], &Value::Null));
    let top = *of("btcusdt@depth5@100ms").last().unwrap();
    assert_eq!((rows(&top["bids"]).len(), &top["bids"][0][0]), (5, &best["b"]));
    // The best may have stood still since.
    assert!(top["lastUpdateId"].as_i64() >= best["u"].as_i64(), "{top} {best}");
    assert_eq!(top["asks"][0], serde_json::json!([best["a"], best["A"]]));
    assert!(of("!miniTicker@arr").iter().any(|all| rows(all).len() > 1));
    assert_eq!(of("btcusdt@miniTicker")[0]["e"], "24hrMiniTicker");
}

#[test]
fn raw_connections_have_no_names_around_their_data() {
    let mut talk = Talk::at("/ws/btcusdt@bookTicker", WsConfig::default());
    let frames: Vec<Value> = talk.wait(3_000).into_iter().filter_map(json).collect();
    assert!(!frames.is_empty());
    assert!(frames.iter().all(|one| one["s"] == "BTCUSDT" && one["stream"] == Value::Null));
}

#[test]
fn pings_messages_and_ages_are_watched() {
    let mut talk =
        Talk::at("/ws", WsConfig { lifetime: Duration::from_secs(90), ..WsConfig::default() });
    let frames = talk.wait(20_000);
    assert!(matches!(&frames[..], [Frame::Ping(_)]), "{frames:?}");
    for _ in 0..4 {
        assert_eq!(talk.say(r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#).len(), 1);
    }
    talk.wait(1_000);
    for _ in 0..5 {
        talk.say(r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#);
    }
    assert_eq!(talk.say("{}"), [Frame::Close(1008)], "the sixth within a second");

    let ws = WsConfig { lifetime: Duration::from_secs(90), ..WsConfig::default() };
    let mut old = Talk::at("/ws", ws);
    assert!(!old.wait(89_900).contains(&Frame::Close(1008)));
    assert_eq!(old.wait(200), [Frame::Close(1008)]);

    let mut mute = Talk::at("/ws", WsConfig::default());
    let mut out = Vec::new();
    for _ in 1..80 {
        mute.time.advance(Duration::from_secs(1));
        mute.talk.on_time(mute.time.now(), &mut out);
    }
    assert!(!out.contains(&Frame::Close(1008)), "60 s after the first ping");
    mute.time.advance(Duration::from_secs(1));
    mute.talk.on_time(mute.time.now(), &mut out);
    assert_eq!(out.last(), Some(&Frame::Close(1008)));
}

#[test]
fn a_planned_stop_is_told_before_it_comes() {
    let mut talk = Talk::at("/stream", WsConfig::default());
    talk.venue.ws_now(WsAction::Restart);
    let told = text(talk.wait(100));
    assert_eq!(
        (&told["stream"], &told["data"]["e"]),
        (&"!serverShutdown".into(), &"serverShutdown".into())
    );
    assert!(!talk.wait(29_900).contains(&Frame::Close(1012)));
    assert_eq!(talk.wait(100).last(), Some(&Frame::Close(1012)));
}
