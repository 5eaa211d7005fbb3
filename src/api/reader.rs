//! What the handlers of market data share, and what they take from a request.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts, OriginalUri, Path},
    http::{HeaderMap, HeaderValue, Response, Uri, header, request::Parts},
};
use tokio::time::Instant;

use super::{
    answer::{Answer, Format, Heading, Stamps, Text, source},
    answers::Answers,
    caller::Caller,
    demand::{demand, priority},
    explain::Explained,
    params::{EXPLAIN, Param, Params},
    payload::Payload,
    problem::Problem,
    request_id::X_REQUEST_ID,
};
use crate::{
    cache::{Ask, Source, Stamp},
    clock::Clock,
    config::Current,
    service::{Desk, Desks},
    telemetry::{CacheOutcome, ClientId, Endpoint, Metrics, logs},
};

/// The products behind every handler, and the answers made from them.
pub struct Reader {
    /// The exchanges.
    pub desks: Desks,
    /// Encoded answers.
    pub answers: Answers,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Wall time.
    pub clock: Clock,
    /// The settings in force.
    pub config: Current,
    /// Which log lines are written.
    pub logs: logs::Filter,
}

impl Reader {
    /// The exchange that a request names, or the default one.
    pub(super) fn desk(&self, params: &Params) -> Result<&Desk, Problem> {
        Ok(self.desks.get(params.text("exchange"))?)
    }

    /// Entries and bytes held, in both forms, and fetches under way.
    pub(super) fn size(&self) -> (u64, u64, usize) {
        let (answers, encoded) = self.answers.size();
        let first = self.desks.all().first().map(|desk| desk.shelf.cache.size());
        let (entries, bytes, flights) = first.unwrap_or_default();
        (entries + answers, bytes + encoded, flights)
    }

    /// Notes how an answer was come by, to whom and at which ages it was given.
    pub(super) fn served(
        &self,
        client: ClientId,
        (stamps, outcome): (&[Arc<Stamp>], CacheOutcome),
        now: Instant,
    ) {
        self.metrics.gave(outcome, source(stamps).unwrap_or(Source::Rest));
        for stamp in stamps {
            stamp.hit();
            stamp.hit_by(client, now);
            self.metrics.served(stamp.kind, stamp.age(now));
        }
    }
}

/// When a request arrived; put there by the middleware.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived(pub(super) Instant);

/// A request for market data: who asks, for what, how fresh, until when.
pub(super) struct Asked {
    uri: Uri,
    headers: HeaderMap,
    explained: Option<Explained>,
    /// Freshness and deadline.
    pub(super) ask: Ask,
}

impl<S> FromRequestParts<S> for Asked
where
    Arc<Reader>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let reader = Arc::<Reader>::from_ref(state);
        let arrived = parts.extensions.get::<Arrived>().map_or_else(Instant::now, |at| at.0);
        let deadline = arrived + reader.config.now().server.request_deadline;
        let demand = demand(&parts.headers)?;
        let Caller { mut payer, .. } = Caller::of(parts);
        payer.class = payer.class.max(priority(&parts.headers));
        let explained = parts.extensions.get::<Explained>().cloned();
        if let Some(explained) = &explained {
            explained.trail().pays(payer);
        }
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        Ok(Self {
            uri: uri.clone(),
            headers: parts.headers.clone(),
            explained,
            ask: Ask { demand, deadline, payer },
        })
    }
}

impl Asked {
    /// The query's parameters; `known` are the endpoint's.
    pub(super) fn params(&self, known: &[Param]) -> Result<Params, Problem> {
        let params = Params::parse(self.uri.query(), known)?;
        // What it says was heeded before; here it is only seen to be sensible.
        params.flag(EXPLAIN.name)?;
        Ok(params)
    }

    /// The path as it was sent.
    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    /// The request's name, for problems inside an answer.
    pub(super) fn request_id(&self) -> &str {
        let id = self.headers.get(&X_REQUEST_ID);
        id.and_then(|id| id.to_str().ok()).unwrap_or_default()
    }

