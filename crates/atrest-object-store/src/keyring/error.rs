//! [`KeyringStoreError`], the reason why a keyring in an object store could not be created, opened or rewrapped.

/// The reason why a keyring in an object store could not be created, opened or rewrapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringStoreError {
    /// The store has no conditional put: two processes that change the keyring at once would lose one of its versions.
    #[error(
        "{store} has no conditional put (PutMode::Create and PutMode::Update), so it cannot hold a keyring: keep the \
         keyring in a file (atrest::Keyring::builder with a path) or in another store"
    )]
    #[non_exhaustive]
    NoConditionalPut {
        /// The store, as it displays itself.
        store: String,
    },
    /// The store ignored the condition of a put. It wrote `path`, which does not belong to the keyring, and was asked
    /// to delete it again.
    #[error("{store} ignores the condition of a put (it stored {path}), so it cannot hold a keyring")]
    #[non_exhaustive]
    ConditionIgnored {
        /// The store, as it displays itself.
        store: String,
        /// The path that was written.
        path: String,
    },
    /// The store gave no e_tag and no version of an object, or a weak e_tag: a change could not say what it replaces.
    #[error("{store} gives no strong e_tag and no version of an object, so it cannot hold a keyring")]
    #[non_exhaustive]
    NoTag {
        /// The store, as it displays itself.
        store: String,
    },
    /// There is no root key, so there is no keyring. Nothing is made anew: create the keyring in a step of its own, or
    /// restore both objects from a copy.
    #[error("there is no root key at {path}, and none is made anew: create the keyring, or restore a copy of it")]
    #[non_exhaustive]
    NotFound {
        /// The path of the object.
        path: String,
    },
    /// Another process replaced the root key at the same time. Nothing was changed by this call.
    #[error("another process replaced {path} at the same time: nothing was changed by this call")]
    #[non_exhaustive]
    Changed {
        /// The path of the object.
        path: String,
    },
    /// The store did not say whether the root key was replaced. Both the old and the new KMS key may be needed to open
    /// it: accept both, and call again.
    #[error("the store did not say whether {path} was replaced: accept both KMS keys and call again")]
    #[non_exhaustive]
    OutcomeUnknown {
        /// The path of the object.
        path: String,
    },
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[source] object_store::Error),
    /// The library refused: the KMS, the root key or the keyring.
    #[error(transparent)]
    Atrest(#[from] atrest::Error),
}
