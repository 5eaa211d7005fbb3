//! What the exchange lists, each with the character of its market.

use std::collections::HashMap;

use super::{
    assets::{ASSETS, Asset, BITCOIN_PERPETUALS, FUNDING, INDICES, PAPER, PERPETUALS, SECURITIES},
    noise::{Wave, named, unit},
};

/// What kind of thing is traded under a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are their names")]
pub enum InstrumentKind {
    Spot,
    Security,
    Paper,
    Perpetual,
    PaperPerpetual,
    Funding,
}

/// A symbol of the simulated exchange and the character of its market.
#[derive(Clone, Debug)]
pub struct Instrument {
    symbol: String,
    kind: InstrumentKind,
    base: String,
    quote: String,
    pub(super) index: u16,
    pub(super) key: u64,
    pub(super) level: f64,
    pub(super) waves: Vec<Wave>,
    pub(super) per_minute: f64,
    /// Typical amount of a trade, base units.
    pub(super) typical: f64,
    /// Distance of the best bid and ask from the middle, as a fraction of it.
    pub(super) half_spread: f64,
    /// First instant of trading, Unix milliseconds.
    pub(super) listed: i64,
}

impl Instrument {
    /// The exchange's own name with its prefix: `tBTCUSD`, `tDOGE:USD`, `fUSD`.
    pub fn symbol(&self) -> &str {
        &self.symbol
    }

    /// What is traded.
    pub fn kind(&self) -> InstrumentKind {
        self.kind
    }

    /// The code of what is bought and sold (`BTC`, `BTCF0`), or of the currency that is lent.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The code of what is paid (`USD`, `USTF0`); the currency itself for funding.
    pub fn quote(&self) -> &str {
        &self.quote
    }

    /// True if it is lent, not traded: rows have other shapes.
    pub fn is_funding(&self) -> bool {
        self.kind == InstrumentKind::Funding
    }

    /// True for perpetual swaps, play money included.
    pub fn is_perpetual(&self) -> bool {
        matches!(self.kind, InstrumentKind::Perpetual | InstrumentKind::PaperPerpetual)
    }

    /// The price around which it wanders.
    pub(crate) fn usual_price(&self) -> f64 {
        self.level.exp()
    }

    /// The symbol without its prefix, as conf lists it.
    pub(crate) fn pair(&self) -> &str {
        &self.symbol[1..]
    }

    /// True if the pair can be traded on margin.
    pub(crate) fn marginable(&self) -> bool {
        self.kind == InstrumentKind::Spot && self.per_minute >= 0.1
    }

    /// The smallest order, about four dollars' worth, rounded down to one digit.
    pub(crate) fn min_order(&self) -> f64 {
        let exact = (self.typical / 375.0).clamp(1e-8, 1e9);
        let magnitude = exact.log10().floor() as i32;
        let digit = (exact / 10_f64.powi(magnitude)).floor().clamp(1.0, 9.0);
        if magnitude < 0 { digit / 10_f64.powi(-magnitude) } else { digit * 10_f64.powi(magnitude) }
    }
}

/// Everything that is listed, in order of listing.
#[derive(Debug)]
pub(super) struct Universe {
    pub(super) instruments: Vec<Instrument>,
    by_symbol: HashMap<String, u16>,
    pub(super) seed: u64,
    listed_from: i64,
    start: i64,
}

/// Trades of an asset's further pairs, relative to its first.
const SHARE: [f64; 4] = [1.0, 0.45, 0.15, 0.04];
const DAY_MS: i64 = 86_400_000;
/// A typical trade, US dollars.
const TYPICAL_USD: f64 = 1_500.0;

impl Universe {
    pub(super) fn new(seed: u64, listed_from: i64, start: i64) -> Self {
        let instruments = Vec::new();
        let by_symbol = HashMap::new();
        let mut all = Self { instruments, by_symbol, seed, listed_from, start };
        let (majors, rest) = ASSETS.split_at(25);
        all.list_spot(majors, InstrumentKind::Spot);
        all.list_perpetuals();
        all.list_spot(rest, InstrumentKind::Spot);
        all.list_spot(SECURITIES, InstrumentKind::Security);
        for code in PAPER.split_whitespace() {
            let asset = known(code);
            all.list(asset, known("USD"), ["TEST", "", "TESTUSD"], InstrumentKind::Paper, 0.3);
            let affix = ["TEST", "F0", "TESTUSDTF0"];
            all.list(asset, known("UST"), affix, InstrumentKind::PaperPerpetual, 0.3);
        }
        for (code, rate) in FUNDING {
            all.list_funding(code, *rate);
        }
        all
    }

