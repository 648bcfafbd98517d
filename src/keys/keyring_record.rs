//! [`Recorder`]: what puts the changes of a keyring on record.

use std::future::Future;
use std::pin::Pin;

use crate::error::{Error, Result};

/// A change of a stored keyring, for an audit trail.
#[derive(Clone, Debug)]
pub(crate) struct KeyringRecord {
    pub(crate) key_id: String,
    /// The primary after the change.
    pub(crate) primary: u32,
    /// The generation after the change.
    pub(crate) generation: u64,
    /// What differs, by its name.
    pub(crate) differences: Vec<(&'static str, String)>,
    /// Why the change that was put on record could not be stored.
    pub(crate) error: Option<Error>,
}

/// Is told of each change before it is stored, and again where it could not be stored. A change that cannot be put on
/// record is not made.
pub(crate) trait Recorder: Send + Sync + 'static {
    /// Puts a change on record.
    fn record(&self, record: KeyringRecord) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'static>>;
}
