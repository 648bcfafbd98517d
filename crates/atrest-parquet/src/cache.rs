//! [`CachePolicy`], and [`Cache`], the keys that were retrieved lately.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use atrest::{Clock, DataKey, Envelope, KeyEpoch, ObjectName};

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
/// at most [`time_to_live`](Self::with_time_to_live). A keyring that changes in this process, and a provider that
/// [tells changes](atrest::KeyProvider::epoch), make it end at once, and so does
/// [`ParquetKeys::purge`](crate::ParquetKeys::purge). The audit trail has one event for each key that is retrieved, and
/// none for the uses of a kept one. A kept key is wiped when it is dropped; expired ones are dropped at the next
/// retrieval, not by a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachePolicy {
    time_to_live: Duration,
    max_keys: usize,
}

impl Default for CachePolicy {
    /// 60 seconds and 4,096 keys.
    fn default() -> Self {
        Self { time_to_live: Duration::from_secs(60), max_keys: 4_096 }
    }
}

impl CachePolicy {
    /// Returns the policy that keeps nothing.
    pub fn uncached() -> Self {
        Self { time_to_live: Duration::ZERO, max_keys: 0 }
    }

    /// Returns the same policy with another time after which a key is dropped, however often it was used.
    #[must_use]
    pub fn with_time_to_live(self, time_to_live: Duration) -> Self {
        Self { time_to_live, ..self }
    }

    /// Returns the same policy with another number of keys; the oldest are dropped first. One takes 1 to 2 KiB.
    #[must_use]
    pub fn with_max_keys(self, max_keys: usize) -> Self {
        Self { max_keys, ..self }
    }
}

/// The clock of this machine.
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy)]
struct Moment {
    wall: SystemTime,
    monotonic: Duration,
}

impl Moment {
    fn now(clock: &dyn Clock) -> Self {
        Self { wall: clock.wall(), monotonic: clock.monotonic() }
    }

    /// Returns the longer of the two clocks' values: the wall clock counts the time that a machine sleeps, the
    /// monotonic clock goes on when the wall clock is set back.
    fn age(self, clock: &dyn Clock) -> Duration {
        let wall = clock.wall().duration_since(self.wall).unwrap_or_default();
        wall.max(clock.monotonic().saturating_sub(self.monotonic))
    }
}

/// What a key is kept under.
///
/// SECURITY: the file's name is part of it, so that a key that one file was given serves no other one, whose name its
/// metadata was not checked against.
#[derive(PartialEq, Eq, Hash)]
struct Place {
    file: ObjectName,
    metadata: Box<[u8]>,
}

/// The place of one key, empty until the key was retrieved. Its lock is held meanwhile, so that one retrieval serves
/// all who ask for the key.
struct Slot {
    made: Moment,
    outcome: Mutex<Option<Outcome>>,
}

/// The last retrieval of a key.
struct Outcome {
    key: Result<DataKey, (KeyError, Moment)>,
    envelope: Envelope,
    /// The epoch before the retrieval.
    epoch: KeyEpoch,
}

/// A retrieved key, and what tells whether it may serve again.
pub(crate) struct Retrieved {
    pub(crate) key: Result<DataKey, KeyError>,
    pub(crate) envelope: Envelope,
    /// The epoch before the retrieval. Without one nothing is kept.
    pub(crate) epoch: Option<KeyEpoch>,
}

#[derive(Default)]
struct Slots {
    of: HashMap<Arc<Place>, Arc<Slot>>,
    /// The places in the order in which their slots were made.
    order: VecDeque<Arc<Place>>,
}

/// The keys that were retrieved lately.
pub(crate) struct Cache {
    policy: CachePolicy,
    clock: Arc<dyn Clock>,
    slots: Mutex<Slots>,
}

impl Cache {
    pub(crate) fn new(policy: CachePolicy, clock: Arc<dyn Clock>) -> Self {
        Self { policy, clock, slots: Mutex::default() }
    }

    /// Returns the key of a file with this metadata: a kept one, or the one that `retrieve` returns.
    ///
    /// `epoch` returns the present epoch of the keys of an envelope.
    pub(crate) fn key(
        &self,
        file: &ObjectName,
        metadata: &[u8],
        epoch: impl FnOnce(&Envelope) -> Option<KeyEpoch>,
        retrieve: impl FnOnce() -> Result<Retrieved, KeyError>,
    ) -> Result<Vec<u8>, KeyError> {
        let slot = self.slot(file, metadata);
        let mut outcome = lock(&slot.outcome);
        if let Some(known) = &*outcome
            && epoch(&known.envelope) == Some(known.epoch)
        {
            match &known.key {
                Ok(key) => return Ok(key.expose_secret().to_vec()),
                Err((error, at)) if at.age(&*self.clock) < FAILURE_AGE => return Err(error.clone()),
                Err(_) => {}
            }
        }
        *outcome = None;
        let Retrieved { key, envelope, epoch } = retrieve()?;
        let answer = key.as_ref().map(|key| key.expose_secret().to_vec()).map_err(KeyError::clone);
        let key = key.map_err(|error| (error, Moment::now(&*self.clock)));
        *outcome = epoch.map(|epoch| Outcome { key, envelope, epoch });
        answer
    }

    /// Drops all keys. A retrieval under way serves those who wait for it, and leaves nothing behind.
    pub(crate) fn purge(&self) {
        *lock(&self.slots) = Slots::default();
    }

    /// Returns the number of keys that are kept now, failures included.
    pub(crate) fn count(&self) -> usize {
        let mut slots = lock(&self.slots);
        slots.drop_expired(self.policy.time_to_live, &*self.clock);
        slots.of.len()
    }

    /// Returns the slot of a key, which is kept from now on.
    fn slot(&self, file: &ObjectName, metadata: &[u8]) -> Arc<Slot> {
        let place = Arc::new(Place { file: file.clone(), metadata: metadata.into() });
        let mut slots = lock(&self.slots);
        slots.drop_expired(self.policy.time_to_live, &*self.clock);
        if let Some(slot) = slots.of.get(&place) {
            return slot.clone();
        }
        let slot = Arc::new(Slot { made: Moment::now(&*self.clock), outcome: Mutex::default() });
        if self.policy.max_keys > 0 && !self.policy.time_to_live.is_zero() {
            while slots.of.len() >= self.policy.max_keys && slots.drop_oldest() {}
            slots.order.push_back(place.clone());
            slots.of.insert(place, slot.clone());
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
        self.order.pop_front().is_some_and(|place| self.of.remove(&place).is_some())
    }
}

/// Locks a mutex. No code under a lock panics between two changes that belong together.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows how many keys are kept, and none of them.
impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("policy", &self.policy).field("count", &self.count()).finish()
    }
}
