//! `Sse::open_etags`: the ETags of a listing, with the keyring alone, each with its own result, and without read
//! events.

use std::io;
use std::sync::Arc;

use atrest::audit::{AuditEvent, AuditFuture, AuditOperation, AuditSink, AuditTrail, MemorySink};
use atrest::error::{Error, KeyProviderErrorKind, Unexpected};
use atrest::s3::{Etag, ListedEtag, PlaintextMd5, StoredEtag};
use atrest::{Envelope, Keyring, ObjectName, RootKey, Sse, SseS3};

use atrest_kit::Service;

fn name(number: usize) -> ObjectName {
    ObjectName::new("photos", format!("{number}")).unwrap()
}

fn md5(number: usize) -> PlaintextMd5 {
    PlaintextMd5::new((number as u128 + 1).to_be_bytes())
}

/// This many objects in SSE-S3 with their ETags, as a store keeps them.
fn objects(sse: &Sse, count: usize) -> Vec<(ObjectName, Envelope, StoredEtag)> {
    let object = |number| {
        let (envelope, encryptor) = sse.blocking().encryptor(&name(number), SseS3).unwrap();
        let (_, stored) = StoredEtag::of_write(&envelope, &encryptor.values(), Some(md5(number))).unwrap();
        (name(number), envelope, stored)
    };
    (0..count).map(object).collect()
}

fn listed(objects: &[(ObjectName, Envelope, StoredEtag)]) -> Vec<ListedEtag<'_>> {
    let entry = |(object, envelope, stored)| ListedEtag { object, envelope: Some(envelope), stored };
    objects.iter().map(|(object, envelope, stored)| entry((object, envelope, stored))).collect()
}

#[test]
fn a_thousand_etags_are_opened_in_their_order_and_nothing_is_on_record() {
    let sink = Arc::new(MemorySink::new());
    let keyring = Keyring::generate().unwrap();
    let sse = Sse::builder().keyring(keyring).audit(AuditTrail::new(sink.clone())).build().unwrap();
    let objects = objects(&sse, 1_000);
    sink.clear();
    let etags = sse.blocking().open_etags(&listed(&objects)).unwrap();
    for (number, etag) in etags.into_iter().enumerate() {
        assert_eq!(etag.unwrap(), Etag::of_unencrypted(md5(number)));
    }
    let (object, envelope, stored) = &objects[7];
    assert_eq!(sse.blocking().open_etag(object, envelope, stored).unwrap(), Etag::of_unencrypted(md5(7)));
    assert!(sink.events().is_empty());
    assert!(sse.blocking().open_etags(&[]).unwrap().is_empty());
}

#[test]
fn a_trail_that_wants_listings_has_one_event_with_the_count_and_the_requester() {
    let sink = Arc::new(MemorySink::new());
    let trail = AuditTrail::new(sink.clone()).with_listings();
    let sse = Sse::builder().keyring(Keyring::generate().unwrap()).audit(trail).build().unwrap();
    let sse = sse.requested_by(atrest::Requester::new("alice"));
    let mut objects = objects(&sse, 5);
    objects[3].0 = name(4);
    sink.clear();
    assert_eq!(sse.blocking().open_etags(&listed(&objects)).unwrap().iter().filter(|etag| etag.is_ok()).count(), 4);
    let events = sink.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].operation(), AuditOperation::ListEtags);
    assert_eq!(events[0].requester().as_str(), "alice");
    let counts = [("etagCount", "5".to_owned()), ("failedCount", "1".to_owned())];
    assert_eq!(events[0].parameters(), counts);
}

#[test]
fn a_trail_that_cannot_be_written_refuses_a_listing_only_where_it_wants_listings() {
    struct Full;
    impl AuditSink for Full {
        fn record(&self, _: AuditEvent) -> AuditFuture {
            Box::pin(async { Err(io::ErrorKind::StorageFull.into()) })
        }
    }
    let keyring = Keyring::generate().unwrap();
    let objects = objects(&Sse::builder().keyring(keyring.clone()).build().unwrap(), 2);
    let with = |trail| Sse::builder().keyring(keyring.clone()).audit(trail).build().unwrap().blocking();
    let trail = AuditTrail::new(Arc::new(Full));
    assert!(with(trail.clone()).open_etags(&listed(&objects)).is_ok());
    assert!(matches!(with(trail.with_listings()).open_etags(&listed(&objects)), Err(Error::Audit(_))));
}

