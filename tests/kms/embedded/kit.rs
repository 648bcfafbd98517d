//! Test kit: a key store in a directory of its own, and calls of a key provider.

use std::path::PathBuf;
use std::sync::Arc;

use atrest::kms::{EmbeddedKms, EmbeddedKmsBuilder, KeyAdmin};
use atrest::{
    EncryptionContext, GeneratedKey, KeyProvider, KeyProviderError, KeyRequest, Requester, RootKey, UnwrappedKey,
    WrappedKey,
};
use pollster::block_on;
use tempfile::TempDir;

pub(crate) struct Store {
    pub(crate) directory: TempDir,
    pub(crate) root_key: RootKey,
    pub(crate) kms: EmbeddedKms,
}

pub(crate) fn owner() -> Requester {
    Requester::new("owner")
}

impl Store {
    pub(crate) fn new() -> Self {
        Self::built(|builder| builder)
    }

    pub(crate) fn built(with: impl FnOnce(EmbeddedKmsBuilder) -> EmbeddedKmsBuilder) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root_key = RootKey::generate().unwrap();
        let builder = with(EmbeddedKms::builder(directory.path().join("kms.atrest")));
        let kms = builder.create(&root_key, owner()).unwrap();
        Self { directory, root_key, kms }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("kms.atrest")
    }

    pub(crate) fn admin(&self) -> KeyAdmin {
        self.kms.requested_by(owner())
    }

    /// The same store after a restart.
    pub(crate) fn reopened(self) -> Self {
        let Self { directory, root_key, kms } = self;
        drop(kms);
        let kms = EmbeddedKms::open(directory.path().join("kms.atrest"), &root_key).unwrap();
        Self { directory, root_key, kms }
    }
}

pub(crate) fn context() -> EncryptionContext {
    EncryptionContext::new().with("team", "photos").unwrap()
}

pub(crate) fn generate(kms: &EmbeddedKms, key: &str, requester: &Requester) -> Result<GeneratedKey, KeyProviderError> {
    block_on(Arc::new(kms.clone()).generate_key(KeyRequest::new(key, context(), requester.clone())))
}

pub(crate) fn unwrap(
    kms: &EmbeddedKms,
    key: &str,
    wrapped: &WrappedKey,
    requester: &Requester,
) -> Result<UnwrappedKey, KeyProviderError> {
    block_on(Arc::new(kms.clone()).unwrap_key(wrapped.clone(), KeyRequest::new(key, context(), requester.clone())))
}

/// The version in a wrapped key, at the place that the manual states.
pub(crate) fn version_of(wrapped: &WrappedKey) -> u32 {
    u32::from_be_bytes(wrapped.as_bytes()[1..5].try_into().unwrap())
}
