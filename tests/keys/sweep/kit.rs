//! Test kit: a store in memory that can be slow, fail, and be changed by other writers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

use atrest::rotation::{Entry, EntryOutcome, EnvelopeStore, StoreFuture};
use atrest::{AnyMode, Encrypted, ObjectName, SseS3};

use atrest_kit::Service;

/// What another writer does before this attempt: nothing, a write, or a deletion.
type Interference = dyn Fn(usize) -> Option<Option<Vec<u8>>> + Send + Sync;

#[derive(Default)]
pub(crate) struct Store {
    /// By key; an upload's key is `key?upload_id`, and an unencrypted object has no bytes.
    pub(crate) envelopes: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(crate) bodies: BTreeMap<String, Vec<u8>>,
    pub(crate) slow: bool,
    pub(crate) failing: Vec<String>,
    interference: Option<Box<Interference>>,
    attempts: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

pub(crate) fn object(key: &str) -> ObjectName {
    ObjectName::new("photos", key).unwrap()
}

pub(crate) fn word(outcome: &EntryOutcome) -> &'static str {
    match outcome {
        EntryOutcome::Rewrapped { .. } => "rewrapped",
        EntryOutcome::Encrypted => "encrypted",
        EntryOutcome::Current => "current",
        EntryOutcome::Unencrypted => "plain",
        EntryOutcome::OtherMode(_) => "other mode",
        EntryOutcome::NotSelected => "not selected",
        EntryOutcome::Skipped(_) => "skipped",
        EntryOutcome::Gone => "gone",
        EntryOutcome::Problem(_) => "problem",
        _ => "new",
    }
}

impl Store {
    pub(crate) fn put(&mut self, service: &Service, key: &str, mode: impl Into<AnyMode>) {
        let Encrypted { envelope, ciphertext, .. } =
            service.sse.blocking().encrypt(&object(key), mode.into(), b"meow").unwrap();
        self.set(key, envelope.encode());
        self.bodies.insert(key.into(), ciphertext);
    }

    /// An object under this version of the keyring.
    pub(crate) fn put_at(&mut self, service: &Service, key: &str, version: u32) {
        let primary = service.keyring.primary();
        service.keyring.blocking().activate(version).unwrap();
        self.put(service, key, SseS3);
        service.keyring.blocking().activate(primary).unwrap();
        self.attempts.store(0, SeqCst);
    }

    pub(crate) fn set(&self, key: &str, envelope: Vec<u8>) {
        self.envelopes.lock().unwrap().insert(key.into(), envelope);
    }

    pub(crate) fn plain(&self, key: &str) {
        self.set(key, Vec::new());
    }

    pub(crate) fn envelope(&self, key: &str) -> Vec<u8> {
        self.envelopes.lock().unwrap()[key].clone()
    }

    pub(crate) fn interfere(&mut self, writes: impl Fn(usize) -> Option<Option<Vec<u8>>> + Send + Sync + 'static) {
        self.interference = Some(Box::new(writes));
        self.attempts.store(0, SeqCst);
    }

    pub(crate) fn attempts(&self) -> usize {
        self.attempts.load(SeqCst)
    }

    /// Returns the counts and resets them.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.most_in_flight.swap(0, SeqCst)
    }

    pub(crate) fn listing(&self) -> Vec<io::Result<Entry>> {
        let entry = |(key, envelope): (&String, &Vec<u8>)| {
            Ok(match key.split_once('?') {
                _ if envelope.is_empty() => Entry::unencrypted(object(key)),
                Some((key, upload_id)) => Entry::upload(object(key), upload_id, &**envelope),
                None => Entry::object(object(key), &**envelope),
            }
            .with_position(&**key))
        };
        self.envelopes.lock().unwrap().iter().map(entry).collect()
    }

    pub(crate) fn listing_after(&self, position: Option<&[u8]>) -> Vec<io::Result<Entry>> {
        let entries = self.listing().into_iter();
        entries.filter(|entry| position.is_none_or(|done| entry.as_ref().unwrap().position() > done)).collect()
    }

    async fn work(&self, entry: &Entry) -> io::Result<()> {
        let now = self.in_flight.fetch_add(1, SeqCst) + 1;
        self.most_in_flight.fetch_max(now, SeqCst);
        if self.slow {
            // Some take longer than others.
            for _ in 0..=entry.position().last().unwrap() % 5 {
                yield_now().await;
            }
        }
        self.in_flight.fetch_sub(1, SeqCst);
        let failing = self.failing.iter().any(|key| key.as_bytes() == entry.position());
        if failing { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl EnvelopeStore for Store {
    fn replace<'a>(&'a self, entry: &'a Entry, old: &'a [u8], new: &'a [u8]) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            self.work(entry).await?;
            let key = std::str::from_utf8(entry.position()).unwrap();
            let attempt = self.attempts.fetch_add(1, SeqCst) + 1;
            let mut envelopes = self.envelopes.lock().unwrap();
            match self.interference.as_ref().and_then(|interfere| interfere(attempt)) {
                Some(Some(bytes)) => drop(envelopes.insert(key.into(), bytes)),
                Some(None) => drop(envelopes.remove(key)),
                None => {}
            }
            match envelopes.get_mut(key) {
                Some(stored) if stored == old => {
                    *stored = new.to_vec();
                    Ok(true)
                }
                _ => Ok(false),
            }
        })
    }

    fn read<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let key = std::str::from_utf8(entry.position()).unwrap();
            if self.failing.iter().any(|failing| failing == key) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            Ok(self.envelopes.lock().unwrap().get(key).cloned())
        })
    }
}

/// A future that yields once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
