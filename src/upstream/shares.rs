//! What each client has, wants and lately wanted of a pool's window, and what follows of it: how
//! much a call has to leave for those who hold less.

use std::time::Duration;

use tokio::time::Instant;

use super::{queue::CLASSES, window::Tenant};
use crate::telemetry::{ClientId, Payer, Wait};

/// Memory is kept by parts of a window, this many to one.
const PARTS: u32 = 3;

/// So many parts are remembered, the one that runs among them. A slot is held for a window after
/// its call, so what was asked for is forgotten between 3 and 3⅓ windows later.
const KEPT: usize = 7;

/// The peak of a number in each part that is remembered, the one that runs first.
type Peaks = [u32; KEPT];

/// On what terms a call may take the slots that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Any that is free, since nobody else has or lately wanted one.
    Alone,
    /// Any that is free.
    Own,
    /// Those that are free beside so many that others may come for.
    Spare { reserve: u32 },
}

/// One client.
#[derive(Clone, Debug)]
struct Account {
    client: ClientId,
    weight: u16,
    /// Slots, without those of background work.
    held: u32,
    /// Slots that its waiting calls need, without background work.
    waiting: u32,
    /// `held` and `waiting` when the wants were last measured.
    measured: u32,
    /// The same as the first two with background work.
    held_in_all: u32,
    waiting_in_all: u32,
    /// What all others had and wanted together at the peak, each up to his share.
    others: Peaks,
    /// What it had and wanted itself at the peak, without background work. Who was refused is not
    /// among those who wait, and wanted it all the same.
    wanted: Peaks,
    /// All that it wanted at the peak can be met.
    fits: bool,
    /// When its last call of each class ended in the class's virtual time.
    finish: [u64; CLASSES],
}

impl Account {
    fn measured_up_to(&self, water: f64) -> f64 {
        f64::from(self.measured).min(water * f64::from(self.weight))
    }

    fn is_active(&self) -> bool {
        self.wanted != [0; KEPT]
    }

    fn is_blank(&self) -> bool {
        self.held_in_all == 0 && self.waiting_in_all == 0 && !self.is_active()
    }
}

/// A client's part in a pool's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientShare {
    /// Which client.
    pub client: ClientId,
    /// Slots that it holds: what its calls cost which the exchange may still be counting.
    pub used: u32,
    /// Slots that it may claim if everyone who is active wants all he can get.
    pub share: u32,
    /// Slots that its calls need which wait for their turn.
    pub waiting: u32,
}

/// All clients of a pool; there are as many as [`ClientId`]s at most.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    accounts: Vec<Account>,
    /// What everyone had and wanted together at the peak, up to the ceiling.
    peaks: Peaks,
    /// Up to here, by weight, everyone has what he wants if the window is shared out evenly.
    water: f64,
    /// Of everyone who lately wanted something.
    weights: u64,
    part: Duration,
    next_part: Instant,
}

impl Shares {
    pub(super) fn new(window: Duration, now: Instant) -> Self {
        let part = part(window);
        Self {
            accounts: Vec::new(),
            peaks: [0; KEPT],
            water: f64::INFINITY,
            weights: 0,
            part,
            next_part: now + part,
        }
    }

    /// Goes on with windows of another length.
    pub(super) fn reshape(&mut self, window: Duration) {
        self.part = part(window);
    }

    /// When something is forgotten next.
    pub(super) fn next_part(&self) -> Instant {
        self.next_part
    }

    /// Begins the next part of the memory, `now` being its time or later.
    pub(super) fn turn_over(&mut self, now: Instant, ceiling: u32) {
        if self.accounts.is_empty() && self.peaks == [0; KEPT] {
            let late = now.saturating_duration_since(self.next_part).as_nanos();
            let parts = u32::try_from(late / self.part.as_nanos()).unwrap_or(u32::MAX);
            self.next_part += self.part * parts;
        }
        self.next_part += self.part;
        for account in &mut self.accounts {
            forget(&mut account.wanted);
            forget(&mut account.others);
        }
        forget(&mut self.peaks);
        // Those who wait have been measured when they came. What may become of them until their
        // turn does not count, so that what lies ahead is certain.
        self.measure(ceiling, |account| account.held);
        self.accounts.retain(|account| !account.is_blank());
    }

