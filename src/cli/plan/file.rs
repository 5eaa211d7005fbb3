//! A workload file.
//!
//! ```toml
//! latency = "150ms"
//! exchange = "kraken"
//!
//! [[clients]]
//! what = ["ticker", "candles"]
//! symbols = ["BTC/USD", "ETH/USD"]
//! timeframes = ["1m", "5m"]
//! clients = 20
//! every = "5s"
//! ```

use std::{fs, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::draft::{Draft, FIELDS, Mistakes, Text, Written};

struct File<'a> {
    path: String,
    text: &'a str,
}

/// What a file describes.
pub(super) fn read(path: &Path, mistakes: &mut Mistakes) -> Written {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            mistakes.add("", format!("cannot read {}: {error}", path.display()));
            return Written::default();
        }
    };
    let file = File { path: path.display().to_string(), text: &text };
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        mistakes.add(&file.place(at), error.message());
    }
    let mut written = Written::default();
    for (key, value) in table.get_ref() {
        let place = file.place(key.span().start);
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("latency", _) => match scalar(value) {
                Some(text) => {
                    written.latency = Some(Text { place: format!("{place}: latency"), text });
                }
                None => mistakes.add(&place, "latency: expected a duration such as \"150ms\""),
            },
            ("exchange", _) => match scalar(value) {
                Some(text) => {
                    written.exchange = Some(Text { place: format!("{place}: exchange"), text });
                }
                None => mistakes.add(&place, "exchange: expected a name such as \"kraken\""),
            },
            ("clients", DeValue::Array(groups)) => {
                let drafts = &mut written.drafts;
                drafts.extend(groups.iter().filter_map(|group| file.group(group, mistakes)));
            }
            ("clients", _) => mistakes.add(&place, "clients: expected [[clients]] tables"),
            (other, _) => {
                let what =
                    format!("unknown key {other:?}; known are latency, exchange and [[clients]]");
                mistakes.add(&place, what);
            }
        }
    }
    if table.get_ref().get("clients").is_none() {
        mistakes.add(&file.path, "no [[clients]]");
    }
    written
}

impl File<'_> {
    fn place(&self, offset: usize) -> String {
        let before = self.text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        format!("{}:{line}", self.path)
    }

    fn group(&self, group: &Spanned<DeValue<'_>>, mistakes: &mut Mistakes) -> Option<Draft> {
        let place = self.place(group.span().start);
        let DeValue::Table(table) = group.get_ref() else {
            mistakes.add(&place, "clients: expected a table");
            return None;
        };
        let mut draft = Draft::at(&place);
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let place = format!("{}: {name}", self.place(key.span().start));
            let Some(field) = FIELDS.into_iter().find(|field| *field == name) else {
                mistakes.add(&place, format!("unknown key; known are {}", FIELDS.join(", ")));
                continue;
            };
            let is_list = ["symbols", "timeframes", "what"].contains(&field);
            let texts: Option<Vec<String>> = match value.get_ref() {
                DeValue::Array(values) if is_list => values.iter().map(scalar).collect(),
                _ => scalar(value).map(|text| vec![text]),
            };
            match texts {
                Some(texts) => texts.iter().for_each(|text| draft.give(field, &place, text)),
                None if is_list => mistakes.add(&place, "expected a text or a list of texts"),
                None => mistakes.add(&place, "expected a text or a whole number"),
            }
        }
        Some(draft)
    }
}

fn scalar(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(whole) => {
            i128::from_str_radix(whole.as_str(), whole.radix()).ok().map(|whole| whole.to_string())
        }
        _ => None,
    }
}
