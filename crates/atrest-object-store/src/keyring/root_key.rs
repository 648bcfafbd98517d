//! `RootKeyObject`: the root key of a keyring, encrypted in SSE-KMS and stored as one object.
//!
//! The object is an inline container of atrest's format whose plaintext is the root key. So a change of the KMS key is
//! a rewrap, and the program of the manual's page *recovery* opens it.

use std::sync::Arc;

use atrest::error::SealedFileError;
use atrest::{
    Encrypted, EncryptionContext, Expected, KeyEncryptionKey, KeyProvider, KmsKeys, ModeId, ObjectName, Requester,
    Rewrap, RootKey, Sse, SseKms, Unlock,
};
use object_store::path::Path;

use super::KeyringStoreError;
use super::requests::{Found, Put, Requests, Tag};

/// The bucket in the name that the root key is bound to; the key in the name is the path.
const BUCKET: &str = "atrest-root-key";
/// The context pair that the KMS binds the key to, as for every root key under a key provider.
const PURPOSE: (&str, &str) = ("atrest:purpose", "root key");
/// The maximum length of the object in bytes: the longest envelope and 104 bytes of body.
const MOST: u64 = 66 * 1024;

type Result<T> = std::result::Result<T, KeyringStoreError>;

pub(super) struct RootKeyObject<'a> {
    pub(super) requests: &'a Requests,
    pub(super) path: Path,
    pub(super) kms: &'a Arc<dyn KeyProvider>,
    pub(super) kms_keys: &'a KmsKeys,
    pub(super) requester: &'a Requester,
}

impl RootKeyObject<'_> {
    /// Creates the root key under this KMS key, or opens the one that is stored already.
    pub(super) async fn create(&self, kms_key: &str) -> Result<RootKey> {
        let (sse, name) = (self.sse()?, self.name()?);
        // Any fresh 32 bytes are a root key; this is the type whose bytes can be read.
        let fresh = KeyEncryptionKey::generate()?;
        let encrypted = sse.encrypt(&name, mode(kms_key)?, fresh.expose_secret()).await?;
        // A key that cannot be unwrapped must fail now, not at the next start.
        let root_key = decrypt(&sse, &name, &encrypted).await?;
        match self.put(encrypted.to_inline()?, None).await? {
            Put::Stored(_) => Ok(root_key),
            Put::Conflict => self.open().await,
            Put::Unknown => Err(KeyringStoreError::OutcomeUnknown { path: self.path.to_string() }),
        }
    }

    pub(super) async fn open(&self) -> Result<RootKey> {
        let (encrypted, _) = self.read().await?;
        decrypt(&self.sse()?, &self.name()?, &encrypted).await
    }

    /// Puts the root key under another KMS key. Returns the resolved id of the key.
    pub(super) async fn rewrap(&self, kms_key: &str) -> Result<String> {
        let (sse, name) = (self.sse()?, self.name()?);
        let (Encrypted { envelope, ciphertext, .. }, tag) = self.read().await?;
        let tag = tag.ok_or_else(|| self.requests.no_tag())?;
        let request = Rewrap::of(&name, &envelope, Unlock::Server).to(&name, mode(kms_key)?);
        let rewrapped = Encrypted::new(sse.rewrap(request).await?, ciphertext);
        decrypt(&sse, &name, &rewrapped).await?;
        let key_id = rewrapped.envelope.kms_key_id().unwrap_or_default().to_owned();
        match self.put(rewrapped.to_inline()?, Some(tag)).await? {
            Put::Stored(_) => Ok(key_id),
            Put::Conflict => Err(KeyringStoreError::Changed { path: self.path.to_string() }),
            Put::Unknown => Err(KeyringStoreError::OutcomeUnknown { path: self.path.to_string() }),
        }
    }

    async fn read(&self) -> Result<(Encrypted, Option<Tag>)> {
        match self.requests.read(&self.path, None, MOST).await.map_err(KeyringStoreError::Store)? {
            Found::Object(stored, tag) => Ok((Encrypted::from_inline(&stored)?, tag)),
            Found::Missing | Found::Unchanged => Err(KeyringStoreError::NotFound { path: self.path.to_string() }),
        }
    }

    async fn put(&self, bytes: Vec<u8>, replaces: Option<Tag>) -> Result<Put> {
        self.requests.put(&self.path, bytes, replaces, MOST).await.map_err(KeyringStoreError::Store)
    }

    fn name(&self) -> Result<ObjectName> {
        Ok(ObjectName::new(BUCKET, self.path.as_ref())?)
    }

    /// Returns the reader and writer of the root key, which accepts SSE-KMS and the named KMS keys and nothing else.
    fn sse(&self) -> Result<Sse> {
        let sse = Sse::builder().kms(self.kms.clone(), self.kms_keys.clone()).build()?;
        Ok(sse.requested_by(self.requester.clone()).expecting(Expected::new().with_modes([ModeId::SseKms])))
    }
}

fn mode(kms_key: &str) -> Result<SseKms> {
    Ok(SseKms::new(kms_key).with_context(EncryptionContext::new().with(PURPOSE.0, PURPOSE.1)?))
}

async fn decrypt(sse: &Sse, name: &ObjectName, encrypted: &Encrypted) -> Result<RootKey> {
    let mut plaintext = sse.decrypt(name, encrypted, Unlock::Server).await?;
    // Moves the key out of the plaintext, which is wiped.
    let malformed = SealedFileError::Malformed("the root key does not have 32 bytes");
    let bytes = <&mut [u8; 32]>::try_from(&mut plaintext[..]).map_err(|_| atrest::Error::from(malformed))?;
    Ok(RootKey::from_bytes(bytes)?)
}
