//! [`Entries`], the keys in a cache of bucket keys, by requester.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{BucketKey, BucketKeys, Slot};
use crate::clock::{Clock, Moment};
use crate::crypto::constant_time_eq;
use crate::keys::UNKNOWN_EPOCH;
use crate::object::Requester;

/// The keys of each requester.
#[derive(Default)]
pub(super) struct Entries {
    of: HashMap<Requester, HashMap<Arc<Slot>, Entry>>,
    len: usize,
    /// Rises at every use; an entry with a lower number was used less recently.
    tick: u64,
}

pub(super) struct Entry {
    key: Arc<BucketKey>,
    /// When the call of the KMS began.
    since: Moment,
    /// The provider's epoch before that call.
    epoch: u64,
    uses: Arc<AtomicU64>,
    used_at: u64,
}

impl Entry {
    pub(super) fn new(key: Arc<BucketKey>, since: Moment, epoch: u64, uses: Arc<AtomicU64>) -> Self {
        Self { key, since, epoch, uses, used_at: 0 }
    }

    /// Returns whether the key could serve a request now.
    pub(super) fn is_usable(&self, limits: &BucketKeys, clock: &dyn Clock) -> bool {
        self.epoch != UNKNOWN_EPOCH && self.since.age(clock) < limits.max_age
    }
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the key of a slot if it is there and may serve once more. A key that may not is dropped.
    pub(super) fn used(
        &mut self,
        slot: &Slot,
        epoch: u64,
        limits: &BucketKeys,
        clock: &dyn Clock,
    ) -> Option<Arc<BucketKey>> {
        let entry = self.of.get_mut(&slot.requester)?.get_mut(slot)?;
        if entry.epoch == epoch && entry.is_usable(limits, clock) && take_use(&entry.uses, limits) {
            self.tick += 1;
            entry.used_at = self.tick;
            return Some(entry.key.clone());
        }
        self.remove(slot);
        None
    }

    /// Adds a key, in place of another one if there is no room.
    pub(super) fn insert(&mut self, slot: Arc<Slot>, mut entry: Entry, limits: &BucketKeys) {
        self.remove(&slot);
        let own = self.of.get(&slot.requester).map_or(0, HashMap::len);
        if own >= limits.max_keys_per_requester {
            self.remove_least_used(&slot.requester.clone());
        } else if self.len >= limits.max_keys {
            // The own keys first among equals, so that a requester with few keys is never the one who loses.
            let most = self.of.iter().max_by_key(|(requester, keys)| (keys.len(), **requester == slot.requester));
            if let Some(requester) = most.map(|(requester, _)| requester.clone()) {
                self.remove_least_used(&requester);
            }
        }
        self.tick += 1;
        entry.used_at = self.tick;
        self.of.entry(slot.requester.clone()).or_default().insert(slot, entry);
        self.len += 1;
    }

    /// Drops the keys whose age is over. Returns how long the oldest of the others still serves.
    pub(super) fn drop_old(&mut self, limits: &BucketKeys, clock: &dyn Clock) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        let mut len = 0;
        self.of.retain(|_, keys| {
            keys.retain(|_, entry| {
                let left = limits.max_age.checked_sub(entry.since.age(clock)).filter(|left| !left.is_zero());
                next = left.map(|left| next.map_or(left, |next| next.min(left))).or(next);
                left.is_some()
            });
            len += keys.len();
            !keys.is_empty()
        });
        self.len = len;
        next
    }

    /// Drops a key that failed to open an envelope, unless another call of the KMS confirms it: then the envelope is
    /// damaged. Another call confirms it by the same key for the same wrapped key, if that key was generated, or has
    /// opened an envelope for another requester.
    ///
    /// A key for the same wrapped key that differs and has opened nothing is dropped too: the KMS answered one of the
    /// two calls wrongly, and what a write wraps under the wrong key is lost.
    pub(super) fn doubt(&mut self, doubted: &Arc<BucketKey>) {
        let all = || self.of.values().flatten().map(|(slot, entry)| (slot, &entry.key));
        let Some((slot, _)) = all().find(|(_, key)| Arc::ptr_eq(key, doubted)) else { return };
        let (mut is_confirmed, mut wrong) = (false, Vec::new());
        for (other, key) in all() {
            let is_same_wrapped = key.wrapped == doubted.wrapped && key.key_id == doubted.key_id;
            if Arc::ptr_eq(key, doubted) || !is_same_wrapped || !other.has_context_of(slot) {
                continue;
            }
            if constant_time_eq(key.kek.expose_secret(), doubted.kek.expose_secret()) {
                is_confirmed |= key.is_proven() || other.wrapped.is_none();
            } else if !key.is_proven() {
                wrong.push(other.clone());
            }
        }
        if is_confirmed {
            doubted.prove();
        } else {
            wrong.push(slot.clone());
        }
        wrong.iter().for_each(|slot| self.remove(slot));
    }

    pub(super) fn clear(&mut self) {
        self.of.clear();
        self.len = 0;
    }

    fn remove(&mut self, slot: &Slot) {
        let Some(keys) = self.of.get_mut(&slot.requester) else { return };
        if keys.remove(slot).is_some() {
            self.len -= 1;
        }
        if keys.is_empty() {
            self.of.remove(&slot.requester);
        }
    }

    fn remove_least_used(&mut self, requester: &Requester) {
        let keys = self.of.get(requester).into_iter().flatten();
        let least = keys.min_by_key(|(_, entry)| entry.used_at).map(|(slot, _)| slot.clone());
        if let Some(slot) = least {
            self.remove(&slot);
        }
    }
}

/// Counts one more use of a key, unless it has served as often as it may.
pub(super) fn take_use(uses: &AtomicU64, limits: &BucketKeys) -> bool {
    let taken =
        uses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |uses| (uses < limits.max_uses).then_some(uses + 1));
    taken.is_ok()
}
