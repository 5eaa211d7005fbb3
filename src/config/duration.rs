//! Durations as people write them: `2s`, `500ms`, `1m30s`, `1h`.

use std::time::Duration;

use jiff::fmt::friendly::{Spacing, SpanParser, SpanPrinter};

/// Reads a duration; `None` if it has no unit, is negative, or is not one.
pub fn parse(text: &str) -> Option<Duration> {
    SpanParser::new().parse_unsigned_duration(text).ok()
}

/// The form that [`parse`] reads back.
pub fn show(duration: Duration) -> String {
    SpanPrinter::new().spacing(Spacing::None).unsigned_duration_to_string(&duration)
}
