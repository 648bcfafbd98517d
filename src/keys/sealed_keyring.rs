//! A keyring as a sealed file; inside it:
//!
//! ```text
//! LP(key id) || u64 generation || u32 primary || u32 next_version || u16 n ||
//! n x (u32 version || u8 state || u64 created || master key(32))
//! ```
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::sync::Arc;

use zeroize::Zeroizing;

use super::keyring_state::{State, Version, VersionState};
use super::root_key::RootKey;
use super::sealed_file::{self, Kind};
use crate::crypto::Generator;
use crate::error::{Result, SealedFileError};
use crate::secret::{KEY_LEN, MasterKey, Secret};

const VERSION_LEN: usize = 4 + 1 + 8 + KEY_LEN;

/// The longest sealed keyring in bytes: the longest key id, the most versions, and a seal under a passphrase.
pub(super) const MAX_SEALED_LEN: u64 =
    sealed_file::MAX_OVERHEAD + 2 + 2_048 + 8 + 4 + 4 + 2 + 65_535 * VERSION_LEN as u64;

/// Seals a keyring under a fresh salt.
pub(super) fn seal(state: &State, root_key: &RootKey) -> Result<Vec<u8>> {
    sealed_file::seal(Kind::Keyring, root_key, &Generator::default(), &encode(state))
}

/// Opens a sealed keyring.
///
/// # Errors
///
/// What opening the file gives; a payload that breaks a rule of the format is malformed.
pub(super) fn open(sealed: &[u8], root_key: &RootKey) -> Result<State> {
    decode(&sealed_file::open(Kind::Keyring, root_key, sealed)?)
}

/// Allocated once, so that no key is left behind by a growing buffer.
fn encode(state: &State) -> Zeroizing<Vec<u8>> {
    let versions_len = state.versions.len().saturating_mul(VERSION_LEN);
    let mut payload =
        Zeroizing::new(Vec::with_capacity(state.key_id.len().saturating_add(versions_len).saturating_add(20)));
    // Both counts are bounded where they are made: 2,048 bytes of key id, 65,535 versions.
    payload.extend_from_slice(&u16::try_from(state.key_id.len()).unwrap_or(u16::MAX).to_be_bytes());
    payload.extend_from_slice(state.key_id.as_bytes());
    payload.extend_from_slice(&state.generation.to_be_bytes());
    payload.extend_from_slice(&state.primary.to_be_bytes());
    payload.extend_from_slice(&state.next_version.to_be_bytes());
    payload.extend_from_slice(&u16::try_from(state.versions.len()).unwrap_or(u16::MAX).to_be_bytes());
    for (number, version) in &state.versions {
        payload.extend_from_slice(&number.to_be_bytes());
        payload.push(match version.state {
            VersionState::Staged => 0,
            VersionState::Enabled => 1,
            VersionState::Disabled | VersionState::Gone => 2,
        });
        payload.extend_from_slice(&version.created.to_be_bytes());
        payload.extend_from_slice(version.key.expose_secret());
    }
    payload
}

fn decode(payload: &[u8]) -> Result<State> {
    let mut reader = Reader(payload);
    let key_id_len = u16::from_be_bytes(reader.array()?);
    let key_id = std::str::from_utf8(reader.bytes(usize::from(key_id_len))?).map_err(|_| malformed("its key id"))?;
    let generation = u64::from_be_bytes(reader.array()?);
    let primary = u32::from_be_bytes(reader.array()?);
    let next_version = u32::from_be_bytes(reader.array()?);
    let count = u16::from_be_bytes(reader.array()?);
    let mut versions = Vec::new();
    for _ in 0..count {
        let number = u32::from_be_bytes(reader.array()?);
        let state = match reader.array()? {
            [0] => VersionState::Staged,
            [1] => VersionState::Enabled,
            [2] => VersionState::Disabled,
            _ => return Err(malformed("the state of a version").into()),
        };
        let created = u64::from_be_bytes(reader.array()?);
        let bytes = reader.bytes(KEY_LEN)?;
        let fill = |key: &mut [u8; KEY_LEN]| {
            key.copy_from_slice(bytes);
            Ok(())
        };
        let key = Secret::filled_by(fill, || malformed("the key of a version is all zero"))?;
        versions.push((number, Version { state, created, key: Arc::new(MasterKey::from_secret(key)) }));
    }
    if !reader.0.is_empty() {
        return Err(malformed("bytes behind its versions").into());
    }
    Ok(State::stored(key_id.to_owned(), generation, primary, next_version, versions)?)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], SealedFileError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(malformed("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SealedFileError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(malformed("it ends too early"))?;
        self.0 = rest;
        Ok(*bytes)
    }
}

fn malformed(what: &'static str) -> SealedFileError {
    SealedFileError::Malformed(what)
}
