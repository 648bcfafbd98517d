//! Keys that wrap keys: whose they are, how they wrap, how they rotate.

mod context;
mod keyring;
mod keyring_file;
mod keyring_state;
mod provider;
mod root_key;
mod sealed_file;
mod sealed_keyring;
mod usage;
mod wrap;
#[cfg(feature = "testing")]
pub(crate) mod wrapped_kek;

pub use context::EncryptionContext;
pub use keyring::{Keyring, VersionInfo};
pub use keyring_file::KeyringFile;
pub use keyring_state::VersionState;
pub use provider::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
pub use root_key::RootKey;
#[cfg(feature = "audit-json")]
pub(crate) use root_key::{directory_of, sync_directory_of};
pub use usage::KeyUsage;
pub(crate) use usage::VersionUsage;
pub(crate) use wrap::{WRAP_SALT_LEN, WRAPPED_KEY_LEN, Wrapping};

/// The most bytes of a key id.
pub(crate) const MAX_KEY_ID_LEN: usize = 2_048;

/// Whether a key id can be stored: 1 to 2,048 bytes, no control character.
pub(crate) fn is_key_id(key_id: &str) -> bool {
    (1..=MAX_KEY_ID_LEN).contains(&key_id.len()) && !key_id.chars().any(char::is_control)
}
