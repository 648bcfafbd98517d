//! Golden objects in a container: envelope and body in one file, the envelope in front or behind.

use std::fs;
use std::path::Path;

use atrest::error::EnvelopeError;
use atrest::{Backend, Container, Encrypted, Error, Keyring, ModeId, ObjectName, RootKey, Sse, Unlock};

use super::{builder_on, customer_key, mode, versions};
use atrest_kit::{backends, plain};

struct Golden {
    file: &'static str,
    mode: ModeId,
    len: usize,
    object: ObjectName,
}

fn objects() -> Vec<Golden> {
    let named = ObjectName::new("lake", "t/part-0 é.parquet").unwrap().with_realm("account-7").unwrap();
    let golden = |file, mode, len, object| Golden { file, mode, len, object };
    vec![
        golden("sse-s3", ModeId::SseS3, 20_000, named.clone()),
        golden("sse-s3-empty", ModeId::SseS3, 0, named.clone()),
        golden("sse-s3-unbound", ModeId::SseS3, 16_384, ObjectName::unbound()),
        golden("sse-kms", ModeId::SseKms, 16_384, named.clone()),
        golden("dsse-kms", ModeId::DsseKms, 20_000, named.clone()),
        golden("sse-c", ModeId::SseC, 20_000, named),
    ]
}

/// Both containers of an object, with the beginning of the file's name.
fn containers(golden: &Golden) -> [(&'static str, Container); 2] {
    let len = if golden.mode == ModeId::DsseKms { 1_024 } else { 512 };
    [("inline", Container::inline(len)), ("trailer", Container::trailer(len))]
        .map(|(name, container)| (name, container.with_layers(golden.mode.layers())))
}

fn sse(keyring: &Keyring, backend: Backend, container: Container) -> Sse {
    builder_on(keyring.clone(), backend).container(container).build().unwrap()
}

/// Writes the files of a new version.
pub(crate) fn write(directory: &Path, keyring: &Keyring) {
    for golden in objects() {
        for (name, container) in containers(&golden) {
            let sse = sse(keyring, Backend::fastest(), container).blocking();
            let encrypted = sse.encrypt(&golden.object, mode(golden.mode), &plain(golden.len)).unwrap();
            let stored = encrypted.to_container(container).unwrap();
            fs::write(directory.join(format!("{name}-{}.stored", golden.file)), stored).unwrap();
        }
    }
}

#[test]
fn every_object_ever_written_in_a_container_opens() {
    let mut checked = 0;
    for version in versions() {
        // The first three versions had none.
        if ["0.1.0", "0.2.0", "0.3.0"].iter().any(|first| version.ends_with(first)) {
            assert!(!version.join("trailer-sse-s3.stored").exists());
            continue;
        }
        let root_key = RootKey::open_file(version.join("root.key")).unwrap();
        let keyring = Keyring::open_blocking(version.join("keyring.atrest"), &root_key).unwrap();
        for backend in backends() {
            for golden in objects().iter().filter(|golden| golden.mode != ModeId::DsseKms || backends().len() > 1) {
                for (name, container) in containers(golden) {
                    let file = version.join(format!("{name}-{}.stored", golden.file));
                    let stored = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                    check(golden, container, &stored, &sse(&keyring, backend, container));
                    checked += 1;
                }
            }
        }
    }
    assert!(checked >= 10 * backends().len(), "there are golden files");
}

fn check(golden: &Golden, container: Container, stored: &[u8], sse: &Sse) {
    let key = customer_key();
    let unlock = if golden.mode == ModeId::SseC { Unlock::CustomerKey(&key) } else { Unlock::Server };
    let encrypted = Encrypted::from_container(stored, container).unwrap();
    assert_eq!(encrypted.envelope.mode(), golden.mode);
    assert_eq!(container.plaintext_len(stored.len() as u64), Some(golden.len as u64));
    assert!(encrypted.to_container(container).unwrap() == stored, "one encoding");
    let plaintext = sse.blocking().decrypt(&golden.object, &encrypted, unlock).unwrap();
    assert!(plaintext == plain(golden.len), "{}, {container:?}", golden.file);
    let [inline, trailer] = containers(golden).map(|(_, container)| container);
    let other = if container == inline { trailer } else { inline };
    let refused = Encrypted::from_container(stored, other).unwrap_err();
    assert!(matches!(refused, Error::Envelope(EnvelopeError::NotAnEnvelope)), "{refused:?}");
}
