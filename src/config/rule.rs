//! What a value may be: how it is read, what is allowed, how it is shown.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde_json::Value;

use super::{LogFormat, duration, given::Given};
use crate::market::Channel;

/// A kind of value with its bounds.
pub(super) struct Rule<T> {
    /// Completes the sentence "expected …".
    pub(super) expected: String,
    /// `None`: of the wrong kind, unreadable, or out of bounds.
    pub(super) read: Read<T>,
    /// The value as it stands in a settings file.
    pub(super) show: Box<dyn Fn(&T) -> Value + Send + Sync>,
}

type Read<T> = Box<dyn Fn(&Given) -> Option<T> + Send + Sync>;

impl<T: 'static> Rule<T> {
    fn new(
        expected: impl Into<String>,
        read: impl Fn(&Given) -> Option<T> + Send + Sync + 'static,
        show: fn(&T) -> Value,
    ) -> Self {
        Self { expected: expected.into(), read: Box::new(read), show: Box::new(show) }
    }
}

/// `true` or `false`.
pub(super) fn switch() -> Rule<bool> {
    let read = |given: &Given| match given {
        Given::Switch(value) => Some(*value),
        Given::Bare(text) => text.parse().ok(),
        _ => None,
    };
    Rule::new("true or false", read, |value| Value::Bool(*value))
}

/// An IP address and port.
pub(super) fn address() -> Rule<SocketAddr> {
    Rule::new(
        "an IP address and port such as \"127.0.0.1:8087\"",
        |given| given.text()?.parse().ok(),
        |value| Value::String(value.to_string()),
    )
}

/// An IP address and port, or nothing.
pub(super) fn address_or_none() -> Rule<Option<SocketAddr>> {
    let read = |given: &Given| match given.text()? {
        "" => Some(None),
        text => text.parse().ok().map(Some),
    };
    Rule::new("an IP address and port such as \"127.0.0.1:8088\", or \"\"", read, |value| {
        Value::String(value.as_ref().map_or_else(String::new, SocketAddr::to_string))
    })
}

/// Origins as browsers send them (RFC 6454, section 6.1), or `*`.
pub(super) fn origins() -> Rule<Vec<String>> {
    let expected = "origins such as https://desk.example.com, separated by commas, or *";
    let origin = |text: &str| {
        let (scheme, host) = text.split_once("://")?;
        let url: http::Uri = text.parse().ok()?;
        let is_one = matches!(scheme, "http" | "https")
            && url.authority()?.as_str() == host
            && !host.contains('@')
            && !text.contains(|c: char| c.is_ascii_uppercase() || c.is_whitespace());
        is_one.then(|| text.to_owned())
    };
    let Rule { read, show, .. } = list(expected, |text| Some(text.to_owned()), String::clone);
    let read = move |given: &Given| {
        let items = read(given)?;
        match &*items {
            [only] if only == "*" => Some(items),
            _ => items.iter().map(|item| origin(item)).collect(),
        }
    };
    Rule { expected: expected.to_owned(), read: Box::new(read), show }
}

/// A duration from `least` to `most`.
pub(super) fn time(least: Duration, most: Duration) -> Rule<Duration> {
    Rule::new(
        format!("a duration from {} to {}", duration::show(least), duration::show(most)),
        move |given| duration::parse(given.text()?).filter(|value| (least..=most).contains(value)),
        |value| Value::String(duration::show(*value)),
    )
}

/// A whole number from `least` to `most`.
pub(super) fn count<T>(least: T, most: T) -> Rule<T>
where
    T: TryFrom<u64> + Into<Value> + PartialOrd + Copy + std::fmt::Display + Send + Sync + 'static,
{
    Rule::new(
        format!("a whole number from {least} to {most}"),
        move |given| {
            T::try_from(given.whole()?).ok().filter(|value| (least..=most).contains(value))
        },
        |value| (*value).into(),
    )
}

/// A size in bytes from `least` to `most`.
pub(super) fn size<T>(least: T, most: T) -> Rule<T>
where
    T: TryFrom<u64> + TryInto<u64> + PartialOrd + Copy + Send + Sync + 'static,
{
    Rule::new(
        format!("bytes, as a number or such as \"64MiB\", from {} to {}", size_text(least), {
            size_text(most)
        }),
        move |given| {
            let bytes = given.whole().or_else(|| parse_size(given.text()?))?;
            T::try_from(bytes).ok().filter(|value| (least..=most).contains(value))
        },
        |value| Value::String(size_text(*value)),
    )
}

/// A number from `least` to `most`.
pub(super) fn number(least: f64, most: f64) -> Rule<f64> {
    Rule::new(
        format!("a number from {least} to {most}"),
        move |given| given.number().filter(|value| (least..=most).contains(value)),
        |value| (*value).into(),
    )
}

