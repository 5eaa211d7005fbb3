//! Parameters of a request, and what is said about wrong ones.

use crate::sim::query::Query;

/// What is wrong with a request, in the exchange's numbers and words
/// (binance/binance-spot-api-docs, errors.md, 2026-07).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) code: i32,
    pub(super) message: String,
}

impl Wrong {
    fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn symbol() -> Self {
        Self::new(-1121, "Invalid symbol.")
    }

    pub(super) fn interval() -> Self {
        Self::new(-1120, "Invalid interval.")
    }

    pub(super) fn missing(name: &str) -> Self {
        let why = "was not sent, was empty/null, or malformed.";
        Self::new(-1102, format!("Mandatory parameter '{name}' {why}"))
    }

    pub(super) fn either(one: &str, other: &str) -> Self {
        Self::new(-1128, format!("Combination of optional parameters invalid: {one}, {other}."))
    }

    fn illegal(name: &str, range: &str) -> Self {
        let message =
            format!("Illegal characters found in parameter '{name}'; legal range is '{range}'.");
        Self::new(-1100, message)
    }

    fn not_valid(name: &str) -> Self {
        Self::new(-1130, format!("Data sent for parameter '{name}' is not valid."))
    }
}

const SYMBOL: &str = "^[A-Z0-9-_.]{1,20}$";
const SYMBOLS: &str = r#"^\\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\\]$"#;
const DIGITS: &str = "^[0-9]{1,20}$";

/// The parameters of a request, of names that are known.
#[derive(Clone, Copy)]
pub(super) struct Params<'a>(&'a Query);

impl<'a> Params<'a> {
    /// # Errors
    /// If there is one that is not among `known`, one twice, or one without a value.
    pub(super) fn read(query: &'a Query, known: &[&str]) -> Result<Self, Wrong> {
        let names: Vec<&str> = query.names().collect();
        let read = names.iter().filter(|name| known.contains(name)).count();
        if read < names.len() {
            let message = format!(
                "Not all sent parameters were read; read '{read}' parameter(s) but was sent '{}'.",
                names.len()
            );
            return Err(Wrong::new(-1104, message));
        }
        for (place, name) in names.iter().enumerate() {
            if names[..place].contains(name) {
                let message = format!("Duplicate values for a parameter detected: '{name}'.");
                return Err(Wrong::new(-1101, message));
            }
            if query.text(name) == Some("") {
                return Err(Wrong::new(-1105, format!("Parameter '{name}' was empty.")));
            }
        }
        Ok(Self(query))
    }

    pub(super) fn text(self, name: &'a str) -> Option<&'a str> {
        self.0.text(name)
    }

    /// `symbol`, if its letters are those of symbols.
    pub(super) fn symbol(self) -> Result<Option<&'a str>, Wrong> {
        match self.text("symbol") {
            Some(symbol) if !is_symbol(symbol) => Err(Wrong::illegal("symbol", SYMBOL)),
            symbol => Ok(symbol),
        }
    }

    /// `symbols`: a JSON array of them.
    pub(super) fn symbols(self) -> Result<Option<Vec<String>>, Wrong> {
        let Some(text) = self.text("symbols") else { return Ok(None) };
        match serde_json::from_str::<Vec<String>>(text) {
            Ok(symbols) if symbols.iter().all(|symbol| is_symbol(symbol)) => Ok(Some(symbols)),
            _ => Err(Wrong::illegal("symbols", SYMBOLS)),
        }
    }

    /// A whole number that is not below zero.
    pub(super) fn int(self, name: &'a str) -> Result<Option<i64>, Wrong> {
        let Some(text) = self.text(name) else { return Ok(None) };
        if text.is_empty() || text.len() > 20 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Wrong::illegal(name, DIGITS));
        }
        text.parse().map(Some).map_err(|_| Wrong::not_valid(name))
    }

    /// `limit`: what is above `most` counts as `most`.
    pub(super) fn limit(self, default: usize, most: usize) -> Result<usize, Wrong> {
        match self.int("limit")? {
            None => Ok(default),
            Some(0) => Err(Wrong::not_valid("limit")),
            Some(limit) => Ok(usize::try_from(limit).unwrap_or(most).min(most)),
        }
    }

    /// A word that has to be one of `known`.
    pub(super) fn word(self, name: &'a str, known: &[&'a str]) -> Result<&'a str, Wrong> {
        match self.text(name) {
            None => Ok(known[0]),
            Some(word) => known
                .iter()
                .find(|known| **known == word)
                .copied()
                .ok_or_else(|| Wrong::not_valid(name)),
        }
    }
}

fn is_symbol(text: &str) -> bool {
    let fits = |byte: u8| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
    };
    (1..=20).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `ask` makes of a query, with an error's number instead of its words.
    fn ask<T>(query: &str, ask: impl FnOnce(Params<'_>) -> Result<T, Wrong>) -> Result<T, i32> {
        let query = Query::parse(query);
        let params = Params::read(&query, &["symbol", "symbols", "limit", "type"]);
        params.and_then(ask).map_err(|wrong| wrong.code)
    }

    #[test]
    fn wrong_parameters_are_told_with_the_numbers_of_the_documentation() {
        assert_eq!(ask("symbol=A&other=1", |_| Ok(())), Err(-1104));
        assert_eq!(ask("symbol=A&symbol=B", |_| Ok(())), Err(-1101));
        assert_eq!(ask("symbol=", |_| Ok(())), Err(-1105));
        let symbol = |query| ask(query, |params| Ok(params.symbol()?.map(str::to_owned)));
        assert_eq!(symbol("symbol=btcusdt"), Err(-1100));
        assert_eq!(symbol("symbol=BTC%2FUSDT"), Err(-1100));
        assert_eq!(symbol("symbol=BTCUSDT"), Ok(Some("BTCUSDT".to_owned())));
        let symbols = |query| ask(query, |params| params.symbols());
        assert_eq!(symbols("symbols=BTCUSDT"), Err(-1100));
        let both = Some(vec!["BTCUSDT".to_owned(), "ETHBTC".to_owned()]);
        assert_eq!(symbols("symbols=%5B%22BTCUSDT%22%2C%22ETHBTC%22%5D"), Ok(both));
        let limit = |query| ask(query, |params| params.limit(5, 10));
        assert_eq!(limit("limit=x"), Err(-1100));
        assert_eq!(limit("limit=-1"), Err(-1100));
        assert_eq!(limit("limit=0"), Err(-1130));
        assert_eq!((limit("limit=99"), limit("")), (Ok(10), Ok(5)));
        let word =
            |query| ask(query, |params| Ok(params.word("type", &["FULL", "MINI"])?.to_owned()));
        assert_eq!(word("type=HUGE"), Err(-1130));
        assert_eq!(word(""), Ok("FULL".to_owned()));
    }
}
