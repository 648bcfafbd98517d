//! The sealed file: a payload under a root key. What it holds is its caller's.

use zeroize::Zeroizing;

use super::root_key::{Kind as Root, Passphrase, RootKey};
use crate::crypto::passphrase::{Argon2Cost, derive};
use crate::crypto::{Backend, Crypto, Generator, OneShot, Prk, TAG_LEN, constant_time_eq, label};
use crate::error::{Error, Result, SealedFileError};

const MAGIC: [u8; 8] = *b"\x89ARSF\r\n\x1a";
const VERSION: u8 = 1;
const SALT_LEN: usize = 32;
const COMMITMENT_LEN: usize = 32;
const KDF_NONE: u8 = 0;
const KDF_ARGON2ID: u8 = 1;

/// How much longer a sealed file is than its payload, at most: header with the cost of a passphrase, commitment, tag.
pub(super) const MAX_OVERHEAD: u64 = (MAGIC.len() + 3 + 12 + SALT_LEN + COMMITMENT_LEN + TAG_LEN) as u64;

/// What a sealed file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Keyring = 1,
    #[cfg(feature = "embedded-kms")]
    KeyStore = 2,
}

/// Seals a payload under a fresh salt.
///
/// Spec: manual, format, "Sealed files".
pub(crate) fn seal(kind: Kind, root: &RootKey, generator: &Generator, payload: &[u8]) -> Result<Vec<u8>> {
    let mut file = Vec::with_capacity(MAGIC.len() + 15 + SALT_LEN + COMMITMENT_LEN + payload.len() + TAG_LEN);
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&[VERSION, kind as u8]);
    let cost = match root.kind() {
        Root::Key(_) => {
            file.push(KDF_NONE);
            None
        }
        Root::Passphrase(_) => {
            let cost = Argon2Cost::DEFAULT;
            file.push(KDF_ARGON2ID);
            for number in [cost.memory_kib, cost.passes, cost.lanes] {
                file.extend_from_slice(&number.to_be_bytes());
            }
            Some(cost)
        }
    };
    let salt = generator.bytes()?;
    file.extend_from_slice(&salt);
    let (one_shot, own) = one_shot(root, &salt, cost, &file)?;
    file.extend_from_slice(&own);
    let start = file.len();
    file.resize(start + payload.len() + TAG_LEN, 0);
    one_shot.seal(payload, &mut file[start..]);
    Ok(file)
}

/// Opens a file of this kind.
///
/// # Errors
///
/// In the order of the manual: not a sealed file, malformed, unsupported, malformed again, another root key,
/// inauthentic.
pub(crate) fn open(kind: Kind, root: &RootKey, file: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let rest = file.strip_prefix(&MAGIC).ok_or(SealedFileError::NotASealedFile)?;
    let (&[version, stored_kind, kdf], rest) = rest.split_first_chunk().ok_or(TOO_SHORT)?;
    if version != VERSION {
        return Err(SealedFileError::Unsupported("its version").into());
    }
    if stored_kind != kind as u8 {
        return Err(SealedFileError::Unsupported("its kind is another").into());
    }
    let (cost, rest) = match kdf {
        KDF_NONE => (None, rest),
        KDF_ARGON2ID => {
            let (numbers, rest) = rest.split_first_chunk::<12>().ok_or(TOO_SHORT)?;
            let number =
                |at: usize| u32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
            let cost = Argon2Cost { memory_kib: number(0), passes: number(4), lanes: number(8) };
            cost.check(match root.kind() {
                Root::Passphrase(passphrase) => passphrase.accepts,
                // It costs nothing: a key opens no such file.
                Root::Key(_) => Argon2Cost::FORMAT,
            })?;
            (Some(cost), rest)
        }
        _ => return Err(SealedFileError::Unsupported("its key derivation").into()),
    };
    let (salt, rest) = rest.split_first_chunk::<SALT_LEN>().ok_or(TOO_SHORT)?;
    let header = &file[..file.len() - rest.len()];
    let (commitment, sealed) = rest.split_first_chunk::<COMMITMENT_LEN>().ok_or(TOO_SHORT)?;
    if sealed.len() < TAG_LEN {
        return Err(TOO_SHORT.into());
    }
    let (one_shot, own) = one_shot(root, salt, cost, header)?;
    if !constant_time_eq(&own, commitment) {
        return Err(SealedFileError::WrongRootKey.into());
    }
    let mut payload = Zeroizing::new(vec![0; sealed.len() - TAG_LEN]);
    one_shot.open(sealed, &mut payload)?;
    Ok(payload)
}

const TOO_SHORT: SealedFileError = SealedFileError::Malformed("it is too short");

/// Derives key and nonce of one file, and the commitment to its root key.
///
/// A passphrase for a file under a key, or a key for one under a passphrase, is the wrong root key.
fn one_shot(
    root: &RootKey,
    salt: &[u8; SALT_LEN],
    cost: Option<Argon2Cost>,
    header: &[u8],
) -> Result<(OneShot, [u8; COMMITMENT_LEN]), Error> {
    let derived;
    let secret = match (root.kind(), cost) {
        (Root::Key(key), None) => key,
        (Root::Passphrase(Passphrase { bytes, .. }), Some(cost)) => {
            derived = derive(bytes, salt, cost)?;
            &derived
        }
        _ => return Err(SealedFileError::WrongRootKey.into()),
    };
    let prk = Prk::extract(Crypto::single(Backend::RustCrypto)?, salt, secret.expose());
    Ok(OneShot::derive_committed(&prk, label::FILE, &[header]))
}
