//! Sweeps over a store of a growing number of objects, of which the listing repeats the same thousand.

use atrest::rotation::{Entry, EnvelopeStore, StoreFuture, Sweep};
use atrest::{Keyring, ObjectName, Sse, SseS3};

const DIFFERENT: u64 = 1_000;

/// A store that takes every envelope and keeps none, so that the memory is the sweep's.
struct Forgetful;

impl EnvelopeStore for Forgetful {
    fn replace<'a>(&'a self, _: &'a Entry, _: &'a [u8], _: &'a [u8]) -> StoreFuture<'a, bool> {
        Box::pin(async { Ok(true) })
    }

    fn read<'a>(&'a self, _: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
        Box::pin(async { Ok(None) })
    }
}

/// Rewraps envelopes of a key version that is not the primary any more.
pub(crate) fn rewrap(envelopes: u64) -> Box<dyn FnOnce()> {
    let keyring = Keyring::generate().expect("a keyring").with_changes_lost_on_exit();
    let sse = Sse::builder().keyring(keyring.clone()).build().expect("a backend");
    let entry = |at| {
        let name = ObjectName::new("photos", format!("2026/{at:06}.jpg")).expect("a name");
        let (envelope, _) = sse.blocking().encryptor_of_len(&name, SseS3, 1_000).expect("an encryptor");
        (name, envelope.encode())
    };
    let entries: Vec<(ObjectName, Vec<u8>)> = (0..DIFFERENT).map(entry).collect();
    keyring.blocking().rotate().expect("a rotation");
    Box::new(move || {
        let listing = (0..envelopes).zip(entries.iter().cycle());
        let listing = listing.map(|(_, (name, envelope))| Ok(Entry::object(name.clone(), &**envelope)));
        let report = Sweep::new(&sse).blocking().rewrap(listing, &Forgetful).expect("a report");
        assert_eq!(report.counts().rewrapped, envelopes, "all of them");
    })
}
