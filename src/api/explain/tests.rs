//! Which requests are explained.

use super::*;

fn wanted(uri: &str, header: Option<&'static str>) -> Option<(bool, bool)> {
    let mut headers = HeaderMap::new();
    headers.extend(header.map(|it| (X_TIDEGATE_EXPLAIN, HeaderValue::from_static(it))));
    let uri: Uri = uri.parse().unwrap();
    let explained = Explained::wanted(&uri, &headers, "id", Instant::now())?;
    Some((explained.in_body, explained.in_header))
}

#[test]
fn who_asks_for_an_explanation_gets_one() {
    let ticker = "/api/market-data/ticker/BTC/USD";
    for (query, header, expected) in [
        ("", None, None),
        ("", Some("1"), Some((false, true))),
        ("", Some("true"), Some((false, true))),
        ("", Some("0"), None),
        ("?explain=true", None, Some((true, false))),
        ("?limit=3&e%78plain", None, Some((true, false))),
        ("?explain=true", Some("1"), Some((true, true))),
        ("?explain=false", None, None),
    ] {
        assert_eq!(wanted(&format!("{ticker}{query}"), header), expected, "{query} {header:?}");
    }
    for (uri, expected) in [
        ("/v2/ticker/tBTCUSD?explain=true", Some((false, true))),
        ("/v2", Some((false, true))),
        ("/api/status?explain=true", None),
        ("/api/market-data/stream?explain=true", None),
        ("/api/market-data/ws", None),
    ] {
        assert_eq!(wanted(uri, Some("1")), expected, "{uri}");
    }
}
