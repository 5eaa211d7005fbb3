//! Traces for OpenTelemetry: spans of the process, sent to a collector by OTLP over HTTP.
//!
//! Without an endpoint there is no layer, and a span costs what it costs as a part of log lines.
//! A request's trace goes on where its `traceparent` came from (w3.org/TR/trace-context, 2021-11),
//! and is passed on to the exchange in the same header. Spans leave in batches from a thread of the
//! exporter's own; where the collector does not take them, they are dropped, never waited for.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, header::InvalidHeaderValue};
use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider},
};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use crate::config;

/// Spans that wait to be sent; further ones are dropped.
const MAX_QUEUE: usize = 8192;
/// How long one batch may take to be sent.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether the process sends traces; as process-wide as the subscriber that makes them.
static ON: AtomicBool = AtomicBool::new(false);

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The exporter cannot be made.
    #[error("cannot send traces to {endpoint}: {reason}")]
    Exporter {
        /// Where to.
        endpoint: String,
        /// As the exporter tells it.
        reason: String,
    },
}

/// The way of spans to a collector.
#[derive(Clone, Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to send spans to the collector that the settings name; `None` where they name none.
    ///
    /// # Errors
    /// The exporter cannot be made. That the collector does not answer is no error.
    pub fn start(settings: &config::Traces) -> Result<Option<Self>, TracesError> {
        if settings.endpoint.is_empty() {
            return Ok(None);
        }
        // Only the first install of a process succeeds; a later one finds ring in place.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let endpoint = format!("{}/v1/traces", settings.endpoint);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(&endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|error| TracesError::Exporter { endpoint, reason: error.to_string() })?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_QUEUE)
            .with_scheduled_delay(settings.interval)
            .build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let root = Sampler::TraceIdRatioBased(settings.sample);
        let resource = Resource::builder()
            .with_service_name(settings.service_name.clone())
            .with_attribute(opentelemetry::KeyValue::new(
                "service.version",
                env!("CARGO_PKG_VERSION"),
            ))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(root)))
            .with_resource(resource)
            .build();
        ON.store(true, Relaxed);
        Ok(Some(Self { provider }))
    }

    /// What makes traces of the process's spans.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target("tidegate", tracing::Level::INFO))
    }

    /// Sends what is left. It blocks for as long as one batch may take.
    pub fn finish(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(EXPORT_TIMEOUT) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// A request's headers.
struct Received<'a>(&'a HeaderMap);

impl Extractor for Received<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Headers of a request to be sent.
struct ToSend<'a>(&'a mut HeaderMap);

impl Injector for ToSend<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::from_bytes(key.as_bytes());
        let value: Result<HeaderValue, InvalidHeaderValue> = value.try_into();
        if let (Ok(name), Ok(value)) = (name, value) {
            self.0.insert(name, value);
        }
    }
}

/// True if the process sends traces: only then is anything below of use.
pub fn are_on() -> bool {
    ON.load(Relaxed)
}

/// Makes `span` a part of the trace that a request's `traceparent` names; one that cannot be read
/// begins a trace of its own. To be called before the span is entered.
pub fn continue_from(span: &Span, headers: &HeaderMap) {
    let sender = TraceContextPropagator::new().extract(&Received(headers));
    if sender.span().span_context().is_valid() {
        // It fails where spans are not traced, which is no fault.
        let _untraced = span.set_parent(sender);
    }
}

/// Adds `traceparent` to the headers of a request that is sent within the current span; nothing
/// where that is not traced.
pub fn pass_on(headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut ToSend(headers));
}

/// Says that `span` has waited for what `other` did.
pub fn link(span: &Span, other: &Span) {
    span.add_link(other.context().span().span_context().clone());
}

/// Adds to `span` what is of use in a trace only and would make log lines longer.
pub fn note(span: &Span, name: &'static str, value: impl Into<opentelemetry::Value>) {
    span.set_attribute(name, value);
}
