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
    /// The file changed under this change, by someone who did not take its lock.
    #[error("the keyring file was changed by someone else meanwhile; try again")]
    Conflict,
}
