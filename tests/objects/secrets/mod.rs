//! No output and no stored byte contains a key, a value made from a key, or plaintext.

mod foreign;

use std::fmt::Debug;

use atrest::{
    CustomerKey, DataKey, Encrypted, EncryptionContext, GeneratedKey, KeyEncryptionKey, KeyRequest, Keyring, MasterKey,
    Requester, RootKey, Sse, SseKms, SseS3, UnwrappedKey, VersionState, WrappedKey,
};
use atrest::{
    Error,
    error::{CustomerKeyError, Misuse, SealedFileError},
};
use atrest_kit::parts::Part;
use atrest_kit::{C, Service, name, stuck_generator};

/// Bytes that are easily found again, as numbers, as hex and as text.
const SECRET: [u8; 32] = *b"\xD5\xD5\xD5\xD5-not-to-be-shown-\xD5\xD5\xD5\xD5\xD5\xD5\xD5\xD5\xD5\xD5\xD5";

fn shows_nothing(value: &impl Debug) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        for trace in ["213", "d5", "D5", "not-to-be", "110, 111, 116"] {
            assert!(!shown.contains(trace), "{shown}");
        }
    }
}

#[test]
fn no_debug_shows_a_key() {
    shows_nothing(&MasterKey::from_bytes(&mut SECRET.clone()).unwrap());
    shows_nothing(&CustomerKey::from_bytes(&mut SECRET.clone()).unwrap());
    shows_nothing(&KeyEncryptionKey::from_bytes(&mut SECRET.clone()).unwrap());
    shows_nothing(&DataKey::from_bytes(&mut SECRET.clone()).unwrap());
    shows_nothing(&RootKey::from_bytes(&mut SECRET.clone()).unwrap());
    shows_nothing(&RootKey::from_passphrase("not-to-be-shown").unwrap());
    shows_nothing(&GeneratedKey::new("id", SECRET, KeyEncryptionKey::from_bytes(&mut SECRET.clone()).unwrap()));
    shows_nothing(&UnwrappedKey::new("id", KeyEncryptionKey::from_bytes(&mut SECRET.clone()).unwrap()));
    shows_nothing(&WrappedKey::new(SECRET));
    let key = MasterKey::from_bytes(&mut SECRET.clone()).unwrap();
    shows_nothing(&Keyring::from_versions("master", 1, [(1, VersionState::Enabled, key)]).unwrap());
    let context = EncryptionContext::new().with("name", "not-to-be-shown").unwrap();
    shows_nothing(&context);
    shows_nothing(&SseKms::new("id").with_context(context.clone()));
    shows_nothing(&KeyRequest::new("id", context, Requester::anonymous()));
}

#[test]
fn no_debug_of_what_is_in_use_shows_a_key() {
    let service = Service::new();
    for mode in service.modes() {
        shows_nothing(&mode);
        let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), mode).unwrap();
        let decryptor = service.decryptor(&name(), &envelope).unwrap();
        let shown = format!("{envelope:?} {encryptor:?} {decryptor:?} {:?} {:?}", decryptor.sequential(), service.sse);
        assert!(!shown.contains(&format!("{:?}", service.customer_key.expose_secret())));
        assert!(!shown.contains("wrapped_key") && !shown.contains("salt"), "{shown}");
        let stored = envelope.encode();
        for window in stored[16..80].windows(6) {
            let numbers = format!("{window:?}");
            assert!(!shown.contains(numbers.trim_matches(['[', ']'])), "{shown}");
        }
    }
}

