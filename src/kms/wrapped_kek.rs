//! `wrap` and `unwrap` of key-encryption keys for the embedded KMS and the in-memory KMS.
//!
//! ```text
//! 0x01 || u32 key version || salt(32) || AES-256-GCM(k, n, KEK)
//! ```

use crate::codec::ByteReader;
use crate::crypto::{Backend, Crypto, Generator, OneShot, Prk, TAG_LEN, label};
use crate::error::{Error, Result};
use crate::keys::EncryptionContext;
use crate::secret::{KEY_LEN, KeyEncryptionKey, Secret};

const FORMAT: u8 = 1;
const SALT_LEN: usize = 32;
const LEN: usize = 1 + 4 + SALT_LEN + KEY_LEN + TAG_LEN;

/// The values that a wrapped key is bound to, besides the KMS key.
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
    wrapped.resize(LEN, 0);
    one_shot(kms_key, binding, &salt)?.seal(kek.expose_secret(), &mut wrapped[LEN - KEY_LEN - TAG_LEN..]);
    Ok(wrapped)
}

/// Returns the key version that a wrapped key names; `None` if the bytes are not a wrapped key.
pub(crate) fn version_of(wrapped: &[u8]) -> Option<u32> {
    let mut reader = ByteReader::new(wrapped, |_| ());
    let (format, version) = (reader.u8().ok()?, reader.u32().ok()?);
    (wrapped.len() == LEN && format == FORMAT && version > 0).then_some(version)
}

/// Unwraps a key that [`wrap`] wrapped.
///
/// # Errors
///
/// Returns `Inauthentic` if KMS key, binding and wrapped key do not belong together.
pub(crate) fn unwrap(kms_key: &[u8; KEY_LEN], binding: &Binding<'_>, wrapped: &[u8]) -> Result<KeyEncryptionKey> {
    let mut reader = ByteReader::new(wrapped, |_| Error::Inauthentic);
    let _format_and_version = reader.bytes(1 + 4)?;
    let one_shot = one_shot(kms_key, binding, reader.array()?)?;
    let sealed = reader.array::<{ KEY_LEN + TAG_LEN }>()?;
    reader.finish()?;
    let kek = Secret::filled_by(|kek| one_shot.open(sealed, kek), || Error::Inauthentic)?;
    Ok(KeyEncryptionKey::from_secret(kek))
}

