//! A settings file as a list of assignments, each with its line.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Mistake, Origin, given::Given, layer::Assignment};

/// Reads as much as can be read. What is no TOML is a mistake; the rest is still checked.
pub(super) fn read(path: &Path, text: &str) -> (Vec<Assignment>, Vec<Mistake>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let file = File { path, text };
    let mistakes = errors
        .iter()
        .map(|error| Mistake {
            path: None,
            origin: file.origin(error.span().map_or(0, |span| span.start)),
            what: error.message().to_owned(),
        })
        .collect();
    let mut assignments = Vec::new();
    file.walk("", table.get_ref(), &mut assignments);
    assignments.sort_by_key(|(offset, _)| *offset);
    (assignments.into_iter().map(|(_, assignment)| assignment).collect(), mistakes)
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Origin::File { path: self.path.to_owned(), line }
    }

    fn walk(&self, above: &str, table: &DeTable<'_>, out: &mut Vec<(usize, Assignment)>) {
        for (key, value) in table {
            let name = segment(key.get_ref());
            let path = if above.is_empty() { name } else { format!("{above}.{name}") };
            match value.get_ref() {
                DeValue::Table(inner) if !inner.is_empty() => self.walk(&path, inner, out),
                _ => {
                    let offset = key.span().start;
                    let given = given(value);
                    let origin = self.origin(offset);
                    out.push((offset, Assignment { path, given, origin }));
                }
            }
        }
    }
}

/// A quoted key with a dot inside must not pass for two keys.
fn segment(key: &str) -> String {
    if key.contains('.') { format!("{key:?}") } else { key.to_owned() }
}

fn given(value: &Spanned<DeValue<'_>>) -> Given {
    match value.get_ref() {
        DeValue::String(text) => Given::Text(text.clone().into_owned()),
        DeValue::Integer(whole) => {
            let decimal = i128::from_str_radix(whole.as_str(), whole.radix());
            decimal.map_or(Given::Other("a number"), |whole| Given::Whole(whole.to_string()))
        }
        DeValue::Float(number) => {
            number.as_str().parse().map_or(Given::Other("a number"), Given::Number)
        }
        DeValue::Boolean(value) => Given::Switch(*value),
        DeValue::Datetime(_) => Given::Other("a date"),
        DeValue::Array(_) => Given::Other("a list"),
        DeValue::Table(_) => Given::EmptyTable,
    }
}
