//! The number of KMS calls in each step of an upload, and the context of each call.

use std::sync::Arc;

use atrest::testing::MemoryKms;
use atrest::{
    AnyMode, Backend, DsseKms, EncryptionContext, Error, Expected, KeyProviderErrorKind, Keyring, KmsKeys, ObjectName,
    Requester, Rewrap, Sse, SseKms, SseS3, Unlock,
};
use atrest_reference::envelope::field;
use atrest_reference::parse;

use atrest_kit::parts::{attempt, id_of};
use atrest_kit::{C, Faulty, name};

/// Counts the requests since the last look: keys generated, keys unwrapped.
struct Asked(Arc<MemoryKms>, (u64, u64));

impl Asked {
    fn since(&mut self) -> (u64, u64) {
        let calls = self.0.calls();
        let before = std::mem::replace(&mut self.1, (calls.generate, calls.unwrap));
        (calls.generate - before.0, calls.unwrap - before.1)
    }
}

#[test]
fn the_kms_makes_a_key_to_begin_alone_and_unwraps_one_to_resume_one_to_complete_and_one_to_read() {
    let kms = Arc::new(MemoryKms::new());
    let key_id = kms.create_key("app").unwrap();
    let sse = Sse::builder().keyring(Keyring::generate().unwrap()).kms(kms.clone(), KmsKeys::only([&*key_id]));
    let sse = sse.build().unwrap().requested_by(Requester::new("alice")).blocking();
    let context = EncryptionContext::new().with("team", "photos").unwrap();
    let mut modes: Vec<(AnyMode, u64)> =
        vec![(SseKms::new(&*key_id).with_context(context.clone()).into(), 1), (SseS3.into(), 0)];
    if Backend::available().count() > 1 {
        modes.push((DsseKms::new(&*key_id).with_context(context).into(), 1));
    }
    for (mode, asks) in modes {
        for object in [name(), ObjectName::unbound()] {
            let mut asked = Asked(kms.clone(), (0, 0));
            asked.since();
            let shown_before = kms.requests().len();
            let upload = sse.begin_multipart(&object, id_of(&object), mode.clone()).unwrap();
            assert_eq!(asked.since(), (asks, 0), "begin");
            let expected = Expected::exactly(upload.envelope());
            let resumed =
                sse.resume_multipart(&object, id_of(&object), upload.envelope(), &expected, Unlock::Server).unwrap();
            assert_eq!(asked.since(), (0, asks), "resume");
            let parts = [attempt(&resumed, 1, 0, C), attempt(&resumed, 2, 0, 10), attempt(&upload, 2, 1, 10)];
            let value = resumed.values().seal("md5", b"1").unwrap();
            upload.values().open("md5", &value).unwrap();
            upload.open_receipt(&parts[1].receipt).unwrap();
            assert_eq!(asked.since(), (0, 0), "parts, receipts and values");
            let completed =
                sse.complete_multipart(&resumed, Unlock::Server, parts[..2].iter().map(|part| part.listed())).unwrap();
            assert_eq!(asked.since(), (0, asks), "complete");
            completed.decryptor.range(0..10, completed.decryptor.ciphertext_len().unwrap()).unwrap();
            assert_eq!(asked.since(), (0, 0), "what a completion hands out");
            let reader = sse.decryptor(&object, &completed.envelope, Unlock::Server).unwrap();
            let reader = reader.with_manifest(&completed.manifest).unwrap();
            let body = [&parts[0].stored[..], &parts[1].stored].concat();
            atrest_kit::read_range(&reader, &body, 5..C as u64 + 5).unwrap();
            assert_eq!(asked.since(), (0, asks), "read");
            let fresh = sse.rewrap(Rewrap::upload(&object, id_of(&object), upload.envelope(), Unlock::Server)).unwrap();
            // DSSE-KMS wraps its outer layer again, which takes no KMS call.
            let of_inner = if fresh.inner().is_some() { (0, 0) } else { (asks, asks) };
            assert_eq!(asked.since(), of_inner, "rewrap of the upload");
            for request in &kms.requests()[shown_before..] {
                assert_eq!((request.requester().as_str(), request.key_id()), ("alice", &*key_id));
                assert_eq!(request.context().get("team"), Some("photos"));
                // An upload's id is between the store and its client.
                let arn = object.is_bound().then_some("arn:aws:s3:::photos/2026/cat.jpg");
                assert_eq!(request.context().get("aws:s3:arn"), arn);
                assert_eq!(request.context().len(), 1 + usize::from(object.is_bound()));
            }
        }
    }
}

