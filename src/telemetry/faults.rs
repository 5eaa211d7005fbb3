//! Requests that were refused or have failed, the last of them.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use super::{ClientId, Endpoint};
use crate::market::UnixMs;

/// Characters of a path that are kept.
const MOST_PATH: usize = 200;
/// Characters of a text that are kept.
const MOST_TEXT: usize = 300;

/// A request that was answered with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it was answered.
    pub at: UnixMs,
    /// The request's name.
    pub request_id: String,
    /// Who sent it.
    pub client: ClientId,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// What it asked for.
    pub endpoint: Endpoint,
    /// Of which exchange; `None` where that is none, or several.
    pub exchange: Option<&'static str>,
    /// The answer's status.
    pub status: u16,
    /// The error's stable name, or its number where that is what the client was given.
    pub code: Cow<'static, str>,
    /// What happened, for people.
    pub detail: String,
    /// Earlier ones of the same kind that are not kept any more.
    pub repeats: u64,
}

impl Fault {
    /// One client's requests to one endpoint of one exchange that fail alike are of one kind.
    fn is_like(&self, other: &Self) -> bool {
        (self.endpoint, self.client, self.status) == (other.endpoint, other.client, other.status)
            && (self.exchange, &self.code) == (other.exchange, &other.code)
    }
}

/// The last faults, so few of each kind that a flood of one does not wash the others away.
#[derive(Debug, Default)]
pub struct Faults(Mutex<VecDeque<Fault>>);

impl Faults {
    /// Faults that are kept.
    pub const MOST: usize = 50;
    /// Faults that are kept of one kind.
    pub const MOST_ALIKE: usize = 4;

    /// Keeps a fault; long texts are cut. One of the same kind makes room for it where there are
    /// as many as may be, else the oldest of all.
    pub fn note(&self, mut fault: Fault) {
        cut(&mut fault.path, MOST_PATH);
        cut(&mut fault.detail, MOST_TEXT);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut alike, mut oldest) = (0, 0);
        for (at, other) in kept.iter_mut().enumerate() {
            if other.is_like(&fault) {
                fault.repeats += std::mem::take(&mut other.repeats);
                (alike, oldest) = (alike + 1, at);
            }
        }
        if alike >= Self::MOST_ALIKE {
            kept.remove(oldest);
            fault.repeats += 1;
        }
        kept.truncate(Self::MOST - 1);
        kept.push_front(fault);
    }

    /// The newest first.
    pub fn all(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn cut(text: &mut String, most: usize) {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(number: i64, endpoint: Endpoint, code: &'static str) -> Fault {
        Fault {
            at: UnixMs::from_millis(number),
            request_id: format!("r{number}"),
            client: ClientId::ANONYMOUS,
            method: "GET".to_owned(),
            path: "/x".to_owned(),
            endpoint,
            exchange: None,
            status: 404,
            code: code.into(),
            detail: "no".to_owned(),
            repeats: 0,
        }
    }

    #[test]
    fn a_flood_hides_neither_others_nor_its_size() {
        let faults = Faults::default();
        faults.note(fault(0, Endpoint::Ticker, "internal"));
        for number in 1..=1000 {
            faults.note(fault(number, Endpoint::Unknown, "not_found"));
        }
        faults.note(fault(1001, Endpoint::Ticker, "unknown_symbol"));
        let shown: Vec<_> =
            faults.all().into_iter().map(|it| (it.request_id, it.code, it.repeats)).collect();
        let row = |id: &str, code: &'static str, repeats| (id.to_owned(), code.into(), repeats);
        assert_eq!(
            shown,
            [
                row("r1001", "unknown_symbol", 0),
                row("r1000", "not_found", 996),
                row("r999", "not_found", 0),
                row("r998", "not_found", 0),
                row("r997", "not_found", 0),
                row("r0", "internal", 0),
            ]
        );
    }

    #[test]
    fn there_are_never_more_and_texts_are_short() {
        let faults = Faults::default();
        for (number, endpoint) in Endpoint::ALL.iter().enumerate() {
            for code in ["a", "b", "c"] {
                let number = i64::try_from(number).unwrap();
                let path = "é".repeat(5000);
                faults.note(Fault { path, ..fault(number, *endpoint, code) });
            }
        }
        let all = faults.all();
        assert_eq!(all.len(), Faults::MOST);
        assert_eq!(all[0].endpoint, *Endpoint::ALL.last().unwrap());
        assert!(all.iter().all(|fault| fault.path == "é".repeat(200)), "{:?}", all[0]);
    }
}
