//! Golden files: files of every release, which every later release must open.
//!
//! `tests/golden/VERSION/` holds files written by that version: a root key, a sealed keyring, and an envelope and a
//! body for each object below; from 0.2.0 also multipart objects and sealed values; from 0.3.0 also a wrapped root key
//! and key stores of the embedded KMS with their objects; from 0.4.0 also completion records, objects in containers and
//! objects under bucket keys. The files never change.
//! `ATREST_GOLDEN_NEW=tests/golden/VERSION cargo test --all-features --test format golden` writes the folder of a new version
//! if it does not exist.

mod bucket_keys;
mod completion;
mod container;
#[cfg(feature = "embedded-kms")]
mod kms;
mod multipart;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atrest::error::{KeyProviderError, KeyProviderErrorKind};
use atrest::{
    AnyMode, Backend, CustomerKey, DataKey, DsseKms, Encrypted, EncryptionContext, Envelope, GeneratedKey,
    KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest, Keyring, KmsKeys, ModeId, ObjectName, Requester, RootKey,
    SealedValue, Sse, SseBuilder, SseC, SseKms, SseS3, Unlock, UnwrappedKey, WrappedKey, hazmat,
};
use atrest_kit::{backends, plain};

const KMS_KEY: &str = "golden-kms:key/1";

/// A KMS with one key, which this file states. A wrapped key is a message whose context is the encryption context.
struct GoldenKms;

impl GoldenKms {
    fn key() -> DataKey {
        DataKey::from_bytes(&mut b"the only key of the golden kms!!".to_owned()).unwrap()
    }

    fn context(request: &KeyRequest) -> Vec<u8> {
        let pairs = request.context().iter();
        pairs.flat_map(|(name, value)| format!("{}:{name}={}:{value};", name.len(), value.len()).into_bytes()).collect()
    }
}

impl KeyProvider for GoldenKms {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let kek = KeyEncryptionKey::generate().unwrap();
            let context = Self::context(&request);
            let wrapped = hazmat::seal_message(Backend::RustCrypto, &Self::key(), &context, kek.expose_secret());
            Ok(GeneratedKey::new(KMS_KEY, wrapped.unwrap(), kek))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let context = Self::context(&request);
            let kek = hazmat::open_message(Backend::RustCrypto, &Self::key(), &context, wrapped.as_bytes());
            let rejected = |error| KeyProviderError::new(KeyProviderErrorKind::Rejected, KMS_KEY).with_source(error);
            Ok(UnwrappedKey::new(KMS_KEY, KeyEncryptionKey::from_slice(&mut kek.map_err(rejected)?).unwrap()))
        })
    }
}

fn customer_key() -> CustomerKey {
    CustomerKey::from_bytes(&mut b"the customer's key, kept by them".to_owned()).unwrap()
}

#[cfg(feature = "passphrase")]
const PASSPHRASE: &str = "golden passphrase \u{e9}";

fn requester() -> Requester {
    Requester::new("golden service")
}

struct Golden {
    file: &'static str,
    mode: ModeId,
    len: usize,
    /// Returns whether the length was known at the write.
    known: bool,
    object: ObjectName,
}

fn objects() -> Vec<Golden> {
    let named = |key: &str| ObjectName::new("photos", key).unwrap();
    let full = named("a//b/../c é").with_realm("account-7").unwrap().with_version_id("v1").unwrap();
    let golden = |file, mode, len, known, object| Golden { file, mode, len, known, object };
    vec![
        golden("sse-s3", ModeId::SseS3, 20_000, true, named("cat.jpg")),
        golden("sse-s3-empty", ModeId::SseS3, 0, false, named("empty")),
        golden("sse-s3-chunk", ModeId::SseS3, 16_384, false, full.clone()),
        golden("sse-s3-unbound", ModeId::SseS3, 100, true, ObjectName::unbound()),
        golden("sse-kms", ModeId::SseKms, 20_000, false, named("cat.jpg")),
        golden("sse-kms-unbound", ModeId::SseKms, 100, true, ObjectName::unbound()),
        golden("dsse-kms", ModeId::DsseKms, 20_000, true, named("cat.jpg")),
        golden("dsse-kms-chunk", ModeId::DsseKms, 16_384, false, full),
        golden("sse-c", ModeId::SseC, 20_000, true, named("cat.jpg")),
        golden("sse-c-empty", ModeId::SseC, 0, true, named("empty")),
    ]
}

