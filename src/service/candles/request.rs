//! One request for candles of the past, and what its answer tells.

use tokio::time::{Instant, timeout_at};

use super::{
    fill::{Filled, Outcome},
    learn::Learner,
    reach::{FEWEST, Reach},
    track::{Page, Track},
    want::{EPOCH, Gap, Toward, buckets, first_open, last_opening},
    which::Which,
};
use crate::{
    exchange::Asked,
    market::{Candle, CandleQuery, Span, UnixMs},
    service::ServiceError,
    telemetry::{Payer, Wait},
};

/// One request for a gap's near end.
pub(super) struct Request {
    which: Which,
    gap: Gap,
    limit: u32,
    /// It asks for what opens in the whole gap, which is no more than `limit` rows.
    is_whole: bool,
    /// A known candle beside the gap, which is asked for as well: an answer without it is not to be
    /// believed about the gap either. Exchanges also answer `[]` where something is wrong.
    witness: Option<UnixMs>,
}

impl Request {
    pub(super) fn of(learner: &Learner, which: &Which, gap: Gap) -> Self {
        let max = learner.shelf.exchange.profile().max_candles;
        let most = usize::try_from(max).unwrap_or(usize::MAX);
        let timeframe = which.timeframe;
        let width = buckets(timeframe, gap.span.from, gap.span.to);
        let is_whole = width <= most;
        let needed = if is_whole { width } else { gap.count.clamp(FEWEST, most) };
        let held = learner.held(which);
        let track = held.as_ref().and_then(|entry| entry.value.track());
        let beside = |track: &Track| {
            let before = || Some((track.last_before(gap.span.from)?, gap.span.from));
            let after = || Some((track.first_after(gap.span.to)?, gap.span.to));
            match gap.toward {
                Toward::Earlier if !is_whole => after(),
                Toward::Later if !is_whole => before(),
                Toward::Earlier | Toward::Later => before().or_else(after),
            }
        };
        // What comes before a gap may have left the reach by the time that the request is sent.
        let is_limited = learner.reach(which).is_limited();
        let beside = track.filter(|_| !gap.anew).and_then(beside);
        let beside = beside.filter(|(witness, edge)| !is_limited || witness >= edge);
        let more = beside.and_then(|(witness, edge)| {
            let (from, to) = (witness.min(edge), witness.max(edge));
            let more = buckets(timeframe, from, to) + usize::from(witness >= edge);
            (needed + more <= most).then_some((witness, more))
        });
        let (witness, more) = more.map_or((None, 0), |(witness, more)| (Some(witness), more));
        let limit = u32::try_from(needed + more).unwrap_or(max).max(1);
        Self { which: which.clone(), gap, limit, is_whole, witness }
    }

    /// What it is, as far as its price is concerned.
    pub(super) fn asked(&self) -> Asked {
        Asked::Candles { limit: self.limit }
    }

    /// What it brings for certain.
    pub(super) fn sure(&self) -> Span {
        let span = self.gap.span;
        let Some(width) = self.which.timeframe.fixed().filter(|_| !self.is_whole) else {
            return span;
        };
        let reach = width * self.limit;
        match self.gap.toward {
            Toward::Later => Span::new(span.from, span.to.min(span.from + reach)),
            Toward::Earlier => Span::new(span.from.max(span.to - reach), span.to),
        }
    }

    fn query(&self) -> CandleQuery {
        let Gap { span, toward, .. } = self.gap;
        let (market, timeframe) = (self.which.market.clone(), self.which.timeframe);
        let (since, until) = (span.from, last_opening(timeframe, span.to));
        let since = self.witness.map_or(since, |witness| witness.min(since));
        let until = self.witness.map_or(until, |witness| witness.max(until));
        let since = (self.is_whole || toward == Toward::Later).then_some(since);
        CandleQuery { market, timeframe, limit: self.limit, since, until: Some(until) }
    }

    /// From disk, else from the exchange.
    pub(super) async fn fly(&self, learner: &Learner, payer: Payer, deadline: Instant) -> Outcome {
        if !self.gap.anew
            && let Some(entry) = learner.recall(&self.which, &self.gap).await
        {
            return Ok(Filled::Held(entry));
        }
        let (sent, mut rows) = learner.call(|_| self.query(), payer, deadline).await?;
        if let Some(witness) = self.witness
            && rows.binary_search_by_key(&witness, |row| row.open_time).is_err()
        {
            return Err(invalid(
                "no candle where there was one, next to those that were asked for",
            ));
        }
        let reach = learner.reach(&self.which);
        let known = self.known(reach, &rows, sent);
        rows.retain(|row| known.contains(row.open_time));
        // Time has gone on while the request waited for its turn.
        if reach.begin(sent).is_some_and(|begin| begin >= self.gap.span.to) {
            return Err(reach.refusal(sent));
        }
        if known.is_empty() {
            return Err(invalid("candles of a time that is not over by this clock"));
        }
        if rows.is_empty() && learner.has_rows(&self.which, known) {
            return Err(invalid("no candles, where there were some"));
        }
        if rows.is_empty() && self.witness.is_none() && !reach.is_by_buckets() {
            return Ok(Filled::Nothing);
        }
        let page = Page { from: known.from, settled: known.to, rows };
        let filled = learner.past(&self.which, &page);
        if payer.class == Wait::Background {
            // What is fetched to be kept is told when it is; that it takes too long is no fault.
            let _ = timeout_at(deadline, learner.shelf.store.flush()).await;
        }
        Ok(Filled::Held(filled))
    }

    /// The opening times of which the answer has told everything.
    fn known(&self, reach: Reach<'_>, rows: &[Candle], sent: UnixMs) -> Span {
        let Gap { span, toward, .. } = self.gap;
        let timeframe = self.which.timeframe;
        let is_full = rows.len() >= usize::try_from(self.limit).unwrap_or(usize::MAX);
        let (first, last) = (rows.first(), rows.last());
        let told = match toward {
            _ if reach.is_by_buckets() => span.common(&reach.of_query(&self.query())),
            _ if self.is_whole || !is_full => span,
            Toward::Later => {
                let end = last.map_or(span.to, |row| timeframe.end_of(row.open_time));
                Span::new(span.from, span.to.min(end))
            }
            Toward::Earlier => {
                let start = first.map_or(span.from, |row| row.open_time);
                Span::new(span.from.max(start), span.to)
            }
        };
        let anchor = first.map(|row| row.open_time);
        let begin = reach.begin(sent).unwrap_or(EPOCH);
        told.common(&Span::new(begin, first_open(timeframe, anchor, sent)))
    }
}

fn invalid(what: &str) -> ServiceError {
    ServiceError::Invalid(what.to_owned())
}