/// An absolute URL in one of `schemes`, without credentials and query, that does not end in
/// `surplus`. Slashes at its end are dropped.
pub(super) fn url(schemes: &'static [&'static str], surplus: Option<&'static str>) -> Rule<String> {
    let starts: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
    let expected =
        format!("a URL that starts with {}, without credentials and query", starts.join(" or "));
    let read = move |given: &Given| {
        let text = given.text()?.trim_end_matches('/');
        let url: http::Uri = text.parse().ok()?;
        let plain = url.query().is_none()
            && !text.contains(['#', '@'])
            && !surplus.is_some_and(|end| text.ends_with(end));
        let fits = schemes.contains(&url.scheme_str()?) && !url.host()?.is_empty() && plain;
        fits.then(|| text.to_owned())
    };
    Rule::new(expected, read, |value| Value::String(value.clone()))
}

/// The same, or nothing.
pub(super) fn optional_url(
    schemes: &'static [&'static str],
    surplus: &'static str,
) -> Rule<String> {
    let Rule { expected, read, show } = url(schemes, Some(surplus));
    let read = move |given: &Given| match given.text() {
        Some("") => Some(String::new()),
        _ => read(given),
    };
    Rule { expected: format!("{expected}, or \"\""), read: Box::new(read), show }
}

/// A text of 1 to `most` printable ASCII characters.
pub(super) fn text(most: usize) -> Rule<String> {
    let read = move |given: &Given| {
        let text = given.text()?;
        let fits = (1..=most).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        fits.then(|| text.to_owned())
    };
    Rule::new(format!("1 to {most} printable characters"), read, |value| {
        Value::String(value.clone())
    })
}

/// One of a few names.
pub(super) fn name(names: &[&'static str]) -> Rule<String> {
    let (expected, names) = (one_of(names), names.to_vec());
    let read = move |given: &Given| {
        let text = given.text()?;
        names.contains(&text).then(|| text.to_owned())
    };
    Rule::new(expected, read, |value| Value::String(value.clone()))
}

/// Names, separated by commas.
pub(super) fn names() -> Rule<Vec<String>> {
    list("names, separated by commas", |text| Some(text.to_owned()), String::clone)
}

/// Channels, separated by commas.
pub(super) fn channels() -> Rule<Vec<Channel>> {
    let expected = "channels, separated by commas: ticker, trades, orderbook, ohlcv:TIMEFRAME";
    list(expected, |text| text.parse().ok(), ToString::to_string)
}

fn list<T: 'static>(
    expected: &str,
    parse: fn(&str) -> Option<T>,
    show: fn(&T) -> String,
) -> Rule<Vec<T>> {
    let read = move |given: &Given| {
        let items = given.text()?.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(parse).collect()
    };
    let show =
        move |items: &Vec<T>| Value::String(items.iter().map(show).collect::<Vec<_>>().join(","));
    Rule { expected: expected.to_owned(), read: Box::new(read), show: Box::new(show) }
}

