//! `Sweep::encrypt_unencrypted`: the encryption of unencrypted objects.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use atrest::rotation::{Entry, EntryOutcome, StoreFuture, Sweep, SweepEvent, UnencryptedStore};
use atrest::{Encrypted, Encryptor, Envelope, Error, SseS3};

use super::kit::object;
use atrest_kit::{C, Service, plain, seal};

/// An envelope, if there is one, and a body.
type Stored = (Option<Vec<u8>>, Vec<u8>);

/// Bodies by key, each with its envelope if it has one.
#[derive(Default)]
pub(crate) struct Bodies {
    stored: Mutex<BTreeMap<String, Stored>>,
    /// Another writer deletes the object, or writes it unencrypted, just before a commit.
    overtaken: Vec<&'static str>,
}

impl UnencryptedStore for Bodies {
    fn encrypt<'a>(&'a self, entry: &'a Entry, envelope: Envelope, encryptor: Encryptor) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let key = std::str::from_utf8(entry.name().key()).unwrap();
            let (_, body) = self.stored.lock().unwrap()[key].clone();
            let ciphertext = seal(encryptor, &body, 1_000).map_err(io::Error::other)?;
            if self.overtaken.contains(&key) {
                return Ok(false);
            }
            self.stored.lock().unwrap().insert(key.into(), (Some(envelope.encode()), ciphertext));
            Ok(true)
        })
    }
}

impl Bodies {
    /// An unencrypted object.
    pub(crate) fn put(&self, key: &str, body: &[u8]) {
        self.stored.lock().unwrap().insert(key.into(), (None, body.to_vec()));
    }

    fn listing(&self, lens: bool) -> Vec<io::Result<Entry>> {
        let entry = |(key, (envelope, body)): (&String, &Stored)| {
            let entry = match envelope {
                Some(envelope) => Entry::object(object(key), &**envelope),
                None => Entry::unencrypted(object(key)),
            };
            Ok(if lens { entry.with_stored_len(body.len() as u64) } else { entry })
        };
        self.stored.lock().unwrap().iter().map(entry).collect()
    }
}

#[test]
fn what_is_in_the_clear_is_encrypted_and_what_has_an_envelope_is_left_as_it_is() {
    for lens in [false, true] {
        let service = Service::new();
        let bodies = Bodies { overtaken: vec!["overtaken"], ..Bodies::default() };
        let stored = service.sse.blocking().encrypt(&object("encrypted"), SseS3, b"meow").unwrap();
        let put = |key: &str, envelope, body| drop(bodies.stored.lock().unwrap().insert(key.into(), (envelope, body)));
        put("a", None, plain(0));
        put("b", None, plain(3 * C + 5));
        put("damaged", Some(b"meow".to_vec()), b"meow".to_vec());
        put("encrypted", Some(stored.envelope.encode()), stored.ciphertext.clone());
        put("overtaken", None, plain(7));
        let mut events = Vec::new();
        let sweep = Sweep::new(&service.sse).on_event(|event| {
            if let SweepEvent::Entry { outcome, .. } = event {
                events.push(super::kit::word(outcome));
            }
            Ok(())
        });
        let report = sweep.blocking().encrypt_unencrypted(SseS3, bodies.listing(lens), &bodies).unwrap();
        assert_eq!(events, ["encrypted", "encrypted", "problem", "current", "gone"]);
        let counts = report.counts();
        assert_eq!((counts.encrypted, counts.problems, counts.current, counts.gone), (2, 1, 1, 1));
        assert_eq!(report.usage().unwrap().versions().collect::<Vec<_>>(), [(1, 3, 0)]);
        let stored = bodies.stored.lock().unwrap();
        for (key, len) in [("a", 0), ("b", 3 * C + 5)] {
            let (envelope, body) = &stored[key];
            let envelope = Envelope::decode(envelope.as_ref().unwrap()).unwrap();
            assert_eq!(envelope.plaintext_len(), lens.then_some(len as u64));
            let read = service.decrypt(&object(key), &Encrypted::new(envelope, &**body)).unwrap();
            assert_eq!(read, plain(len));
        }
        assert_eq!(stored["damaged"].0.as_deref(), Some(&b"meow"[..]));
        assert_eq!(stored["overtaken"].1, plain(7));
    }
}

#[test]
fn a_body_that_is_not_as_long_as_it_was_listed_is_a_problem_and_stays_as_it_is() {
    let service = Service::new();
    let bodies = Bodies::default();
    bodies.put("a", b"meow");
    let mut told = None;
    let sweep = Sweep::new(&service.sse).on_event(|event| {
        if let SweepEvent::Entry { outcome: EntryOutcome::Problem(error), .. } = event {
            told = Some(error.clone());
        }
        Ok(())
    });
    let entry = Entry::unencrypted(object("a")).with_stored_len(3);
    let report = sweep.blocking().encrypt_unencrypted(SseS3, [Ok(entry)], &bodies).unwrap();
    assert!(matches!(told, Some(Error::Io(_))) && report.counts().problems == 1);
    assert_eq!(bodies.stored.lock().unwrap()["a"], (None, b"meow".to_vec()));
    assert_eq!(report.usage().unwrap().unclear(), 0, "an unencrypted object is under no version");
}
