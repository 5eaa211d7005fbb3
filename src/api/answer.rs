//! An answer that was encoded once and is given many times.

use std::{
    fmt::Write as _,
    hash::{BuildHasher as _, Hash as _, Hasher as _},
    sync::{Arc, LazyLock, OnceLock},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    gzip::{self, Squeezed},
    payload::Payload,
};
use crate::{
    cache::{Demand, Source, Stamp, Verdict},
    telemetry::{CacheOutcome, Endpoint},
};

/// The stamps of everything an answer was made from.
pub(super) type Stamps = SmallVec<[Arc<Stamp>; 3]>;

/// Writes the part of a body that tells ages.
pub(super) type Tail = dyn Fn(Instant, &mut Vec<u8>) + Send + Sync;

/// A body.
pub enum Text {
    /// The same at each answer.
    Fixed(Bytes),
    /// Ends with ages, which differ from answer to answer.
    Aging(Bytes, Box<Tail>),
    /// A file and its name, which consists of letters, digits, `-` and `.`.
    File(Bytes, String),
}

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json`
    Json,
    /// The same as the exchange declares it.
    ExchangeJson,
    /// `text/csv`
    Csv,
    /// An Arrow IPC stream
    Arrow,
    /// A Parquet file
    Parquet,
}

impl Format {
    /// The media type; Arrow's and Parquet's are registered with IANA (media-types, 2026-11).
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::ExchangeJson => "application/json; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Whether a body may become smaller by gzip.
    const fn is_loose(self) -> bool {
        !matches!(self, Self::Parquet)
    }
}

/// What a body is written in, and what further headers say about it.
#[derive(Clone, Debug)]
pub struct Heading {
    /// The body's format.
    pub format: Format,
    /// Headers that belong to the answer as much as its body does.
    pub notes: Vec<(HeaderName, HeaderValue)>,
}

impl From<Format> for Heading {
    fn from(format: Format) -> Self {
        Self { format, notes: Vec::new() }
    }
}

/// An encoded answer, valid for as long as its parts are.
pub struct Answer {
    endpoint: Endpoint,
    stamps: Stamps,
    text: Text,
    squeezed: OnceLock<Squeezed>,
    zipped: OnceLock<Option<Bytes>>,
    content_type: HeaderValue,
    notes: Vec<(HeaderName, HeaderValue)>,
    disposition: Option<HeaderValue>,
    is_loose: bool,
    cache_control: HeaderValue,
    etag: HeaderValue,
    zipped_etag: HeaderValue,
    tag: String,
}

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Seconds for which header values are kept ready.
const READY: i64 = 600;

static AGES: LazyLock<Vec<HeaderValue>> =
    LazyLock::new(|| (0..READY).map(HeaderValue::from).collect());

static HITS: LazyLock<[Vec<HeaderValue>; 3]> = LazyLock::new(|| {
    let table = |source| (0..READY).map(|ttl| cache_status("hit", ttl, source)).collect();
    [table(Source::Rest), table(Source::Stream), table(Source::Store)]
});

fn cache_status(how: &str, ttl: i64, source: Source) -> HeaderValue {
    let text = format!("tidegate; {how}; ttl={ttl}; detail={}", source.as_str());
    HeaderValue::from_str(&text).expect("printable ASCII")
}

pub(super) fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("printable ASCII")
}

impl Answer {
    /// An answer of `text`, made from the parts that `stamps` stand for.
    pub fn new(endpoint: Endpoint, stamps: Stamps, heading: Heading, text: Text) -> Self {
        let Heading { format, notes } = heading;
        let (head, weak) = match &text {
            Text::Fixed(head) | Text::File(head, _) => (head, ""),
            Text::Aging(head, _) => (head, "W/"),
        };
        let disposition = match &text {
            Text::File(_, name) => Some(format!("attachment; filename=\"{name}\"")),
            Text::Fixed(_) | Text::Aging(..) => None,
        };
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        head.hash(&mut hasher);
        // Who holds the same rows but not where they go on does not hold this answer.
        notes.hash(&mut hasher);
        let tag = format!("{:016x}", hasher.finish());
        Self {
            content_type: HeaderValue::from_static(format.media_type()),
            notes,
            disposition: disposition.map(|text| header_value(&text)),
            is_loose: format.is_loose(),
            cache_control: cache_control(&stamps),
            etag: header_value(&format!("{weak}\"{tag}\"")),
            zipped_etag: header_value(&format!("{weak}\"{tag}-gz\"")),
            endpoint,
            stamps,
            text,
            squeezed: OnceLock::new(),
            zipped: OnceLock::new(),
            tag,
        }
    }

    /// What it answers.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The stamps of its parts.
    pub fn stamps(&self) -> &[Arc<Stamp>] {
        &self.stamps
    }

    /// True if it was made from just these parts.
    pub fn is_of(&self, stamps: &[Arc<Stamp>]) -> bool {
        self.stamps.len() == stamps.len()
            && self.stamps.iter().zip(stamps).all(|(mine, theirs)| Arc::ptr_eq(mine, theirs))
    }

    /// How it may be given as it is: every part is the newest, and fresh enough or already being
    /// fetched anew. `None` if something has to be done for it first.
    pub fn standing(&self, demand: &Demand, now: Instant) -> Option<CacheOutcome> {
        let mut outcome = CacheOutcome::Hit;
        for stamp in &self.stamps {
            match demand.judge(stamp.age(now), &stamp.policy) {
                _ if stamp.is_superseded() => return None,
                Verdict::Fresh => {}
                Verdict::Stale if stamp.is_refreshing() => outcome = CacheOutcome::Stale,
                Verdict::Stale | Verdict::Unusable => return None,
            }
        }
        Some(outcome)
    }

    /// Bytes held.
    pub fn weight(&self) -> usize {
        let head = self.head().len();
        let notes: usize = self.notes.iter().map(|(_, value)| value.len() + 64).sum();
        // The zipped form comes later; a third is what JSON of numbers comes to.
        size_of::<Self>() + 512 + notes + head + head / 3
    }

    /// The response to a request with these headers. Its status is 304 if the client holds the
    /// same answer.
    pub fn respond(
        &self,
        request: &HeaderMap,
        outcome: CacheOutcome,
        now: Instant,
    ) -> Response<Payload> {
        let mut response = Response::new(Payload::Shared(None));
        let headers = response.headers_mut();
        headers.reserve(11);
        let varies = self.is_loose && self.head().len() >= gzip::MIN_BYTES;
        let zips = varies && accepts_gzip(request);
        let zipped = if zips { self.zipped(now) } else { None };
        let etag = if zipped.is_some() { &self.zipped_etag } else { &self.etag };
        headers.insert(header::CACHE_CONTROL, self.cache_control.clone());
        headers.insert(header::ETAG, etag.clone());
        if varies {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        for (name, value) in &self.notes {
            headers.insert(name, value.clone());
        }
        self.tell_age(headers, outcome, now);
        if self.is_known_to(request) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        if let Some(disposition) = &self.disposition {
            headers.insert(header::CONTENT_DISPOSITION, disposition.clone());
        }
        let body = match zipped {
            Some(zipped) => {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                zipped
            }
            None => self.plain(now),
        };
        *response.body_mut() = Payload::Shared(Some(body));
        response
    }

    fn tell_age(&self, headers: &mut HeaderMap, outcome: CacheOutcome, now: Instant) {
        let Some(source) = source(&self.stamps) else { return };
        let (mut age, mut ttl) = (Duration::ZERO, i64::MAX);
        for stamp in &self.stamps {
            let its_age = stamp.age(now);
            age = age.max(its_age);
            ttl = ttl.min(seconds_left(stamp.policy.ttl, its_age));
        }
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        let ready = |table: &[HeaderValue], seconds: i64| {
            usize::try_from(seconds).ok().and_then(|at| table.get(at)).cloned()
        };
        let age = ready(&AGES, seconds).unwrap_or_else(|| HeaderValue::from(seconds));
        let how = match outcome {
            CacheOutcome::Hit | CacheOutcome::Stale | CacheOutcome::Negative => "hit",
            CacheOutcome::Miss => "fwd=miss; stored",
            CacheOutcome::Expired => "fwd=stale; stored",
            CacheOutcome::Collapsed => "fwd=miss; collapsed",
        };
        let prepared = if how == "hit" { ready(&HITS[source as usize], ttl) } else { None };
        headers.insert(header::AGE, age);
        headers.insert(CACHE_STATUS, prepared.unwrap_or_else(|| cache_status(how, ttl, source)));
    }

    fn head(&self) -> &Bytes {
        match &self.text {
            Text::Fixed(head) | Text::File(head, _) | Text::Aging(head, _) => head,
        }
    }

    fn plain(&self, now: Instant) -> Bytes {
        match &self.text {
            Text::Fixed(head) | Text::File(head, _) => head.clone(),
            Text::Aging(head, tail) => {
                let mut body = Vec::with_capacity(head.len() + 512);
                body.extend_from_slice(head);
                tail(now, &mut body);
                body.into()
            }
        }
    }

    fn zipped(&self, now: Instant) -> Option<Bytes> {
        match &self.text {
            Text::Fixed(head) | Text::File(head, _) => {
                // The squeezed form would only be kept beside its copy.
                let zip = || Squeezed::new(head).end_with(&[]).filter(|zip| zip.len() < head.len());
                self.zipped.get_or_init(zip).clone()
            }
            Text::Aging(head, tail) => {
                let squeezed = self.squeezed.get_or_init(|| Squeezed::new(head));
                if squeezed.len() >= head.len() {
                    return None;
                }
                let mut end = Vec::with_capacity(512);
                tail(now, &mut end);
                squeezed.end_with(&end)
            }
        }
    }

    /// `If-None-Match` names this answer, in either encoding (RFC 9110: weak comparison).
    fn is_known_to(&self, request: &HeaderMap) -> bool {
        knows(request, &self.tag)
    }
}

/// `If-None-Match` names this tag, plain or with the `-gz` of its zipped form.
pub(super) fn knows(request: &HeaderMap, tag: &str) -> bool {
    request.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let text = value.to_str().unwrap_or_default();
        text.split(',').map(|named| named.trim().trim_start_matches("W/")).any(|named| {
            let opaque = named.trim_matches('"');
            named == "*" || opaque.trim_end_matches("-gz") == tag
        })
    })
}

/// Where an answer of these parts came from: the exchange's WebSocket only if all of it did. `None`
/// without parts.
pub(super) fn source(stamps: &[Arc<Stamp>]) -> Option<Source> {
    let fetched = stamps.iter().map(|stamp| stamp.source).rfind(|it| *it != Source::Stream);
    fetched.or_else(|| stamps.first().map(|first| first.source))
}

/// Whole seconds that a value of this age is still fresh; negative once it is stale.
fn seconds_left(ttl: Duration, age: Duration) -> i64 {
    let whole = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match ttl.checked_sub(age) {
        Some(left) => whole(left),
        None => -whole(age - ttl) - 1,
    }
}

fn cache_control(stamps: &[Arc<Stamp>]) -> HeaderValue {
    let least = |of: fn(&Stamp) -> Duration| {
        stamps.iter().map(|stamp| of(stamp)).min().unwrap_or_default().as_secs()
    };
    let mut text = format!("max-age={}", least(|stamp| stamp.policy.ttl));
    let revalidate = least(|stamp| stamp.policy.stale_while_revalidate);
    let on_error = least(|stamp| stamp.policy.stale_if_error);
    for (name, seconds) in [("stale-while-revalidate", revalidate), ("stale-if-error", on_error)] {
        if seconds > 0 {
            let _ = write!(text, ", {name}={seconds}");
        }
    }
    header_value(&text)
}

/// Whether a request accepts gzip: named, or `*`, and not with `q=0` (RFC 9110, section 12.5.3).
pub(super) fn accepts_gzip(request: &HeaderMap) -> bool {
    let Some(value) = request.get(header::ACCEPT_ENCODING) else { return false };
    value.to_str().unwrap_or_default().split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts.any(|part| {
            let quality = part.strip_prefix("q=").and_then(|quality| quality.parse::<f32>().ok());
            quality.is_some_and(|quality| quality <= 0.0)
        });
        (name.eq_ignore_ascii_case("gzip") || name == "*") && !refused
    })
}