    pub(super) fn find(&self, symbol: &str) -> Option<&Instrument> {
        self.by_symbol.get(symbol).map(|&index| &self.instruments[usize::from(index)])
    }

    fn list_spot(&mut self, assets: &[Asset], kind: InstrumentKind) {
        for asset in assets {
            for (rank, quote) in asset.quotes.split_whitespace().enumerate() {
                let share = SHARE[rank.min(SHARE.len() - 1)];
                self.list(asset, known(quote), ["", "", quote], kind, share);
            }
        }
    }

    fn list_perpetuals(&mut self) {
        let spot = PERPETUALS.split_whitespace().map(known);
        for asset in spot.chain(INDICES) {
            let affix = ["", "F0", "USTF0"];
            self.list(asset, known("UST"), affix, InstrumentKind::Perpetual, 0.6);
        }
        for asset in BITCOIN_PERPETUALS.split_whitespace().map(known) {
            self.list(asset, known("BTC"), ["", "F0", "BTCF0"], InstrumentKind::Perpetual, 0.05);
        }
    }

    /// `affix`: before the base's code, after it, and the quote's code.
    fn list(
        &mut self,
        base: &Asset,
        quote: &Asset,
        affix: [&str; 3],
        kind: InstrumentKind,
        share: f64,
    ) {
        let [prefix, suffix, quote_code] = affix;
        let base_code = format!("{prefix}{}{suffix}", base.code);
        let colon = if base_code.len() > 3 || quote_code.len() > 3 { ":" } else { "" };
        let symbol = format!("t{base_code}{colon}{quote_code}");
        let waves = vec![
            Wave::new(named(self.seed, base.code), base.daily, 1.0),
            Wave::new(named(self.seed, quote.code), quote.daily, -1.0),
            Wave::new(named(self.seed, &symbol), 0.000_3, 1.0),
        ];
        self.push(Instrument {
            kind,
            base: base_code,
            quote: quote_code.to_owned(),
            level: (base.usd / quote.usd).ln(),
            waves,
            per_minute: base.per_minute * share,
            typical: TYPICAL_USD / base.usd,
            ..self.blank(symbol)
        });
    }

    fn list_funding(&mut self, code: &str, rate: f64) {
        let symbol = format!("f{code}");
        self.push(Instrument {
            kind: InstrumentKind::Funding,
            base: code.to_owned(),
            quote: code.to_owned(),
            level: rate.ln(),
            waves: vec![Wave::new(named(self.seed, &symbol), 0.12, 1.0)],
            per_minute: if code == "USD" || code == "UST" { 0.6 } else { 0.02 },
            typical: 5.0 * TYPICAL_USD / known(code).usd,
            ..self.blank(symbol)
        });
    }

    fn blank(&self, symbol: String) -> Instrument {
        Instrument {
            key: named(self.seed ^ 0x6d61_726b_6574, &symbol),
            symbol,
            kind: InstrumentKind::Spot,
            base: String::new(),
            quote: String::new(),
            index: u16::try_from(self.instruments.len()).expect("a few hundred instruments"),
            level: 0.0,
            waves: Vec::new(),
            per_minute: 0.0,
            typical: 0.0,
            half_spread: 0.0,
            listed: self.listed_from,
        }
    }

    fn push(&mut self, mut instrument: Instrument) {
        instrument.half_spread = match instrument.per_minute {
            busy if busy >= 1.0 => 0.000_05,
            busy if busy >= 0.3 => 0.000_2,
            busy if busy >= 0.1 => 0.000_8,
            busy if busy >= 0.02 => 0.002_5,
            _ => 0.007,
        };
        // A tenth of the quieter markets were listed in the meantime.
        let lot = unit(named(instrument.key, "listed"));
        if instrument.per_minute < 0.1 && lot < 0.1 {
            let span = (self.start - self.listed_from) as f64;
            instrument.listed += (9.0 * lot * span) as i64 / DAY_MS * DAY_MS;
        }
        self.by_symbol.insert(instrument.symbol.clone(), instrument.index);
        self.instruments.push(instrument);
    }
}

fn known(code: &str) -> &'static Asset {
    ASSETS.iter().find(|asset| asset.code == code).expect("every code in the lists is an asset")
}
