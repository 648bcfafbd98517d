//! [`RootKey::create_wrapped`] and [`RootKey::open_wrapped`]: a root key that a key provider unwraps at each start.
//!
//! ```text
//! atrest-root-key 1
//! arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
//! AQIDAHjR...                                                            base64 of the wrapped key
//! ```

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use pollster::block_on;

use super::provider::MAX_WRAPPED_LEN;
use super::root_key::RootKey;
use super::{EncryptionContext, KeyProvider, KeyRequest, RequestedKey, WrappedKey, is_key_id};
use crate::crypto::constant_time_eq;
use crate::error::{IoError, KeyProviderError, KeyProviderErrorKind, Result, SealedFileError, Unexpected};
use crate::files::{open_regular, write_new};
use crate::object::Requester;
use crate::offload::offload;

const PREFIX: &str = "atrest-root-key ";
const VERSION: &str = "1";
/// The maximum file length, above the longest written file of about 10 KiB: a key id of 2,048 bytes, base64 of 6,144.
const MAX_FILE_LEN: usize = 16 * 1024;
/// The context pair that the provider binds the key to.
const PURPOSE: (&str, &str) = ("atrest:purpose", "root key");

/// Root keys under a key provider: the provider generates the root key as a key-encryption key, and a file stores its
/// wrapped form.
impl RootKey {
    /// Creates a root key with a key provider, such as an HSM or a cloud KMS, under the KMS key `key_id`, and writes
    /// the wrapped key and the resolved id to a new file. A separate thread writes the file.
    ///
    /// ```no_run
    /// # async fn start(hsm: std::sync::Arc<dyn atrest::KeyProvider>) -> atrest::Result<()> {
    /// use atrest::{Requester, RootKey};
    /// let requester = Requester::new("storage-service");
    /// // Once.
    /// let path = "keys/root.wrapped";
    /// RootKey::create_wrapped(path, hsm.clone(), "alias/storage-root", &requester).await?;
    /// // At every start, with the id that the alias stands for; it is the second line of the file.
    /// let key_id = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd";
    /// let root_key = RootKey::open_wrapped("keys/root.wrapped", hsm, key_id, &requester).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Error::KeyProvider`](crate::Error::KeyProvider) if the provider refused, answered with an alias or
    /// with another key than the requested ARN, or gave an answer that cannot be stored; and
    /// [`Error::Io`](crate::Error::Io) if the file exists already or cannot be written.
    ///
    /// # Security
    ///
    /// Use a separate KMS key for the root key, under which no objects are written. The file holds no secret but still
    /// has mode 0600. A lost file cannot be made again: back it up with the files that its root key seals.
    pub async fn create_wrapped(
        path: impl AsRef<Path> + Send,
        provider: Arc<dyn KeyProvider>,
        key_id: &str,
        requester: &Requester,
    ) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let (root_key, file) = generate(provider, key_id, requester).await?;
        let writing = offload(move || write_new(&path, file.as_bytes())).map_err(no_thread)?;
        writing.await.map_err(no_thread)??;
        Ok(root_key)
    }

    /// Calls [`create_wrapped`](Self::create_wrapped) without a runtime, blocking the thread for the provider and the
    /// file.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`create_wrapped`](Self::create_wrapped).
    pub fn create_wrapped_blocking(
        path: impl AsRef<Path>,
        provider: Arc<dyn KeyProvider>,
        key_id: &str,
        requester: &Requester,
    ) -> Result<Self> {
        let (root_key, file) = block_on(generate(provider, key_id, requester))?;
        write_new(path.as_ref(), file.as_bytes())?;
        Ok(root_key)
    }

    /// Opens a file of [`create_wrapped`](Self::create_wrapped): the key provider unwraps the key under the KMS key
    /// `key_id`, which is the resolved id and not an alias. A separate thread reads the file.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`](crate::Error::Io) if the file is missing or cannot be read (a missing file is not
    /// created), [`Error::SealedFile`](crate::Error::SealedFile) if it is damaged, [`Unexpected::KmsKey`] if it names
    /// another KMS key, and [`Error::KeyProvider`](crate::Error::KeyProvider) if the provider refused or answered with
    /// another key.
    ///
    /// # Security
    ///
    /// The caller names the KMS key, because the file is not trusted: an attacker who can write the file's directory
    /// could name a KMS key of their own there, and supply a matching store.
    pub async fn open_wrapped(
        path: impl AsRef<Path> + Send,
        provider: Arc<dyn KeyProvider>,
        key_id: &str,
        requester: &Requester,
    ) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let reading = offload(move || read(&path)).map_err(no_thread)?;
        let file = reading.await.map_err(no_thread)??;
        unwrap(&file, provider, key_id, requester).await
    }

    /// Calls [`open_wrapped`](Self::open_wrapped) without a runtime, blocking the thread for the file and the provider.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open_wrapped`](Self::open_wrapped).
    pub fn open_wrapped_blocking(
        path: impl AsRef<Path>,
        provider: Arc<dyn KeyProvider>,
        key_id: &str,
        requester: &Requester,
    ) -> Result<Self> {
        block_on(unwrap(&read(path.as_ref())?, provider, key_id, requester))
    }
}

