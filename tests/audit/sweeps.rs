//! Audit events of sweeps and inventories.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use atrest::audit::AuditOperation;
use atrest::rotation::{Entry, EnvelopeStore, Inventory, StoreFuture, Sweep};
use atrest::{ObjectName, SseS3};

use crate::kit::Audited;
use atrest_kit::Service;

/// Envelopes by key.
pub(crate) struct Store(Mutex<BTreeMap<String, Vec<u8>>>);

impl Store {
    pub(crate) fn of(service: &Service, objects: usize) -> Self {
        let envelope = |key: String| {
            let object = ObjectName::new("photos", &key).unwrap();
            (key, service.sse.blocking().encrypt(&object, SseS3, b"meow").unwrap().envelope.encode())
        };
        Self(Mutex::new((0..objects).map(|at| envelope(format!("{at:02}"))).collect()))
    }

    pub(crate) fn envelopes(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) fn listing(envelopes: &BTreeMap<String, Vec<u8>>) -> Vec<io::Result<Entry>> {
    let entry =
        |(key, envelope): (&String, &Vec<u8>)| Ok(Entry::object(ObjectName::new("photos", key).unwrap(), &**envelope));
    envelopes.iter().map(entry).collect()
}

impl EnvelopeStore for Store {
    fn replace<'a>(&'a self, entry: &'a Entry, old: &'a [u8], new: &'a [u8]) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut envelopes = self.0.lock().unwrap();
            let stored = envelopes.get_mut(str::from_utf8(entry.position()).unwrap()).unwrap();
            let is_old = stored == old;
            if is_old {
                *stored = new.to_vec();
            }
            Ok(is_old)
        })
    }

    fn read<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move { Ok(self.envelopes().get(str::from_utf8(entry.position()).unwrap()).cloned()) })
    }
}

#[test]
fn a_sweep_makes_one_event_for_each_rewrap_and_an_inventory_none() {
    let audited = Audited::new();
    let store = Store::of(&audited.silent(), 20);
    let sse = &audited.service.sse;
    Sweep::new(sse).blocking().rewrap(listing(&store.envelopes()), &store).unwrap();
    assert!(audited.sink.events().is_empty(), "everything is under the primary");
    audited.service.keyring.blocking().rotate().unwrap();
    Inventory::new(sse).blocking().run(listing(&store.envelopes()), |_| Ok(())).unwrap();
    assert!(audited.sink.events().is_empty(), "an inventory opens nothing");

    Sweep::new(sse).blocking().rewrap(listing(&store.envelopes()), &store).unwrap();
    let events = audited.sink.events();
    let mut keys: Vec<_> = events.iter().map(|event| event.object().unwrap().key().to_vec()).collect();
    keys.sort();
    assert_eq!(keys, store.envelopes().into_keys().map(String::into_bytes).collect::<Vec<_>>());
    for event in events {
        assert_eq!((event.operation(), event.key_version()), (AuditOperation::RewrapObject, Some(2)));
        assert!(event.error().is_none());
    }
}