    /// A call wants a turn.
    pub(super) fn asked(&mut self, payer: Payer, units: u32, ceiling: u32) {
        let others = self.peaks;
        let account = self.account(payer.client, others);
        account.weight = payer.weight.get();
        account.waiting_in_all = account.waiting_in_all.saturating_add(units);
        if payer.class != Wait::Background {
            account.waiting = account.waiting.saturating_add(units);
            self.measure(ceiling, |account| account.held + account.waiting);
        }
    }

    /// A call does not want its turn any more.
    pub(super) fn left(&mut self, client: ClientId, class: Wait, units: u32) {
        let account = self.account(client, [0; KEPT]);
        account.waiting_in_all = account.waiting_in_all.saturating_sub(units);
        if class != Wait::Background {
            account.waiting = account.waiting.saturating_sub(units);
        }
    }

    /// A call that wanted a turn has got it, which ends then in its class's virtual time.
    pub(super) fn granted(&mut self, tenant: Tenant, units: u32, finish: u64) {
        let account = self.account(tenant.client, [0; KEPT]);
        account.waiting_in_all = account.waiting_in_all.saturating_sub(units);
        account.held_in_all += units;
        if tenant.class != Wait::Background {
            account.waiting = account.waiting.saturating_sub(units);
            account.held += units;
        }
        account.finish[tenant.class.index()] = finish;
    }

    /// Slots have come free.
    pub(super) fn freed(&mut self, tenant: Tenant, units: u32) {
        let account = self.account(tenant.client, [0; KEPT]);
        account.held_in_all = account.held_in_all.saturating_sub(units);
        if tenant.class != Wait::Background {
            account.held = account.held.saturating_sub(units);
        }
    }

    /// A turn was not used: takes its `cost` off what the client was charged.
    pub(super) fn refund(&mut self, tenant: Tenant, cost: u64) {
        let finish = &mut self.account(tenant.client, [0; KEPT]).finish[tenant.class.index()];
        *finish = finish.saturating_sub(cost);
    }

    /// When the client's last call of this class ended in the class's virtual time.
    pub(super) fn finish(&self, client: ClientId, class: usize) -> u64 {
        self.find(client).map_or(0, |account| account.finish[class])
    }

    pub(super) fn weight(&self, client: ClientId) -> u16 {
        self.find(client).map_or(1, |account| account.weight)
    }

    /// True if the client holds no slot: none for its background work, or none for the rest.
    pub(super) fn has_nothing(&self, client: ClientId, class: Wait) -> bool {
        self.find(client).is_none_or(|account| match class {
            Wait::Background => account.held_in_all == account.held,
            Wait::Client | Wait::Refresh => account.held == 0,
        })
    }

    /// On what terms a call of this client, which is among those that wait, may take its slots.
    ///
    /// One who is alone takes any. So does one who holds less than a share by weight, or whose
    /// wants can be met without anyone's who wants less being cut. Whoever wants more than that
    /// leaves what the others wanted at the peak and do not have; so does all background work.
    pub(super) fn claim(&self, client: ClientId, class: Wait, units: u32, ceiling: u32) -> Claim {
        let Some(account) = self.find(client) else { return Claim::Alone };
        let peak = highest(&account.others);
        if peak == 0 {
            let others = self.accounts.iter().filter(|other| other.client != client);
            let alone =
                others.map(|other| other.held_in_all + other.waiting_in_all).all(|it| it == 0);
            return if alone { Claim::Alone } else { Claim::Own };
        }
        let background = class == Wait::Background;
        if !background && (account.fits || account.held < self.share(account, ceiling)) {
            return Claim::Own;
        }
        let weight = f64::from(account.weight);
        let reached = f64::from(account.held.saturating_add(units)) / weight;
        let content = self.accounts.iter().filter(|other| other.client != client).map(|other| {
            let bound = self.water * f64::from(other.weight);
            let ahead = f64::from(other.held) >= reached * f64::from(other.weight);
            // Who has more already gets no slot kept for him by one who has less.
            let has = if ahead && !background { highest(&other.wanted) } else { other.held };
            f64::from(has).min(bound)
        });
        let missing = f64::from(peak) - content.sum::<f64>();
        Claim::Spare { reserve: whole(missing) }
    }

    /// Everyone who holds or wants something.
    pub(super) fn in_use(&self, ceiling: u32) -> impl Iterator<Item = ClientShare> {
        let busy = self.accounts.iter().filter(|it| it.held_in_all > 0 || it.waiting_in_all > 0);
        busy.map(move |account| ClientShare {
            client: account.client,
            used: account.held_in_all,
            share: self.share(account, ceiling),
            waiting: account.waiting_in_all,
        })
    }

