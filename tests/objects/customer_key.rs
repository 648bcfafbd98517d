//! SSE-C: the salted verifier, and the errors for a wrong key, a wrong name and a wrong mode.

use std::sync::Arc;

use atrest::error::CustomerKeyError;
use atrest::{CustomerKey, Encrypted, Envelope, Error, KeyEncryptionKey, ObjectName, Result, SseC, SseS3, Unlock};
use atrest_kit::{Service, backends, name, plain};

fn is(error: Error, expected: CustomerKeyError) -> bool {
    matches!(error, Error::CustomerKey(error) if error == expected)
}

fn stored(service: &Service) -> Encrypted {
    service.sse.blocking().encrypt(&name(), service.sse_c(), b"meow").unwrap()
}

fn decrypt(service: &Service, object: &ObjectName, stored: &Encrypted, unlock: Unlock<'_>) -> Result<Vec<u8>> {
    service.sse.blocking().decrypt(object, stored, unlock)
}

#[test]
fn the_right_key_opens_and_another_one_is_a_mismatch() {
    for backend in backends() {
        let service = Service::on(backend);
        let stored = stored(&service);
        let unlock = Unlock::CustomerKey(&service.customer_key);
        assert_eq!(decrypt(&service, &name(), &stored, unlock).unwrap(), b"meow");
        stored.envelope.verify_customer_key(&service.customer_key).unwrap();
        for bit in 0..256 {
            let mut bytes = *service.customer_key.expose_secret();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let wrong = CustomerKey::from_bytes(&mut bytes).unwrap();
            let refused = decrypt(&service, &name(), &stored, Unlock::CustomerKey(&wrong)).unwrap_err();
            assert!(is(refused, CustomerKeyError::Mismatch));
            assert!(is(stored.envelope.verify_customer_key(&wrong).unwrap_err(), CustomerKeyError::Mismatch));
        }
    }
}

#[test]
fn a_wrong_key_and_a_moved_object_are_different_errors() {
    let service = Service::new();
    let stored = stored(&service);
    let moved = ObjectName::new("photos", "another").unwrap();
    stored.envelope.verify_customer_key(&service.customer_key).unwrap();
    let refused = decrypt(&service, &moved, &stored, Unlock::CustomerKey(&service.customer_key)).unwrap_err();
    assert!(matches!(refused, Error::Inauthentic), "the key is right and the name is not: {refused:?}");
}

#[test]
fn a_key_is_required_where_the_object_is_sse_c_and_not_expected_elsewhere() {
    let service = Service::new();
    let c = stored(&service);
    assert!(is(decrypt(&service, &name(), &c, Unlock::Server).unwrap_err(), CustomerKeyError::Required));
    for mode in service.modes().into_iter().filter(|mode| mode.id() != atrest::ModeId::SseC) {
        let other = service.sse.blocking().encrypt(&name(), mode, b"meow").unwrap();
        let refused = decrypt(&service, &name(), &other, Unlock::CustomerKey(&service.customer_key)).unwrap_err();
        assert!(is(refused, CustomerKeyError::NotExpected));
        let verified = other.envelope.verify_customer_key(&service.customer_key).unwrap_err();
        assert!(is(verified, CustomerKeyError::NotExpected));
    }
}

#[test]
fn a_key_of_another_length_is_refused_and_wiped() {
    for len in [0, 1, 31, 33, 64] {
        let mut bytes = vec![0xAA; len];
        assert!(is(CustomerKey::from_slice(&mut bytes).unwrap_err(), CustomerKeyError::WrongLength));
        assert!(bytes.iter().all(|byte| *byte == 0));
    }
    let mut bytes = vec![0xAA; 32];
    assert_eq!(CustomerKey::from_slice(&mut bytes).unwrap().expose_secret(), &[0xAA; 32]);
    assert_eq!(bytes, [0; 32], "taken from there, and wiped");
    let mut short = [1; 16];
    assert!(matches!(KeyEncryptionKey::from_slice(&mut short), Err(Error::Misuse(_))));
}

/// PITFALL: a verifier without a salt shows which objects have the same key, and can be looked up in a table.
#[test]
fn nothing_made_from_the_key_is_stored_twice() {
    let service = Service::new();
    let (one, two) = (stored(&service).envelope.encode(), stored(&service).envelope.encode());
    // Behind the fixed beginning no eight bytes of one envelope stand in the other, but the header of field 5 and the
    // length (whose plaintext is the same).
    let fixed: [&[u8]; 2] = [&[0, 5, 0, 56], &[0, 8, 0, 8, 0, 0, 0, 0, 0, 0, 0, 4]];
    for window in one[16..].windows(8) {
        let known = fixed.iter().any(|fixed| window.windows(4).any(|part| fixed.windows(4).any(|f| f == part)));
        assert!(known || !two.windows(8).any(|other| other == window), "{window:02x?}");
    }
}

#[test]
fn a_changed_salt_or_verifier_looks_like_a_wrong_key_and_a_changed_wrap_does_not() {
    let service = Service::new();
    let stored = stored(&service);
    let bytes = stored.envelope.encode();
    for at in 16..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let Ok(envelope) = Envelope::decode(&changed) else { continue };
        let unlock = Unlock::CustomerKey(&service.customer_key);
        let refused = decrypt(&service, &name(), &Encrypted::new(envelope, stored.ciphertext.clone()), unlock);
        match at {
            16..80 => assert!(is(refused.unwrap_err(), CustomerKeyError::Mismatch), "byte {at}"),
            _ => assert!(matches!(refused, Err(Error::Inauthentic)), "byte {at}"),
        }
    }
}

#[test]
fn the_key_is_needed_for_nothing_but_its_own_object() {
    let service = Service::new();
    let one = Arc::new(CustomerKey::generate().unwrap());
    let two = Arc::new(CustomerKey::generate().unwrap());
    let sse = service.sse.blocking();
    let first = sse.encrypt(&name(), SseC::new(one.clone()), &plain(20_000)).unwrap();
    let second = sse.encrypt(&name(), SseC::new(two.clone()), &plain(20_000)).unwrap();
    let swapped = Encrypted::new(first.envelope.clone(), second.ciphertext);
    assert!(matches!(sse.decrypt(&name(), &swapped, Unlock::CustomerKey(&one)), Err(Error::Inauthentic)));
    assert!(sse.decrypt(&name(), &first, Unlock::CustomerKey(&two)).is_err());
    let s3 = sse.encrypt(&name(), SseS3, b"meow").unwrap();
    assert!(sse.decrypt(&name(), &s3, Unlock::Server).is_ok());
}
