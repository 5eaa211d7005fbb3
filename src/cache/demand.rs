//! What a client asks of an answer's age (RFC 9111, section 5.2.1).

use std::time::Duration;

use crate::config::Policy;

/// The directives of a request's `Cache-Control`. The default asks for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// `max-age=N`: nothing older.
    pub max_age: Option<Duration>,
    /// `min-fresh=N`: still fresh for this long.
    pub min_fresh: Option<Duration>,
    /// `max-stale[=N]`: may be stale by this much; [`Duration::MAX`] without a value.
    pub max_stale: Option<Duration>,
    /// `only-if-cached`: no fetch for this request.
    pub only_if_cached: bool,
}

/// Whether a value of some age may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may, and nothing needs to be done.
    Fresh,
    /// It may, and should be fetched anew meanwhile.
    Stale,
    /// It may not.
    Unusable,
}

impl Demand {
    /// Judges a value of this age under its policy.
    pub fn judge(&self, age: Duration, policy: &Policy) -> Verdict {
        if self.refuses(age, policy) {
            return Verdict::Unusable;
        }
        if age < policy.ttl {
            return Verdict::Fresh;
        }
        let allowed = self.max_stale.unwrap_or(policy.stale_while_revalidate);
        if age - policy.ttl < allowed { Verdict::Stale } else { Verdict::Unusable }
    }

    /// Whether a value of this age may answer although fetching it anew has failed.
    pub fn accepts_on_error(&self, age: Duration, policy: &Policy) -> bool {
        let allowed = policy.stale_if_error.max(self.max_stale.unwrap_or_default());
        !self.refuses(age, policy) && (age < policy.ttl || age - policy.ttl < allowed)
    }

    /// True if not even a value received this instant can satisfy it.
    pub fn is_unmeetable(&self, policy: &Policy) -> bool {
        self.min_fresh.is_some_and(|min_fresh| min_fresh > policy.ttl)
    }

    fn refuses(&self, age: Duration, policy: &Policy) -> bool {
        let too_old = self.max_age.is_some_and(|max_age| age > max_age);
        let too_near_its_end =
            self.min_fresh.is_some_and(|min_fresh| age.saturating_add(min_fresh) > policy.ttl);
        too_old || too_near_its_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const POLICY: Policy = Policy {
        ttl: secs(10),
        stale_while_revalidate: secs(5),
        stale_if_error: secs(60),
        negative_ttl: secs(1),
    };

    #[test]
    fn the_policy_decides_where_nothing_is_demanded() {
        let none = Demand::default();
        for (age, verdict, on_error) in [
            (0, Verdict::Fresh, true),
            (9, Verdict::Fresh, true),
            (10, Verdict::Stale, true),
            (14, Verdict::Stale, true),
            (15, Verdict::Unusable, true),
            (69, Verdict::Unusable, true),
            (70, Verdict::Unusable, false),
        ] {
            assert_eq!(none.judge(secs(age), &POLICY), verdict, "at {age} s");
            assert_eq!(none.accepts_on_error(secs(age), &POLICY), on_error, "at {age} s");
        }
    }

    #[test]
    fn demands_narrow_and_widen_it() {
        let max_age = Demand { max_age: Some(secs(3)), ..Demand::default() };
        assert_eq!(max_age.judge(secs(3), &POLICY), Verdict::Fresh);
        assert_eq!(max_age.judge(secs(4), &POLICY), Verdict::Unusable);
        assert!(!max_age.accepts_on_error(secs(4), &POLICY));

        let min_fresh = Demand { min_fresh: Some(secs(4)), ..Demand::default() };
        assert_eq!(min_fresh.judge(secs(6), &POLICY), Verdict::Fresh);
        assert_eq!(min_fresh.judge(secs(7), &POLICY), Verdict::Unusable);
        assert!(!min_fresh.is_unmeetable(&POLICY));
        assert!(Demand { min_fresh: Some(secs(11)), ..min_fresh }.is_unmeetable(&POLICY));

        let max_stale = Demand { max_stale: Some(secs(2)), ..Demand::default() };
        assert_eq!(max_stale.judge(secs(11), &POLICY), Verdict::Stale);
        assert_eq!(max_stale.judge(secs(12), &POLICY), Verdict::Unusable);
        let any = Demand { max_stale: Some(Duration::MAX), ..Demand::default() };
        assert_eq!(any.judge(secs(100_000), &POLICY), Verdict::Stale);
        assert!(any.accepts_on_error(secs(100_000), &POLICY));
    }
}
