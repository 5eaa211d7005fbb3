//! The set-up of log lines.

use std::io::{self, IsTerminal as _};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, filter::ParseError, fmt, fmt::MakeWriter,
    layer::SubscriberExt as _,
};

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
    /// The process has a subscriber already.
    #[error("logging has been set up before")]
    AlreadySet,
}

/// Sends log lines to stderr from now on, for the whole process.
///
/// `filter` has the syntax of `EnvFilter` (`info`, `tidegate=debug,hyper=warn`); `RUST_LOG` is not
/// read, since settings have one order of precedence and it is not among them.
///
/// # Errors
///
/// The filter cannot be read, or the process has a subscriber already.
pub fn init(filter: &str, format: LogFormat) -> Result<(), LogsError> {
    let filter = parse(filter)?;
    let terminal = io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Pretty => false,
        LogFormat::Json => true,
    };
    tracing::subscriber::set_global_default(subscriber(filter, json, terminal, io::stderr))
        .map_err(|_| LogsError::AlreadySet)
}

/// Checks a filter as [`init`] does.
///
/// # Errors
///
/// The filter cannot be read.
pub fn check_filter(filter: &str) -> Result<(), LogsError> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, LogsError> {
    let parsed = EnvFilter::builder().parse(filter);
    parsed.map_err(|source| LogsError::Filter { filter: filter.to_owned(), source })
}

fn subscriber<W>(
    filter: EnvFilter,
    json: bool,
    colours: bool,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    let lines = if json {
        lines.json().flatten_event(true).with_current_span(false).boxed()
    } else {
        lines.with_ansi(colours).boxed()
    };
    Registry::default().with(filter).with(lines)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

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

    fn logged(filter: &str, json: bool) -> String {
        let sink = Sink::default();
        let into = sink.clone();
        let subscriber = subscriber(parse(filter).unwrap(), json, false, move || into.clone());
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
            let message = init(bad, LogFormat::Auto).unwrap_err().to_string();
            assert!(message.starts_with(&format!("bad log filter {bad:?}: ")), "{message}");
            assert_eq!(check_filter(bad).unwrap_err().to_string(), message);
        }
        check_filter("info,tidegate=debug").unwrap();
    }
}