#[test]
fn a_list_that_is_refused_asks_no_kms() {
    let kms = Arc::new(MemoryKms::new());
    let key_id = kms.create_key("app").unwrap();
    let sse = Sse::builder().kms(kms.clone(), KmsKeys::only([&*key_id])).build().unwrap().blocking();
    let upload = sse.begin_multipart(&name(), b"upload-1", SseKms::new(&*key_id)).unwrap();
    let part = attempt(&upload, 1, 0, 10);
    let before = kms.calls();
    sse.complete_multipart(&upload, Unlock::Server, []).unwrap_err();
    sse.complete_multipart(&upload, Unlock::Server, [part.listed(), part.listed()]).unwrap_err();
    assert_eq!(kms.calls(), before);
    kms.disable(&key_id);
    let refused = sse.complete_multipart(&upload, Unlock::Server, [part.listed()]);
    assert!(matches!(refused, Err(atrest::Error::KeyProvider(_))), "{refused:?}");
    kms.enable(&key_id);
    sse.complete_multipart(&upload, Unlock::Server, [part.listed()]).unwrap();
}

#[test]
fn a_requester_who_may_only_decrypt_uploads_parts_and_completes_and_the_wrapped_key_stays() {
    let kms = Arc::new(MemoryKms::new());
    let key_id = kms.create_key("app").unwrap();
    // Acts for a requester who may only decrypt once the upload has begun.
    let restricted = Faulty::new(kms.clone());
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    let sse = Sse::builder().keyring(keyring.clone()).kms(restricted.clone(), KmsKeys::only([&*key_id]));
    let sse = sse.build().unwrap().blocking();
    let mut modes: Vec<AnyMode> = vec![SseKms::new(&*key_id).into()];
    if Backend::available().count() > 1 {
        modes.push(DsseKms::new(&*key_id).into());
    }
    for mode in modes {
        restricted.change(|faults| faults.refuses_to_generate = None);
        let upload = sse.begin_multipart(&name(), b"upload-1", mode.clone()).unwrap();
        restricted.change(|faults| faults.refuses_to_generate = Some(KeyProviderErrorKind::AccessDenied));
        assert!(sse.begin_multipart(&name(), b"upload-2", mode).is_err(), "the switch works");
        keyring.blocking().rotate().unwrap();
        let expected = Expected::exactly(upload.envelope());
        let resumed = sse.resume_multipart(&name(), b"upload-1", upload.envelope(), &expected, Unlock::Server).unwrap();
        let part = attempt(&resumed, 1, 0, 10);
        let before = kms.calls();
        let done = sse.complete_multipart(&resumed, Unlock::Server, [part.listed()]).unwrap();
        let calls = kms.calls();
        assert_eq!((calls.generate - before.generate, calls.unwrap - before.unwrap), (0, 1));

        let [old, new] = [upload.envelope(), &done.envelope].map(|e| parse::decode(&e.encode()).unwrap().layers());
        let (old, new) = (old.last().unwrap(), new.last().unwrap());
        for kept in [field::KEY_ID, field::WRAPPED_KEK, field::CONTEXT] {
            assert_eq!(old.fields.get(&kept), new.fields.get(&kept));
        }
        assert_eq!(old.flags, new.flags);
        assert!(old.wrap_salt != new.wrap_salt && old.verifier != new.verifier && old.wrapped_key != new.wrapped_key);
        // The outer layer is under today's primary.
        assert!(done.envelope.key_version().is_none_or(|version| version == keyring.primary()));
        let stored = atrest::Encrypted::new(done.envelope, part.stored.clone()).with_manifest(done.manifest);
        assert!(sse.decrypt(&name(), &stored, Unlock::Server).unwrap() == part.plain);

        // A provider that answers with another key completes nothing.
        restricted.change(|faults| faults.unwraps_to_another_key = true);
        let refused = sse.complete_multipart(&resumed, Unlock::Server, [part.listed()]);
        assert!(matches!(refused, Err(Error::Inauthentic)), "{refused:?}");
        restricted.change(|faults| faults.unwraps_to_another_key = false);
    }
}