fn context() -> EncryptionContext {
    EncryptionContext::new().with("team", "photos").unwrap().with("a", "").unwrap()
}

fn mode(id: ModeId) -> AnyMode {
    match id {
        ModeId::SseKms => SseKms::new(KMS_KEY).with_context(context()).into(),
        ModeId::DsseKms => DsseKms::new(KMS_KEY).with_context(context()).into(),
        ModeId::SseC => SseC::new(customer_key()).into(),
        _ => SseS3.into(),
    }
}

fn sse(directory: &Path, backend: Backend) -> Sse {
    let root_key = RootKey::open_file(directory.join("root.key")).unwrap();
    sse_on(Keyring::open_blocking(directory.join("keyring.atrest"), &root_key).unwrap(), backend)
}

fn sse_on(keyring: Keyring, backend: Backend) -> Sse {
    builder_on(keyring, backend).completion_records().build().unwrap()
}

fn builder_on(keyring: Keyring, backend: Backend) -> SseBuilder {
    Sse::builder().keyring(keyring).kms(Arc::new(GoldenKms), KmsKeys::only([KMS_KEY])).backend(backend)
}

#[test]
fn a_new_version_writes_its_own_files_when_asked() {
    let Some(directory) = std::env::var_os("ATREST_GOLDEN_NEW").map(std::path::PathBuf::from) else { return };
    let all = cfg!(feature = "embedded-kms") && cfg!(feature = "passphrase") && backends().len() >= 2;
    assert!(all, "they are written with all features");
    fs::create_dir(&directory).expect("golden files are written once");
    let root_key = RootKey::create_file(directory.join("root.key")).unwrap();
    let keyring = Keyring::create_blocking(directory.join("keyring.atrest"), &root_key).unwrap();
    // On this very handle, so that it follows the rotation below.
    let sse = sse_on(keyring.clone(), Backend::fastest()).blocking();
    for (at, golden) in objects().into_iter().enumerate() {
        // The first objects are under version 1, the others under version 2; a third is staged.
        if at == 2 {
            keyring.blocking().rotate().unwrap();
        }
        let (envelope, mut encryptor) = if golden.known {
            sse.encryptor_of_len(&golden.object, mode(golden.mode), golden.len as u64).unwrap()
        } else {
            sse.encryptor(&golden.object, mode(golden.mode)).unwrap()
        };
        let mut body = bytes::BytesMut::new();
        encryptor.push(&plain(golden.len), &mut body).unwrap();
        let value = encryptor.values().seal("md5", golden.file.as_bytes()).unwrap();
        encryptor.finish_into(&mut body).unwrap();
        fs::write(directory.join(format!("{}.value", golden.file)), value.as_bytes()).unwrap();
        fs::write(directory.join(format!("{}.envelope", golden.file)), envelope.encode()).unwrap();
        fs::write(directory.join(format!("{}.body", golden.file)), body).unwrap();
    }
    multipart::write(&directory, &sse);
    completion::write(&directory, &sse);
    container::write(&directory, &keyring);
    bucket_keys::write(&directory, &sse);
    keyring.blocking().stage().unwrap();
    #[cfg(feature = "passphrase")]
    fs::write(
        directory.join("passphrase.atrest"),
        keyring.blocking().seal(&RootKey::from_passphrase(PASSPHRASE).unwrap()).unwrap(),
    )
    .unwrap();
    fs::remove_file(directory.join("keyring.atrest.lock")).unwrap();
    let wrapped = directory.join("root.wrapped");
    let wrapped = RootKey::create_wrapped_blocking(wrapped, Arc::new(GoldenKms), KMS_KEY, &requester()).unwrap();
    fs::write(directory.join("wrapped.atrest"), keyring.blocking().seal(&wrapped).unwrap()).unwrap();
    #[cfg(feature = "embedded-kms")]
    kms::write(&directory, &root_key);
}

