//! Those who ask, and what has failed for them, as `/api/status` tells it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    access::{Access, Allowance},
    api::Reader,
    market::UnixMs,
    telemetry::ClientId,
};

/// One client.
#[derive(Serialize, ToSchema)]
#[schema(as = ClientStatus)]
pub(crate) struct ClientBody {
    /// Its configured name; `gateway` is the gateway's own upkeep, `anonymous` all who show no
    /// key.
    #[schema(example = "anonymous")]
    client: String,
    /// How its calls to an exchange wait: `client` or `background`; `null` where no key says so.
    class: Option<&'static str>,
    /// How large its share of a budget is beside others'.
    weight: Option<u16>,
    /// Requests answered, in whatever way.
    requests: u64,
    /// Those that were refused: 429 or 503.
    refused: u64,
    /// Calls to exchanges made for it.
    upstream_calls: u64,
    /// `null`: as many requests as it likes.
    quota: Option<QuotaBody>,
}

/// How many requests a client may send.
#[derive(Serialize, ToSchema)]
#[schema(as = QuotaStatus)]
pub(crate) struct QuotaBody {
    limit: u64,
    window_seconds: u64,
    remaining: u64,
}

impl From<Allowance> for QuotaBody {
    fn from(allowance: Allowance) -> Self {
        Self {
            limit: allowance.quota.requests.get().into(),
            window_seconds: allowance.quota.window.as_secs(),
            remaining: allowance.left.into(),
        }
    }
}

/// Who may come in.
#[derive(Serialize, ToSchema)]
#[schema(as = AccessStatus)]
pub(crate) struct AccessBody {
    /// Whether those without a key are refused, unless they come over the loopback.
    keys_required: bool,
    /// Whether there is a key that may change what the gateway does.
    admin: bool,
}

/// A request that was refused or has failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Fault)]
pub(crate) struct FaultBody {
    /// When it was answered, in Unix milliseconds.
    #[schema(value_type = i64)]
    at: UnixMs,
    #[schema(example = "2025-11-22T14:30:00.000Z")]
    datetime: String,
    #[schema(example = "68aa80d9fbb1c505")]
    request_id: String,
    #[schema(example = "anonymous")]
    client: String,
    #[schema(example = "GET")]
    method: String,
    /// Without its query, 200 characters of it.
    path: String,
    /// Which exchange was meant; `null` where that was none, or several.
    #[schema(example = "bitfinex")]
    exchange: Option<&'static str>,
    status: u16,
    /// A problem's code, or the exchange's own number where its clients are answered.
    #[schema(example = "unknown_symbol")]
    code: String,
    detail: String,
    /// Earlier ones of the same client, endpoint and code that are not listed any more.
    repeats: u64,
}

/// The names of clients.
pub(super) fn names(reader: &Reader, clients: &[ClientId]) -> Vec<String> {
    clients.iter().map(|client| name(reader, *client)).collect()
}

/// The name of a client.
pub(super) fn name(reader: &Reader, client: ClientId) -> String {
    reader.metrics.of_client(client).name().to_owned()
}

/// Every client whose name became known.
pub(super) fn clients(reader: &Reader, access: &Access) -> Vec<ClientBody> {
    let configured = access.clients();
    let body = |client: &crate::telemetry::ClientMetrics| {
        let totals = client.totals();
        let known = configured.iter().find(|known| known.name() == totals.name);
        ClientBody {
            client: totals.name,
            class: known.map(|client| client.class().as_str()),
            weight: known.map(|client| client.weight().get()),
            requests: totals.requests,
            refused: totals.refused,
            upstream_calls: totals.upstream_calls,
            quota: known.and_then(|client| client.allowance()).map(QuotaBody::from),
        }
    };
    reader.metrics.clients().iter().map(body).collect()
}

/// Who may come in.
pub(super) fn access(access: &Access) -> AccessBody {
    let keys_required = access.has_keys() && !access.is_open();
    AccessBody { keys_required, admin: access.has_admin() }
}

/// The last faults, the newest first.
pub(super) fn faults(reader: &Reader) -> Vec<FaultBody> {
    let faults = reader.metrics.faults().all().into_iter();
    let body = |fault: crate::telemetry::Fault| FaultBody {
        at: fault.at,
        datetime: fault.at.iso(),
        request_id: fault.request_id,
        client: name(reader, fault.client),
        method: fault.method,
        path: fault.path,
        exchange: fault.exchange,
        status: fault.status,
        code: fault.code.into_owned(),
        detail: fault.detail,
        repeats: fault.repeats,
    };
    faults.map(body).collect()
}