    /// A client's part of the ceiling by weight among those who are active, rounded up.
    fn share(&self, account: &Account, ceiling: u32) -> u32 {
        let own = u64::from(account.weight);
        let weights = self.weights + if account.is_active() { 0 } else { own };
        let share = (u64::from(ceiling) * own).div_ceil(weights.max(1));
        u32::try_from(share).unwrap_or(u32::MAX)
    }

    /// True if the window has room for all that the client wanted at the peak, for everyone else
    /// up to the same by weight, and for what the others wanted at the peak beyond what they want
    /// now.
    fn fits(&self, account: &Account, ceiling: u32) -> bool {
        let wanted = f64::from(highest(&account.wanted));
        let level = wanted / f64::from(account.weight);
        let others = self.accounts.iter().filter(|other| other.client != account.client);
        let even: f64 = others.map(|other| other.measured_up_to(level)).sum();
        let now = self.total() - account.measured_up_to(self.water);
        let missing = f64::from(highest(&account.others)) - now;
        wanted + even + missing.max(0.0) <= f64::from(ceiling)
    }

    fn total(&self) -> f64 {
        self.accounts.iter().map(|account| account.measured_up_to(self.water)).sum()
    }

    /// Notes what is had and wanted now, which since the last time was not more.
    fn measure(&mut self, ceiling: u32, wants: impl Fn(&Account) -> u32) {
        for account in &mut self.accounts {
            account.measured = wants(account);
            account.wanted[0] = account.wanted[0].max(account.measured);
        }
        self.water = self.level_out(ceiling);
        let (total, water) = (self.total(), self.water);
        self.peaks[0] = self.peaks[0].max(whole(total));
        for account in &mut self.accounts {
            let others = whole(total - account.measured_up_to(water));
            account.others[0] = account.others[0].max(others);
        }
        let active = self.accounts.iter().filter(|account| account.is_active());
        self.weights = active.map(|account| u64::from(account.weight)).sum();
        for at in 0..self.accounts.len() {
            self.accounts[at].fits = self.fits(&self.accounts[at], ceiling);
        }
    }

    /// The water level: as high as it can be so that what is below it fits.
    fn level_out(&self, ceiling: u32) -> f64 {
        let wanted: u64 = self.accounts.iter().map(|account| u64::from(account.measured)).sum();
        if wanted <= u64::from(ceiling) {
            return f64::INFINITY;
        }
        let by_weight = |account: &Account| {
            let weight = f64::from(account.weight);
            (f64::from(account.measured) / weight, weight)
        };
        let mut levels: Vec<(f64, f64)> = self.accounts.iter().map(by_weight).collect();
        levels.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut weights: f64 = levels.iter().map(|(_, weight)| weight).sum();
        let mut left = f64::from(ceiling);
        for (level, weight) in levels {
            if level * weights > left {
                break;
            }
            left -= level * weight;
            weights -= weight;
        }
        left / weights.max(1.0)
    }

    fn find(&self, client: ClientId) -> Option<&Account> {
        let at = self.accounts.binary_search_by_key(&client, |account| account.client);
        at.ok().map(|at| &self.accounts[at])
    }

    /// The client's account; a new one finds that the others wanted what is given.
    fn account(&mut self, client: ClientId, others: Peaks) -> &mut Account {
        let at = self.accounts.binary_search_by_key(&client, |account| account.client);
        let at = at.unwrap_or_else(|at| {
            let account = Account {
                client,
                weight: 1,
                held: 0,
                waiting: 0,
                measured: 0,
                held_in_all: 0,
                waiting_in_all: 0,
                others,
                wanted: [0; KEPT],
                fits: true,
                finish: [0; CLASSES],
            };
            self.accounts.insert(at, account);
            at
        });
        &mut self.accounts[at]
    }
}

fn part(window: Duration) -> Duration {
    (window / PARTS).max(Duration::from_millis(1))
}

fn forget(peaks: &mut Peaks) {
    peaks.rotate_right(1);
    peaks[0] = 0;
}

fn highest(peaks: &Peaks) -> u32 {
    peaks.iter().copied().max().unwrap_or_default()
}

/// In whole slots, rounded up but for what rounding has added before.
fn whole(slots: f64) -> u32 {
    (slots - 1e-6).ceil().max(0.0) as u32
}
