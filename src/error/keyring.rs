//! Why a keyring refuses a change.

/// Why a keyring refuses a change of one of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The keyring has no version of this number.
    #[error("the keyring has no version {0}")]
    VersionUnknown(u32),
    /// The version is the primary: make another one primary first.
    #[error("version {0} is the primary; activate or rotate to another first")]
    VersionIsPrimary(u32),
    /// The version is disabled: enable it first.
    #[error("version {0} is disabled; enable it first")]
    VersionDisabled(u32),
    /// The version is not disabled; disable it, wait, then retire it.
    #[error("version {0} is not disabled; disable it, wait, then retire it")]
    VersionNotDisabled(u32),
    /// Something is still wrapped under the version: rewrap it first.
    #[error("version {version} still wraps {objects} objects and {uploads} multipart uploads; rewrap them first")]
    VersionInUse {
        /// The version's number.
        version: u32,
        /// Objects counted under it.
        objects: u64,
        /// Multipart uploads counted under it.
        uploads: u64,
    },
    /// The usage was counted for a keyring of another key id.
    #[error("the usage was counted for another keyring")]
    UsageOfOtherKeyring,
    /// The walk that counted did not come to its end.
    #[error("the walk that counted did not come to its end; finish it first")]
    UsageUnfinished,
    /// The version was the primary when the walk began, or may have been since: what was written then is not counted.
    #[error("version {0} was the primary when the walk began, or may have been since; walk again")]
    UsageOutdated(u32),
    /// The walk met entries of which it cannot say what they are wrapped under.
    #[error("of {0} entries the walk could not say which version they are under; mend or delete them, then walk again")]
    UsageUnclear(u64),
    /// Other processes changed the stored keyring again and again while this change was under way.
    #[error("the stored keyring was changed by others meanwhile; try again")]
    Conflict,
    /// The version was in the stored keyring and no longer is: retired elsewhere, or lost. Its key is still in the
    /// memory of this process, and [`Keyring::seal`](crate::Keyring::seal) saves it.
    #[error(
        "version {0} is gone from the stored keyring; its key is in memory alone and opens nothing (seal saves it)"
    )]
    VersionGone(u32),
    /// The storage did not say whether the change was stored. The keyring goes on as before until a reload tells.
    #[error("whether the change was stored is not known; reload the keyring, then look at its generation")]
    OutcomeUnknown,
    /// The storage of the keyring panicked.
    #[error("the storage of the keyring panicked")]
    StoragePanicked,
    /// The keyring lies in a key store of the embedded KMS, which this operation does not apply to.
    #[error("the keyring lies in a key store, or nowhere: there is no stored keyring of its own to adopt or replace")]
    NotInAStorage,
}

/// By which rule a stored keyring is not a continuation of the one in memory: it has another history.
///
/// The process goes on reading with what it has, and refuses to write, until the stored keyring fits again, or an
/// operator [adopts it](crate::Keyring::adopt_stored_losing_own_versions) or
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
    /// The stored keyring has the same generation and another content.
    #[error("its generation is the same, its content is not")]
    SameGeneration,
    /// The number of the next version fell.
    #[error("the number of its next version fell")]
    NextVersion,
    /// A version that both have is another key.
    #[error("its version {0} is another key")]
    VersionKey(u32),
    /// A version is back that was not there any more.
    #[error("its version {0} was retired before")]
    VersionReturned(u32),
}