/// A shape of log lines.
pub(super) fn log_format() -> Rule<LogFormat> {
    const NAMES: [(&str, LogFormat); 3] =
        [("auto", LogFormat::Auto), ("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];
    let read = |given: &Given| {
        let text = given.text()?;
        NAMES.iter().find(|(name, _)| *name == text).map(|(_, format)| *format)
    };
    Rule::new(one_of(&NAMES.map(|(name, _)| name)), read, |value| {
        let name = match value {
            LogFormat::Auto => "auto",
            LogFormat::Pretty => "pretty",
            LogFormat::Json => "json",
        };
        Value::String(name.to_owned())
    })
}

/// A filter of log lines.
pub(super) fn log_filter() -> Rule<String> {
    let read = |given: &Given| {
        let text = given.text()?;
        tracing_subscriber::EnvFilter::try_new(text).ok()?;
        (!text.trim().is_empty()).then(|| text.to_owned())
    };
    let expected = "a filter such as \"info\" or \"warn,tidegate=debug\"";
    Rule::new(expected, read, |value| Value::String(value.clone()))
}

/// A file or directory, or nothing.
pub(super) fn path() -> Rule<Option<PathBuf>> {
    let read = |given: &Given| {
        let text = given.text()?;
        Some((!text.is_empty()).then(|| PathBuf::from(text)))
    };
    Rule::new("a path, or \"\"", read, |value| {
        Value::String(value.as_ref().map_or_else(String::new, |path| path.display().to_string()))
    })
}

fn one_of(names: &[&str]) -> String {
    match names {
        [only] => format!("{only:?}"),
        _ => {
            let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            format!("one of {}", quoted.join(", "))
        }
    }
}

const UNITS: [(&str, u64); 4] =
    [("GiB", 1024 * 1024 * 1024), ("MiB", 1024 * 1024), ("KiB", 1024), ("B", 1)];

fn parse_size(text: &str) -> Option<u64> {
    let (amount, unit) =
        UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    amount.trim_end().parse::<u64>().ok()?.checked_mul(*unit)
}

/// The shortest exact form.
fn size_text(bytes: impl TryInto<u64>) -> String {
    let bytes = bytes.try_into().unwrap_or(u64::MAX);
    let (name, unit) = UNITS
        .iter()
        .find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit))
        .unwrap_or(&("B", 1));
    format!("{}{name}", bytes / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Given {
        Given::Text(text.to_owned())
    }

    #[test]
    fn sizes_are_read_and_shown_exactly() {
        let rule = size(1024_u64, 1 << 40);
        for (given, bytes, shown) in [
            (text("64MiB"), 64 << 20, "64MiB"),
            (text("16 KiB"), 16 << 10, "16KiB"),
            (text("1GiB"), 1 << 30, "1GiB"),
            (Given::Whole("1536".to_owned()), 1536, "1536B"),
            (Given::Bare("2048".to_owned()), 2048, "2KiB"),
            (Given::Bare("2KiB".to_owned()), 2048, "2KiB"),
        ] {
            let value = (rule.read)(&given).unwrap_or_else(|| panic!("{given} was refused"));
            assert_eq!((value, (rule.show)(&value)), (bytes, Value::from(shown)));
        }
        for wrong in ["64MB", "MiB", "1.5MiB", "-1", "99999999999GiB", "512", ""] {
            assert_eq!((rule.read)(&text(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn durations_keep_to_their_bounds() {
        let rule = time(Duration::from_millis(1), Duration::from_secs(3600));
        for (given, millis) in [("2s", 2000), ("500ms", 500), ("1m30s", 90_000), ("1h", 3_600_000)]
        {
            assert_eq!((rule.read)(&text(given)), Some(Duration::from_millis(millis)), "{given}");
            assert_eq!((rule.show)(&Duration::from_millis(millis)), Value::from(given));
        }
        let days = time(Duration::ZERO, Duration::from_secs(400 * 86_400));
        for (given, shown) in [("365d", "8760h"), ("1w", "168h"), ("1d12h", "36h"), ("0s", "0s")] {
            let value = (days.read)(&text(given)).unwrap_or_else(|| panic!("{given} was refused"));
            assert_eq!((days.show)(&value), Value::from(shown));
        }
        for wrong in ["1mo", "1y", "-1d", "1d ago", "500d"] {
            assert_eq!((days.read)(&text(wrong)), None, "{wrong}");
        }
        for wrong in ["0s", "61m", "soon", "2", "-2s", "2s ago", ""] {
            assert_eq!((rule.read)(&text(wrong)), None, "{wrong}");
        }
        assert_eq!((rule.read)(&Given::Whole("2".to_owned())), None, "a bare number has no unit");
        assert_eq!(rule.expected, "a duration from 1ms to 1h");
    }

    #[test]
    fn urls_have_a_scheme_a_host_and_nothing_secret() {
        let rule = url(&["http", "https"], Some("/v2"));
        for (given, kept) in [
            ("https://api-pub.bitfinex.com", "https://api-pub.bitfinex.com"),
            ("http://127.0.0.1:8088/", "http://127.0.0.1:8088"),
            ("http://proxy:80/bitfinex", "http://proxy:80/bitfinex"),
        ] {
            assert_eq!((rule.read)(&text(given)), Some(kept.to_owned()));
        }
        for wrong in [
            "ftp://x",
            "api-pub.bitfinex.com",
            "https://",
            "https://user:word@host",
            "https://host/?a=1",
            "https://host/#a",
            "https://host/v2/",
            "wss://host",
            "",
        ] {
            assert_eq!((rule.read)(&text(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn origins_are_what_browsers_send() {
        let rule = origins();
        for (given, kept) in [
            ("*", vec!["*"]),
            ("", vec![]),
            (
                "https://a.example, http://localhost:3000",
                vec!["https://a.example", "http://localhost:3000"],
            ),
            ("http://[::1]:8087", vec!["http://[::1]:8087"]),
        ] {
            let kept: Vec<String> = kept.into_iter().map(str::to_owned).collect();
            assert_eq!((rule.read)(&text(given)), Some(kept), "{given}");
        }
        for wrong in [
            "*,https://a.example",
            "https://a.example/",
            "https://a.example/path",
            "HTTPS://a.example",
            "https://A.example",
            "https://user@a.example",
            "ftp://a.example",
            "a.example",
            "null",
        ] {
            assert_eq!((rule.read)(&text(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn text_stands_for_numbers_only_outside_of_files() {
        let rule = count(1_u32, 9);
        assert_eq!((rule.read)(&Given::Bare("5".to_owned())), Some(5));
        assert_eq!((rule.read)(&Given::Whole("5".to_owned())), Some(5));
        assert_eq!((rule.read)(&text("5")), None);
        assert_eq!((rule.read)(&Given::Whole("10".to_owned())), None);
        assert_eq!((number(0.0, 1.0).read)(&Given::Whole("1".to_owned())), Some(1.0));
        assert_eq!((number(0.0, 1.0).read)(&Given::Bare("NaN".to_owned())), None);
        assert_eq!((switch().read)(&Given::Bare("true".to_owned())), Some(true));
        assert_eq!((switch().read)(&text("true")), None);
    }
}
