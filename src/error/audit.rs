//! [`AuditError`]: the error of an audit trail that could not be written.

use std::fmt;
use std::io;
use std::sync::Arc;

/// The audit trail could not be written: the operation was not done, or its result is withheld.
///
/// `Display`, `Debug` and the chain of `source()` show only the kind of the sink's error; [`cause`](Self::cause)
/// returns the sink's error.
#[derive(Clone)]
pub struct AuditError {
    cause: Arc<io::Error>,
}

impl AuditError {
    pub(crate) fn new(cause: io::Error) -> Self {
        Self { cause: Arc::new(cause) }
    }

    /// Returns the kind of the sink's error.
    pub fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }

    /// Returns the sink's error.
    pub fn cause(&self) -> &io::Error {
        &self.cause
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the audit trail could not be written: the operation was not done, or its result is withheld")
    }
}

impl fmt::Debug for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditError").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl std::error::Error for AuditError {}
