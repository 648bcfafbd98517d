//! Why a key store of the embedded KMS refuses.

use std::time::Duration;

/// Why the embedded KMS refuses to open its store, or to change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The store is open already, in another process or elsewhere in this one.
    #[error("the key store is open already, in another process or elsewhere in this one; one at a time may use it")]
    InUse,
    /// The file is not the one that this store wrote last, or its lock file was removed: another process ignores the
    /// lock, or another file was put in its place.
    #[error(
        "the key store's file or lock was replaced by another process; nothing was changed. Save a backup, then open it again"
    )]
    Conflict,
    /// Only the store's owner may do this.
    #[error("only the owner of the key store may do this")]
    NotTheOwner,
    /// The clock is behind the time of the last change: mend it, or take its time as right with `accept_clock`.
    #[error(
        "the clock is {} s behind the last change of the key store; mend it, or accept its time (accept_clock)", .0.as_secs()
    )]
    ClockWentBack(Duration),
    /// There is a key of this id.
    #[error("there is a key of this id already")]
    KeyExists,
    /// There is an alias of this name.
    #[error("there is an alias of this name already; move it instead")]
    AliasExists,
    /// A key has at most 50 aliases.
    #[error("a key has at most 50 aliases")]
    TooManyAliases,
    /// There is no alias of this name.
    #[error("there is no alias of this name")]
    AliasUnknown,
    /// An alias is not one that the store takes.
    #[error("an alias is alias/ and 1 to 250 of the characters a-z A-Z 0-9 / _ -, and alias/aws/ belongs to the KMS")]
    AliasName,
    /// The key does not wait for its deletion.
    #[error("the key is not pending deletion")]
    NotPendingDeletion,
    /// A key waits 7 to 30 days for its deletion.
    #[error("a key waits 7 to 30 days for its deletion")]
    WaitingPeriod,
    /// A key is rotated every 1 to 3,650 days.
    #[error("a key is rotated every 1 to 3650 days")]
    RotationPeriod,
    /// The key has no version of this number.
    #[error("the key has no version {0}")]
    VersionUnknown(u32),
    /// What is imported is not 32 bytes of key material under the wrapping key.
    #[error("what is imported is not 32 bytes of key material that AES-KWP wrapped under this key")]
    KeyMaterial,
    /// The clock that the builder was given, or another function of the caller's, panicked. Nothing was changed.
    #[error("a function that the key store was given panicked; nothing was changed")]
    Panicked,
    /// A text or a number is not one that the store takes.
    #[error("the key store takes {0}")]
    Invalid(&'static str),
}