    /// The query as it was sent.
    pub(super) fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// Answers with what `encode` makes of the parts; it is called only if these very parts have
    /// not been encoded for this request before.
    pub(super) fn reply(
        &self,
        reader: &Reader,
        endpoint: Endpoint,
        parts: (Stamps, CacheOutcome),
        heading: impl Into<Heading>,
        encode: impl FnOnce() -> Text,
    ) -> Response<Payload> {
        let is_for_this_one = self.explained.as_ref().is_some_and(Explained::is_in_body);
        if is_for_this_one {
            return self.reply_unkept(reader, endpoint, parts, heading, encode());
        }
        let (stamps, outcome) = parts;
        let uri = self.uri.path_and_query().map_or("", |uri| uri.as_str());
        let make = |stamps| Answer::new(endpoint, stamps, heading.into(), encode());
        let answer = reader.answers.made_of(uri, stamps, make);
        self.give(reader, &answer, outcome)
    }

    /// Answers with JSON that is made anew each time. If it is not whole, no cache is to give it
    /// again: what is missing may be there in a moment.
    pub(super) fn reply_once(
        &self,
        reader: &Reader,
        endpoint: Endpoint,
        parts: (Stamps, CacheOutcome),
        is_whole: bool,
        json: Vec<u8>,
    ) -> Response<Payload> {
        let mut heading = Heading::from(Format::Json);
        if !is_whole {
            heading.notes.push((header::CACHE_CONTROL, HeaderValue::from_static("no-cache")));
        }
        self.reply_unkept(reader, endpoint, parts, heading, Text::Fixed(json.into()))
    }

    /// Answers with a text that no later request is to be given.
    pub(super) fn reply_unkept(
        &self,
        reader: &Reader,
        endpoint: Endpoint,
        parts: (Stamps, CacheOutcome),
        heading: impl Into<Heading>,
        text: Text,
    ) -> Response<Payload> {
        let (stamps, outcome) = parts;
        let answer = Answer::new(endpoint, stamps, heading.into(), text);
        self.give(reader, &answer, outcome)
    }

    fn give(&self, reader: &Reader, answer: &Answer, outcome: CacheOutcome) -> Response<Payload> {
        let now = Instant::now();
        reader.served(self.ask.payer.client, (answer.stamps(), outcome), now);
        match self.explained.as_ref().filter(|it| it.is_in_body()) {
            // An answer of its own is neither held by the client nor worth to be compressed.
            Some(_) => self.tell(reader, answer.respond(&HeaderMap::new(), outcome, now)),
            None => answer.respond(&self.headers, outcome, now),
        }
    }

    /// Puts the explanation beside an answer, where it is wanted there.
    pub(super) fn tell(&self, reader: &Reader, response: Response<Payload>) -> Response<Payload> {
        match &self.explained {
            Some(explained) => explained.beside(reader, self.path(), response),
            None => response,
        }
    }
}

/// The symbol in a path: everything after the endpoint's name, so that `BTC/USD` may be written
/// with its slash.
pub(super) struct SymbolPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for SymbolPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let allowed = "must be a market's name in percent-encoded UTF-8";
        path.map(|Path(symbol)| Self(symbol))
            .map_err(|_| Problem::parameter("symbol", parts.uri.path(), allowed))
    }
}

/// The outcome of an answer made from several reads: that of the one which cost the most.
pub(super) fn combined(outcomes: impl IntoIterator<Item = CacheOutcome>) -> CacheOutcome {
    let cost = |outcome: &CacheOutcome| match outcome {
        CacheOutcome::Hit => 0,
        CacheOutcome::Stale => 1,
        CacheOutcome::Negative => 2,
        CacheOutcome::Collapsed => 3,
        CacheOutcome::Expired => 4,
        CacheOutcome::Miss => 5,
    };
    outcomes.into_iter().max_by_key(cost).unwrap_or(CacheOutcome::Hit)
}

/// JSON of a value that is made of strings, numbers and lists.
pub(super) fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings, numbers and lists serialise")
}
