//! The library's embedded KMS as the key source of a store, and the `keys` commands.
//!
//! ```text
//! keys/kms.atrest     sealed under keys/root.key: the master key and every KMS key, with their policies
//!     audit.jsonl     what was done with keys and objects, for whom, and what was refused
//! ```
//!
//! Only one process at a time can open the key store. A server is one process and opens it once. This program opens it
//! for each command, and refuses a second command that runs at the same time.

mod backup;
mod commands;
mod log;
mod policy;
mod show;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atrest::audit::{AuditTrail, JsonLines};
use atrest::error::KeyStoreError;
use atrest::kms::{DEFAULT_ALIAS, EmbeddedKms, KeyAdmin};
use atrest::{Error, Keyring, KmsKeys, Requester, RootKey, Sse, SseBuilder};

use crate::failure::{About, Failure, Outcome};
pub(crate) use commands::{KeysCommand, parse, run};

/// The owner of a store, and the requester unless `--as` names another.
const OWNER: &str = "files";

#[derive(Debug)]
pub(crate) struct Embedded {
    kms: EmbeddedKms,
    keyring: Keyring,
    trail: AuditTrail,
    log: PathBuf,
    requester: Requester,
}

impl Embedded {
    /// Creates the key store. Returns its id.
    pub(crate) fn create(keys: &Path, root_key: &RootKey) -> Outcome<String> {
        let kms = EmbeddedKms::builder(kms_file(keys)).audit(trail_of(keys)?);
        Ok(kms.create(root_key, Requester::new(OWNER))?.store_id())
    }

    pub(crate) fn open(keys: &Path, id: &str, root_key: &RootKey, requester: Option<&str>) -> Outcome<Self> {
        // One trail records the operations of the KMS and on objects.
        let (file, trail) = (kms_file(keys), trail_of(keys)?);
        let kms = EmbeddedKms::builder(&file).store_id(id).audit(trail.clone()).open(root_key);
        let kms = kms.map_err(or_in_use).about(file.display())?;
        let requester = Requester::new(requester.unwrap_or(OWNER));
        Ok(Self { keyring: kms.keyring(), kms, trail, log: log_file(keys), requester })
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    pub(crate) fn sse(&self, builder: SseBuilder) -> Outcome<Sse> {
        let kms = Arc::new(self.kms.clone());
        let sse = builder.kms(kms, KmsKeys::all()).audit(self.trail.clone()).build()?;
        Ok(sse.requested_by(self.requester.clone()))
    }

    /// The key for objects without a named key.
    pub(crate) fn default_key(&self) -> &'static str {
        DEFAULT_ALIAS
    }

    /// The KMS itself, without a requester: only the owner may use it.
    pub(crate) fn owned(&self) -> Outcome<&EmbeddedKms> {
        match self.requester == self.kms.owner() {
            true => Ok(&self.kms),
            false => Err(Failure::rule(format!("only the owner of the keys may do this, without --as: {OWNER}"))),
        }
    }

    fn admin(&self) -> KeyAdmin {
        self.kms.requested_by(self.requester.clone())
    }
}

fn kms_file(keys: &Path) -> PathBuf {
    keys.join("kms.atrest")
}

fn log_file(keys: &Path) -> PathBuf {
    keys.join("audit.jsonl")
}

/// An audit trail that is required: an operation that cannot be recorded fails.
fn trail_of(keys: &Path) -> Outcome<AuditTrail> {
    let log = log_file(keys);
    let sink = JsonLines::builder(&log).open().map_err(or_in_use).about(log.display())?;
    Ok(AuditTrail::new(Arc::new(sink)))
}

/// The KMS and its audit trail have one lock each; this program reports both in the same way.
fn or_in_use(error: Error) -> Failure {
    let is_in_use = match &error {
        Error::KeyStore(error) => *error == KeyStoreError::InUse,
        Error::Io(error) => error.kind() == ErrorKind::ResourceBusy,
        _ => false,
    };
    match is_in_use {
        true => Failure::rule("in use: another command has the store open, and its KMS allows one at a time"),
        false => error.into(),
    }
}
