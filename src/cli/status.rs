//! What a gateway tells of itself: `/api/status`.

use std::time::Duration;

use serde::Deserialize;

use super::{
    client::{Client, ClientError},
    endpoint::Endpoint,
    problem::Told,
};

/// A gateway that is well answers in a fraction of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The state of a gateway, as far as a command needs it.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    name: String,
    state: String,
    store: Option<StoreBody>,
    #[serde(default)]
    exchanges: Vec<ExchangeBody>,
}

#[derive(Clone, Debug, Deserialize)]
struct StoreBody {
    state: String,
}

#[derive(Clone, Debug, Deserialize)]
struct ExchangeBody {
    exchange: String,
    default: bool,
    budgets: Vec<BudgetBody>,
}

#[derive(Clone, Debug, Deserialize)]
struct BudgetBody {
    family: String,
    learned: u32,
    left: u32,
    next_slot_ms: u64,
    banned_ms: u64,
}

/// What may be spent on candles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Calls in any minute.
    pub per_minute: u32,
    /// Calls that may be sent at once.
    pub left: u32,
    /// When the next call may be sent.
    pub next_slot: Duration,
    /// How long the exchange will refuse every call.
    pub banned: Duration,
}

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The key, or the want of one, does not let us in.
    #[error("the gateway at {endpoint} refuses: {told}; show it a key with --key or TIDEGATE_KEY")]
    Refused {
        /// Who was asked.
        endpoint: Endpoint,
        /// What it says.
        told: Told,
    },
    /// An answer that is no gateway's.
    #[error("what listens at {0} is no Tidegate gateway")]
    Foreign(String),
}

impl Status {
    /// Asks a gateway. Dropping it hangs up.
    ///
    /// # Errors
    /// No answer within 2 s, one that lets nobody without a better key in, or one that is not a
    /// gateway's.
    pub async fn ask(client: &Client) -> Result<Self, StatusError> {
        let reply = client.get("/api/status", &[], PATIENCE).await?;
        if matches!(reply.status, 401 | 403) {
            let told = Told::of(&reply);
            if matches!(told.code.as_str(), "unauthorized" | "forbidden") {
                return Err(StatusError::Refused { endpoint: client.endpoint().clone(), told });
            }
        }
        let status = serde_json::from_slice::<Self>(&reply.body).ok();
        let status = status.filter(|it| reply.status == 200 && it.name == env!("CARGO_PKG_NAME"));
        status.ok_or_else(|| StatusError::Foreign(client.endpoint().to_string()))
    }

    /// True if it is about to end.
    pub fn is_draining(&self) -> bool {
        self.state == "draining"
    }

    /// What its store says of itself: `on`, or `off`, `failing`, `full`.
    pub fn store(&self) -> &str {
        self.store.as_ref().map_or("off", |store| store.state.as_str())
    }

    /// The budget for candles of this exchange, or of the default one.
    pub fn candle_budget(&self, exchange: Option<&str>) -> Option<Budget> {
        let found = self.exchanges.iter().find(|it| match exchange {
            Some(name) => it.exchange == name,
            None => it.default,
        })?;
        let family = found.budgets.iter().find(|budget| budget.family == "candles")?;
        Some(Budget {
            per_minute: family.learned,
            left: family.left,
            next_slot: Duration::from_millis(family.next_slot_ms),
            banned: Duration::from_millis(family.banned_ms),
        })
    }
}
