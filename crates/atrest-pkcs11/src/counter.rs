//! [`WrapCounter`], a durable count of the wraps under each key, and what a process counts itself.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The number of wraps that a durable counter reserves at a time.
pub(crate) const RESERVATION: u64 = 1 << 20;

const LIMITS: Limits = Limits { warn: 1 << 31, refuse: 1 << 32, reservation: RESERVATION };

/// A durable, shared count of the wraps under each key of a token: over all processes, nodes and programs that use the
/// key.
///
/// A key of AES-GCM with random nonces may wrap 2^32 times; beyond that two nonces may be equal, and equal nonces give
/// the key away. A process counts its own wraps. Only a counter that all users of the key share knows the sum.
///
/// # Security
///
/// An implementation returns only after the reservation is durable. It never gives a reservation back or out twice: a
/// lost reservation is lost.
///
/// Spec: NIST SP 800-38D, 8.3.
pub trait WrapCounter: Send + Sync + 'static {
    /// Reserves this number of wraps under a key, by its resolved id, and returns how many were reserved before.
    ///
    /// The provider calls it on a thread of its own, so it may block.
    ///
    /// # Errors
    ///
    /// Returns an error if nothing was reserved, or if that is not known. The provider then wraps nothing.
    fn reserve(&self, key_id: &str, wraps: u64) -> io::Result<u64>;
}

/// The wraps under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrapCount {
    key_id: String,
    own: u64,
    total: Option<u64>,
}

impl WrapCount {
    /// Returns the resolved id of the key.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the number of wraps by this provider, since it was built.
    pub fn own(&self) -> u64 {
        self.own
    }

    /// Returns the number of wraps that were reserved in the [`WrapCounter`] when this provider asked it last; `None`
    /// without a counter.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    fn highest(&self) -> u64 {
        self.own.max(self.total.unwrap_or_default())
    }
}

#[derive(Clone, Copy)]
struct Limits {
    warn: u64,
    refuse: u64,
    reservation: u64,
}

/// Why a wrap is refused.
#[derive(Debug)]
pub(crate) enum Refused {
    Exhausted,
    Unavailable(io::Error),
}

/// A function that is called once for each key that has reached half of its limit.
pub(crate) type Warns = Arc<dyn Fn(&WrapCount) + Send + Sync>;

/// Counts the wraps of a provider.
pub(crate) struct Counting {
    counter: Option<Arc<dyn WrapCounter>>,
    warns: Option<Warns>,
    limits: Limits,
    keys: Mutex<BTreeMap<String, Arc<Mutex<Key>>>>,
}

struct Key {
    count: WrapCount,
    /// The wraps that are reserved and not used.
    left: u64,
    has_warned: bool,
}

impl Counting {
    pub(crate) fn new(counter: Option<Arc<dyn WrapCounter>>, warns: Option<Warns>) -> Self {
        Self { counter, warns, limits: LIMITS, keys: Mutex::default() }
    }

    /// Counts one wrap under a key, before it is made.
    pub(crate) fn take(&self, key_id: &str) -> Result<(), Refused> {
        let key = self.key(key_id);
        let warning = {
            let mut key = key.lock().unwrap_or_else(PoisonError::into_inner);
            if key.count.own >= self.limits.refuse {
                return Err(Refused::Exhausted);
            }
            if let Some(counter) = &self.counter {
                if key.left == 0 {
                    key.reserve(&**counter, self.limits)?;
                }
                key.left -= 1;
            }
            key.count.own += 1;
            let warns = key.count.highest() >= self.limits.warn && !key.has_warned;
            key.has_warned |= warns;
            warns.then(|| key.count.clone())
        };
        if let (Some(warns), Some(count)) = (&self.warns, warning) {
            warns(&count);
        }
        Ok(())
    }

    /// Returns the count of each key that was used.
    pub(crate) fn counts(&self) -> Vec<WrapCount> {
        let keys: Vec<_> = self.keys.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        keys.iter().map(|key| key.lock().unwrap_or_else(PoisonError::into_inner).count.clone()).collect()
    }

    fn key(&self, key_id: &str) -> Arc<Mutex<Key>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let count = WrapCount { key_id: key_id.to_owned(), own: 0, total: None };
            Arc::new(Mutex::new(Key { count, left: 0, has_warned: false }))
        };
        keys.entry(key_id.to_owned()).or_insert_with(new).clone()
    }
}

