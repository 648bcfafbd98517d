//! DSSE-KMS: two layers that share no key, salt or implementation, and one opaque error.

use std::sync::Arc;

use atrest::testing::MemoryKms;
use atrest::{
    Backend, DsseKms, Encrypted, EncryptionContext, Envelope, Error, Keyring, KmsKeys, ModeId, ObjectName, Sse, SseKms,
    SseS3, Unlock,
};
use atrest_kit::{C, LENS, Service, name, plain, seal};

fn service(backend: Backend) -> (Sse, Arc<MemoryKms>, Keyring, String) {
    let kms = Arc::new(MemoryKms::new());
    let key_id = kms.create_key("app").unwrap();
    let keyring = Keyring::generate().unwrap();
    let builder = Sse::builder().keyring(keyring.clone()).kms(kms.clone(), KmsKeys::only([&*key_id]));
    (builder.backend(backend).build().unwrap(), kms, keyring, key_id)
}

#[test]
fn what_one_pair_of_backends_wrote_every_other_pair_opens() {
    if Backend::available().count() == 1 {
        let (sse, _, _, key_id) = service(Backend::RustCrypto);
        let refused = sse.blocking().encrypt(&name(), DsseKms::new(key_id), b"meow").unwrap_err();
        assert!(matches!(refused, Error::NotCompiled(atrest::error::Feature::AwsLcRs)));
        return;
    }
    let kms = Arc::new(MemoryKms::new());
    let key_id = kms.create_key("app").unwrap();
    let keyring = Keyring::generate().unwrap();
    let on = |backend| {
        let builder = Sse::builder().keyring(keyring.clone()).kms(kms.clone(), KmsKeys::only([&*key_id]));
        builder.backend(backend).build().unwrap().blocking()
    };
    for writer in Backend::available() {
        for len in LENS {
            let stored = on(writer).encrypt(&name(), DsseKms::new(&*key_id), &plain(len)).unwrap();
            assert_eq!(Some(stored.ciphertext.len() as u64), ModeId::DsseKms.ciphertext_len(len as u64));
            for reader in Backend::available() {
                assert_eq!(on(reader).decrypt(&name(), &stored, Unlock::Server).unwrap(), plain(len));
            }
        }
    }
}

#[test]
fn the_inner_layer_is_a_whole_message_inside_the_outer_one() {
    let service = Service::new();
    let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), DsseKms::new("alias/app")).unwrap();
    let body = seal(encryptor, &plain(C), C).unwrap();
    let inner = envelope.inner().unwrap();
    assert_eq!((envelope.mode(), inner.mode()), (ModeId::DsseKms, ModeId::SseKms));
    assert!(envelope.context().is_none() && envelope.key_version().is_some() && inner.key_version().is_none());
    let (outer_bytes, inner_bytes) = (envelope.encode(), inner.encode());
    // Salts, verifiers and wrapped keys of the two have nothing in common.
    assert_ne!(outer_bytes[16..80], inner_bytes[16..80]);
    assert!(body.len() as u64 == ModeId::DsseKms.ciphertext_len(C as u64).unwrap());
    assert!(!body.windows(16).any(|window| inner_bytes.windows(16).any(|part| part == window)));
    // The inner envelope alone opens nothing.
    assert!(Envelope::decode(&inner_bytes).is_err());
}

#[test]
fn either_key_alone_opens_nothing_and_both_errors_are_one() {
    let (sse, kms, keyring, key_id) = service(Backend::fastest());
    let stored = sse.blocking().encrypt(&name(), DsseKms::new(&*key_id), &plain(100)).unwrap();
    let only_keyring = Sse::builder().keyring(keyring.clone()).build().unwrap();
    let only_kms = Sse::builder().kms(kms.clone(), KmsKeys::all()).build().unwrap();
    for half in [only_keyring, only_kms] {
        let refused = half.blocking().decrypt(&name(), &stored, Unlock::Server).unwrap_err();
        assert!(matches!(refused, Error::Unexpected(atrest::error::Unexpected::Mode)));
    }
    // The inner layer of another object under the same keys: the outer envelope binds its own.
    let other = sse.blocking().encrypt(&name(), DsseKms::new(&*key_id), &plain(100)).unwrap();
    let (mut one, two) = (stored.envelope.encode(), other.envelope.encode());
    let inner = |bytes: &[u8]| {
        let inner = Envelope::decode(bytes).unwrap().inner().unwrap().encode();
        let at = bytes.windows(inner.len()).position(|window| window == inner).unwrap();
        (at, inner)
    };
    let ((at, _), (_, foreign)) = (inner(&one), inner(&two));
    one[at..at + foreign.len()].copy_from_slice(&foreign);
    let forged = Encrypted::new(Envelope::decode(&one).unwrap(), stored.ciphertext.clone());
    assert!(matches!(sse.blocking().decrypt(&name(), &forged, Unlock::Server), Err(Error::Inauthentic)));
    // A byte of the body, wherever it is: the outer layer refuses.
    let mut damaged = stored.clone();
    damaged.ciphertext[100] ^= 1;
    assert!(matches!(sse.blocking().decrypt(&name(), &damaged, Unlock::Server), Err(Error::Inauthentic)));
}

#[test]
fn the_kms_sees_the_pairs_and_the_arn_and_is_asked_once_each_way() {
    let (sse, kms, _, key_id) = service(Backend::fastest());
    let context = EncryptionContext::new().with("team", "photos").unwrap();
    let mode = DsseKms::new(&*key_id).with_context(context.clone());
    let stored = sse.blocking().encrypt(&name(), mode, b"meow").unwrap();
    sse.blocking().decrypt(&name(), &stored, Unlock::Server).unwrap();
    assert_eq!((kms.calls().generate, kms.calls().unwrap), (1, 1));
    for request in kms.requests() {
        assert_eq!(request.context().get("team"), Some("photos"));
        assert_eq!(request.context().get("aws:s3:arn"), Some("arn:aws:s3:::photos/2026/cat.jpg"));
        assert_eq!((request.context().len(), request.requester().as_str()), (2, "anonymous"));
    }
    assert_eq!(stored.envelope.inner().unwrap().context(), Some(&context), "the caller's pairs alone are stored");
    let unbound = ObjectName::unbound();
    sse.blocking().encrypt(&unbound, SseKms::new(&*key_id), b"meow").unwrap();
    assert!(kms.requests().last().unwrap().context().is_empty(), "no name, no ARN");
}

#[test]
fn an_object_in_another_mode_put_in_its_place_is_what_the_expectation_refuses() {
    let (sse, _, _, key_id) = service(Backend::fastest());
    let forged = sse.blocking().encrypt(&name(), SseS3, b"forged").unwrap();
    let expecting = sse.expecting(atrest::Expected::new().with_modes([ModeId::DsseKms]));
    let refused = expecting.blocking().decrypt(&name(), &forged, Unlock::Server).unwrap_err();
    assert!(matches!(refused, Error::Unexpected(atrest::error::Unexpected::Mode)));
    let honest = expecting.blocking().encrypt(&name(), DsseKms::new(key_id), b"meow").unwrap();
    assert_eq!(expecting.blocking().decrypt(&name(), &honest, Unlock::Server).unwrap(), b"meow");
}
