//! Key, name, envelope, body and expectations that do not belong together.

use std::sync::Arc;

use atrest::{CustomerKey, DsseKms, Encrypted, Envelope, Error, KmsKeys, ObjectName, Sse, SseC, SseKms, SseS3, Unlock};
use atrest_reference::envelope::{DSSE_KMS, SSE_C, SSE_KMS};

use super::assert_refused;
use atrest_kit::sample::{Sample, modes, write_of_mode};
use atrest_kit::{OneKey, backends, class, keyring, plain};

#[test]
fn envelope_and_body_belong_together_and_to_their_name() {
    for mode in modes() {
        let (one, two) = (Sample::of_mode(mode, 5, plain(100)), Sample::of_mode(mode, 6, plain(100)));
        assert_refused(&one, &one.envelope, &two.body, "another object's body");
        assert_refused(&one, &two.envelope, &one.body, "another object's envelope");
        // Both of another name: the key is right, the name is not.
        let mut write = write_of_mode(mode, 7);
        write.name.as_mut().unwrap().key = b"another key".to_vec();
        let moved = Sample::new(write, plain(100));
        assert_refused(&one, &moved.envelope, &moved.body, "another name");
        let refused = one.decrypt(&one.sse(backends()[0]), &moved.envelope, &moved.body);
        assert!(matches!(refused, Err(Error::Inauthentic)), "mode {mode}: {refused:?}");
    }
}

#[test]
fn names_that_join_to_one_path_are_told_apart() {
    let sse = Sse::builder().keyring(keyring("key", 1, [1; 32]).unwrap()).build().unwrap();
    let name = |bucket: &str, key: &str| ObjectName::new(bucket, key).unwrap();
    let names = [
        name("a", "b/c"),
        name("a/b", "c"),
        name("a", "b//c"),
        name("a", "/b/c"),
        name("a", "./b/c"),
        name("a", "b/c/"),
        name("ab", "/c"),
        name("a", "b/c").with_realm("r").unwrap(),
        name("a", "b/c").with_version_id("r").unwrap(),
        name("A", "b/c"),
    ];
    for (i, one) in names.iter().enumerate() {
        let stored = sse.blocking().encrypt(one, SseS3, b"meow").unwrap();
        for (j, other) in names.iter().enumerate() {
            let opened = sse.blocking().decrypt(other, &stored, Unlock::Server);
            match i == j {
                true => assert_eq!(opened.unwrap(), b"meow"),
                false => assert!(matches!(opened, Err(Error::Inauthentic)), "{one:?} opened as {other:?}"),
            }
        }
    }
}

#[test]
fn a_wrong_customer_key_is_told_from_a_changed_envelope() {
    let sample = Sample::of_mode(SSE_C, 8, plain(10));
    let envelope = Envelope::decode(&sample.envelope).unwrap();
    for backend in backends() {
        let sse = sample.sse(backend);
        for at in 0..32 {
            let mut wrong = sample.write.outer.kek;
            wrong[at] ^= 1;
            let wrong = CustomerKey::from_bytes(&mut wrong).unwrap();
            let refused = sse.blocking().decryptor(&sample.object(), &envelope, Unlock::CustomerKey(&wrong));
            assert_eq!(class(&refused.unwrap_err()), "CustomerKeyMismatch");
        }
        let mut changed = sample.envelope.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(class(&sample.decryptor(&sse, &changed).unwrap_err()), "Inauthentic");
    }
}

#[test]
fn what_is_not_accepted_is_refused_before_any_call_to_the_provider() {
    for mode in modes().into_iter().filter(|mode| [SSE_KMS, DSSE_KMS].contains(mode)) {
        let sample = Sample::of_mode(mode, 9, plain(10));
        let kms = OneKey::new("another key", b"wrapped", [204; 32]);
        let outer = &sample.write.outer;
        let master = keyring("master", 3, outer.kek).unwrap();
        let sse = Sse::builder().keyring(master).kms(kms.clone(), KmsKeys::only(["another key"])).build().unwrap();
        assert_eq!(class(&sample.decryptor(&sse, &sample.envelope).unwrap_err()), "Unexpected");
        assert!(kms.asked.lock().unwrap().is_empty(), "mode {mode}");
    }
}

