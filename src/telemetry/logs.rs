//! The set-up of log lines.

use std::{
    io::{self, IsTerminal as _},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, filter::ParseError, fmt, fmt::MakeWriter,
    layer::SubscriberExt as _, registry::LookupSpan, reload,
};

use super::traces::Traces;
use crate::config::LogFormat;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter cannot be read.
    #[error("bad log filter {filter:?}: {source}")]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The filter says nothing.
    #[error("an empty log filter")]
    Empty,
    /// The process has a subscriber already.
    #[error("logging has been set up before")]
    AlreadySet,
    /// The subscriber that the filter belonged to is no more.
    #[error("nothing is logged any more")]
    Gone,
}

/// Which log lines are written; may be changed while lines are being written. Clones are the same
/// filter.
#[derive(Clone, Debug)]
pub struct Filter {
    text: Arc<Mutex<String>>,
    /// `None`: nothing is filtered by it.
    handle: Option<reload::Handle<EnvFilter, Registry>>,
}

impl Filter {
    /// A filter that only keeps its text, for a gateway inside of another process, which has a
    /// subscriber of its own.
    pub fn detached(filter: &str) -> Self {
        Self { text: Arc::new(Mutex::new(filter.to_owned())), handle: None }
    }

    /// The filter in force, as it was given.
    pub fn current(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another filter in force, for the next line on, and gives the one before.
    ///
    /// # Errors
    ///
    /// The filter is empty or cannot be read, or its subscriber is no more; then nothing changed.
    pub fn set(&self, filter: &str) -> Result<String, LogsError> {
        let parsed = parse(filter)?;
        // Held over both, so that of two changes at once the text tells the later one.
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = &self.handle {
            handle.reload(parsed).map_err(|_| LogsError::Gone)?;
        }
        Ok(mem::replace(&mut *text, filter.to_owned()))
    }
}

/// Sends log lines to stderr from now on, for the whole process, and spans to `traces`; the filter
/// that is given back changes which lines are written, and nothing about spans.
///
/// `filter` has the syntax of `EnvFilter` (`info`, `tidegate=debug,hyper=warn`); `RUST_LOG` is not
/// read, since settings have one order of precedence and it is not among them.
///
/// # Errors
///
/// The filter is empty or cannot be read, or the process has a subscriber already.
pub fn init(filter: &str, format: LogFormat, traces: Option<&Traces>) -> Result<Filter, LogsError> {
    let terminal = io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Pretty => false,
        LogFormat::Json => true,
    };
    let (subscriber, filter) = subscriber(filter, json, terminal, io::stderr)?;
    let subscriber = subscriber.with(traces.map(Traces::layer));
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogsError::AlreadySet)?;
    Ok(filter)
}

/// Checks a filter as [`init`] does.
///
/// # Errors
///
/// The filter is empty or cannot be read.
pub fn check_filter(filter: &str) -> Result<(), LogsError> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, LogsError> {
    if filter.trim().is_empty() {
        return Err(LogsError::Empty);
    }
    let parsed = EnvFilter::builder().parse(filter);
    parsed.map_err(|source| LogsError::Filter { filter: filter.to_owned(), source })
}

fn subscriber<W>(
    filter: &str,
    json: bool,
    colours: bool,
    writer: W,
) -> Result<(impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync + use<W>, Filter), LogsError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    let lines = if json {
        lines.json().flatten_event(true).with_current_span(false).boxed()
    } else {
        lines.with_ansi(colours).boxed()
    };
    let (layer, handle) = reload::Layer::new(parse(filter)?);
    let filter = Filter { handle: Some(handle), ..Filter::detached(filter) };
    Ok((Registry::default().with(lines.with_filter(layer)), filter))
}

#[cfg(test)]
mod tests {
    use std::sync::MutexGuard;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is the most that anybody wants logged is one figure of the process, and each of these
    /// tests has it worked out anew.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logged(filter: &str, json: bool) -> String {
        let _alone = alone();
        let sink = Sink::default();
        let into = sink.clone();
        let (subscriber, _) = subscriber(filter, json, false, move || into.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let request = tracing::info_span!("request", request_id = "r-1");
            let _inside = request.enter();
            tracing::warn!(suppressed = 3, "slow \"exchange\"\nsecond line");
            tracing::debug!("details");
            tracing::warn!(target: "hyper", "not ours");
        });
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_with_fields_and_span() {
        let text = logged("info,hyper=off", true);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 1, "{text}");
        assert_eq!(lines[0]["level"], "WARN");
        assert_eq!(lines[0]["message"], "slow \"exchange\"\nsecond line");
        assert_eq!(lines[0]["suppressed"], 3);
        assert_eq!(lines[0]["spans"][0]["name"], "request");
        assert_eq!(lines[0]["spans"][0]["request_id"], "r-1");
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn plain_lines_follow_the_filter_and_carry_no_colour_codes() {
        let text = logged("tidegate=debug,hyper=off", false);
        assert!(text.contains("WARN request{request_id=\"r-1\"}"), "{text}");
        assert!(text.contains("suppressed=3"), "{text}");
        assert!(text.contains("DEBUG") && text.contains("details"), "{text}");
        assert!(!text.contains("not ours") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(logged("error", false), "");
    }

    #[test]
    fn a_bad_filter_is_named() {
        for bad in ["tidegate=loud", "info,hyper=warn=error"] {
            let message = init(bad, LogFormat::Auto, None).unwrap_err().to_string();
            assert!(message.starts_with(&format!("bad log filter {bad:?}: ")), "{message}");
            assert_eq!(check_filter(bad).unwrap_err().to_string(), message);
        }
        check_filter("info,tidegate=debug").unwrap();
        assert_eq!(check_filter(" ").unwrap_err().to_string(), "an empty log filter");
    }

    #[test]
    fn a_filter_is_changed_while_lines_are_written() {
        let _alone = alone();
        let sink = Sink::default();
        let into = sink.clone();
        let (subscriber, filter) = subscriber("warn", false, false, move || into.clone()).unwrap();
        let elsewhere = filter.clone();
        tracing::subscriber::with_default(subscriber, || {
            let line = |name| tracing::info!(name, "a line");
            line("before");
            assert_eq!(filter.set("tidegate=info").unwrap(), "warn");
            line("after");
            assert!(matches!(filter.set("tidegate=loud"), Err(LogsError::Filter { .. })));
            assert!(matches!(filter.set(""), Err(LogsError::Empty)));
            line("still");
            assert_eq!(elsewhere.current(), "tidegate=info");
            assert_eq!(elsewhere.set("off").unwrap(), "tidegate=info");
            line("never");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let names: Vec<_> =
            text.lines().map(|line| line.rsplit_once("name=").unwrap().1.to_owned()).collect();
        assert_eq!(names, ["\"after\"", "\"still\""], "{text}");
        assert!(matches!(filter.set("info"), Err(LogsError::Gone)));
        assert_eq!(filter.current(), "off");
    }

    #[test]
    fn a_detached_filter_keeps_what_it_is_told() {
        let filter = Filter::detached("info");
        assert_eq!(filter.set("debug").unwrap(), "info");
        assert!(filter.set("tidegate=loud").is_err());
        assert_eq!(filter.clone().current(), "debug");
    }
}
