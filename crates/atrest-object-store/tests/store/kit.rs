//! Stores with keys, plaintexts, and short ways to write and read them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use atrest::audit::{AuditEvent, AuditFuture, AuditSink, AuditTrail, MemorySink};
use atrest::testing::MemoryKms;
use atrest::{Keyring, KmsKeys, Sse};
use atrest_object_store::{EncryptedStore, EncryptedStoreBuilder, Placement};
use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, Result};

use crate::spy::Spy;

/// The plaintext bytes of a chunk, and the stored ones.
pub(crate) const CHUNK: usize = 16_384;
pub(crate) const SEALED: u64 = 16_400;
/// The fixed length of envelopes.
pub(crate) const ENVELOPE: u64 = 1_024;
pub(crate) const PLACEMENTS: [Placement; 3] = [Placement::InFront, Placement::Behind, Placement::Attributes];

/// Keys of all modes, an audit trail and a memory KMS.
pub(crate) struct Keys {
    pub(crate) keyring: Keyring,
    pub(crate) kms: Arc<MemoryKms>,
    pub(crate) kms_key: String,
    pub(crate) sink: Arc<MemorySink>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let kms = Arc::new(MemoryKms::new());
        let kms_key = kms.create_key("lake").unwrap();
        let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
        Self { keyring, kms, kms_key, sink: Arc::new(MemorySink::new()) }
    }

    pub(crate) fn sse(&self) -> Sse {
        Sse::builder()
            .keyring(self.keyring.clone())
            .kms(self.kms.clone(), KmsKeys::all())
            .audit(AuditTrail::new(self.sink.clone()))
            .envelope_len(usize::try_from(ENVELOPE).unwrap())
            .build()
            .unwrap()
    }

    /// Returns the names of the audited operations, those that a kept decryptor served in brackets.
    pub(crate) fn events(&self) -> Vec<String> {
        let events = self.sink.events();
        self.sink.clear();
        events
            .iter()
            .map(|event| match event.parameters() {
                [] => event.operation().to_string(),
                [("servedAgain", value)] if value == "true" => format!("({})", event.operation()),
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

/// An audit sink that fails as long as it is told to.
pub(crate) struct Failing(pub(crate) AtomicBool);

impl AuditSink for Failing {
    fn record(&self, _: AuditEvent) -> AuditFuture {
        let fails = self.0.load(Ordering::SeqCst);
        Box::pin(std::future::ready(if fails { Err(std::io::Error::other("full")) } else { Ok(()) }))
    }
}

pub(crate) type Memory = Spy<InMemory>;

/// Builds a store over a recording store in memory.
pub(crate) fn built(
    placement: Placement,
    configure: impl FnOnce(EncryptedStoreBuilder<Memory>) -> EncryptedStoreBuilder<Memory>,
) -> (EncryptedStore<Memory>, Memory, Keys) {
    let keys = Keys::new();
    let spy = Spy::new(InMemory::new());
    let builder = EncryptedStore::builder(spy.clone(), keys.sse(), "lake").placement(placement);
    (configure(builder).build().unwrap(), spy, keys)
}

pub(crate) fn store(placement: Placement) -> (EncryptedStore<Memory>, Memory, Keys) {
    built(placement, |builder| builder)
}

/// Bytes that differ at every place nearby; those of a shorter length are the beginning of those of a longer one.
pub(crate) fn plaintext(len: usize) -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    let byte = |at: usize| (at.wrapping_mul(2_654_435_761) >> 13) as u8;
    BYTES.get_or_init(|| (0..66 << 20).map(byte).collect::<Vec<u8>>().into()).slice(..len)
}

pub(crate) fn at(location: &str) -> Path {
    Path::from(location)
}

pub(crate) async fn put(store: &impl ObjectStore, location: &str, bytes: impl Into<Bytes>) {
    store.put(&at(location), bytes.into().into()).await.unwrap();
}

pub(crate) async fn get(store: &impl ObjectStore, location: &str) -> Result<Bytes> {
    store.get(&at(location)).await?.bytes().await
}

pub(crate) async fn get_range(store: &impl ObjectStore, location: &str, range: impl Into<GetRange>) -> Result<Bytes> {
    let options = GetOptions::new().with_range(Some(range.into()));
    store.get_opts(&at(location), options).await?.bytes().await
}

/// Writes an object in parts of these lengths.
pub(crate) async fn put_parts(store: &impl ObjectStore, location: &str, bytes: &Bytes, lens: &[usize]) -> Result<()> {
    let mut upload = store.put_multipart(&at(location)).await?;
    let mut rest = bytes.clone();
    for len in lens {
        upload.put_part(rest.split_to(*len).into()).await?;
    }
    assert!(rest.is_empty());
    upload.complete().await?;
    Ok(())
}

/// Returns whether an error of atrest is among the sources of an error.
pub(crate) fn atrest_error(error: &object_store::Error) -> Option<&atrest::Error> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<atrest::Error>() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

/// Returns the error of the encrypted store itself among the sources of an error.
pub(crate) fn store_error(error: &object_store::Error) -> Option<&atrest_object_store::StoreError> {
    std::error::Error::source(error)?.downcast_ref()
}