#[test]
fn unbound_objects_can_be_exchanged_and_bound_ones_cannot_be_stripped_of_their_name() {
    let sse = Sse::builder().keyring(keyring("key", 1, [1; 32]).unwrap()).build().unwrap();
    let stored = sse.blocking().encrypt(&ObjectName::unbound(), SseS3, b"meow").unwrap();
    assert_eq!(sse.blocking().decrypt(&ObjectName::unbound(), &stored, Unlock::Server).unwrap(), b"meow");
    let bound = sse.blocking().encrypt(&ObjectName::new("a", "b").unwrap(), SseS3, b"meow").unwrap();
    let mut stripped = bound.envelope.encode();
    stripped[13] &= !1;
    let stripped = Encrypted::new(Envelope::decode(&stripped).unwrap(), bound.ciphertext);
    let refused = sse.blocking().decrypt(&ObjectName::unbound(), &stripped, Unlock::Server);
    assert_eq!(class(&refused.unwrap_err()), "Inauthentic");
}

#[test]
fn stored_bytes_hold_no_trace_of_the_plaintext_or_the_keys() {
    let canary = b"a canary that no cipher may let through";
    for mode in modes() {
        let sample = Sample::of_mode(mode, 14, canary.repeat(1_000));
        for backend in backends() {
            let stored = sample.sse(backend).blocking();
            let stored =
                stored.encrypt(&sample.object(), sample.mode(), &sample.plaintext).unwrap().to_inline().unwrap();
            let keys = [sample.write.outer.kek, sample.write.inner.as_ref().map_or([204; 32], |inner| inner.kek)];
            for secret in [&canary[..16], &keys[0][..8], &keys[1][..8]] {
                assert!(!stored.windows(secret.len()).any(|window| window == secret), "mode {mode}");
            }
        }
    }
}

#[test]
fn without_a_keyring_or_a_kms_nothing_is_written_under_a_key_from_nowhere() {
    let object = ObjectName::unbound();
    let with_keyring = Sse::builder().keyring(keyring("key", 1, [1; 32]).unwrap()).build().unwrap();
    let with_kms = Sse::builder().kms(OneKey::new("key", b"wrapped", [1; 32]), KmsKeys::all()).build().unwrap();
    assert!(with_kms.blocking().encrypt(&object, SseS3, b"meow").is_err());
    assert!(with_kms.blocking().encrypt(&object, DsseKms::new("key"), b"meow").is_err());
    assert!(with_keyring.blocking().encrypt(&object, SseKms::new("key"), b"meow").is_err());
    assert!(with_keyring.blocking().encrypt(&object, DsseKms::new("key"), b"meow").is_err());
    with_keyring.blocking().encrypt(&object, SseS3, b"meow").unwrap();
    with_kms.blocking().encrypt(&object, SseKms::new("key"), b"meow").unwrap();
}

#[test]
fn a_customer_key_is_recognised_through_a_salted_verifier() {
    let key = || CustomerKey::from_bytes(&mut [5; 32]).unwrap();
    let sse = Sse::builder().build().unwrap();
    let write = || {
        let mode = SseC::new(Arc::new(key()));
        sse.blocking().encrypt(&ObjectName::unbound(), mode, b"meow").unwrap().envelope.encode()
    };
    let (one, two) = (write(), write());
    assert_ne!(one[48..80], two[48..80], "one key, two verifiers");
    for envelope in [one, two] {
        Envelope::decode(&envelope).unwrap().verify_customer_key(&key()).unwrap();
    }
}