#[test]
fn no_debug_of_an_upload_its_parts_and_its_values_shows_a_key_a_salt_or_what_was_sealed() {
    let service = Service::new();
    for mode in service.modes() {
        let upload = service.begin(&name(), &mode);
        let (encryptor, seal) = upload.part(atrest_kit::parts::number(7)).unwrap();
        let secret = std::str::from_utf8(&SECRET[4..21]).unwrap();
        let value = upload.values().seal("name", secret.as_bytes()).unwrap();
        // A label is the ETag of the part: the MD5 of its plaintext.
        let label = b"4a4be40c96ac6314e91d93f38043a634";
        let (stored, receipt) = upload.encrypt_part(atrest_kit::parts::number(1), secret.as_bytes(), label).unwrap();
        let part = Part {
            number: atrest_kit::parts::number(1),
            label: label.to_vec(),
            receipt,
            stored,
            plain: secret.as_bytes().to_vec(),
        };
        let completed = service.complete(&upload, std::slice::from_ref(&part)).unwrap();
        let unlisted = service.decryptor(&name(), &completed.envelope).unwrap();
        let (decryptor, page) = (&completed.decryptor, unlisted.manifest_page(0..1).unwrap());
        let fetch = page.fetch();
        let listed = page.open(&completed.manifest[fetch.start as usize..fetch.end as usize]).unwrap();
        let mut reader = decryptor.sequential();
        // Half of the part's only chunk is staged, and nothing of it is out.
        reader.update(&part.stored[..part.stored.len() / 2], &mut [0; 8]).unwrap();
        let plan = decryptor.range(0..3, part.stored.len() as u64).unwrap();
        let encrypted = Encrypted::new(completed.envelope.clone(), part.stored.clone());
        let encrypted = encrypted.with_manifest(completed.manifest.clone());
        let opened = upload.open_receipt(&part.receipt).unwrap();
        let shown = [
            format!(
                "{upload:?} {encryptor:?} {seal:?} {:?} {value:?} {:?} {opened:?} {:?}",
                upload.values(),
                part.receipt,
                part.number
            ),
            format!("{unlisted:?} {decryptor:?} {page:?} {listed:?} {reader:?} {plan:?} {:?}", plan.reader()),
            format!(
                "{:?} {:?}",
                decryptor.parts().unwrap(),
                decryptor.part_decryptor(atrest_kit::parts::number(1)).unwrap()
            ),
            format!("{completed:?} {encrypted:?} {:?}", part.listed()),
        ];
        for shown in shown {
            assert!(!shown.contains(secret) && !shown.contains("not-to-be"), "{shown}");
            assert!(!shown.contains("110, 111, 116"), "{shown}");
            assert!(!shown.contains("4a4be40c") && !shown.contains("52, 97, 52, 98"), "{shown}");
            let secrets =
                [&completed.envelope.encode()[16..80], &part.stored, part.receipt.as_bytes(), value.as_bytes()];
            for window in secrets.iter().flat_map(|bytes| bytes.windows(6)) {
                let numbers = format!("{window:?}");
                assert!(!shown.contains(numbers.trim_matches(['[', ']'])), "{shown}");
            }
        }
    }
}

#[test]
fn taking_a_key_wipes_where_it_came_from() {
    macro_rules! wipes {
        ($($key:ident)*) => {$({
            let mut bytes = SECRET;
            let key = $key::from_bytes(&mut bytes).unwrap();
            assert_eq!((bytes, key.expose_secret()), ([0; 32], &SECRET));
        })*};
    }
    wipes!(MasterKey CustomerKey KeyEncryptionKey DataKey);
    let mut bytes = SECRET;
    drop(RootKey::from_bytes(&mut bytes).unwrap());
    assert_eq!(bytes, [0; 32]);
}

/// PITFALL: the second use of a wiped buffer gives the all-zero key, and every call accepts it.
#[test]
fn a_buffer_that_a_key_was_taken_from_gives_no_second_key() {
    macro_rules! refuses {
        ($($key:ident ($refused:pat),)*) => {$({
            let mut bytes = SECRET;
            $key::from_bytes(&mut bytes).unwrap();
            assert!(matches!($key::from_bytes(&mut bytes), Err($refused)));
            assert!(matches!($key::from_slice(&mut bytes), Err($refused)));
            for at in 0..32 {
                bytes[at] = 1;
                assert_eq!($key::from_bytes(&mut bytes).unwrap().expose_secret()[at], 1, "one bit makes it a key");
            }
        })*};
    }
    refuses! {
        MasterKey (Error::Misuse(Misuse::AllZeroKey)),
        CustomerKey (Error::CustomerKey(CustomerKeyError::AllZero)),
        KeyEncryptionKey (Error::Misuse(Misuse::AllZeroKey)),
        DataKey (Error::Misuse(Misuse::AllZeroKey)),
    }
    let mut bytes = SECRET;
    RootKey::from_bytes(&mut bytes).unwrap();
    assert!(matches!(RootKey::from_bytes(&mut bytes), Err(Error::Misuse(Misuse::AllZeroKey))));
}

