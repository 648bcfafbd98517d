//! [`CachePolicy`], and [`Cache`], the decryptors of objects that were read lately.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atrest::{Clock, Decryptor, Envelope, Expected, KeyEpoch, ModeId, Moment, Requester};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::call::Call;
use crate::request::strong_e_tag;

/// How long, and how many, decryptors are kept, so that a further range of an object costs one request and no call of
/// the key provider.
///
/// # Security
///
/// This is a policy. A kept decryptor opens its object although the KMS key was disabled or the version retired since:
/// for at most [`time_to_live`](Self::with_time_to_live), for the requester and the expectations for which it was made,
/// and only while the e_tag of the object is the same. A key provider that [tells changes](atrest::KeyProvider::epoch)
/// ends it at once. Every read that it serves is an event of the audit trail, marked `servedAgain`. Decryptors of SSE-C
/// are never kept. All are dropped by [`EncryptedStore::purge`](crate::EncryptedStore::purge), when the keyring of this
/// process changes, and when a key provider answers that a key is disabled, denied or not found. Their age counts the
/// time that the machine sleeps, and a wall clock that is set back makes none younger; the clock is that of the
/// [`Sse`](atrest::SseBuilder::clock). Expired ones are dropped at the next read, not by a timer.
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
    /// Returns the same policy with another time after which a decryptor is dropped, however often it was used.
    #[must_use]
    pub fn with_time_to_live(self, time_to_live: Duration) -> Self {
        Self { time_to_live, ..self }
    }

    /// Returns the same policy with another limit in bytes of memory; the oldest decryptors are dropped first.
    #[must_use]
    pub fn with_max_len(self, max_len: usize) -> Self {
        Self { max_len, ..self }
    }
}

/// What identifies a kept decryptor, without the e_tag.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    location: Path,
    version: Option<String>,
    requester: Requester,
}

/// A decryptor and the object that it opens.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) decryptor: Decryptor,
    pub(crate) envelope: Envelope,
    e_tag: String,
    version: Option<String>,
    expected: Expected,
    keys: KeyEpoch,
    made: Moment,
}

/// The epochs of the cache and of an object's keys, before a read asks for its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epochs {
    cache: u64,
    keys: Option<KeyEpoch>,
}

impl Known {
    /// Returns whether this answer of the store is of the object that the decryptor opens: `envelope` is the one in its
    /// attributes, if envelopes lie there. The e_tags of S3 are those of bodies alone.
    pub(crate) fn is_of(&self, meta: &ObjectMeta, envelope: Option<&[u8]>) -> bool {
        strong_e_tag(meta) == Some(&self.e_tag)
            && meta.version == self.version
            && envelope.is_none_or(|envelope| envelope == self.envelope.as_bytes())
    }

    /// Returns a bound of the memory that the entry takes, in bytes.
    fn len(&self, key: &Key) -> usize {
        // The decryptor, its keys and the entries of the maps take less than 2 KiB.
        2_048 + self.envelope.encoded_len() + 2 * (key.location.as_ref().len() + self.e_tag.len())
    }
}

#[derive(Default)]
struct Entries {
    known: HashMap<Key, (u64, Known)>,
    /// The entries in the order of their age. It is the order of their end too, unless the wall clock was set.
    ages: BTreeMap<u64, Key>,
    len: usize,
    next_age: u64,
    /// The generation of the keyring under which all entries were made.
    generation: Option<u64>,
    /// How often everything was dropped.
    epoch: u64,
}

/// The decryptors of objects that were read lately.
pub(crate) struct Cache {
    policy: CachePolicy,
    entries: Mutex<Entries>,
}

impl Cache {
    pub(crate) fn new(policy: CachePolicy) -> Self {
        Self { policy, entries: Mutex::default() }
    }

