//! [`KeyStoreError`]: the error of an operation that the embedded KMS refused.

use std::time::Duration;

/// The reason why the embedded KMS refuses to open its store or to change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The store is already open, in this process or in another one.
    #[error("the key store is already open, in another process or elsewhere in this one; close it there first")]
    InUse,
    /// The file is not the one that this process wrote last: the file was replaced, or another process ignores the
    /// lock.
    #[error(
        "the key store's file was replaced by another process; nothing was changed. Save a backup, then open it again"
    )]
    Conflict,
    /// Only the store's owner may do this.
    #[error("only the owner of the key store may do this")]
    NotTheOwner,
    /// The clock is behind the time of the last change: correct the clock, or accept the clock's time with
    /// `accept_clock`.
    #[error(
        "the clock is {} s behind the last change of the key store; correct it, or accept its time (accept_clock)",
        .0.as_secs()
    )]
    ClockWentBack(Duration),
    /// A key with this id exists already.
    #[error("a key with this id exists already")]
    KeyExists,
    /// An alias of this name exists already.
    #[error("there is an alias of this name already; move it instead")]
    AliasExists,
    /// The key would have more than 50 aliases.
    #[error("a key has at most 50 aliases")]
    TooManyAliases,
    /// No alias of this name exists.
    #[error("there is no alias of this name")]
    AliasUnknown,
    /// The store does not accept this alias name.
    #[error("an alias is alias/ and 1 to 250 of the characters a-z A-Z 0-9 / _ -, and alias/aws/ belongs to the KMS")]
    AliasName,
    /// The key is not pending deletion.
    #[error("the key is not pending deletion")]
    NotPendingDeletion,
    /// The waiting period before a deletion is not 7 to 30 days.
    #[error("the waiting period before a deletion is 7 to 30 days")]
    WaitingPeriod,
    /// The rotation period of a key is not 1 to 3,650 days.
    #[error("the rotation period of a key is 1 to 3,650 days")]
    RotationPeriod,
    /// The key has no version of this number.
    #[error("the key has no version {0}")]
    VersionUnknown(u32),
    /// The imported bytes are not 32 bytes of key material that AES-KWP wrapped under this wrapping key.
    #[error("the imported bytes are not 32 bytes of key material that AES-KWP wrapped under this key")]
    KeyMaterial,
    /// The clock of the builder, or another function of the caller, panicked. The store is unchanged.
    #[error("a function that the key store was given panicked; nothing was changed")]
    Panicked,
    /// The store does not accept a text or a number. The field names what the store accepts.
    #[error("the key store accepts only {0}")]
    Invalid(&'static str),
}
