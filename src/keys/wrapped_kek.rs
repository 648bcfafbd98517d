//! A key-encryption key as a KMS of ours wraps it.
//!
//! ```text
//! 0x01 || u32 key version || salt(32) || AES-256-GCM(k, n, KEK)
//! ```

use zeroize::Zeroizing;

use super::EncryptionContext;
use crate::crypto::{AeadKey, Backend, Crypto, Generator, NONCE_LEN, Prk, TAG_LEN, label};
use crate::error::Result;
use crate::secret::{KEY_LEN, KeyEncryptionKey, Secret};

const FORMAT: u8 = 1;
const SALT_LEN: usize = 32;
const LEN: usize = 1 + 4 + SALT_LEN + KEY_LEN + TAG_LEN;

/// What a wrapped key is bound to besides the KMS key itself.
pub(crate) struct Binding<'a> {
    pub(crate) version: u32,
    pub(crate) key_id: &'a str,
    pub(crate) context: &'a EncryptionContext,
}

/// Wraps a key under a KMS key and a fresh salt.
pub(crate) fn wrap(
    kms_key: &[u8; KEY_LEN],
    binding: &Binding<'_>,
    generator: &Generator,
    kek: &KeyEncryptionKey,
) -> Result<Vec<u8>> {
    let mut wrapped = Vec::with_capacity(LEN);
    wrapped.push(FORMAT);
    wrapped.extend_from_slice(&binding.version.to_be_bytes());
    let salt = generator.bytes()?;
    wrapped.extend_from_slice(&salt);
    let (key, nonce) = keys(kms_key, binding, &salt)?;
    wrapped.resize(LEN, 0);
    key.seal(&nonce, kek.expose_secret(), &mut wrapped[LEN - KEY_LEN - TAG_LEN..]);
    Ok(wrapped)
}

/// The key version that a wrapped key names; `None` where the bytes are none.
pub(crate) fn version_of(wrapped: &[u8]) -> Option<u32> {
    let wrapped: &[u8; LEN] = wrapped.try_into().ok()?;
    let (&[format, a, b, c, d], _) = wrapped.split_first_chunk()?;
    let version = u32::from_be_bytes([a, b, c, d]);
    (format == FORMAT && version > 0).then_some(version)
}

/// Unwraps what [`wrap`] wrapped.
///
/// # Errors
///
/// Inauthentic: KMS key, binding and wrapped key do not belong together.
pub(crate) fn unwrap(kms_key: &[u8; KEY_LEN], binding: &Binding<'_>, wrapped: &[u8]) -> Result<KeyEncryptionKey> {
    let wrapped: &[u8; LEN] = wrapped.try_into().map_err(|_| crate::error::Error::Inauthentic)?;
    let (salt, sealed) = wrapped[5..].split_first_chunk::<SALT_LEN>().expect("the salt comes first");
    let (key, nonce) = keys(kms_key, binding, salt)?;
    Secret::filled_by(|kek| key.open(&nonce, sealed, kek)).map(KeyEncryptionKey::from_secret)
}

fn keys(kms_key: &[u8; KEY_LEN], binding: &Binding<'_>, salt: &[u8; SALT_LEN]) -> Result<(AeadKey, [u8; NONCE_LEN])> {
    let crypto = Crypto::single(Backend::fastest())?;
    let mut okm = Zeroizing::new([0; KEY_LEN + NONCE_LEN]);
    let key_id_len = (binding.key_id.len() as u16).to_be_bytes(); // at most 2,048 bytes
    Prk::extract(crypto, salt, kms_key).expand(
        label::KMS,
        &[&binding.version.to_be_bytes(), &key_id_len, binding.key_id.as_bytes(), &binding.context.encode()],
        &mut *okm,
    );
    let (key, nonce) = okm.split_first_chunk::<KEY_LEN>().expect("the key comes first");
    Ok((AeadKey::new(crypto, key), nonce.try_into().expect("then the nonce")))
}
