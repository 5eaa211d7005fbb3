//! What a request is answered with.

use super::json::Json;

/// Status, type, text and further headers of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

pub(crate) const JSON: &str = "application/json; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

impl Answer {
    pub(crate) fn new(status: u16, content_type: &'static str, body: String) -> Self {
        Self { status, content_type, body, headers: Vec::new() }
    }

    /// Status 200.
    pub(crate) fn json(body: String) -> Self {
        Self::new(200, JSON, body)
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// Bitfinex's error array.
    pub(crate) fn error(status: u16, code: i64, message: &str) -> Self {
        let mut json = Json::new();
        json.array(|json| {
            json.string("error").int(code).string(message);
        });
        Self::new(status, JSON, json.finish())
    }

    /// What the exchange's web framework says of a path that it does not know.
    pub(crate) fn not_found(method: &str, path: &str) -> Self {
        let path = path
            .strip_prefix("/v2")
            .map_or_else(|| path.to_owned(), |rest| format!("/api/v2{rest}"));
        let escaped = path.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let body = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <title>Error</title>\n</head>\n<body>\n<pre>Cannot {method} {escaped}</pre>\n\
             </body>\n</html>\n"
        );
        Self::new(404, HTML, body)
    }
}
