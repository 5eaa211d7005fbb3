//! The store in `/api/status`.

use serde::Serialize;
use utoipa::ToSchema;

use crate::store::StoreSnapshot;

/// What outlives the process, on disk.
#[derive(Serialize, ToSchema)]
#[schema(as = StoreStatus)]
pub(crate) struct StoreBody {
    /// `off` (`store.path` is not set), `on`, `full` or `failing`; serving goes on in any case.
    #[schema(example = "on")]
    state: &'static str,
    /// Its file.
    path: Option<String>,
    /// Bytes on disk.
    bytes: u64,
    /// Final candles on disk.
    bars: u64,
    /// Of so many markets and widths.
    series: u64,
    /// Rows that wait to be written.
    pending_rows: usize,
    last_error: Option<StoreErrorBody>,
    /// The last file that could not be used and now has this name.
    set_aside: Option<String>,
}

/// What went wrong last.
#[derive(Serialize, ToSchema)]
#[schema(as = StoreError)]
pub(crate) struct StoreErrorBody {
    error: String,
    #[schema(example = "2025-11-22T14:30:00.000Z")]
    datetime: String,
}

impl From<StoreSnapshot> for StoreBody {
    fn from(store: StoreSnapshot) -> Self {
        let text = |path: std::path::PathBuf| path.display().to_string();
        Self {
            state: store.state.as_str(),
            path: store.path.map(text),
            bytes: store.bytes,
            bars: store.bars,
            series: store.series,
            pending_rows: store.pending,
            last_error: store
                .last_error
                .map(|(error, at)| StoreErrorBody { error, datetime: at.iso() }),
            set_aside: store.set_aside.map(text),
        }
    }
}