#[test]
fn a_damaged_entry_fails_alone_and_each_says_why() {
    let service = Service::new();
    let sse = service.sse.blocking();
    let objects = objects(&service.sse, 6);
    let mut bytes = objects[1].1.encode();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let damaged = Envelope::decode(&bytes).unwrap();
    let mut changed = objects[2].2.to_bytes();
    changed[40] ^= 1;
    let changed = StoredEtag::from_bytes(&changed).unwrap();
    let upload = sse.begin_multipart(&name(5), b"upload", SseS3).unwrap();
    let (kms, encryptor) = sse.encryptor(&name(6), atrest::SseKms::new("alias/app")).unwrap();
    let (random, of_kms) = StoredEtag::of_write(&kms, &encryptor.values(), None).unwrap();
    let unencrypted = StoredEtag::of_unencrypted(Etag::of_unencrypted(md5(8)));
    let foreign = Sse::builder().keyring(Keyring::generate().unwrap()).build().unwrap();
    let foreign = self::objects(&foreign, 1);

    let mut entries = listed(&objects);
    entries[1].envelope = Some(&damaged);
    entries[2].stored = &changed;
    entries[3].stored = &objects[4].2;
    let (upload_name, kms_name, plain_name) = (name(5), name(6), name(8));
    entries[5] = ListedEtag { object: &upload_name, envelope: Some(upload.envelope()), stored: &objects[5].2 };
    entries.push(ListedEtag { object: &kms_name, envelope: Some(&kms), stored: &of_kms });
    entries.push(ListedEtag { object: &kms_name, envelope: Some(&kms), stored: &objects[0].2 });
    entries.push(ListedEtag { object: &plain_name, envelope: None, stored: &unencrypted });
    entries.push(ListedEtag { object: &plain_name, envelope: None, stored: &objects[0].2 });
    entries.extend(listed(&foreign));

    let etags = sse.open_etags(&entries).unwrap();
    let of = |number| Etag::of_unencrypted(md5(number));
    assert_eq!(*etags[0].as_ref().unwrap(), of(0));
    assert!(matches!(etags[1], Err(Error::Inauthentic)), "{:?}", etags[1]);
    assert!(matches!(etags[2], Err(Error::Inauthentic)), "a changed ETag");
    assert!(matches!(etags[3], Err(Error::Inauthentic)), "another object's");
    assert_eq!(*etags[4].as_ref().unwrap(), of(4));
    assert!(matches!(etags[5], Err(Error::UploadNotComplete)));
    assert_eq!(*etags[6].as_ref().unwrap(), random, "of SSE-KMS, without asking a KMS");
    assert!(matches!(etags[7], Err(Error::Unexpected(Unexpected::Mode))), "sealed, and not of SSE-S3");
    assert_eq!(*etags[8].as_ref().unwrap(), of(8));
    assert!(matches!(etags[9], Err(Error::Unexpected(Unexpected::Mode))));
    assert!(matches!(etags[10], Err(Error::Unexpected(Unexpected::KeyringId))));

    // No other value opens as an ETag, though it is the same object's.
    let (envelope, encryptor) = sse.encryptor(&name(0), SseS3).unwrap();
    let value = encryptor.values().seal("s3/md5", &[1; 20]).unwrap();
    let value = StoredEtag::from_sealed_value(value);
    assert!(matches!(sse.open_etag(&name(0), &envelope, &value), Err(Error::Inauthentic)));
}

#[test]
fn an_unknown_or_disabled_version_leaves_its_entries_out_and_what_another_process_made_is_read_once() {
    let directory = tempfile::tempdir().unwrap();
    let root_key = RootKey::create_file(directory.path().join("root.key")).unwrap();
    let path = directory.path().join("master.atrest");
    let writer = Keyring::create_blocking(&path, &root_key).unwrap();
    let reader = Keyring::open_blocking(&path, &root_key).unwrap();
    let writes = Sse::builder().keyring(writer.clone()).build().unwrap();
    let reads = Sse::builder().keyring(reader).build().unwrap();

    let first = objects(&writes, 2);
    writer.blocking().rotate().unwrap();
    let second = objects(&writes, 2);
    let all = [listed(&first), listed(&second)].concat();
    assert!(reads.blocking().open_etags(&all).unwrap().iter().all(Result::is_ok));

    writer.blocking().disable(1).unwrap();
    let etags = writes.blocking().open_etags(&all).unwrap();
    for etag in &etags[..2] {
        assert!(matches!(etag, Err(Error::KeyProvider(error)) if error.kind() == KeyProviderErrorKind::Disabled));
    }
    assert!(etags[2..].iter().all(Result::is_ok));

    // A version that another process retired is refused as a single read refuses it.
    let writes_again = Keyring::open_blocking(&path, &root_key).unwrap();
    writes_again.blocking().retire_losing_what_it_wraps(1).unwrap();
    let refused = |etag: &Result<Etag, Error>| match etag {
        Err(Error::KeyProvider(error)) => (error.kind(), error.key_version()),
        other => panic!("{other:?}"),
    };
    let gone = writes.blocking().open_etags(&all).unwrap();
    assert_eq!(refused(&gone[0]), (KeyProviderErrorKind::Disabled, Some(1)));
    let (object, envelope, stored) = &first[0];
    let single = writes.blocking().open_etag(object, envelope, stored);
    assert_eq!(refused(&single), refused(&gone[0]));

    // A keyring that cannot be read is no verdict on what it already knows.
    writer.blocking().rotate().unwrap();
    let third = objects(&writes, 1);
    std::fs::write(&path, b"not a keyring").unwrap();
    let etags = reads.blocking().open_etags(&[listed(&second), listed(&third)].concat()).unwrap();
    assert!(etags[..2].iter().all(Result::is_ok));
    assert!(matches!(&etags[2], Err(Error::KeyProvider(error)) if error.kind() == KeyProviderErrorKind::Unavailable));
}
