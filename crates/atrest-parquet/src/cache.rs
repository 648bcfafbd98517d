//! [`CachePolicy`], and [`Cache`], the keys that were retrieved lately.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atrest::{Clock, DataKey, KeyEpoch, Moment, ObjectName};

use crate::KeyError;

/// For how long a failure is repeated to those who ask again. Parquet asks once for each column of each row group, and
/// goes on after a failure: without this a key that is denied would be asked for as often.
const FAILURE_AGE: Duration = Duration::from_secs(1);

/// How long, and how many, keys are kept: parquet asks for the key of a column again and again, for each row group of
/// each reader.
///
/// # Security
///
/// This is a policy. While a key is kept, its KMS key may be disabled, or a permission revoked: the key serves on, for
/// at most [`time_to_live`](Self::with_time_to_live). With a [bucket key](atrest::SseKms::with_bucket_key) the next
/// retrieval asks no KMS either until the bucket key ends, so the key serves on for at most both times together: a
/// minute and [five](atrest::BucketKeys::with_max_age) by default. A keyring that changes in this process, and a
/// provider that [tells changes](atrest::KeyProvider::epoch), end these keys at once. With another provider call
/// [`Sse::purge_bucket_keys`](atrest::Sse::purge_bucket_keys), and then
/// [`ParquetKeys::purge`](crate::ParquetKeys::purge).
///
/// The audit trail has one event for each reader of a file and each key that it gets; if a kept key serves it, the
/// event is marked `servedAgain`. A kept key is wiped when it is dropped; expired ones are dropped at the next
/// retrieval, not by a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachePolicy {
    time_to_live: Duration,
    max_len: usize,
}

impl Default for CachePolicy {
    /// 60 seconds and 4 MiB.
    fn default() -> Self {
        Self { time_to_live: Duration::from_secs(60), max_len: 4 << 20 }
    }
}

impl CachePolicy {
    /// Returns the policy that keeps nothing.
    pub fn uncached() -> Self {
        Self { time_to_live: Duration::ZERO, max_len: 0 }
    }

    /// Returns the same policy with another time after which a key is dropped, however often it was used.
    #[must_use]
    pub fn with_time_to_live(self, time_to_live: Duration) -> Self {
        Self { time_to_live, ..self }
    }

    /// Returns the same policy with another limit in bytes of memory; the oldest keys are dropped first. A key takes
    /// 1 KiB, and the length of its metadata.
    #[must_use]
    pub fn with_max_len(self, max_len: usize) -> Self {
        Self { max_len, ..self }
    }
}

/// What a key is kept under.
///
/// SECURITY: the file's name is part of it, so that a key that one file was given serves no other one, whose name its
/// metadata was not checked against.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) file: ObjectName,
    pub(crate) metadata: Box<[u8]>,
}

impl Place {
    /// Returns a bound of the memory that a kept key takes, in bytes.
    fn len(&self) -> usize {
        // The key, a failure's text, and the entries of the maps take less than 1 KiB.
        1_024 + self.metadata.len()
    }
}

/// The place of one key, empty until the key was retrieved. Its lock is held meanwhile, so that one retrieval serves
/// all who ask for the key.
struct Slot {
    made: Moment,
    outcome: Mutex<Option<Outcome>>,
    /// Whether the outcome is a key. It is read without the lock, which is held for as long as the KMS takes.
    has_key: AtomicBool,
}

impl Slot {
    fn set(&self, outcome: &mut Option<Outcome>, new: Option<Outcome>) {
        self.has_key.store(matches!(new, Some(Outcome { key: Ok(_), .. })), Ordering::Relaxed);
        *outcome = new;
    }
}

/// The last retrieval of a key.
struct Outcome {
    key: Result<DataKey, (KeyError, Moment)>,
    /// The epoch before the retrieval.
    epoch: KeyEpoch,
}

#[derive(Default)]
struct Slots {
    of: HashMap<Arc<Place>, Arc<Slot>>,
    /// The places in the order in which their slots were made.
    order: VecDeque<Arc<Place>>,
    /// The sum of the places' lengths.
    len: usize,
}