/// Derives the key and nonce of this wrap from the KMS key, the binding and the salt.
fn one_shot(kms_key: &[u8; KEY_LEN], binding: &Binding<'_>, salt: &[u8; SALT_LEN]) -> Result<OneShot> {
    let prk = Prk::extract(Crypto::single(Backend::fastest())?, salt, kms_key);
    let key_id_len = (binding.key_id.len() as u16).to_be_bytes(); // at most 2,048 bytes
    let (version, context) = (binding.version.to_be_bytes(), binding.context.encode());
    Ok(OneShot::derive(&prk, label::KMS, &[&version, &key_id_len, binding.key_id.as_bytes(), &context]))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use rand_core::{TryCryptoRng, TryRng};

    use super::*;

    const KMS_KEY: [u8; 32] = *b"\xb0\x6f\x75\x8f\x7e\x01\xe4\xcc\x08\x51\x4a\x85\x4e\x7d\x7e\x1f\
        \xda\x83\xe6\xe6\xb7\xd0\xfa\x9b\xfe\x4b\x1d\x55\xab\x6d\xd5\x73";
    const KEY_ID: &str = "arn:aws:kms:us-east-1:111122223333:key/0d5f";
    const SALT: [u8; 32] = *b"\x64\xdc\x61\xb7\x2c\xe2\x62\x71\x61\x32\xc2\x13\xc3\xa9\xe3\x4d\
        \xfe\x76\x48\x04\x35\x3f\x17\x79\x51\x7c\x96\x83\x5c\xcd\x3e\x95";
    const KEK: [u8; 32] = *b"\x78\x7a\xfe\x1a\x65\x30\xbe\x13\x2b\xed\x65\x12\x63\x5c\xa9\x08\
        \x98\x9c\x13\x2a\x72\xcb\x76\x7e\xba\x82\x0a\xc6\x05\x35\x33\x5c";
    /// The sealed bytes after the salt: with the pairs below, and without pairs.
    const SEALED: [[u8; 48]; 2] = [
        *b"\xd1\x2f\x22\x5d\xae\xd9\x5e\x85\x0d\x11\x4d\x22\xe9\x27\xfc\xd7\xe4\xb9\xb2\x8a\x62\xb0\x93\xe9\
        \xe0\xef\xe8\x8e\x39\xe9\x5d\x06\x89\xd4\x9a\x77\x46\x41\x70\x78\x4b\x1b\x38\xfc\x26\xca\x1a\xbe",
        *b"\x4a\xe5\x23\x6d\xde\x28\xe0\x67\x05\x09\x39\x48\xe1\x44\x7d\xf5\x91\xd9\xdc\xa6\x50\xd9\xda\xa3\
        \x49\xa8\xa4\x85\xa5\xe9\x72\x5d\x74\xb5\x02\x0c\x8a\xf9\x8c\x8a\x65\x7d\x2b\x19\x0e\x7e\xc9\x52",
    ];

    /// A generator that returns prepared bytes and panics after the last one.
    #[derive(Clone)]
    struct Playback(Arc<Mutex<VecDeque<u8>>>);

    impl TryRng for Playback {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            unreachable!("salts are drawn as bytes")
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            unreachable!("salts are drawn as bytes")
        }

        fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
            let mut left = self.0.lock().expect("no test panics with it");
            buffer.fill_with(|| left.pop_front().expect("no more randomness than was prepared"));
            Ok(())
        }
    }

    impl TryCryptoRng for Playback {}

    /// Returns the encryption contexts of both values.
    fn contexts() -> [EncryptionContext; 2] {
        let pairs = EncryptionContext::new().with("team", "photos").and_then(|pairs| pairs.with("a", ""));
        let arn = "arn:aws:s3:::photos/a".to_owned();
        [pairs.expect("two short pairs").shown_for(Some(arn)), EncryptionContext::new()]
    }

    fn stated(sealed: &[u8; 48]) -> Vec<u8> {
        [&[1, 0, 0, 0, 2], &SALT[..], sealed].concat()
    }

    fn binding(context: &EncryptionContext) -> Binding<'_> {
        Binding { version: 2, key_id: KEY_ID, context }
    }

    /// Unwraps as a KMS that has only this key, under every version number.
    fn opened(wrapped: &[u8], binding: &Binding<'_>) -> Option<[u8; 32]> {
        let version = version_of(wrapped)?;
        match unwrap(&KMS_KEY, &Binding { version, ..*binding }, wrapped) {
            Ok(kek) => Some(*kek.expose_secret()),
            Err(error) => {
                assert!(matches!(error, Error::Inauthentic), "{error:?}");
                None
            }
        }
    }

    #[test]
    fn the_stated_keys_wrap_to_the_stated_bytes_and_unwrap() {
        for (context, sealed) in contexts().iter().zip(&SEALED) {
            let playback = Playback(Arc::new(Mutex::new(SALT.into())));
            let prepared = playback.clone();
            let generator = Generator::new(move || prepared.clone());
            let kek = KeyEncryptionKey::from_bytes(&mut KEK.clone()).expect("it is not zero");
            let wrapped = wrap(&KMS_KEY, &binding(context), &generator, &kek).expect("randomness was prepared");
            assert_eq!(wrapped, stated(sealed));
            assert!(playback.0.lock().expect("no test panics with it").is_empty());
            assert_eq!(opened(&wrapped, &binding(context)), Some(KEK));
        }
    }

    #[test]
    fn a_wrapped_key_with_any_byte_changed_or_of_another_length_is_refused() {
        for (context, sealed) in contexts().iter().zip(&SEALED) {
            let wrapped = stated(sealed);
            for at in 0..wrapped.len() {
                for bit in 0..8 {
                    let mut changed = wrapped.clone();
                    changed[at] ^= 1 << bit;
                    assert_eq!(opened(&changed, &binding(context)), None, "bit {bit} of byte {at}");
                }
                assert_eq!(opened(&wrapped[..at], &binding(context)), None);
            }
            assert_eq!(opened(&[&wrapped[..], &[0]].concat(), &binding(context)), None);
        }
    }

    #[test]
    fn a_wrapped_key_is_of_no_other_key_id_and_no_other_context() {
        let [pairs, none] = contexts();
        let more = pairs.clone().with("b", "").expect("one short pair more");
        for (context, sealed, others) in [(&pairs, &SEALED[0], [&none, &more]), (&none, &SEALED[1], [&pairs, &more])] {
            let wrapped = stated(sealed);
            for other in others {
                assert_eq!(opened(&wrapped, &binding(other)), None, "{other:?}");
            }
            for key_id in ["", &KEY_ID[1..], "arn:aws:kms:us-east-1:111122223333:key/0d5e"] {
                assert_eq!(opened(&wrapped, &Binding { key_id, ..binding(context) }), None, "{key_id}");
            }
            let mut kms_key = KMS_KEY;
            kms_key[31] ^= 1;
            assert!(matches!(unwrap(&kms_key, &binding(context), &wrapped), Err(Error::Inauthentic)));
        }
    }
}
