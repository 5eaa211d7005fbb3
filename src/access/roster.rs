//! The clients of one reading of the keys file, and how one is found by its key.

use std::{collections::HashMap, num::NonZeroU16, sync::Arc};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    ANONYMOUS, Allowance, Exceeded, KeyHash, Quota, Right, Rights, file::Entry, quota::Meter,
};
use crate::telemetry::{ClientId, ClientMetrics, Metrics, Payer, Wait};

/// Somebody who asks, as the keys file describes him.
#[derive(Debug)]
pub struct Client {
    entry: Entry,
    id: ClientId,
    metrics: ClientMetrics,
    meter: Arc<Meter>,
}

/// What a request is let in by: whose it is, and until when what it started may go on.
#[derive(Clone, Debug)]
pub struct Grant {
    client: Arc<Client>,
    has_key: bool,
    revoked: CancellationToken,
}

/// Every client of a keys file.
#[derive(Debug)]
pub struct Roster {
    /// A secret seed of each process decides which hashes a key's is compared with, and each
    /// comparison takes the same time, so none of it tells anything of the hashes that are kept.
    keys: HashMap<KeyHash, Grant>,
    anonymous: Grant,
    clients: Vec<Arc<Client>>,
}

impl Client {
    fn new(entry: Entry, metrics: &Metrics, before: Option<&Self>) -> Option<Self> {
        let id = match entry.name.as_str() {
            ANONYMOUS => ClientId::ANONYMOUS,
            name => metrics.client(name)?,
        };
        let meter = before.map_or_else(|| Arc::new(Meter::new()), |before| before.meter.clone());
        Some(Self { metrics: metrics.of_client(id), id, meter, entry })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// Its place among all clients.
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// How its calls wait.
    pub fn class(&self) -> Wait {
        self.entry.class
    }

    /// How large its share is beside others'.
    pub fn weight(&self) -> NonZeroU16 {
        self.entry.weight
    }

    /// What it may do.
    pub fn rights(&self) -> Rights {
        self.entry.rights
    }

    /// How often it may ask; `None`: as often as it likes.
    pub fn quota(&self) -> Option<Quota> {
        self.entry.quota
    }

    /// Where what it does is counted.
    pub fn metrics(&self) -> &ClientMetrics {
        &self.metrics
    }

    /// On whose account its calls to exchanges go.
    pub fn payer(&self) -> Payer {
        Payer { class: self.class(), client: self.id, weight: self.weight() }
    }

    /// Counts a request against the quota; `None` where there is none.
    ///
    /// # Errors
    /// The quota is used up; this costs nothing of it.
    pub fn spend(&self) -> Result<Option<Allowance>, Exceeded> {
        self.quota().map(|quota| self.meter.spend(quota, Instant::now())).transpose()
    }

    /// What is left of the quota; `None` where there is none.
    pub fn allowance(&self) -> Option<Allowance> {
        self.quota().map(|quota| self.meter.look(quota, Instant::now()))
    }
}

impl Grant {
    /// Whose it is.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// False for those who need no key.
    pub fn has_key(&self) -> bool {
        self.has_key
    }

    /// Waits until its key, its client or the client's right to streams is taken out of the keys
    /// file. Cancel-safe.
    pub async fn revoked(&self) {
        self.revoked.cancelled().await;
    }

    /// What was started by it may go on with `client` in its place.
    fn lives_on_in(&self, client: &Client) -> bool {
        self.client.id == client.id && client.rights().has(Right::Stream)
    }

    fn succeeded_by(&self, client: Arc<Client>) -> Self {
        let lives_on = self.lives_on_in(&client);
        let revoked = if lives_on { self.revoked.clone() } else { CancellationToken::new() };
        Self { client, has_key: self.has_key, revoked }
    }
}

impl Roster {
    /// One with nobody but those who need no key.
    pub(super) fn without_keys(metrics: &Metrics) -> Self {
        let anonymous = Client::new(Entry::named(ANONYMOUS), metrics, None);
        let client = Arc::new(anonymous.expect("its name is always known"));
        let revoked = CancellationToken::new();
        let anonymous = Grant { client, has_key: false, revoked };
        Self { keys: HashMap::new(), anonymous, clients: Vec::new() }
    }

    /// One with these entries, in which those of this one live on: what they used of their quotas,
    /// and what they started with keys that they still have.
    ///
    /// # Errors
    /// The name for which there is no room in the metrics.
    pub(super) fn succeeded_by(
        &self,
        entries: Vec<Entry>,
        metrics: &Metrics,
    ) -> Result<Self, String> {
        let mut keys = HashMap::new();
        let mut anonymous = Entry::named(ANONYMOUS);
        let mut clients = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.name == ANONYMOUS {
                anonymous = entry;
                continue;
            }
            let before = self.clients.iter().find(|client| client.name() == entry.name);
            let (name, hashes) = (entry.name.clone(), entry.keys.clone());
            let client = Client::new(entry, metrics, before.map(Arc::as_ref)).ok_or(name)?;
            let client = Arc::new(client);
            for hash in hashes {
                let grant = self.keys.get(&hash).map_or_else(
                    || Grant {
                        client: client.clone(),
                        has_key: true,
                        revoked: CancellationToken::new(),
                    },
                    |before| before.succeeded_by(client.clone()),
                );
                keys.insert(hash, grant);
            }
            clients.push(client);
        }
        let anonymous = Client::new(anonymous, metrics, Some(&self.anonymous.client));
        let anonymous = Arc::new(anonymous.expect("its name is always known"));
        let anonymous = self.anonymous.succeeded_by(anonymous);
        Ok(Self { keys, anonymous, clients })
    }

    /// Ends what was started by grants that do not live on in `next`.
    pub(super) fn give_way_to(&self, next: &Self) {
        for (hash, grant) in &self.keys {
            let heir = next.keys.get(hash);
            if !heir.is_some_and(|heir| grant.lives_on_in(&heir.client)) {
                grant.revoked.cancel();
            }
        }
        if !self.anonymous.lives_on_in(&next.anonymous.client) {
            self.anonymous.revoked.cancel();
        }
    }

    /// Whose key this is.
    pub fn of_key(&self, key: &str) -> Option<&Grant> {
        self.keys.get(&KeyHash::of(key))
    }

    /// Those who show no key.
    pub fn anonymous(&self) -> &Grant {
        &self.anonymous
    }

    /// Those with keys, in the order of the file.
    pub fn clients(&self) -> &[Arc<Client>] {
        &self.clients
    }

    /// Keys of all of them.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }
}
