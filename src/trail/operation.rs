//! [`AuditOperation`]: the audited operations.

use std::fmt;

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident => $event:literal,)*) => {
        /// The operation of an event. `Display` gives the name of CloudTrail's event.
        ///
        /// Spec: AWS KMS, "Logging AWS KMS API calls with AWS CloudTrail"; Amazon S3, "Amazon S3 CloudTrail events".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum AuditOperation {
            $($(#[$doc])* $name,)*
        }

        impl AuditOperation {
            /// All operations.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            pub(crate) fn event_name(self) -> &'static str {
                match self {
                    $(Self::$name => $event,)*
                }
            }
        }
    };
}

operations! {
    /// An object was encrypted, or its encryption began: `PutObject`.
    EncryptObject => "PutObject",
    /// An object was unlocked or decrypted as a whole: `GetObject`.
    DecryptObject => "GetObject",
    /// The ETags of a listing were opened; the parameter gives their number: `ListEtags`, which AWS does not have.
    ListEtags => "ListEtags",
    /// The data key of an object or upload was rewrapped: `UpdateObjectEncryption`.
    RewrapObject => "UpdateObjectEncryption",
    /// A stored object is copied or renamed by the store itself, envelope and body; no key is used: `CopyObject`.
    CopyObject => "CopyObject",
    /// A multipart upload began: `CreateMultipartUpload`.
    BeginMultipart => "CreateMultipartUpload",
    /// A multipart upload was resumed to encrypt parts: `UploadPart`.
    ResumeMultipart => "UploadPart",
    /// A multipart upload was completed: `CompleteMultipartUpload`.
    CompleteMultipart => "CompleteMultipartUpload",
    /// A key-encryption key was generated under a KMS key: `GenerateDataKey`.
    GenerateKey => "GenerateDataKey",
    /// A key-encryption key was unwrapped: `Decrypt`.
    UnwrapKey => "Decrypt",
    /// `CreateKey`.
    CreateKey => "CreateKey",
    /// `DescribeKey`.
    DescribeKey => "DescribeKey",
    /// `ListKeys`.
    ListKeys => "ListKeys",
    /// `UpdateKeyDescription`.
    SetDescription => "UpdateKeyDescription",
    /// `TagResource`.
    SetTag => "TagResource",
    /// `UntagResource`.
    RemoveTag => "UntagResource",
    /// `CreateAlias`.
    CreateAlias => "CreateAlias",
    /// `UpdateAlias`.
    MoveAlias => "UpdateAlias",
    /// `DeleteAlias`.
    DeleteAlias => "DeleteAlias",
    /// `ListAliases`.
    ListAliases => "ListAliases",
    /// `EnableKey`.
    EnableKey => "EnableKey",
    /// `DisableKey`.
    DisableKey => "DisableKey",
    /// `ScheduleKeyDeletion`.
    ScheduleDeletion => "ScheduleKeyDeletion",
    /// `CancelKeyDeletion`.
    CancelDeletion => "CancelKeyDeletion",
    /// A key was deleted after its waiting period: `DeleteKey`.
    DeleteKey => "DeleteKey",
    /// A key was rotated on request: `RotateKeyOnDemand`.
    RotateKey => "RotateKeyOnDemand",
    /// A key was rotated because of its age: `RotateKey`.
    RotateKeyByAge => "RotateKey",
    /// The age at which a key is rotated was set: `EnableKeyRotation`.
    SetRotation => "EnableKeyRotation",
    /// Rotation by age was ended for a key: `DisableKeyRotation`.
    EndRotation => "DisableKeyRotation",
    /// `PutKeyPolicy`.
    SetPolicy => "PutKeyPolicy",
    /// `PutKeyQuota`, which AWS does not have.
    SetQuota => "PutKeyQuota",
    /// `ImportKeyMaterial`.
    ImportKey => "ImportKeyMaterial",
    /// `ExportKeyMaterial`, which AWS does not have.
    ExportKey => "ExportKeyMaterial",
    /// `BackupKeyStore`, which AWS does not have.
    Backup => "BackupKeyStore",
    /// A key store was created: `CreateKeyStore`, which AWS does not have.
    CreateStore => "CreateKeyStore",
    /// A key store was opened; the parameters are its id and generation: `OpenKeyStore`, which AWS does not have.
    OpenStore => "OpenKeyStore",
    /// A key store was restored from a backup: `RestoreKeyStore`, which AWS does not have.
    RestoreStore => "RestoreKeyStore",
    /// A keyring was changed; the version is the primary after the change: `ChangeKeyring`, which AWS does not have.
    ChangeKeyring => "ChangeKeyring",
    /// The time of a clock that had been ahead was accepted: `AcceptClock`, which AWS does not have.
    AcceptClock => "AcceptClock",
}

impl AuditOperation {
    /// Returns whether the operation changes nothing that is stored. As in CloudTrail, generating and unwrapping a key
    /// change nothing.
    pub fn is_read_only(self) -> bool {
        matches!(
            self,
            Self::DecryptObject
                | Self::ListEtags
                | Self::GenerateKey
                | Self::UnwrapKey
                | Self::DescribeKey
                | Self::ListKeys
                | Self::ListAliases
                | Self::OpenStore
        )
    }

    /// Returns whether the operation is one of an [`Sse`](crate::Sse) on an object, not one of a KMS on a key.
    pub fn is_of_objects(self) -> bool {
        matches!(
            self,
            Self::EncryptObject
                | Self::DecryptObject
                | Self::ListEtags
                | Self::RewrapObject
                | Self::CopyObject
                | Self::BeginMultipart
                | Self::ResumeMultipart
                | Self::CompleteMultipart
        )
    }

    /// Returns whether a KMS does the operation by itself, without a request.
    #[cfg(feature = "audit-json")]
    pub(crate) fn is_by_itself(self) -> bool {
        matches!(self, Self::DeleteKey | Self::RotateKeyByAge)
    }
}

impl fmt::Display for AuditOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.event_name())
    }
}
