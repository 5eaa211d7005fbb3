//! What was done.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    Outcome, Run,
    series::Series,
    show::{counted, spoken},
};
use crate::{cli::Answer, market::UnixMs};

impl Run {
    /// What there is to say at the end, and the exit code.
    pub fn finish(&self, outcome: &Outcome) -> Answer {
        self.show.close();
        let out = if self.json { format!("{}\n", self.json(outcome)) } else { self.text() };
        let err = match outcome {
            Outcome::Done => String::new(),
            Outcome::Interrupted => {
                "interrupted; the same command goes on from here: what is stored costs no call\n"
                    .to_owned()
            }
            Outcome::Failed(failure) => format!("tidegate: {failure}\n"),
        };
        Answer { out, err, code: outcome.code() }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for series in self.series.iter().filter(|series| series.pages > 0) {
            let (bars, calls) = (counted(series.bars, "bar"), counted(series.calls, "call"));
            let state = if series.is_done { "complete" } else { "incomplete" };
            let Series { since, reached, .. } = series;
            let label = series.label();
            let _ = writeln!(text, "{label}: {bars} from {since} to {reached}, {calls}, {state}");
        }
        if !text.is_empty() {
            let _ = writeln!(text, "in {}", spoken(self.began.elapsed()));
        }
        text
    }

    fn json(&self, outcome: &Outcome) -> Value {
        let (state, reason) = match outcome {
            Outcome::Done => ("done", None),
            Outcome::Interrupted => ("interrupted", None),
            Outcome::Failed(failure) => ("failed", Some(failure.to_string())),
        };
        let sum = |of: fn(&Series) -> u64| self.series.iter().map(of).sum::<u64>();
        json!({
            "outcome": state,
            "reason": reason,
            "bars": sum(|series| series.bars),
            "calls": sum(|series| series.calls),
            "seconds": self.began.elapsed().as_secs_f64(),
            "series": self.series.iter().map(one).collect::<Vec<_>>(),
        })
    }
}

fn one(series: &Series) -> Value {
    json!({
        "symbol": series.symbol,
        "timeframe": series.timeframe.as_str(),
        "since": series.since.millis(),
        "until": series.until.millis(),
        "reached": series.reached.millis(),
        "complete": series.is_done,
        "bars": series.bars,
        "first": series.first.map(UnixMs::millis),
        "last": series.last.map(UnixMs::millis),
        "pages": series.pages,
        "calls": series.calls,
    })
}