/// The keys that were retrieved lately.
pub(crate) struct Cache {
    pub(crate) policy: CachePolicy,
    slots: Mutex<Slots>,
}

impl Cache {
    pub(crate) fn new(policy: CachePolicy) -> Self {
        Self { policy, slots: Mutex::default() }
    }

    /// Returns the key of this place: a kept one, once `serve_again` allowed it, or the one that `retrieve` returns.
    ///
    /// A key is kept with its present epoch, and serves for as long as that stays; without one it is not kept.
    pub(crate) fn key(
        &self,
        place: Place,
        clock: &dyn Clock,
        epoch: impl FnOnce() -> Option<KeyEpoch>,
        serve_again: impl FnOnce() -> Result<(), KeyError>,
        retrieve: impl FnOnce() -> Result<DataKey, KeyError>,
    ) -> Result<Vec<u8>, KeyError> {
        let slot = self.slot(place, clock);
        let mut outcome = lock(&slot.outcome);
        // SECURITY: before the retrieval, so that a change during the retrieval ends the key.
        let epoch = epoch();
        match &*outcome {
            Some(known) if Some(known.epoch) == epoch => match &known.key {
                Ok(key) => {
                    serve_again()?;
                    return Ok(key.expose_secret().to_vec());
                }
                Err((error, at)) if at.age(clock) < FAILURE_AGE => return Err(error.clone()),
                Err(_) => {}
            },
            _ => {}
        }
        slot.set(&mut outcome, None);
        let key = retrieve();
        let answer = key.as_ref().map(|key| key.expose_secret().to_vec()).map_err(KeyError::clone);
        let key = key.map_err(|error| (error, Moment::now(clock)));
        slot.set(&mut outcome, epoch.map(|epoch| Outcome { key, epoch }));
        answer
    }

    /// Drops all keys. A retrieval under way serves those who wait for it, and leaves nothing behind.
    pub(crate) fn purge(&self) {
        *lock(&self.slots) = Slots::default();
    }

    /// Returns the number of keys that are kept now. Neither a failure is one, nor a key that is being retrieved.
    pub(crate) fn count(&self, clock: &dyn Clock) -> usize {
        let mut slots = lock(&self.slots);
        slots.drop_expired(self.policy.time_to_live, clock);
        slots.of.values().filter(|slot| slot.has_key.load(Ordering::Relaxed)).count()
    }

    /// Returns the slot of a key, which is kept from now on if the policy allows it.
    fn slot(&self, place: Place, clock: &dyn Clock) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        slots.drop_expired(self.policy.time_to_live, clock);
        // SECURITY: an older slot, which is not expired if the wall clock was set back before this one was made, may
        // stand before it.
        match slots.of.get(&place).cloned() {
            Some(slot) if slot.made.age(clock) < self.policy.time_to_live => return slot,
            Some(_) => slots.remove(&place),
            None => {}
        }
        let slot = Slot { made: Moment::now(clock), outcome: Mutex::default(), has_key: AtomicBool::default() };
        let slot = Arc::new(slot);
        if place.len() <= self.policy.max_len && !self.policy.time_to_live.is_zero() {
            let place = Arc::new(place);
            slots.len += place.len();
            slots.order.push_back(place.clone());
            slots.of.insert(place, slot.clone());
            while slots.len > self.policy.max_len && slots.drop_oldest() {}
        }
        slot
    }
}

impl Slots {
    fn drop_expired(&mut self, time_to_live: Duration, clock: &dyn Clock) {
        let is_expired = |slot: &Arc<Slot>| slot.made.age(clock) >= time_to_live;
        while self.order.front().and_then(|place| self.of.get(place)).is_some_and(is_expired) {
            self.drop_oldest();
        }
    }

    /// Drops the oldest slot; returns whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let Some(place) = self.order.pop_front() else { return false };
        self.len -= place.len();
        self.of.remove(&place).is_some()
    }

    fn remove(&mut self, place: &Place) {
        self.order.retain(|other| **other != *place);
        self.len -= place.len();
        self.of.remove(place);
    }
}

/// Locks a mutex. No code under a lock panics between two changes that belong together.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
