//! [`seal`] and [`open`], which seal a payload under a root key into a sealed file and open it.

use bytes::BufMut;
use zeroize::Zeroizing;

use super::root_key::{Passphrase, RootKey, RootKeyKind};
use crate::codec::ByteReader;
use crate::crypto::passphrase::{Argon2Cost, derive};
use crate::crypto::{Backend, Crypto, Generator, OneShot, Prk, TAG_LEN, constant_time_eq, label};
use crate::error::{Error, Result, SealedFileError};

const MAGIC: [u8; 8] = *b"\x89ARSF\r\n\x1a";
const VERSION: u8 = 1;
const SALT_LEN: usize = 32;
const COMMITMENT_LEN: usize = 32;
const KDF_NONE: u8 = 0;
const KDF_ARGON2ID: u8 = 1;

/// The most bytes by which a sealed file is longer than its payload: header with a passphrase's cost, commitment, tag.
pub(super) const MAX_OVERHEAD: u64 = (MAGIC.len() + 3 + 12 + SALT_LEN + COMMITMENT_LEN + TAG_LEN) as u64;

/// The kind of content of a sealed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SealedFileKind {
    Keyring = 1,
    #[cfg(feature = "embedded-kms")]
    KeyStore = 2,
}

/// Seals a payload under a fresh salt.
///
/// Spec: manual, format, "Sealed files".
pub(crate) fn seal(kind: SealedFileKind, root: &RootKey, generator: &Generator, payload: &[u8]) -> Result<Vec<u8>> {
    let mut file = Vec::with_capacity(MAGIC.len() + 15 + SALT_LEN + COMMITMENT_LEN + payload.len() + TAG_LEN);
    file.put_slice(&MAGIC);
    file.put_slice(&[VERSION, kind as u8]);
    let cost = match root.kind() {
        RootKeyKind::Key(_) => {
            file.put_u8(KDF_NONE);
            None
        }
        RootKeyKind::Passphrase(_) => {
            let cost = Argon2Cost::DEFAULT;
            file.put_u8(KDF_ARGON2ID);
            [cost.memory_kib, cost.passes, cost.lanes].into_iter().for_each(|number| file.put_u32(number));
            Some(cost)
        }
    };
    let salt = generator.bytes()?;
    file.put_slice(&salt);
    let (one_shot, own) = one_shot(root, &salt, cost, &file)?;
    file.put_slice(&own);
    let start = file.len();
    file.resize(start + payload.len() + TAG_LEN, 0);
    one_shot.seal(payload, &mut file[start..]);
    Ok(file)
}

/// Opens a file of this kind.
///
/// # Errors
///
/// Checks in the order of the manual: not a sealed file, malformed, unsupported, malformed again, another root key,
/// inauthentic.
pub(crate) fn open(kind: SealedFileKind, root: &RootKey, file: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    if !file.starts_with(&MAGIC) {
        return Err(SealedFileError::NotASealedFile.into());
    }
    let mut reader = ByteReader::new(file, SealedFileError::Malformed);
    let [.., version, stored_kind, kdf] = *reader.array::<{ MAGIC.len() + 3 }>()?;
    if version != VERSION {
        return Err(SealedFileError::Unsupported("its version").into());
    }
    if stored_kind != kind as u8 {
        return Err(SealedFileError::Unsupported("its kind is another").into());
    }
    let cost = match kdf {
        KDF_NONE => None,
        KDF_ARGON2ID => {
            let cost = Argon2Cost { memory_kib: reader.u32()?, passes: reader.u32()?, lanes: reader.u32()? };
            cost.check(match root.kind() {
                RootKeyKind::Passphrase(passphrase) => passphrase.accepts,
                // This costs nothing: `one_shot` refuses such a file without running Argon2id.
                RootKeyKind::Key(_) => Argon2Cost::FORMAT,
            })?;
            Some(cost)
        }
        _ => return Err(SealedFileError::Unsupported("its key derivation").into()),
    };
    let salt = reader.array::<SALT_LEN>()?;
    let header = &file[..reader.position()];
    let commitment = reader.array::<COMMITMENT_LEN>()?;
    let sealed = reader.rest();
    let payload_len = sealed.len().checked_sub(TAG_LEN).ok_or(SealedFileError::Malformed("it ends too early"))?;
    let (one_shot, own) = one_shot(root, salt, cost, header)?;
    if !constant_time_eq(&own, commitment) {
        return Err(SealedFileError::WrongRootKey.into());
    }
    let mut payload = Zeroizing::new(vec![0; payload_len]);
    one_shot.open(sealed, &mut payload)?;
    Ok(payload)
}

/// Derives the key and nonce of one file, and the commitment to its root key.
///
/// Refuses a passphrase for a file under a key, and a key for a file under a passphrase, as the wrong root key.
fn one_shot(
    root: &RootKey,
    salt: &[u8; SALT_LEN],
    cost: Option<Argon2Cost>,
    header: &[u8],
) -> Result<(OneShot, [u8; COMMITMENT_LEN]), Error> {
    let derived;
    let secret = match (root.kind(), cost) {
        (RootKeyKind::Key(key), None) => key,
        (RootKeyKind::Passphrase(Passphrase { bytes, .. }), Some(cost)) => {
            derived = derive(bytes, salt, cost)?;
            &derived
        }
        _ => return Err(SealedFileError::WrongRootKey.into()),
    };
    let prk = Prk::extract(Crypto::single(Backend::RustCrypto)?, salt, secret.expose());
    Ok(OneShot::derive_committed(&prk, label::FILE, &[header]))
}