/// The folder of every version.
fn versions() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let versions = fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let versions: Vec<_> = versions.collect();
    assert!(versions.iter().any(|version| version.ends_with("0.1.0")), "there are golden files");
    versions
}

#[test]
fn every_file_ever_written_opens() {
    for version in versions() {
        for backend in backends() {
            let sse = sse(&version, backend).blocking();
            for golden in objects() {
                let Ok(envelope) = fs::read(version.join(format!("{}.envelope", golden.file))) else {
                    panic!("{}: no {}", version.display(), golden.file);
                };
                let body = fs::read(version.join(format!("{}.body", golden.file))).unwrap();
                let decoded = Envelope::decode(&envelope).unwrap();
                assert_eq!(decoded.encode(), envelope, "one encoding");
                assert_eq!(decoded.mode(), golden.mode);
                if !version.ends_with("0.1.0") && golden.file == "sse-s3-unbound" {
                    assert_eq!(decoded.key_version(), Some(2), "what was written behind the rotation");
                }
                if golden.mode == ModeId::DsseKms && backends().len() < 2 {
                    continue;
                }
                let key = customer_key();
                let unlock = if golden.mode == ModeId::SseC { Unlock::CustomerKey(&key) } else { Unlock::Server };
                let value = version.join(format!("{}.value", golden.file));
                // The first version had none.
                if !version.ends_with("0.1.0") {
                    let sealed = SealedValue::from_bytes(fs::read(value).unwrap());
                    let decryptor = sse.decryptor(&golden.object, &decoded, unlock).unwrap();
                    assert_eq!(decryptor.values().open("md5", &sealed).unwrap(), golden.file.as_bytes());
                }
                let stored = Encrypted::new(decoded, body);
                let plaintext = sse.decrypt(&golden.object, &stored, unlock).unwrap();
                assert!(plaintext == plain(golden.len), "{} on {backend:?}", golden.file);
            }
        }
    }
}

#[test]
#[cfg(feature = "passphrase")]
fn every_keyring_ever_sealed_under_a_passphrase_opens() {
    for version in versions() {
        let sealed = fs::read(version.join("passphrase.atrest")).unwrap();
        let keyring =
            atrest::Keyring::from_sealed_blocking(&sealed, &RootKey::from_passphrase(PASSPHRASE).unwrap()).unwrap();
        let root_key = RootKey::open_file(version.join("root.key")).unwrap();
        let file = Keyring::open_blocking(version.join("keyring.atrest"), &root_key).unwrap();
        assert_eq!((keyring.key_id(), keyring.versions()), (file.key_id(), file.versions()));
    }
}

#[test]
fn every_root_key_that_a_key_provider_ever_wrapped_opens_what_it_sealed() {
    let mut checked = 0;
    for version in versions() {
        let wrapped = version.join("root.wrapped");
        // The first two versions had none.
        assert_eq!(wrapped.exists(), !version.ends_with("0.1.0") && !version.ends_with("0.2.0"));
        if wrapped.exists() {
            let root_key = RootKey::open_wrapped_blocking(wrapped, Arc::new(GoldenKms), KMS_KEY, &requester()).unwrap();
            let keyring =
                Keyring::from_sealed_blocking(&fs::read(version.join("wrapped.atrest")).unwrap(), &root_key).unwrap();
            let root_key = RootKey::open_file(version.join("root.key")).unwrap();
            let file = Keyring::open_blocking(version.join("keyring.atrest"), &root_key).unwrap();
            assert_eq!((keyring.key_id(), keyring.versions()), (file.key_id(), file.versions()));
            checked += 1;
        }
    }
    assert!(checked > 0, "there are golden files");
}