/// What an earlier release sealed under a key of zeros, or with one inside, does not open.
#[test]
fn a_sealed_keyring_with_a_master_key_of_zeros_is_malformed() {
    let root = [7; 32];
    let sealed = sealed_keyring(&root, &[0; 32]);
    let opened = Keyring::from_sealed_blocking(&sealed, &RootKey::from_bytes(&mut root.clone()).unwrap());
    assert!(matches!(opened, Err(Error::SealedFile(SealedFileError::Malformed(_)))), "{opened:?}");
    let sealed = sealed_keyring(&root, &SECRET);
    Keyring::from_sealed_blocking(&sealed, &RootKey::from_bytes(&mut root.clone()).unwrap()).unwrap();
}

/// The derivation of the manual, written again here.
fn sealed_keyring(root: &[u8; 32], master: &[u8; 32]) -> Vec<u8> {
    let mut payload = [&3u16.to_be_bytes()[..], b"old", &1u64.to_be_bytes(), &1u32.to_be_bytes()].concat();
    payload.extend_from_slice(&[&2u32.to_be_bytes()[..], &1u16.to_be_bytes(), &1u32.to_be_bytes(), &[1]].concat());
    payload.extend_from_slice(&[&0u64.to_be_bytes()[..], master].concat());
    atrest_reference::sealed_file::seal_file(root, 1, &[9; 32], &payload)
}

#[test]
fn a_random_generator_of_zeros_is_an_error_and_encrypts_nothing() {
    let sse = Sse::builder().keyring(Keyring::generate().unwrap()).generator(|| stuck_generator(0)).build().unwrap();
    let refused = sse.blocking().encrypt(&name(), SseS3, b"meow");
    assert!(matches!(refused, Err(Error::Random(_))), "{refused:?}");
}

/// PITFALL: an object, or a value made from it, is stored unencrypted while the API says that it is encrypted.
#[test]
fn no_stored_byte_shows_the_plaintext() {
    let service = Service::new();
    let canary = b"a canary that would be seen anywhere";
    let plaintext = canary.repeat(3 * C / canary.len());
    for mode in service.modes() {
        let stored = service.sse.blocking().encrypt(&name(), mode, &plaintext).unwrap();
        let all = stored.to_inline().unwrap();
        for at in (0..=canary.len() - 8).step_by(4) {
            assert!(!all.windows(8).any(|window| window == &canary[at..at + 8]));
        }
        let again = service.sse.blocking().encrypt(&name(), service.modes().remove(0), &plaintext).unwrap();
        assert_ne!(stored.ciphertext[56..120], again.ciphertext[56..120], "the same plaintext is another ciphertext");
    }
}

/// PITFALL: plaintext left in the caller's buffer after a bad tag.
#[test]
fn what_did_not_authenticate_is_wiped_from_the_callers_memory() {
    let service = Service::new();
    for mode in service.modes() {
        let plaintext = vec![0x5A; 2 * C];
        let mut stored = service.streamed(&name(), &mode, &plaintext);
        stored.ciphertext[60] ^= 1;
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        let mut output = vec![0xEE; 3 * C];
        assert!(decryptor.sequential().update(&stored.ciphertext, &mut output).is_err());
        let run = output.windows(8).any(|window| window == [0x5A; 8]);
        assert!(!run, "{mode:?}");
        let plan = decryptor.range(0..100, stored.ciphertext.len() as u64).unwrap();
        let fetch = plan.fetches()[0].clone();
        let fetched = &stored.ciphertext[fetch.start as usize..fetch.end as usize];
        let mut output = vec![0xEE; C];
        let mut reader = plan.reader();
        let _ = reader.update(fetched, &mut output);
        assert!(!output.contains(&0x5A), "{mode:?}");
    }
}
