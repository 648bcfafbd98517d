//! Golden objects under bucket keys, in one message and in parts.

use std::fs;
use std::path::Path;

use atrest::{Blocking, Encrypted, Envelope, ModeId, ObjectName, SealedValue, SseKms, Unlock};

use super::{KMS_KEY, context, multipart, sse, versions};
use atrest_kit::{backends, plain};

/// The file, the length, whether the length was known at the write, and the name.
fn objects() -> [(&'static str, usize, bool, ObjectName); 3] {
    let named = |key: &str| ObjectName::new("photos", key).unwrap();
    let full = named("a//b/../c é").with_realm("account-7").unwrap().with_version_id("v1").unwrap();
    [
        ("bucket-key-sse-kms", 20_000, true, named("cat.jpg")),
        ("bucket-key-sse-kms-empty", 0, false, named("empty")),
        ("bucket-key-sse-kms-chunk", 16_384, false, full),
    ]
}

fn upload() -> multipart::Golden {
    let object = ObjectName::new("photos", "parts é").unwrap().with_realm("account-7").unwrap();
    multipart::Golden { file: "bucket-key-multipart-sse-kms", mode: ModeId::SseKms, object }
}

fn mode() -> SseKms {
    SseKms::new(KMS_KEY).with_context(context()).with_bucket_key(true)
}

/// Writes the files of a new version.
pub(crate) fn write(directory: &Path, sse: &Blocking) {
    for (file, len, known, object) in objects() {
        let (envelope, mut encryptor) = match known {
            true => sse.encryptor_of_len(&object, mode(), len as u64).unwrap(),
            false => sse.encryptor(&object, mode()).unwrap(),
        };
        let mut body = bytes::BytesMut::new();
        encryptor.push(&plain(len), &mut body).unwrap();
        let value = encryptor.values().seal("md5", file.as_bytes()).unwrap();
        encryptor.finish_into(&mut body).unwrap();
        fs::write(directory.join(format!("{file}.value")), value.as_bytes()).unwrap();
        fs::write(directory.join(format!("{file}.envelope")), envelope.encode()).unwrap();
        fs::write(directory.join(format!("{file}.body")), body).unwrap();
    }
    multipart::write_one(directory, &upload(), sse, mode().into());
}

#[test]
fn every_object_ever_written_under_a_bucket_key_opens() {
    let mut checked = 0;
    for version in versions() {
        // The first three versions had none.
        if ["0.1.0", "0.2.0", "0.3.0"].iter().any(|first| version.ends_with(first)) {
            assert!(!version.join("bucket-key-sse-kms.envelope").exists());
            continue;
        }
        for backend in backends() {
            let sse = sse(&version, backend);
            for (file, len, known, object) in objects() {
                let read = |what: &str| fs::read(version.join(format!("{file}.{what}"))).unwrap();
                let envelope = Envelope::decode(&read("envelope")).unwrap();
                assert_eq!(envelope.encode(), read("envelope"), "one encoding");
                assert!(envelope.has_bucket_key());
                assert_eq!(envelope.plaintext_len(), known.then_some(len as u64));
                let decryptor = sse.blocking().decryptor(&object, &envelope, Unlock::Server).unwrap();
                let value = SealedValue::from_bytes(read("value"));
                assert_eq!(decryptor.values().open("md5", &value).unwrap(), file.as_bytes());
                let stored = Encrypted::new(envelope, read("body"));
                let plaintext = sse.blocking().decrypt(&object, &stored, Unlock::Server).unwrap();
                assert!(plaintext == plain(len), "{file} on {backend:?}");
                checked += 1;
            }
            assert_eq!(
                sse.bucket_key_stats().calls,
                2,
                "two objects have one key, the object of another realm its own"
            );
            multipart::check(&version, &upload(), &sse.blocking());
        }
    }
    assert!(checked > 0, "there are golden files");
}
