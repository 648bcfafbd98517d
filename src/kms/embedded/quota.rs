//! How often a requester may use a key.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::object::Requester;

/// How often each requester may use a key: so many times a second, and so many at once after a pause.
///
/// Generating and unwrapping count alike; a call that the key's state or policy refuses does not count, and one with a
/// wrapped key that is none does. Where the key and the builder have one each, both hold. Beyond it a call is refused as
/// [`Throttled`](crate::KeyProviderErrorKind::Throttled). Kept in memory: a restart begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub(super) per_second: NonZeroU32,
    pub(super) burst: NonZeroU32,
}

impl Quota {
    /// So many uses a second, and as many at once.
    pub fn per_second(uses: NonZeroU32) -> Self {
        Self { per_second: uses, burst: uses }
    }

    /// So many at once after a pause.
    #[must_use]
    pub fn burst(self, uses: NonZeroU32) -> Self {
        Self { burst: uses, ..self }
    }

    /// What keeps to both.
    pub(super) fn stricter(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => {
                Some(Self { per_second: one.per_second.min(other.per_second), burst: one.burst.min(other.burst) })
            }
            _ => one.or(other),
        }
    }

    /// The time that one use takes.
    fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second.get()
    }
}

/// What every requester used lately.
///
/// The generic cell rate algorithm of ATM Forum TM 4.0: one moment for each, at which all uses so far would be paid off.
#[derive(Default)]
pub(super) struct Meter(Mutex<Used>);

#[derive(Default)]
struct Used {
    paid_off: HashMap<(Requester, Uuid), Instant>,
    /// How many there are when those that are paid off are next thrown out.
    sweep_at: usize,
}

/// Below this many it is not worth looking.
const MIN_SWEPT: usize = 1_024;

impl Meter {
    /// Counts one use at this moment, unless it is beyond the quota.
    pub(super) fn take(&self, quota: Quota, requester: &Requester, key: Uuid, now: Instant) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tolerance = quota.interval() * (quota.burst.get() - 1);
        let paid_off = used.paid_off.entry((requester.clone(), key)).or_insert(now);
        let begins = (*paid_off).max(now);
        let within = begins.duration_since(now) <= tolerance;
        if within {
            *paid_off = begins + quota.interval();
        }
        used.sweep(now);
        within
    }
}

impl Used {
    /// SECURITY: as many entries as there are requesters of late, and not as there ever were.
    fn sweep(&mut self, now: Instant) {
        if self.paid_off.len() >= self.sweep_at.max(MIN_SWEPT) {
            self.paid_off.retain(|_, paid_off| *paid_off > now);
            self.sweep_at = self.paid_off.len() * 2;
        }
    }
}