/// Creates a root key and the content of the file that stores it wrapped.
async fn generate(provider: Arc<dyn KeyProvider>, key_id: &str, requester: &Requester) -> Result<(RootKey, String)> {
    let generated =
        provider.clone().generate_key(request(key_id, requester)?).await?.checked(RequestedKey::new(key_id))?;
    // A key that cannot be unwrapped must fail now, not at the next start.
    let again = provider.unwrap_key(generated.wrapped.clone(), request(&generated.key_id, requester)?);
    let again = again.await?.checked(RequestedKey::resolved(&generated.key_id))?;
    if !constant_time_eq(again.kek.expose_secret(), generated.kek.expose_secret()) {
        let wrong = KeyProviderError::new(KeyProviderErrorKind::WrongKey, &generated.key_id);
        return Err(wrong.of_request(again.request_id.as_ref()).into());
    }
    let wrapped = Base64::encode_string(generated.wrapped.as_bytes());
    let file = format!("{PREFIX}{VERSION}\n{}\n{wrapped}\n", generated.key_id);
    Ok((RootKey::from_secret(generated.kek.into_secret()), file))
}

async fn unwrap(file: &[u8], provider: Arc<dyn KeyProvider>, key_id: &str, requester: &Requester) -> Result<RootKey> {
    let (named, wrapped) = parse(file)?;
    if named != key_id {
        return Err(Unexpected::KmsKey.into());
    }
    let unwrapped = provider.unwrap_key(WrappedKey::new(wrapped), request(key_id, requester)?).await?;
    Ok(RootKey::from_secret(unwrapped.checked(RequestedKey::resolved(key_id))?.kek.into_secret()))
}

fn request(key_id: &str, requester: &Requester) -> Result<KeyRequest> {
    let context = EncryptionContext::new().with(PURPOSE.0, PURPOSE.1)?;
    Ok(KeyRequest::new(key_id, context, requester.clone()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |error| IoError::new("the file of the wrapped root key cannot be read", error);
    let (file, _) = open_regular(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // One byte more than the limit, so that a longer file is noticed.
    file.take(MAX_FILE_LEN as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn no_thread(error: io::Error) -> IoError {
    IoError::new("no thread could be started for the file of the wrapped root key", error)
}

/// Returns the key id and the wrapped key. Accepts only the single valid encoding of each pair.
fn parse(file: &[u8]) -> Result<(&str, Vec<u8>), SealedFileError> {
    let malformed = SealedFileError::Malformed;
    let rest = file.strip_prefix(PREFIX.as_bytes()).ok_or(SealedFileError::NotASealedFile)?;
    if file.len() > MAX_FILE_LEN {
        return Err(malformed("it is too long"));
    }
    let rest = std::str::from_utf8(rest).map_err(|_| malformed("it is not UTF-8"))?;
    let (version, rest) = rest.split_once('\n').ok_or(malformed("it is too short"))?;
    if version != VERSION {
        return Err(SealedFileError::Unsupported("its version"));
    }
    let lines = rest.strip_suffix('\n').and_then(|rest| rest.split_once('\n'));
    let (key_id, wrapped) = lines.ok_or(malformed("it is not three lines"))?;
    if !is_key_id(key_id) {
        return Err(malformed("its key id"));
    }
    let wrapped = Base64::decode_vec(wrapped).map_err(|_| malformed("its wrapped key is not base64"))?;
    if !(1..=MAX_WRAPPED_LEN).contains(&wrapped.len()) {
        return Err(malformed("the length of its wrapped key"));
    }
    Ok((key_id, wrapped))
}
