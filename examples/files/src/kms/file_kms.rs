//! `FileKms`: a key management service in a directory, the key provider of this program.
//!
//! Every KMS key is a [`Keyring`](atrest::Keyring) in a sealed file of its own. `FileKms` wraps a key-encryption key as
//! a small SSE-S3 object under that keyring, with the encryption context as the object's name. Unwrapping under another
//! context is therefore refused, as a KMS must.
//!
//! Key names consist of lower-case letters, digits, `-` and `_`. `files-kms:app` is the id of a key, which envelopes
//! contain; `alias/app` is an alias of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atrest::error::{KeyProviderError, KeyProviderErrorKind};
use atrest::{
    Encrypted, EncryptionContext, Error, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest, Keyring,
    ObjectName, RootKey, Sse, SseS3, Unlock, UnwrappedKey, WrappedKey,
};

use crate::failure::{About, Failure, Outcome};

/// The KMS key that is created on first use; `kms-create` creates others.
pub(crate) const DEFAULT_ALIAS: &str = "alias/default";

const ID_PREFIX: &str = "files-kms:";
const ALIAS_PREFIX: &str = "alias/";
const KEY_FILE_EXTENSION: &str = "atrest";

#[derive(Debug)]
pub(crate) struct FileKms {
    directory: PathBuf,
    root_key: RootKey,
}

impl FileKms {
    /// Creates a service without keys, in a new directory.
    pub(crate) fn create(directory: &Path) -> Outcome<()> {
        fs::create_dir(directory).about(directory.display())?;
        RootKey::create_file(directory.join("root.key"))?;
        Ok(())
    }

    pub(crate) fn open(directory: PathBuf) -> Outcome<Self> {
        let root_key_file = directory.join("root.key");
        let root_key = RootKey::open_file(&root_key_file).about(root_key_file.display())?;
        Ok(Self { directory, root_key })
    }

    /// Creates a key and returns its id.
    pub(crate) fn create_key(&self, name: &str) -> Outcome<String> {
        if !is_key_name(name) {
            return Err(Failure::rule(format!(
                "not a name for a KMS key (lower-case letters, digits, - and _, at most 64): {name:?}"
            )));
        }
        Keyring::create_blocking(self.key_file(name), &self.root_key).about(format!("{ID_PREFIX}{name}"))?;
        Ok(format!("{ID_PREFIX}{name}"))
    }

    /// Creates the default key unless it exists.
    pub(crate) fn ensure_default_key(&self) -> Outcome<()> {
        let Some(name) = key_name(DEFAULT_ALIAS) else {
            return Ok(());
        };
        match self.create_key(name) {
            Err(_) if self.key_file(name).try_exists()? => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    fn key_file(&self, name: &str) -> PathBuf {
        self.directory.join(name).with_extension(KEY_FILE_EXTENSION)
    }

    /// Resolves a key id or alias to the id, and opens the keyring that wraps under it.
    fn open_key(&self, request: &KeyRequest) -> Result<(String, Sse), KeyProviderError> {
        let refuse = |kind| KeyProviderError::new(kind, request.key_id());
        let name = key_name(request.key_id()).ok_or_else(|| refuse(KeyProviderErrorKind::NotFound))?;
        let path = self.key_file(name);
        if !path.try_exists().is_ok_and(|exists| exists) {
            return Err(refuse(KeyProviderErrorKind::NotFound));
        }
        // The file exists, so a failure to open it is the fault of the service, not of the caller.
        let sse = Keyring::open_blocking(&path, &self.root_key)
            .and_then(|keyring| Sse::builder().keyring(keyring).build())
            .map_err(|error| refuse(KeyProviderErrorKind::Unavailable).with_source(error))?;
        Ok((format!("{ID_PREFIX}{name}"), sse))
    }
}

impl KeyProvider for FileKms {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let (id, sse) = self.open_key(&request)?;
            let unavailable = |error: Error| {
                KeyProviderError::new(KeyProviderErrorKind::Unavailable, request.key_id()).with_source(error)
            };
            let kek = KeyEncryptionKey::generate().map_err(unavailable)?;
            let name = wrapped_key_name(&id, request.context()).map_err(unavailable)?;
            let wrapped = sse.encrypt(&name, SseS3, kek.expose_secret()).await.map_err(unavailable)?;
            Ok(GeneratedKey::new(id, wrapped.to_inline().map_err(unavailable)?, kek))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let (id, sse) = self.open_key(&request)?;
            let rejected = |error: Error| {
                KeyProviderError::new(KeyProviderErrorKind::Rejected, request.key_id()).with_source(error)
            };
            let name = wrapped_key_name(&id, request.context()).map_err(rejected)?;
            let wrapped = Encrypted::from_inline(wrapped.as_bytes()).map_err(rejected)?;
            let mut kek = sse.decrypt(&name, &wrapped, Unlock::Server).await.map_err(rejected)?;
            // `from_slice` accepts only 32 bytes, and wipes its input.
            let kek = KeyEncryptionKey::from_slice(&mut kek).map_err(rejected)?;
            Ok(UnwrappedKey::new(id, kek))
        })
    }
}

/// The object name that binds a wrapped key to its KMS key and its encryption context.
fn wrapped_key_name(key_id: &str, context: &EncryptionContext) -> atrest::Result<ObjectName> {
    // The count comes first, so that no context is empty; each text has its length, so that no two contexts share a
    // name.
    let mut encoded = (context.len() as u64).to_be_bytes().to_vec();
    for (name, value) in context.iter() {
        for text in [name, value] {
            encoded.extend_from_slice(&(text.len() as u64).to_be_bytes());
            encoded.extend_from_slice(text.as_bytes());
        }
    }
    ObjectName::new("wrapped-keys", encoded)?.with_realm(key_id)
}

/// The key name that an id or an alias refers to.
fn key_name(key_id: &str) -> Option<&str> {
    let name = key_id.strip_prefix(ID_PREFIX).or_else(|| key_id.strip_prefix(ALIAS_PREFIX))?;
    is_key_name(name).then_some(name)
}

/// Every name is a safe file name, also on file systems that ignore case.
fn is_key_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}
