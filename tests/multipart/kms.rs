//! How often a KMS is asked in each step, and what it is shown.

use std::sync::Arc;

use atrest::testing::MemoryKms;
use atrest::{
    AnyMode, Backend, DsseKms, EncryptionContext, Expected, Keyring, KmsKeys, ObjectName, Requester, Sse, SseKms,
    SseS3, Unlock,
};

use crate::parts::{attempt, id_of};
use crate::support::{C, name};

/// What was asked since it was last looked at: keys made, keys unwrapped.
struct Asked(Arc<MemoryKms>, (u64, u64));

impl Asked {
    fn since(&mut self) -> (u64, u64) {
        let calls = self.0.calls();
        let before = std::mem::replace(&mut self.1, (calls.generate, calls.unwrap));
        (calls.generate - before.0, calls.unwrap - before.1)
    }
}

#[test]
fn the_kms_makes_a_key_to_begin_and_one_to_complete_and_unwraps_one_to_resume_and_one_to_read() {
    let kms = Arc::new(MemoryKms::new());
    let key_id = kms.create_key("app").unwrap();
    let sse = Sse::builder().keyring(Keyring::generate().unwrap()).kms(kms.clone(), KmsKeys::only([&*key_id]));
    let sse = sse.build().unwrap().requested_by(Requester::new("alice")).blocking();
    let context = EncryptionContext::new().with("team", "photos").unwrap();
    let mut modes: Vec<(AnyMode, u64)> =
        vec![(SseKms::new(&*key_id).context(context.clone()).into(), 1), (SseS3.into(), 0)];
    if Backend::AwsLc.is_compiled() {
        modes.push((DsseKms::new(&*key_id).context(context).into(), 1));
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
            assert_eq!(asked.since(), (asks, 0), "complete");
            completed.decryptor.range(0..10, completed.decryptor.ciphertext_len().unwrap()).unwrap();
            assert_eq!(asked.since(), (0, 0), "what a completion hands out");
            let reader = sse.decryptor(&object, &completed.envelope, Unlock::Server).unwrap();
            let reader = reader.with_manifest(&completed.manifest).unwrap();
            let body = [&parts[0].stored[..], &parts[1].stored].concat();
            crate::kit::read_range(&reader, &body, 5..C as u64 + 5).unwrap();
            assert_eq!(asked.since(), (0, asks), "read");
            let fresh = sse.rewrap_upload(&object, id_of(&object), upload.envelope(), Unlock::Server).unwrap();
            // DSSE-KMS wraps its outer layer anew, which no KMS has a part in.
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
