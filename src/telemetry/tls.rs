//! The metrics of TLS on the listeners.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use crate::market::UnixMs;

const EXPIRY: &str = "tidegate_tls_certificate_expiry_seconds";
const RELOADS: &str = "tidegate_tls_reloads_total";
const FAILURES: &str = "tidegate_tls_handshake_failures_total";

/// The metrics of TLS on a gateway's listeners. Clones share the same series.
#[derive(Clone, Debug)]
pub struct TlsMetrics {
    expiry: Gauge,
    renewed: Counter,
    kept: Counter,
    failures: Counter,
}

/// Tells the exporter in force what the series mean.
pub(super) fn describe() {
    describe_gauge!(
        EXPIRY,
        "When the certificate in force ends (Unix time); 0 where no TLS is spoken."
    );
    describe_counter!(
        RELOADS,
        "Certificates that were read again: renewed, or kept because the new pair is no good."
    );
    describe_counter!(FAILURES, "Connections that ended before TLS was agreed upon.");
}

impl TlsMetrics {
    pub(super) fn register() -> Self {
        Self {
            expiry: gauge!(EXPIRY),
            renewed: counter!(RELOADS, "result" => "renewed"),
            kept: counter!(RELOADS, "result" => "kept"),
            failures: counter!(FAILURES),
        }
    }

    /// The certificate in force ends then.
    #[expect(clippy::cast_precision_loss, reason = "no certificate lasts for 2^52 seconds")]
    pub fn expires(&self, at: UnixMs) {
        self.expiry.set((at.millis() / 1000) as f64);
    }

    /// Files were read again; `is_renewed` if they are in force now.
    pub fn reloaded(&self, is_renewed: bool) {
        if is_renewed { &self.renewed } else { &self.kept }.increment(1);
    }

    /// A connection ended before TLS was agreed upon.
    pub fn handshake_failed(&self) {
        self.failures.increment(1);
    }
}
