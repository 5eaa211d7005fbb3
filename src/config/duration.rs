//! Durations as people write them: `2s`, `500ms`, `1m30s`, `1h`, `30d`.

use std::time::Duration;

use jiff::{
    SpanRelativeTo,
    fmt::friendly::{Spacing, SpanParser, SpanPrinter},
};

/// Reads a duration; `None` if it has no unit, is negative, or is not one. A day has 24 hours.
pub fn parse(text: &str) -> Option<Duration> {
    let in_days = || {
        let span = SpanParser::new().parse_span(text).ok()?;
        span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()
    };
    SpanParser::new().parse_unsigned_duration(text).ok().or_else(in_days)
}

/// The form that [`parse`] reads back.
pub fn show(duration: Duration) -> String {
    SpanPrinter::new().spacing(Spacing::None).unsigned_duration_to_string(&duration)
}
