//! [`Quota`], how often a requester may use a key; and `Meter`, which counts the uses.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::object::Requester;

/// How often each requester may use a key: a rate per second, and a burst after a pause.
///
/// Generating and unwrapping count alike. A call that the key's state or policy refuses does not count; a call with a
/// malformed wrapped key counts. If both the key and the builder have a quota, both apply. A call beyond the quota
/// fails as [`Throttled`](crate::KeyProviderErrorKind::Throttled). The counts are in memory: a restart resets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub(super) per_second: NonZeroU32,
    pub(super) burst: NonZeroU32,
}

impl Quota {
    /// Returns a quota of `uses` in each second, with a burst of the same number.
    pub fn per_second(uses: NonZeroU32) -> Self {
        Self { per_second: uses, burst: uses }
    }

    /// Sets the burst: the number of uses at once after a pause.
    #[must_use]
    pub fn with_burst(self, uses: NonZeroU32) -> Self {
        Self { burst: uses, ..self }
    }

    /// Returns the quota that satisfies both.
    pub(super) fn stricter(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => {
                Some(Self { per_second: one.per_second.min(other.per_second), burst: one.burst.min(other.burst) })
            }
            _ => one.or(other),
        }
    }

    /// Returns the time between two uses at the full rate.
    fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second.get()
    }
}

/// The recent uses of every requester.
///
/// The meter uses the generic cell rate algorithm of ATM Forum TM 4.0: it holds, for each requester and key, the moment
/// at which all uses so far are paid off. Moments are readings of a monotonic clock.
#[derive(Default)]
pub(super) struct Meter(Mutex<Used>);

#[derive(Default)]
struct Used {
    paid_off: HashMap<(Requester, Uuid), Duration>,
    /// The number of entries at which the next sweep removes those that are paid off.
    sweep_at: usize,
}

/// Maps with fewer entries than this are not swept.
const MIN_SWEPT: usize = 1_024;

impl Meter {
    /// Counts one use at the moment `now`, and returns whether it is within the quota. A refused use does not count.
    pub(super) fn take(&self, quota: Quota, requester: &Requester, key: Uuid, now: Duration) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tolerance = quota.interval() * (quota.burst.get() - 1);
        let paid_off = used.paid_off.entry((requester.clone(), key)).or_insert(now);
        let begins = (*paid_off).max(now);
        let within = begins.saturating_sub(now) <= tolerance;
        if within {
            *paid_off = begins.saturating_add(quota.interval());
        }
        used.sweep(now);
        within
    }
}

impl Used {
    /// SECURITY: bounds the map by the number of recent requesters, not of all requesters ever.
    fn sweep(&mut self, now: Duration) {
        if self.paid_off.len() >= self.sweep_at.max(MIN_SWEPT) {
            self.paid_off.retain(|_, paid_off| *paid_off > now);
            self.sweep_at = self.paid_off.len() * 2;
        }
    }
}
