//! Errors of others, underneath ours.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Reading or writing failed: a file of ours, an environment variable, or the store of a sweep.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct IoError {
    doing: &'static str,
    cause: Arc<io::Error>,
}

impl IoError {
    pub(crate) fn new(doing: &'static str, cause: io::Error) -> Self {
        Self { doing, cause: Arc::new(cause) }
    }

    /// What kind of error the operating system gave.
    pub fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }
}

/// An underlying error of someone else's, kept for logs and never shown by `Display` of ours.
#[derive(Clone)]
pub struct Cause(Arc<dyn std::error::Error + Send + Sync>);

impl Cause {
    pub(crate) fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
