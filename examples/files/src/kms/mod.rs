//! `Kms`: the keys of a store, which are its master key and its key management service.
//!
//! `--kms files` is the default: a keyring file for the master key, and this program's own KMS (`file_kms.rs`). `--kms
//! embedded` is the library's KMS, which keeps both in one file (`embedded.rs`). A store keeps the KMS that it was
//! created with.

#[cfg(feature = "embedded-kms")]
pub(crate) mod embedded;
#[cfg(not(feature = "embedded-kms"))]
#[path = "without_embedded.rs"]
pub(crate) mod embedded;
mod file_kms;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use atrest::{Keyring, KmsKeys, RootKey, Sse};

use crate::failure::{About, Failure, Outcome};
use crate::store::StoreOptions;
use embedded::Embedded;
use file_kms::FileKms;

/// The values of `--kms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KmsKind {
    Files,
    Embedded,
}

impl KmsKind {
    pub(crate) const ALL: [Self; 2] = [Self::Files, Self::Embedded];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Embedded => "embedded",
        }
    }

    /// The name of the key id in the file `store`.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Files => "keyring",
            Self::Embedded => "embedded-kms",
        }
    }
}

/// The opened keys of a store.
#[derive(Debug)]
pub(crate) enum Kms {
    Files { keyring: Keyring, kms: Arc<FileKms> },
    Embedded(Embedded),
}

impl Kms {
    /// Creates the keys of a new store. Returns their id.
    pub(crate) fn create(kind: KmsKind, store: &Path) -> Outcome<String> {
        let keys = store.join("keys");
        fs::create_dir(&keys)?;
        let root_key = RootKey::create_file(keys.join("root.key"))?;
        match kind {
            KmsKind::Files => {
                FileKms::create(&store.join("kms"))?;
                Ok(Keyring::create_blocking(keys.join("master.atrest"), &root_key)?.key_id().to_owned())
            }
            KmsKind::Embedded => Embedded::create(&keys, &root_key),
        }
    }

    /// Opens the keys of a store if they have this id.
    pub(crate) fn open(kind: KmsKind, id: &str, store: &Path, options: &StoreOptions) -> Outcome<Self> {
        let keys = store.join("keys");
        let root_key_file = keys.join("root.key");
        let root_key = RootKey::open_file(&root_key_file).about(root_key_file.display())?;
        match kind {
            // `--as` would have no effect here, so it is refused.
            KmsKind::Files if options.requester.is_some() => {
                Err(Failure::usage("--as is for a store with --kms embedded: the KMS of this store has no requesters"))
            }
            KmsKind::Files => {
                let keyring_file = keys.join("master.atrest");
                let keyring = Keyring::builder(&keyring_file).key_id(id).open_blocking(&root_key);
                let keyring = keyring.about(keyring_file.display())?;
                Ok(Self::Files { keyring, kms: Arc::new(FileKms::open(store.join("kms"))?) })
            }
            KmsKind::Embedded => Embedded::open(&keys, id, &root_key, options.requester.as_deref()).map(Self::Embedded),
        }
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        match self {
            Self::Files { keyring, .. } => keyring,
            Self::Embedded(embedded) => embedded.keyring(),
        }
    }

    /// The keyring for commands that change it, without a requester.
    pub(crate) fn keyring_to_change(&self) -> Outcome<&Keyring> {
        if let Self::Embedded(embedded) = self {
            embedded.owned()?;
        }
        Ok(self.keyring())
    }

    /// Builds the [`Sse`] with these keys.
    ///
    /// Either KMS serves this store alone, so every key that it unwraps was wrapped here. A KMS that serves other
    /// stores too needs `KmsKeys::only`: an attacker who writes the directory can write envelopes, which must not
    /// choose the key.
    pub(crate) fn sse(&self) -> Outcome<Sse> {
        let builder = Sse::builder().keyring(self.keyring().clone());
        match self {
            Self::Files { kms, .. } => Ok(builder.kms(kms.clone(), KmsKeys::all()).build()?),
            Self::Embedded(embedded) => embedded.sse(builder),
        }
    }

    /// The KMS key for a new object: the named key, or the default key.
    pub(crate) fn key_to_write_under(&self, named: Option<&str>) -> Outcome<String> {
        let key_id = named.unwrap_or(match self {
            Self::Files { .. } => file_kms::DEFAULT_ALIAS,
            Self::Embedded(embedded) => embedded.default_key(),
        });
        // The embedded KMS creates its default key on first use.
        if let (Self::Files { kms, .. }, file_kms::DEFAULT_ALIAS) = (self, key_id) {
            kms.ensure_default_key()?;
        }
        Ok(key_id.to_owned())
    }

    /// The command `kms-create`: creates a key with this name. Returns its id.
    pub(crate) fn create_key(&self, name: &str) -> Outcome<String> {
        match self {
            Self::Files { kms, .. } => kms.create_key(name),
            Self::Embedded(_) => {
                Err(Failure::rule(format!("this store has an embedded KMS: `keys create --alias alias/{name}`")))
            }
        }
    }
}
