//! Keyrings of a growing number of versions.

use atrest::{Envelope, Keyring, MasterKey, ObjectName, RootKey, Sse, SseS3, Unlock, VersionState};

const OBJECTS: usize = 1_000;

fn keyring(versions: u64) -> Keyring {
    let versions = u32::try_from(versions.max(1)).expect("65,535 at the most");
    let version = |number: u32| {
        let mut key = [7; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        (number, VersionState::Enabled, MasterKey::from_bytes(&mut key).expect("it is not zero"))
    };
    Keyring::from_versions("growth", versions, (1..=versions).map(version)).expect("a keyring")
}

/// Opens the sealed bytes of a keyring.
pub(crate) fn open(versions: u64) -> Box<dyn FnOnce()> {
    let root_key = RootKey::from_bytes(&mut [9; 32]).expect("it is not zero");
    let sealed = keyring(versions).blocking().seal(&root_key).expect("sealed");
    Box::new(move || drop(Keyring::from_sealed_blocking(&sealed, &root_key).expect("opened")))
}

/// Encrypts and decrypts small objects under the keyring's primary.
pub(crate) fn small_objects(versions: u64) -> Box<dyn FnOnce()> {
    let sse = Sse::builder().keyring(keyring(versions)).build().expect("a backend");
    let object = ObjectName::new("photos", "2026/cat.jpg").expect("a name");
    Box::new(move || {
        let mut output = vec![0; 4_096];
        for _ in 0..OBJECTS {
            let (envelope, encryptor) = sse.blocking().encryptor(&object, SseS3).expect("an encryptor");
            let body = seal(encryptor, &mut output);
            let envelope = Envelope::decode(&envelope.encode()).expect("an envelope");
            let decryptor = sse.blocking().decryptor(&object, &envelope, Unlock::Server).expect("a decryptor");
            let mut reader = decryptor.sequential();
            let mut plain = [0; 2_048];
            let written = reader.update(&body, &mut plain).expect("decrypted");
            reader.finish(&mut plain[written..]).expect("finished");
        }
    })
}

fn seal(mut encryptor: atrest::Encryptor, output: &mut [u8]) -> Vec<u8> {
    let written = encryptor.update(&[5; 1_024], output).expect("encrypted");
    let last = encryptor.finish_len();
    encryptor.finish(&mut output[written..]).expect("finished");
    output[..written + last].to_vec()
}
