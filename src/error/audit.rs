//! Why an audit trail has no record.

use std::fmt;
use std::io;
use std::sync::Arc;

/// The audit trail could not be written, and so what was asked for was not done, or its outcome is not given out.
///
/// What the sink said is kept as the [`source`](std::error::Error::source), for logs; `Display` never shows it.
#[derive(Clone, Debug)]
pub struct AuditError {
    cause: Arc<io::Error>,
}

impl AuditError {
    pub(crate) fn new(cause: io::Error) -> Self {
        Self { cause: Arc::new(cause) }
    }

    /// What kind of error the sink gave.
    pub fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the audit trail could not be written: what was asked for was not done, or its outcome is not given out",
        )
    }
}

impl std::error::Error for AuditError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.cause)
    }
}
