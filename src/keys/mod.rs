// Floor 3. May use the floors below: stream, crypto and the nouns.
//! Keys that wrap other keys: [`Keyring`], [`KeyProvider`], [`RootKey`] and [`EncryptionContext`].

mod answers;
mod bucket_keys;
#[cfg(feature = "s3")]
mod bulk;
mod context;
mod engine;
pub(crate) mod file_lock;
mod file_storage;
mod key_id;
mod keyring;
mod keyring_blocking;
mod keyring_builder;
mod keyring_change;
mod keyring_history;
pub(crate) mod keyring_record;
pub(crate) mod keyring_shared;
pub(crate) mod keyring_state;
mod keyring_storage;
mod keyring_stored;
mod keyring_verbs;
mod provider;
mod root_key;
pub(crate) mod sealed_file;
mod sealed_keyring;
pub(crate) mod sources;
pub(crate) mod stored_file;
pub(crate) mod unwinding;
mod usage;
mod wrap;
mod wrapped_root_key;

pub(crate) use answers::{KeyAnswers, UNRECORDED};
pub use answers::{KeyFrom, KeyProviderAnswer, KmsOperation};
pub(crate) use bucket_keys::{BucketKey, BucketKeyCache, Slot};
pub use bucket_keys::{BucketKeyStats, BucketKeys};
pub use context::EncryptionContext;
pub(crate) use key_id::{MAX_KEY_ID_LEN, are_replicas, is_alias, is_key_arn, is_key_id};
pub use keyring::{Keyring, VersionInfo};
pub use keyring_blocking::BlockingKeyring;
pub use keyring_builder::KeyringBuilder;
pub use keyring_state::VersionState;
pub use keyring_storage::{KeyringStorage, Loaded, Replaced, StorageFuture, StorageTag};
pub use provider::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UNKNOWN_EPOCH, UnwrappedKey, WrappedKey};
pub(crate) use provider::{MAX_WRAPPED_LEN, RequestedKey};
pub use root_key::RootKey;
pub use usage::KeyUsage;
pub(crate) use usage::VersionUsage;
pub(crate) use wrap::{VERIFIER_LEN, WRAP_SALT_LEN, WRAPPED_KEY_LEN, Wrapping};
