//! Completion records in sweeps and inventories: a record is under a keyring version like an envelope.

use atrest::error::{KeyringError, Unexpected};
use atrest::multipart::{CompletionRecord, EnvelopeOrRecord, KeptAttempt, UnopenedPart};
use atrest::rotation::{Entry, Inventory, ProblemKind, Skip, Status, Sweep};
use atrest::{Encrypted, Error, ModeId, PartNumber, SseS3, Unlock};

use super::kit::{Store, object};
use atrest_kit::Service;

const ID: &[u8] = b"upload-1";

fn service() -> Service {
    Service::with(|builder| builder.completion_records())
}

/// A record of one part, and the part.
fn record(service: &Service, key: &str) -> (CompletionRecord, Vec<u8>) {
    let sse = service.sse.blocking();
    let upload = sse.begin_multipart(&object(key), ID, service.sse_c()).unwrap();
    let number = PartNumber::new(1).unwrap();
    let (stored, receipt) = upload.encrypt_part(number, b"meow", b"etag").unwrap();
    let kept = KeptAttempt::new(number, b"etag", receipt, &stored).unwrap();
    let part = UnopenedPart::new(number, b"etag", &kept, &stored);
    (sse.complete_multipart_without_key(&object(key), ID, upload.envelope(), [part]).unwrap(), stored)
}

fn check(service: &Service, key: &str, stored: &[u8], body: Vec<u8>) {
    let record = CompletionRecord::decode(stored).unwrap();
    let sse = service.sse.blocking();
    let unlock = Unlock::CustomerKey(&service.customer_key);
    let done = sse.finish_completion(&object(key), &record, unlock).unwrap();
    let whole = Encrypted::new(done.envelope, body).with_manifest(done.manifest);
    assert_eq!(sse.decrypt(&object(key), &whole, unlock).unwrap(), b"meow");
}

#[test]
fn a_version_is_not_retired_while_a_record_stands_under_it_and_is_once_a_sweep_has_rewrapped_the_record() {
    let service = service();
    let store = Store::default();
    let (made, body) = record(&service, "a");
    store.set("a", made.as_bytes().to_vec());
    service.keyring.blocking().rotate().unwrap();

    let totals = Inventory::new(&service.sse).blocking().run(store.listing(), |_| Ok(())).unwrap();
    service.keyring.blocking().disable(1).unwrap();
    let refused = service.keyring.blocking().retire(1, totals.usage().unwrap()).unwrap_err();
    let in_use = KeyringError::VersionInUse { version: 1, objects: 1, uploads: 0 };
    assert!(matches!(refused, Error::Keyring(error) if error == in_use), "{refused}");

    // A sweep that cannot rewrap it proves nothing either.
    let report = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!(report.problems()[0].kind(), ProblemKind::VersionDisabled);
    let refused = service.keyring.blocking().retire(1, report.usage().unwrap()).unwrap_err();
    assert!(matches!(refused, Error::Keyring(error) if error == in_use), "{refused}");

    service.keyring.blocking().enable(1).unwrap();
    let report = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!((report.counts().rewrapped, report.counts().sse_c), (1, 0));
    let versions: Vec<_> = report.versions().map(|(n, v)| (n, v.rewrapped.objects, v.current.objects)).collect();
    assert_eq!(versions, [(1, 1, 0), (2, 0, 0)]);
    service.keyring.blocking().disable(1).unwrap();
    service.keyring.blocking().retire(1, report.usage().unwrap()).unwrap();
    check(&service, "a", &store.envelope("a"), body);

    let again = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!((again.counts().rewrapped, again.counts().current), (0, 1));
}

#[test]
fn a_sweep_of_everything_renews_a_record_and_one_to_elsewhere_skips_it() {
    let service = service();
    let store = Store::default();
    let (made, body) = record(&service, "a");
    store.set("a", made.as_bytes().to_vec());
    let report = Sweep::new(&service.sse).all().blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!(report.counts().rewrapped, 1);
    assert_ne!(store.envelope("a"), made.as_bytes());
    check(&service, "a", &store.envelope("a"), body);
    let report = Sweep::new(&service.sse).blocking().rewrap_to(SseS3, store.listing(), &store).unwrap();
    assert_eq!((report.counts().skipped, report.skipped()[0].reason), (1, Skip::NeedsCustomerKey));
    let taken = |modes: [ModeId; 1]| {
        let sweep = Sweep::new(&service.sse).all().only_modes(modes);
        sweep.blocking().rewrap(store.listing(), &store).unwrap().counts().rewrapped
    };
    assert_eq!((taken([ModeId::SseC]), taken([ModeId::SseS3])), (1, 0));
}

