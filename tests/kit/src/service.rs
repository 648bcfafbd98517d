//! `Service`: an `Sse` with a key for every mode, which needs no feature.

use std::sync::Arc;

use atrest::{
    AnyMode, Backend, CustomerKey, Decryptor, DsseKms, Encrypted, Envelope, Keyring, KmsKeys, ModeId, ObjectName,
    Result, Sse, SseBuilder, SseC, SseKms, SseS3, Unlock,
};

use crate::providers::{KMS_KEY, TableKms};
use crate::streams::{C, seal};

/// A service with a keyring, a KMS and a customer key.
pub struct Service {
    pub sse: Sse,
    pub keyring: Keyring,
    pub kms: Arc<TableKms>,
    pub customer_key: Arc<CustomerKey>,
}

impl Service {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn on(backend: Backend) -> Self {
        Self::with(|builder| builder.backend(backend))
    }

    pub fn with(change: impl FnOnce(SseBuilder) -> SseBuilder) -> Self {
        let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
        let kms = Arc::new(TableKms::default());
        let builder = Sse::builder().keyring(keyring.clone()).kms(kms.clone(), KmsKeys::only([KMS_KEY]));
        let customer_key = Arc::new(CustomerKey::generate().unwrap());
        Self { sse: change(builder).build().unwrap(), keyring, kms, customer_key }
    }

    /// The modes of this build: DSSE-KMS needs two backends.
    pub fn modes(&self) -> Vec<AnyMode> {
        let mut modes = vec![AnyMode::from(SseS3), SseKms::new("alias/app").into(), self.sse_c()];
        if Backend::available().count() > 1 {
            modes.push(DsseKms::new("alias/app").into());
        }
        modes
    }

    pub fn sse_c(&self) -> AnyMode {
        SseC::new(self.customer_key.clone()).into()
    }

    pub fn unlock(&self, mode: ModeId) -> Unlock<'_> {
        if mode == ModeId::SseC { Unlock::CustomerKey(&self.customer_key) } else { Unlock::Server }
    }

    /// Encrypts as a stream, so that the length is not in the envelope.
    pub fn streamed(&self, object: &ObjectName, mode: &AnyMode, plaintext: &[u8]) -> Encrypted {
        let (envelope, encryptor) = self.sse.blocking().encryptor(object, mode.clone()).unwrap();
        Encrypted::new(envelope, seal(encryptor, plaintext, C).unwrap())
    }

    pub fn decryptor(&self, object: &ObjectName, envelope: &Envelope) -> Result<Decryptor> {
        self.sse.blocking().decryptor(object, envelope, self.unlock(envelope.mode()))
    }

    pub fn decrypt(&self, object: &ObjectName, stored: &Encrypted) -> Result<Vec<u8>> {
        self.sse.blocking().decrypt(object, stored, self.unlock(stored.envelope.mode()))
    }
}

pub fn name() -> ObjectName {
    ObjectName::new("photos", "2026/cat.jpg").unwrap()
}
