//! Keys that wrap keys: whose they are, how they wrap, how they rotate.

mod context;
pub(crate) mod keyring;
mod keyring_file;
pub(crate) mod keyring_state;
mod provider;
mod root_key;
pub(crate) mod sealed_file;
mod sealed_keyring;
pub(crate) mod stored_file;
pub(crate) mod unwinding;
mod usage;
mod wrap;
#[cfg(any(feature = "embedded-kms", feature = "testing"))]
pub(crate) mod wrapped_kek;
mod wrapped_root_key;

pub use context::EncryptionContext;
pub use keyring::{Keyring, VersionInfo};
pub use keyring_file::KeyringFile;
pub use keyring_state::VersionState;
pub use provider::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
pub use root_key::RootKey;
pub use usage::KeyUsage;
pub(crate) use usage::VersionUsage;
pub(crate) use wrap::{WRAP_SALT_LEN, WRAPPED_KEY_LEN, Wrapping};

/// The most bytes of a key id.
pub(crate) const MAX_KEY_ID_LEN: usize = 2_048;

/// Whether a key id can be stored: 1 to 2,048 bytes, no control character.
pub(crate) fn is_key_id(key_id: &str) -> bool {
    (1..=MAX_KEY_ID_LEN).contains(&key_id.len()) && !key_id.chars().any(char::is_control)
}
