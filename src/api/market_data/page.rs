//! Where an answer goes on.

use std::fmt::Write as _;

use crate::service::Rest;

/// Path and query of the page that begins with `rest`: those of the request, with another bound.
/// Every character is one that may stand in a URI (RFC 3986).
pub(super) fn next(path: &str, query: Option<&str>, rest: Rest) -> String {
    let (bound, at) = match rest {
        Rest::Since(at) => ("since", at.millis()),
        Rest::Until(at) => ("until", at.millis()),
    };
    let query = query.unwrap_or_default();
    let mut next = String::with_capacity(path.len() + query.len() + "&since=".len() + 20);
    push(&mut next, path);
    next.push('?');
    let mut is_told = false;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        // A name may be written with percent signs, too.
        let name = form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name);
        if name.is_some_and(|name| name == bound) {
            is_told = true;
            let _ = write!(next, "{bound}={at}&");
        } else {
            push(&mut next, pair);
            next.push('&');
        }
    }
    if is_told {
        next.pop();
    } else {
        let _ = write!(next, "{bound}={at}");
    }
    next
}

/// What came as it is and is none of a URI's characters is encoded: servers take more of a request
/// than clients may send.
fn push(uri: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=%".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::UnixMs;

    const SINCE: Rest = Rest::Since(UnixMs::from_millis(7_000));
    const UNTIL: Rest = Rest::Until(UnixMs::from_millis(7_000));

    #[test]
    fn only_the_bound_changes() {
        for (path, query, rest, expected) in [
            ("/o/BTC/USD", "since=1&limit=2", SINCE, "/o/BTC/USD?since=7000&limit=2"),
            ("/o/BTC%2FUSD", "limit=2&since=1", SINCE, "/o/BTC%2FUSD?limit=2&since=7000"),
            ("/o/x", "s%69nce=1&until=9", SINCE, "/o/x?since=7000&until=9"),
            ("/o/x", "limit=2", UNTIL, "/o/x?limit=2&until=7000"),
            ("/o/x", "since=1&until=9%3A0", UNTIL, "/o/x?since=1&until=7000"),
            ("/o/x", "&&closed_only&", UNTIL, "/o/x?closed_only&until=7000"),
            ("/o/x", "", UNTIL, "/o/x?until=7000"),
        ] {
            assert_eq!(next(path, Some(query), rest), expected, "{query}");
        }
        assert_eq!(next("/o/x", None, UNTIL), "/o/x?until=7000");
    }

    /// It is given in a header, between angle brackets.
    #[test]
    fn nothing_ends_the_link_early() {
        let told = next("/o/\"{é}>", Some("a=<b>|`"), SINCE);
        assert_eq!(told, "/o/%22%7B%C3%A9%7D%3E?a=%3Cb%3E%7C%60&since=7000");
    }
}
