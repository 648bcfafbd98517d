//! The kit of the benches: keys of every mode, sizes, bare loops and ratios.
#![allow(dead_code, reason = "each bench uses a part of it")]

pub(crate) mod bare;
pub(crate) mod ratios;

use std::sync::Arc;

use atrest::{
    AnyMode, Backend, CustomerKey, DsseKms, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest,
    Keyring, KmsKeys, ModeId, ObjectName, Sse, SseC, SseKms, SseS3, Unlock, UnwrappedKey, Workers, WrappedKey,
};

pub(crate) const KIB: usize = 1024;
pub(crate) const MIB: usize = 1024 * KIB;
pub(crate) const SIZES: [(&str, usize); 4] = [("1KiB", KIB), ("64KiB", 64 * KIB), ("1MiB", MIB), ("64MiB", 64 * MIB)];

/// Every mode with the implementations that are measured: those that this build and this processor have.
pub(crate) fn cases() -> Vec<(ModeId, &'static str)> {
    let mut cases = vec![
        (ModeId::SseS3, "aws-lc"),
        (ModeId::SseS3, "rust-crypto"),
        (ModeId::SseKms, "aws-lc"),
        (ModeId::SseKms, "rust-crypto"),
        (ModeId::SseC, "aws-lc"),
        (ModeId::SseC, "rust-crypto"),
        (ModeId::DsseKms, "both"),
    ];
    if Backend::Graviola.is_available() {
        cases.insert(2, (ModeId::SseS3, "graviola"));
    }
    cases
}

/// A KMS that answers at once, so that the bench measures the library.
struct InstantKms;

const KMS_KEY: &str = "instant:key/1";

fn kek() -> KeyEncryptionKey {
    KeyEncryptionKey::from_bytes(&mut [7; 32]).expect("it is not zero")
}

impl KeyProvider for InstantKms {
    fn generate_key(self: Arc<Self>, _: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async { Ok(GeneratedKey::new(KMS_KEY, [1; 85], kek())) })
    }

    fn unwrap_key(self: Arc<Self>, _: WrappedKey, _: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async { Ok(UnwrappedKey::new(KMS_KEY, kek())) })
    }
}

pub(crate) struct Kit {
    pub(crate) sse: Sse,
    pub(crate) keyring: Keyring,
    pub(crate) object: ObjectName,
    pub(crate) mode: AnyMode,
    customer_key: Arc<CustomerKey>,
}

impl Kit {
    pub(crate) fn new(mode: ModeId, backend: &str) -> Self {
        Self::with_workers(mode, backend, None)
    }

    pub(crate) fn with_workers(mode: ModeId, backend: &str, workers: Option<Arc<dyn Workers>>) -> Self {
        let keyring = Keyring::generate().expect("a keyring").with_changes_lost_on_exit();
        let backend = match backend {
            "rust-crypto" => Backend::RustCrypto,
            "graviola" => Backend::Graviola,
            _ => Backend::AwsLc,
        };
        let builder = Sse::builder().keyring(keyring.clone()).kms(Arc::new(InstantKms), KmsKeys::only([KMS_KEY]));
        let builder = match workers {
            Some(workers) => builder.workers(workers),
            None => builder,
        };
        let customer_key = Arc::new(CustomerKey::from_bytes(&mut [9; 32]).expect("it is not zero"));
        let mode = match mode {
            ModeId::SseKms => SseKms::new(KMS_KEY).into(),
            ModeId::DsseKms => DsseKms::new(KMS_KEY).into(),
            ModeId::SseC => SseC::new(customer_key.clone()).into(),
            _ => AnyMode::from(SseS3),
        };
        Self {
            sse: builder.backend(backend).completion_records().build().expect("both implementations are compiled in"),
            keyring,
            object: ObjectName::new("photos", "2026/cat.jpg").expect("a name"),
            mode,
            customer_key,
        }
    }

    pub(crate) fn unlock(&self) -> Unlock<'_> {
        match self.mode.id() {
            ModeId::SseC => Unlock::CustomerKey(&self.customer_key),
            _ => Unlock::Server,
        }
    }
}

/// `sse-s3/aws-lc/64MiB`.
pub(crate) fn id(mode: ModeId, backend: &str, size: &str) -> String {
    format!("{}/{backend}/{size}", mode.to_string().to_lowercase())
}

pub(crate) fn source(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 256) as u8).collect()
}
