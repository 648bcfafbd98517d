//! A keyring as a sealed file. Its payload:
//!
//! ```text
//! LP(key id) || u64 generation || u32 primary || u32 next_version || u16 n ||
//! n x (u32 version || u8 state || u64 created || master key(32))
//! ```
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::sync::Arc;

use bytes::BufMut;
use zeroize::Zeroizing;

use super::keyring_state::{KeyringState, MasterVersion, VersionState};
use super::root_key::RootKey;
use super::sealed_file::{self, SealedFileKind};
use crate::codec::{ByteReader, put_prefixed};
use crate::crypto::Generator;
use crate::error::{Result, SealedFileError};
use crate::secret::{KEY_LEN, MasterKey, Secret};

const VERSION_LEN: usize = 4 + 1 + 8 + KEY_LEN;

/// The maximum length of a sealed keyring in bytes: longest key id, most versions, sealed under a passphrase.
pub(super) const MAX_SEALED_LEN: u64 =
    sealed_file::MAX_OVERHEAD + 2 + 2_048 + 8 + 4 + 4 + 2 + 65_535 * VERSION_LEN as u64;

/// Seals a keyring under a fresh salt.
pub(super) fn seal(state: &KeyringState, root_key: &RootKey, generator: &Generator) -> Result<Vec<u8>> {
    sealed_file::seal(SealedFileKind::Keyring, root_key, generator, &encode(state))
}

/// Opens a sealed keyring.
///
/// # Errors
///
/// Returns the errors of opening the file, and malformed if the payload breaks a rule of the format.
pub(super) fn open(sealed: &[u8], root_key: &RootKey) -> Result<KeyringState> {
    decode(&sealed_file::open(SealedFileKind::Keyring, root_key, sealed)?)
}

/// Encodes a keyring. The buffer is allocated once, so that growing it does not leave copies of keys in memory.
fn encode(state: &KeyringState) -> Zeroizing<Vec<u8>> {
    let versions_len = state.versions.len().saturating_mul(VERSION_LEN);
    let mut payload =
        Zeroizing::new(Vec::with_capacity(state.key_id.len().saturating_add(versions_len).saturating_add(20)));
    put_prefixed(&mut payload, state.key_id.as_bytes()).expect("a key id has at most 2,048 bytes");
    payload.put_u64(state.generation);
    payload.put_u32(state.primary);
    payload.put_u32(state.next_version);
    payload.put_u16(u16::try_from(state.versions.len()).expect("a keyring has at most 65,535 versions"));
    for (number, version) in &state.versions {
        payload.put_u32(*number);
        payload.put_u8(match version.state {
            VersionState::Staged => 0,
            VersionState::Enabled => 1,
            VersionState::Disabled | VersionState::Gone => 2,
        });
        payload.put_u64(version.created);
        payload.put_slice(version.key.expose_secret());
    }
    payload
}

fn decode(payload: &[u8]) -> Result<KeyringState> {
    let mut reader = ByteReader::new(payload, SealedFileError::Malformed);
    let key_id = std::str::from_utf8(reader.prefixed()?).map_err(|_| SealedFileError::Malformed("its key id"))?;
    let (generation, primary, next_version) = (reader.u64()?, reader.u32()?, reader.u32()?);
    let count = reader.u16()?;
    let mut versions = Vec::new();
    for _ in 0..count {
        let number = reader.u32()?;
        let state = match reader.u8()? {
            0 => VersionState::Staged,
            1 => VersionState::Enabled,
            2 => VersionState::Disabled,
            _ => return Err(SealedFileError::Malformed("the state of a version").into()),
        };
        let (created, bytes) = (reader.u64()?, reader.array()?);
        let fill = |key: &mut [u8; KEY_LEN]| {
            *key = *bytes;
            Ok(())
        };
        let key = Secret::filled_by(fill, || SealedFileError::Malformed("the key of a version is all zero"))?;
        versions.push((number, MasterVersion { state, created, key: Arc::new(MasterKey::from_secret(key)) }));
    }
    reader.finish()?;
    Ok(KeyringState::stored(key_id.to_owned(), generation, primary, next_version, versions)?)
}
