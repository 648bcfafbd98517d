//! Objects whose envelope could not be read while they were listed.

use std::io;

use atrest::rotation::{Entry, Inventory, ProblemKind, Status, StoreFuture, Sweep, UnencryptedStore};
use atrest::{Encryptor, Envelope, SseS3};
use atrest_kit::Service;

use super::kit::{Store, object};

/// Three objects under an old version: one that is not read, one that is gone, one that the store denies.
fn world() -> (Service, Store) {
    let service = Service::new();
    let mut store = Store::default();
    for key in ["denied", "unread"] {
        store.put(&service, key, SseS3);
    }
    store.failing.push("denied".into());
    service.keyring.blocking().rotate().unwrap();
    (service, store)
}

fn listing() -> Vec<io::Result<Entry>> {
    ["denied", "gone", "unread"].map(|key| Ok(Entry::unread(object(key)))).into()
}

#[test]
fn a_sweep_reads_them_itself_and_what_it_cannot_read_is_a_problem_that_keeps_the_old_version() {
    let (service, mut store) = world();
    let report = Sweep::new(&service.sse).blocking().rewrap(listing(), &store).unwrap();
    let counts = report.counts();
    assert_eq!((counts.entries, counts.rewrapped, counts.gone, counts.problems, counts.unencrypted), (3, 1, 1, 1, 0));
    let problem = &report.problems()[0];
    assert_eq!((problem.name(), problem.kind()), (&object("denied"), ProblemKind::Store));
    assert!(problem.reason().contains("permission denied"), "{}", problem.reason());
    service.keyring.blocking().disable(1).unwrap();
    assert!(service.keyring.blocking().retire(1, report.usage().unwrap()).is_err());

    store.failing.clear();
    let report = Sweep::new(&service.sse).blocking().rewrap(listing(), &store);
    assert_eq!(report.unwrap().counts().problems, 1, "version 1 is disabled");
    service.keyring.blocking().enable(1).unwrap();
    let report = Sweep::new(&service.sse).blocking().rewrap(listing(), &store).unwrap();
    assert_eq!((report.counts().rewrapped, report.counts().current), (1, 1));
    service.keyring.blocking().disable(1).unwrap();
    service.keyring.blocking().retire(1, report.usage().unwrap()).unwrap();
}

#[test]
fn a_sweep_that_gives_up_at_once_ends_at_the_first_of_them() {
    let (service, store) = world();
    assert!(Sweep::new(&service.sse).give_up_after(1).blocking().rewrap(listing(), &store).is_err());
}

#[test]
fn an_inventory_takes_none_of_them_for_unencrypted() {
    let (service, _) = world();
    let mut rows = Vec::new();
    let totals = Inventory::new(&service.sse).blocking().run(listing(), |row| {
        rows.push((row.status(), row.problem().is_some(), row.plaintext_len()));
        Ok(())
    });
    assert_eq!(rows, [(Status::Damaged, true, None); 3]);
    service.keyring.blocking().disable(1).unwrap();
    assert!(service.keyring.blocking().retire(1, totals.unwrap().usage().unwrap()).is_err());
}

/// A store in which nothing may be encrypted.
struct Untouched;

impl UnencryptedStore for Untouched {
    fn encrypt<'a>(&'a self, entry: &'a Entry, _: Envelope, _: Encryptor) -> StoreFuture<'a, bool> {
        panic!("{entry:?} may be encrypted already")
    }
}

#[test]
fn a_sweep_that_encrypts_encrypts_none_of_them() {
    let (service, _) = world();
    let report = Sweep::new(&service.sse).blocking().encrypt_unencrypted(SseS3, listing(), &Untouched).unwrap();
    assert_eq!((report.counts().problems, report.counts().entries), (3, 3));
}

#[test]
fn an_entry_says_that_it_was_not_read() {
    let entry = Entry::unread(object("unread"));
    assert!(entry.is_unread() && entry.envelope().is_none());
    assert!(!Entry::unencrypted(object("plain")).is_unread());
}
