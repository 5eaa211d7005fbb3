//! `conf`: what exists, and how it is named.

use crate::sim::{
    engine::{ALIASES, ASSETS, INDICES, Instrument, InstrumentKind, MarketEngine, SECURITIES},
    json::Json,
};

use super::array;

/// One array per key, in the order asked. A key that is unknown has an empty one.
pub(super) fn answer(engine: &MarketEngine, keys: &str) -> String {
    array(|json| {
        for key in keys.split(',') {
            json.array(|json| list(engine, key, json));
        }
    })
}

/// Networks by the method's name, for `pub:map:tx:method` and `pub:info:tx:status`.
const METHODS: [(&str, &str); 9] = [
    ("BITCOIN", "BTC"),
    ("ETHEREUM", "ETH"),
    ("LITECOIN", "LTC"),
    ("TETHERUSE", "UST"),
    ("TETHERUSX", "UST"),
    ("RIPPLE", "XRP"),
    ("DASH", "DSH"),
    ("IOTA", "IOT"),
    ("SOLANA", "SOL"),
];

/// Chains that tokens live on, and their explorers.
const POOLS: [(&str, &str); 10] = [
    ("AAVE", "ETH"),
    ("COMP", "ETH"),
    ("LEO", "ETH"),
    ("LINK", "ETH"),
    ("MKR", "ETH"),
    ("PEPE", "ETH"),
    ("SHIB", "ETH"),
    ("UNI", "ETH"),
    ("BTT", "TRX"),
    ("BONK", "SOL"),
];
const EXPLORERS: [(&str, &str); 3] = [
    ("BTC", "https://blockstream.info"),
    ("ETH", "https://etherscan.io"),
    ("LTC", "https://blockchair.com/litecoin"),
];

fn list(engine: &MarketEngine, key: &str, json: &mut Json) {
    let of_kind = |kinds: &'static [InstrumentKind]| {
        engine.instruments().iter().filter(move |one| kinds.contains(&one.kind()))
    };
    let spot = || of_kind(&[InstrumentKind::Spot, InstrumentKind::Security, InstrumentKind::Paper]);
    let perpetuals = || of_kind(&[InstrumentKind::Perpetual, InstrumentKind::PaperPerpetual]);
    match key {
        "pub:list:pair:exchange" => strings(json, sorted(spot().map(Instrument::pair))),
        "pub:list:pair:margin" => {
            strings(json, sorted(spot().filter(|one| one.marginable()).map(Instrument::pair)));
        }
        // Without its s the key answered too (recorded 2021).
        "pub:list:pair:futures" | "pub:list:pair:future" => {
            strings(json, sorted(perpetuals().map(Instrument::pair)));
        }
        "pub:list:pair:securities" => {
            let securities = of_kind(&[InstrumentKind::Security]);
            strings(json, sorted(securities.map(Instrument::pair)));
        }
        "pub:info:pair" => spot().for_each(|one| info(json, one, 12)),
        "pub:info:pair:futures" => perpetuals().for_each(|one| info(json, one, 10)),
        "pub:list:currency" => strings(json, currencies(engine)),
        "pub:list:currency:margin" | "pub:list:currency:futures" => {
            let futures = key.ends_with("futures");
            let wanted = |one: &&Instrument| {
                if futures { one.is_perpetual() } else { one.marginable() }
            };
            let some = engine.instruments().iter().filter(wanted);
            strings(json, sorted(some.flat_map(|one| [one.base(), one.quote()])));
        }
        "pub:map:currency:sym" => pairs(json, ALIASES.iter().copied()),
        "pub:map:currency:label" => {
            let all = ASSETS.iter().chain(SECURITIES).chain(INDICES);
            pairs(json, all.map(|asset| (asset.code, asset.name)));
        }
        "pub:map:currency:unit" => pairs(json, [("IOT", "Mi|MegaIOTA")]),
        "pub:map:currency:undl" => underlyings(engine, json),
        "pub:map:currency:pool" => pairs(json, POOLS),
        "pub:map:currency:explorer" => {
            for (code, site) in EXPLORERS {
                json.array(|json| {
                    json.string(code).array(|json| {
                        json.string(site);
                        json.string(&format!("{site}/address/VAL"));
                        json.string(&format!("{site}/tx/VAL"));
                    });
                });
            }
        }
        "pub:map:currency:tx:fee" => {
            for asset in ASSETS {
                json.array(|json| {
                    json.string(asset.code).array(|json| {
                        json.int(0).number(if asset.daily == 0.0 { 0.0 } else { fee(asset.usd) });
                    });
                });
            }
        }
        "pub:map:currency:wfx" => {
            for asset in ASSETS.iter().filter(|asset| !asset.quotes.is_empty()) {
                json.array(|json| {
                    json.string(asset.code).number(asset.usd);
                });
            }
        }
        "pub:map:tx:method" => {
            for (method, code) in METHODS {
                json.array(|json| {
                    json.string(method).array(|json| {
                        json.string(code);
                    });
                });
            }
        }
        "pub:info:tx:status" => {
            for (method, _) in METHODS {
                json.array(|json| {
                    json.string(method).int(1).int(1).nulls(4).int(0).int(0).nulls(2).int(3);
                });
            }
        }
        _ => {}
    }
}

/// `[PAIR,[null,null,null,MIN,MAX,null,null,null,INITIAL,MINIMUM,...]]`: sizes are strings, margins
/// numbers, or null where there is no margin trading.
fn info(json: &mut Json, instrument: &Instrument, length: usize) {
    let smallest = instrument.min_order();
    let margins = if instrument.is_perpetual() {
        Some((0.01, 0.005))
    } else {
        instrument.marginable().then_some((0.3, 0.15))
    };
    json.array(|json| {
        json.string(instrument.pair()).array(|json| {
            json.nulls(3);
            for size in [smallest, (smallest * 5e7).min(250_000_000.0)] {
                let whole = if size.fract() == 0.0 { ".0" } else { "" };
                json.string(&format!("{size}{whole}"));
            }
            json.nulls(3).optional(margins.map(|m| m.0)).optional(margins.map(|m| m.1));
            json.nulls(length - 10);
        });
    });
}

/// About two dollars, rounded down to one digit.
fn fee(usd: f64) -> f64 {
    let exact = 2.0 / usd;
    let magnitude = 10_f64.powi(-(exact.log10().floor() as i32));
    (exact * magnitude).floor() / magnitude
}

/// Every code that any pair or loan is made in.
fn currencies(engine: &MarketEngine) -> Vec<&str> {
    sorted(engine.instruments().iter().flat_map(|one| [one.base(), one.quote()]))
}

/// Derivatives' codes and what they stand for.
fn underlyings(engine: &MarketEngine, json: &mut Json) {
    let codes = currencies(engine);
    let derived = codes.iter().filter_map(|code| Some((*code, code.strip_suffix("F0")?)));
    pairs(json, derived.filter(|(_, underlying)| codes.contains(underlying)));
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names = names.collect::<Vec<_>>();
    names.sort_unstable();
    names.dedup();
    names
}

fn strings<'a>(json: &mut Json, names: impl IntoIterator<Item = &'a str>) {
    for name in names {
        json.string(name);
    }
}

fn pairs<'a>(json: &mut Json, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (left, right) in pairs {
        json.array(|json| {
            json.string(left).string(right);
        });
    }
}
