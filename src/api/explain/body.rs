//! An explanation as clients see it.

use axum::http::HeaderValue;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{
    Explained,
    part::{ExplainedPart, disk},
};
use crate::{
    api::{Reader, reader::json},
    cache::Demand,
    service::{Key, Product},
    telemetry::explain::Part,
};

/// Why and how a request was answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
pub(in crate::api) struct ExplanationBody {
    /// The same as in `X-Request-Id`.
    #[schema(example = "68aa80d9fbb1c505")]
    request_id: String,
    /// Who asked; `null` where the request was refused before that mattered.
    #[schema(example = "anonymous")]
    client: Option<String>,
    /// How its calls wait for their turn: `client` or `background`.
    #[schema(example = "client")]
    class: Option<&'static str>,
    demand: DemandBody,
    /// From its arrival to this explanation.
    total_ms: f64,
    /// Every key that was read, in the order in which the reads ended.
    parts: Vec<ExplainedPart>,
    /// The market list, by which the symbol was understood; `null` where it was not read for
    /// that.
    market_list: Option<ExplainedPart>,
    /// Further parts, for which there was no room here.
    omitted_parts: usize,
    /// What disk had for the request itself, each time that it was asked: `found` or `missing`.
    #[schema(value_type = Vec<String>)]
    store: Vec<&'static str>,
}

/// What the request's `Cache-Control` demands of an answer's age.
#[derive(Serialize, ToSchema)]
#[schema(as = Demand)]
pub(in crate::api) struct DemandBody {
    max_age_seconds: Option<u64>,
    min_fresh_seconds: Option<u64>,
    /// The largest number there is where any age was allowed.
    max_stale_seconds: Option<u64>,
    only_if_cached: bool,
}

impl From<Demand> for DemandBody {
    fn from(demand: Demand) -> Self {
        Self {
            max_age_seconds: demand.max_age.map(|it| it.as_secs()),
            min_fresh_seconds: demand.min_fresh.map(|it| it.as_secs()),
            max_stale_seconds: demand.max_stale.map(|it| it.as_secs()),
            only_if_cached: demand.only_if_cached,
        }
    }
}

impl ExplanationBody {
    pub(super) fn of(explained: &Explained, reader: &Reader, path: &str) -> Self {
        let trail = &explained.trail;
        let is_list = |part: &&Part| {
            let key = part.subject.downcast_ref::<Key>();
            key.is_some_and(|key| key.product == Product::Markets)
                && !path.ends_with("/market-data/markets")
        };
        let (parts, market_list, omitted_parts) = trail.parts(|parts, omitted| {
            let shown = parts.iter().filter(|part| !is_list(part));
            let list = parts.iter().find(is_list);
            let of = |part: &Part| ExplainedPart::of(part, reader);
            (shown.map(of).collect(), list.map(of), omitted)
        });
        let payer = trail.payer();
        Self {
            request_id: explained.id.to_string(),
            client: payer.map(|it| reader.metrics.of_client(it.client).name().to_owned()),
            class: payer.map(|it| it.class.as_str()),
            demand: explained.demand.into(),
            total_ms: millis(Instant::now().saturating_duration_since(trail.began())),
            parts,
            market_list,
            omitted_parts,
            store: disk(&trail.disk()),
        }
    }

    /// The same in one line of printable ASCII of at most `most` bytes; parts for which there is
    /// no room are counted.
    pub(super) fn header(mut self, most: usize) -> HeaderValue {
        loop {
            let text = ascii(&json(&self));
            if let Some(value) = HeaderValue::from_str(&text).ok().filter(|_| text.len() <= most) {
                return value;
            }
            if self.parts.pop().is_some() {
                self.omitted_parts += 1;
            } else if self.market_list.take().is_none() && self.store.pop().is_none() {
                return HeaderValue::from_static("{}");
            }
        }
    }
}

/// JSON with everything beyond ASCII escaped (RFC 8259, section 7).
fn ascii(json: &[u8]) -> String {
    let mut text = String::with_capacity(json.len());
    for character in String::from_utf8_lossy(json).chars() {
        if character.is_ascii() && character != '\u{7f}' {
            text.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

/// Milliseconds to three digits after the point.
pub(super) fn millis(time: std::time::Duration) -> f64 {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_ascii_is_escaped() {
        assert_eq!(
            ascii("{\"a\":\"é\u{1f600}\\n\"}".as_bytes()),
            r#"{"a":"\u00e9\ud83d\ude00\n"}"#
        );
    }
}