impl Key {
    fn reserve(&mut self, counter: &dyn WrapCounter, limits: Limits) -> Result<(), Refused> {
        let before = counter.reserve(&self.count.key_id, limits.reservation).map_err(Refused::Unavailable)?;
        self.count.total = Some(before.saturating_add(limits.reservation));
        // SECURITY: a reservation beyond the limit is used only up to it.
        self.left = limits.refuse.saturating_sub(before).min(limits.reservation);
        if self.left == 0 { Err(Refused::Exhausted) } else { Ok(()) }
    }
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counting").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;

    const SMALL: Limits = Limits { warn: 8, refuse: 16, reservation: 5 };

    #[derive(Default)]
    struct Shared {
        reserved: AtomicU64,
        is_down: AtomicBool,
    }

    impl WrapCounter for Shared {
        fn reserve(&self, _: &str, wraps: u64) -> io::Result<u64> {
            if self.is_down.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Ok(self.reserved.fetch_add(wraps, Ordering::SeqCst))
        }
    }

    fn counting(counter: Option<Arc<Shared>>, limits: Limits) -> (Counting, Arc<Mutex<Vec<WrapCount>>>) {
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let noted = warnings.clone();
        let warns: Warns = Arc::new(move |count: &WrapCount| noted.lock().unwrap().push(count.clone()));
        let counter = counter.map(|counter| counter as Arc<dyn WrapCounter>);
        (Counting { limits, ..Counting::new(counter, Some(warns)) }, warnings)
    }

    #[test]
    fn a_process_warns_once_at_half_of_the_limit_and_refuses_at_the_limit() {
        let (counting, warnings) = counting(None, SMALL);
        for _ in 0..16 {
            counting.take("one").unwrap();
        }
        assert!(matches!(counting.take("one"), Err(Refused::Exhausted)));
        let warned: Vec<_> = warnings.lock().unwrap().iter().map(|count| (count.own(), count.total())).collect();
        assert_eq!(warned, [(8, None)]);
        counting.take("two").unwrap();
        let counts: Vec<_> = counting.counts().iter().map(|count| (count.key_id().to_owned(), count.own())).collect();
        assert_eq!(counts, [("one".to_owned(), 16), ("two".to_owned(), 1)]);
    }

    #[test]
    fn processes_with_one_counter_stop_together_at_the_limit() {
        let shared = Arc::new(Shared::default());
        let (one, _) = counting(Some(shared.clone()), SMALL);
        let (two, warnings) = counting(Some(shared.clone()), SMALL);
        let take = |counting: &Counting| counting.take("key").is_ok();
        let taken = (0..20).filter(|_| take(&one)).count() + (0..20).filter(|_| take(&two)).count();
        assert_eq!(taken, 16);
        assert!(warnings.lock().unwrap().is_empty(), "the second process wrapped nothing");
        let (three, _) = counting(Some(shared), SMALL);
        assert!(matches!(three.take("key"), Err(Refused::Exhausted)));
    }

    #[test]
    fn a_reservation_that_is_lost_is_not_given_out_again() {
        let shared = Arc::new(Shared::default());
        for _ in 0..3 {
            let (crashes, _) = counting(Some(shared.clone()), SMALL);
            crashes.take("key").unwrap();
        }
        assert_eq!(shared.reserved.load(Ordering::SeqCst), 15);
        let (last, warnings) = counting(Some(shared), SMALL);
        last.take("key").unwrap();
        assert_eq!(warnings.lock().unwrap()[0].total(), Some(20));
        assert!(matches!(last.take("key"), Err(Refused::Exhausted)), "one was left under the limit");
    }

    #[test]
    fn without_its_counter_a_provider_wraps_what_is_reserved_and_nothing_more() {
        let shared = Arc::new(Shared::default());
        let (counting, _) = counting(Some(shared.clone()), SMALL);
        counting.take("key").unwrap();
        shared.is_down.store(true, Ordering::SeqCst);
        for _ in 0..4 {
            counting.take("key").unwrap();
        }
        assert!(matches!(counting.take("key"), Err(Refused::Unavailable(_))));
        assert_eq!(counting.counts()[0].own(), 5);
        shared.is_down.store(false, Ordering::SeqCst);
        counting.take("key").unwrap();
    }

    #[test]
    fn the_limits_are_those_of_the_standard() {
        assert_eq!((LIMITS.warn, LIMITS.refuse, LIMITS.reservation), (1 << 31, 1 << 32, 1 << 20));
        let shared = Arc::new(Shared::default());
        shared.reserved.store((1 << 32) - 1, Ordering::SeqCst);
        let (counting, warnings) = counting(Some(shared), LIMITS);
        counting.take("key").unwrap();
        assert!(matches!(counting.take("key"), Err(Refused::Exhausted)));
        assert_eq!(warnings.lock().unwrap().len(), 1);
    }
}
