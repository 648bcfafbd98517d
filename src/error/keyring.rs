//! [`KeyringError`] and [`OtherHistory`]: the errors of changing and reloading a keyring.

/// The reason why a keyring refuses a change of one of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The keyring has no version of this number.
    #[error("the keyring has no version {0}")]
    VersionUnknown(u32),
    /// The version is the primary: make another version the primary first.
    #[error("version {0} is the primary; activate another version or rotate first")]
    VersionIsPrimary(u32),
    /// The version is disabled: enable it first.
    #[error("version {0} is disabled; enable it first")]
    VersionDisabled(u32),
    /// The version is not disabled: disable it, wait, then retire it.
    #[error("version {0} is not disabled; disable it, wait, then retire it")]
    VersionNotDisabled(u32),
    /// Objects or uploads are still wrapped under the version: rewrap them first.
    #[error("version {version} still wraps {objects} objects and {uploads} multipart uploads; rewrap them first")]
    VersionInUse {
        /// The version's number.
        version: u32,
        /// The number of objects counted under it.
        objects: u64,
        /// The number of multipart uploads counted under it.
        uploads: u64,
    },
    /// The usage was counted for a keyring with another key id.
    #[error("the usage was counted for another keyring")]
    UsageOfOtherKeyring,
    /// The walk that counted the usage did not finish.
    #[error("the walk that counted the usage did not finish; resume it first")]
    UsageUnfinished,
    /// The version was the primary when the walk began, or may have become it later: the usage does not count the
    /// objects written meanwhile.
    #[error("version {0} was the primary when the walk began, or may have been since; walk again")]
    UsageOutdated(u32),
    /// The walk found entries whose version it could not determine.
    #[error("the walk could not determine the version of {0} entries; repair or delete them, then walk again")]
    UsageUnclear(u64),
    /// Other processes changed the stored keyring repeatedly during this change.
    #[error("other processes changed the stored keyring during this change; try again")]
    Conflict,
    /// The stored keyring no longer has the version: another process retired it, or it was lost. Its key is still in
    /// the memory of this process, and [`Keyring::seal`](crate::Keyring::seal) saves it.
    #[error("version {0} is gone from the stored keyring; its key is only in memory and opens nothing (seal saves it)")]
    VersionGone(u32),
    /// The storage did not report whether the change was stored. The keyring stays as it was until the next reload.
    #[error("the storage did not report whether the change was stored; reload the keyring, then check its generation")]
    OutcomeUnknown,
    /// The storage of the keyring panicked.
    #[error("the storage of the keyring panicked")]
    StoragePanicked,
    /// The keyring is in a key store of the embedded KMS, which does not support this operation, or it is not stored.
    #[error("the keyring is in a key store, or not stored: there is no separate stored keyring to adopt or replace")]
    NotInAStorage,
}

/// The reason why a stored keyring does not continue the keyring in memory.
///
/// The process continues to read with the keys in memory and refuses to write, until the stored keyring continues the
/// one in memory again, or until an operator [adopts it](crate::Keyring::adopt_stored_losing_own_versions) or
/// [replaces it](crate::Keyring::replace_stored_by_own).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OtherHistory {
    /// The stored keyring has another key id.
    #[error("its key id is another")]
    KeyId,
    /// The stored keyring has a lower generation: an old file was put back.
    #[error("its generation is lower: an old one was put back")]
    OlderGeneration,
    /// The stored keyring has the same generation and other content.
    #[error("its generation is the same, its content is not")]
    SameGeneration,
    /// The stored number of the next version is lower.
    #[error("the number of its next version fell")]
    NextVersion,
    /// A version with the same number is another key.
    #[error("its version {0} is another key")]
    VersionKey(u32),
    /// The stored keyring has a version that was retired before.
    #[error("its version {0} was retired before")]
    VersionReturned(u32),
}