#[test]
fn a_record_that_was_finished_while_the_sweep_ran_is_counted_as_the_object_it_is() {
    let service = service();
    let mut store = Store::default();
    let (made, _) = record(&service, "a");
    store.set("a", made.as_bytes().to_vec());
    let unlock = Unlock::CustomerKey(&service.customer_key);
    let done = service.sse.blocking().finish_completion(&object("a"), &made, unlock).unwrap();
    service.keyring.blocking().rotate().unwrap();
    let envelope = done.envelope.encode();
    store.interfere(move |attempt| (attempt == 1).then(|| Some(envelope.clone())));
    let report = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!((report.counts().rewrapped, report.counts().sse_c), (0, 1));
    assert!(matches!(EnvelopeOrRecord::decode(&store.envelope("a")).unwrap(), EnvelopeOrRecord::Envelope(_)));
    let usage: Vec<_> = report.usage().unwrap().versions().collect();
    assert_eq!(usage, [(1, 0, 0), (2, 0, 0)]);
}

#[test]
fn a_damaged_moved_or_unexpected_record_is_a_problem_and_is_left_as_it_is() {
    let service = service();
    let store = Store::default();
    let (made, _) = record(&service, "a");
    let mut changed = made.as_bytes().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    store.set("changed", changed);
    store.set("cut", made.as_bytes()[..made.as_bytes().len() - 1].to_vec());
    store.set("moved", made.as_bytes().to_vec());
    store.set("under way?up", made.as_bytes().to_vec());
    let (foreign, _) = record(&self::service(), "z foreign");
    store.set("z foreign", foreign.as_bytes().to_vec());
    service.keyring.blocking().rotate().unwrap();
    let before = store.envelopes.lock().unwrap().clone();
    let report = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    let kinds: Vec<_> = report.problems().iter().map(|problem| problem.kind()).collect();
    let expected = [
        ProblemKind::Inauthentic,
        ProblemKind::Damaged,
        ProblemKind::Inauthentic,
        ProblemKind::Unexpected,
        ProblemKind::Unexpected,
    ];
    assert_eq!(kinds, expected);
    assert!(*store.envelopes.lock().unwrap() == before);

    // What cannot be read counts: nothing is retired on this walk.
    service.keyring.blocking().disable(1).unwrap();
    assert!(service.keyring.blocking().retire(1, report.usage().unwrap()).is_err());
}

#[test]
fn an_inventory_says_that_a_record_is_sse_c_under_the_keyring_and_why_it_would_not_open() {
    let service = service();
    let (made, body) = record(&service, "a");
    let entry = Entry::object(object("a"), made.as_bytes()).with_stored_len(body.len() as u64);
    let key_id = service.keyring.key_id();
    let row = |service: &Service, entry: &Entry| {
        let mut seen = None;
        let totals = Inventory::new(&service.sse)
            .blocking()
            .run([Ok(entry.clone())], |row| {
                assert!(row.record().is_some() && row.envelope().is_none());
                let of = (row.status(), row.key_id().map(str::to_owned), row.key_version(), row.plaintext_len());
                seen = Some((of, row.problem().cloned(), row.to_csv()));
                Ok(())
            })
            .unwrap();
        assert_eq!(
            totals.totals().map(|total| (total.objects + total.uploads, total.plaintext_len)).collect::<Vec<_>>(),
            [(1, 4)]
        );
        seen.unwrap()
    };
    let (of, problem, csv) = row(&service, &entry);
    assert_eq!(of, (Status::Encrypted(ModeId::SseC), Some(key_id.clone()), Some(1), Some(4)));
    assert!(problem.is_none() && csv.contains(&format!(",SSE-C,,{key_id},1,,76,4,")), "{csv}");

    let (_, problem, _) = row(&service, &Entry::upload(object("a"), ID, made.as_bytes()));
    assert!(matches!(problem, Some(Error::Unexpected(Unexpected::State))), "{problem:?}");
    let untold = Service::new();
    let (_, problem, _) = row(&untold, &entry);
    assert!(matches!(problem, Some(Error::Unexpected(Unexpected::Record))), "{problem:?}");
    service.keyring.blocking().rotate().unwrap();
    service.keyring.blocking().disable(1).unwrap();
    let (_, problem, _) = row(&service, &entry);
    assert!(matches!(problem, Some(Error::KeyProvider(_))), "{problem:?}");
}
