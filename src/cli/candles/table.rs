//! Candles in columns.

use std::fmt::Write as _;

use super::{notes, opens};
use crate::{
    cli::page::{Bar, Page},
    market::{Number, Timeframe},
};

const HEADS: [&str; 5] = ["open", "high", "low", "close", "volume"];

/// A table: numbers in the exchange's own text, with their points below each other.
pub(super) fn text(page: &Page, timeframe: Timeframe) -> String {
    let columns: Vec<Column> =
        (0..HEADS.len()).map(|at| Column::new(HEADS[at], &page.candles, at)).collect();
    let times: Vec<String> = page.candles.iter().map(|bar| opens(bar.at, timeframe)).collect();
    let first = times.iter().map(String::len).max().unwrap_or_default().max("time UTC".len());
    let mut text = format!("{:first$}", "time UTC");
    for column in &columns {
        let _ = write!(text, "  {:>1$}", column.head, column.width());
    }
    text.push('\n');
    for (bar, time) in page.candles.iter().zip(times) {
        let mut line = format!("{time:first$}");
        for (column, number) in columns.iter().zip(numbers(bar)) {
            line.push_str("  ");
            column.write(&mut line, number);
        }
        if !bar.closed {
            line.push_str(" *");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text + &notes(page, "*")
}

fn numbers(bar: &Bar) -> [&Number; 5] {
    [&bar.open, &bar.high, &bar.low, &bar.close, &bar.volume]
}

/// A column of numbers whose points stand below each other.
struct Column {
    head: &'static str,
    before_point: usize,
    behind: usize,
}

impl Column {
    fn new(head: &'static str, bars: &[Bar], at: usize) -> Self {
        let texts = || bars.iter().map(|bar| numbers(bar)[at].as_str());
        let before_point = texts().map(point).max().unwrap_or_default();
        let behind = texts().map(|text| text.len() - point(text)).max().unwrap_or_default();
        // A head that is wider than the numbers makes room before them.
        let before_point = before_point.max(head.len().saturating_sub(behind));
        Self { head, before_point, behind }
    }

    fn width(&self) -> usize {
        self.before_point + self.behind
    }

    fn write(&self, line: &mut String, number: &Number) {
        let text = number.as_str();
        let (before, behind) = text.split_at(point(text));
        let _ = write!(line, "{before:>0$}{behind:<1$}", self.before_point, self.behind);
    }
}

/// Where the digits before the point end.
fn point(text: &str) -> usize {
    text.find(['.', 'e', 'E']).unwrap_or(text.len())
}