    /// Returns the decryptor of the object at this place, whose e_tag the caller compares.
    pub(crate) fn find(&self, call: &Call, version: Option<&str>) -> Option<Known> {
        let key = Key::new(call, version);
        let clock = &**call.sse.clock();
        let known = {
            let mut entries = self.entries(call);
            entries.drop_expired(self.policy.time_to_live, clock);
            let (_, known) = entries.known.get(&key)?;
            // SECURITY: an older one, which is not expired if the wall clock was set back before this one was made, may
            // stand before it.
            let is_expired = known.made.age(clock) >= self.policy.time_to_live;
            (!is_expired && known.expected == *call.access.expected()).then(|| known.clone())?
        };
        // The provider tells its epoch outside of the lock.
        if call.sse.key_epoch(&known.envelope) == Some(known.keys) {
            return Some(known);
        }
        self.entries(call).remove(&key);
        None
    }

    /// Returns the epochs of a read, to take before its key is asked for.
    pub(crate) fn epochs(&self, call: &Call, envelope: &Envelope) -> Epochs {
        Epochs { cache: self.entries(call).epoch, keys: call.sse.key_epoch(envelope) }
    }

    /// Keeps a decryptor, if the object can be recognised by a strong e_tag, its key is not a customer key, and the key
    /// provider can tell its epoch.
    ///
    /// SECURITY: a decryptor whose key was asked for before everything was dropped is not kept: the read that made it
    /// was under way.
    pub(crate) fn keep(
        &self,
        call: &Call,
        version: Option<&str>,
        meta: &ObjectMeta,
        decryptor: &Decryptor,
        envelope: &Envelope,
        epochs: Epochs,
    ) {
        let Some(keys) = epochs.keys else { return };
        let Some(e_tag) = strong_e_tag(meta).filter(|_| envelope.mode() != ModeId::SseC) else { return };
        let clock = &**call.sse.clock();
        let known = Known {
            decryptor: decryptor.clone(),
            envelope: envelope.clone(),
            e_tag: e_tag.to_owned(),
            version: meta.version.clone(),
            expected: call.access.expected().clone(),
            keys,
            made: Moment::now(clock),
        };
        let mut entries = self.entries(call);
        if entries.epoch != epochs.cache {
            return;
        }
        let key = Key::new(call, version);
        entries.remove(&key);
        entries.drop_expired(self.policy.time_to_live, clock);
        let (age, len) = (entries.next_age, known.len(&key));
        entries.next_age += 1;
        entries.len += len;
        entries.ages.insert(age, key.clone());
        entries.known.insert(key, (age, known));
        while entries.len > self.policy.max_len && entries.drop_oldest() {}
    }

    /// Drops the decryptor of the object at this place.
    pub(crate) fn forget(&self, call: &Call, version: Option<&str>) {
        self.entries(call).remove(&Key::new(call, version));
    }

    /// Drops everything.
    pub(crate) fn purge(&self) {
        self.lock().clear();
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().known.len()
    }

    /// Returns the entries, after dropping all of them if the keyring has changed.
    fn entries(&self, call: &Call) -> MutexGuard<'_, Entries> {
        let generation = call.sse.keyring().map(|keyring| keyring.generation());
        let mut entries = self.lock();
        if entries.generation != generation {
            entries.clear();
            entries.generation = generation;
        }
        entries
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // No code under the lock panics between two changes that belong together.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn new(call: &Call, version: Option<&str>) -> Self {
        let requester = call.requester.clone();
        Self { location: call.location.clone(), version: version.map(str::to_owned), requester }
    }
}

impl Entries {
    fn clear(&mut self) {
        self.known.clear();
        self.ages.clear();
        self.len = 0;
        self.epoch += 1;
    }

    fn remove(&mut self, key: &Key) {
        if let Some((age, known)) = self.known.remove(key) {
            self.ages.remove(&age);
            self.len = self.len.saturating_sub(known.len(key));
        }
    }

    fn drop_expired(&mut self, time_to_live: Duration, clock: &dyn Clock) {
        let is_expired = |(_, known): &(u64, Known)| known.made.age(clock) >= time_to_live;
        while self.ages.first_key_value().and_then(|(_, key)| self.known.get(key)).is_some_and(is_expired) {
            self.drop_oldest();
        }
    }

    /// Drops the oldest entry; returns whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let Some((_, key)) = self.ages.first_key_value() else { return false };
        let key = key.clone();
        self.remove(&key);
        true
    }
}

/// Shows how many decryptors are kept, and no key.
impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("policy", &self.policy).field("count", &self.count()).finish()
    }
}
