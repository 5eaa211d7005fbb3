//! How far it is: bars on a terminal, else lines.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::{estimate::Outlook, series::Series};

/// A bar's length is its time in these.
const STEPS: u64 = 10_000;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What there is to see.
pub(super) struct View<'a> {
    pub(super) series: &'a [Series],
    pub(super) elapsed: Duration,
    pub(super) outlook: Option<Outlook>,
    pub(super) waiting: Option<Waiting>,
}

/// What keeps the next page from coming.
#[derive(Debug)]
pub(super) enum Waiting {
    /// Every call that the budget has room for is spent; so long until the next one.
    Budget(Duration),
    /// The exchange refuses candles for so long.
    Ban(Duration),
    /// What the gateway said, and when it is asked again.
    Told(String, Duration),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget(wait) if wait.is_zero() => f.write_str("waits for its turn"),
            Self::Budget(wait) => write!(f, "waits for the budget, {}", spoken(*wait)),
            Self::Ban(wait) => write!(f, "the exchange refuses candles for {}", spoken(*wait)),
            Self::Told(reason, wait) => write!(f, "{reason}: again in {}", spoken(*wait)),
        }
    }
}

/// Standard error.
pub(super) enum Show {
    Bars { all: MultiProgress, bars: Vec<ProgressBar>, foot: ProgressBar },
    Lines { next: Option<Instant> },
}

impl Show {
    pub(super) fn on_stderr(series: &[Series]) -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines { next: None };
        }
        let all = MultiProgress::new();
        let widest = series.iter().map(|it| it.label().len()).max().unwrap_or_default();
        let template = format!("{{prefix:{widest}}} {{bar:30}} {{percent:>3}} %  {{wide_msg}}");
        let style = ProgressStyle::with_template(&template).expect("the template is well-formed");
        let style = style.progress_chars("█▉▊▋▌▍▎▏ ");
        let bar = |series: &Series| {
            let bar = ProgressBar::new(STEPS).with_style(style.clone());
            all.add(bar.with_prefix(series.label()))
        };
        let bars = series.iter().map(bar).collect();
        let line = ProgressStyle::with_template("{wide_msg}").expect("the template is well-formed");
        let foot = all.add(ProgressBar::no_length().with_style(line));
        Self::Bars { all, bars, foot }
    }

    /// Shows the present state. Lines are written now and then only.
    pub(super) fn draw(&mut self, view: &View<'_>) {
        match self {
            Self::Bars { bars, foot, .. } => {
                for (bar, series) in bars.iter().zip(view.series) {
                    if bar.position() != position(series) {
                        bar.set_position(position(series));
                        bar.set_message(counted(series.bars, "bar"));
                    }
                }
                foot.set_message(view.foot());
            }
            Self::Lines { next } => {
                let now = Instant::now();
                // The first one comes after a while as well: there is something to tell then.
                if now >= *next.get_or_insert(now + LINE_EVERY) {
                    *next = Some(now + LINE_EVERY);
                    line(&view.line());
                }
            }
        }
    }

    /// Says something that is not to be overlooked.
    pub(super) fn event(&self, text: &str) {
        match self {
            // Who cannot be shown anything any more is told by the exit code.
            Self::Bars { all, .. } => drop(all.println(text)),
            Self::Lines { .. } => line(text),
        }
    }

    /// A series is complete.
    pub(super) fn ended(&self, series: &Series) {
        if let Self::Lines { .. } = self {
            line(&format!("{}: complete, {}", series.label(), counted(series.bars, "bar")));
        }
    }

    /// Leaves the bars as they are and the line below them to others.
    pub(super) fn close(&self) {
        if let Self::Bars { bars, foot, .. } = self {
            bars.iter().for_each(ProgressBar::abandon);
            foot.finish_and_clear();
        }
    }
}

impl View<'_> {
    /// `1,204 bars/s, 12 calls, about 34 to go, about 1 min 10 s`
    fn foot(&self) -> String {
        let bars: u64 = self.series.iter().map(|series| series.bars).sum();
        let calls: u64 = self.series.iter().map(|series| series.calls).sum();
        let seconds = self.elapsed.as_secs_f64().max(0.001);
        // A rate is for people: its fraction says nothing.
        let rate = HumanCount((bars as f64 / seconds) as u64);
        let mut text = format!("{rate} bars/s, {}", counted(calls, "call"));
        if let Some(outlook) = self.outlook {
            let about = if outlook.is_bound { "at most" } else { "about" };
            let (left, time) = (HumanCount(outlook.calls), spoken(outlook.time));
            text += &format!(", {about} {left} to go, {about} {time}");
        }
        if let Some(waiting) = &self.waiting {
            text += &format!("; {waiting}");
        }
        text
    }

    fn line(&self) -> String {
        let series = self.series.iter().find(|series| !series.is_done);
        let Some(series) = series.or(self.series.last()) else { return self.foot() };
        let percent = position(series) * 100 / STEPS;
        let bars = counted(series.bars, "bar");
        format!("{}: {percent} %, {bars}; {}", series.label(), self.foot())
    }
}

/// How much of a bar is filled; all of it only where nothing is missing.
fn position(series: &Series) -> u64 {
    // Between 0 and STEPS.
    let steps = (series.fraction() * STEPS as f64) as u64;
    if series.is_done { STEPS } else { steps.min(STEPS - 1) }
}

/// Who cannot be told anything any more is told by the exit code.
fn line(text: &str) {
    let _unheard = writeln!(io::stderr(), "{text}");
}

/// `1 call`, `1,034 calls`
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}

/// `14 s`, `3 min 20 s`, `2 h 5 min`
pub(super) fn spoken(time: Duration) -> String {
    // A wait of less than a second is told as one.
    let seconds = time.as_millis().div_ceil(1000);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Timeframe;

    fn half() -> Series {
        let (since, until) = ("2024-01-01".parse().unwrap(), "2024-01-03".parse().unwrap());
        let mut series = Series::new("BTC/USD".to_owned(), Timeframe::M1, since, until);
        series.reached = "2024-01-02".parse().unwrap();
        (series.bars, series.calls) = (1_440, 12);
        series
    }

    #[test]
    fn a_line_says_how_far_how_fast_how_long_and_what_is_waited_for() {
        let series = [half()];
        let outlook = Outlook { calls: 1_034, time: Duration::from_secs(70), is_bound: false };
        let elapsed = Duration::from_secs(2);
        let mut view = View { series: &series, elapsed, outlook: Some(outlook), waiting: None };
        let text = "BTC/USD 1m: 50 %, 1,440 bars; 720 bars/s, 12 calls, about 1,034 to go, \
                    about 1 min 10 s";
        assert_eq!(view.line(), text);
        view.waiting = Some(Waiting::Budget(Duration::from_millis(13_100)));
        assert_eq!(view.line(), format!("{text}; waits for the budget, 14 s"));
        view.outlook = Some(Outlook { is_bound: true, ..outlook });
        view.waiting = Some(Waiting::Ban(Duration::from_secs(7_500)));
        assert!(view.line().ends_with(
            "at most 1,034 to go, at most 1 min 10 s; the exchange refuses candles for 2 h 5 min"
        ));
    }

    #[test]
    fn a_bar_is_full_only_where_nothing_is_missing() {
        let mut series = half();
        assert_eq!(position(&series), STEPS / 2);
        series.reached = series.until;
        assert_eq!(position(&series), STEPS - 1);
        series.is_done = true;
        assert_eq!(position(&series), STEPS);
    }
}
