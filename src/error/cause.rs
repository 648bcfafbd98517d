//! [`Cause`] and [`IoError`]: wrappers of the errors of other libraries.

use std::any::type_name;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::Error;

/// The underlying error of a random generator or a key provider.
///
/// # Security
///
/// Another library's error may contain a key: an HTTP client's error often contains the body of the response that it
/// could not parse. `Debug` of a cause therefore shows only the error's type, and no `source()` of this library leads
/// to the error. [`error`](Self::error) returns it to a caller that knows its type and which of its fields may be
/// logged.
#[derive(Clone)]
pub struct Cause {
    error: Arc<dyn StdError + Send + Sync>,
    type_name: &'static str,
}

impl Cause {
    pub(crate) fn new<E: StdError + Send + Sync + 'static>(error: E) -> Self {
        Self { error: Arc::new(error), type_name: type_name::<E>() }
    }

    /// Returns the underlying error, for a downcast.
    pub fn error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.error
    }

    /// Returns the underlying error if it is an [`Error`] of this library, which is safe to show.
    pub(super) fn ours(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.downcast_ref::<Error>().map(|error| error as _)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cause({})", self.type_name)
    }
}

/// An I/O error of a key file, an audit trail, an environment variable, or the store of a sweep.
///
/// # Security
///
/// `Display` and `Debug` show the operating system's message. If the I/O error contains another error, such as a
/// store's, they show only its kind; [`cause`](Self::cause) returns the I/O error.
#[derive(Clone)]
pub struct IoError {
    doing: &'static str,
    cause: Arc<io::Error>,
}

impl IoError {
    pub(crate) fn new(doing: &'static str, cause: io::Error) -> Self {
        Self { doing, cause: Arc::new(cause) }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }

    /// Returns the I/O error.
    pub fn cause(&self) -> &io::Error {
        &self.cause
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, Shown(&self.cause))
    }
}

impl fmt::Debug for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoError")
            .field("doing", &self.doing)
            .field("kind", &self.kind())
            .field("os_error", &self.cause.raw_os_error())
            .finish_non_exhaustive()
    }
}

impl StdError for IoError {}

/// A message of this library inside an `io::Error`, which [`IoError`] may show.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Said(pub(crate) &'static str);

/// Displays the safe part of an I/O error: the operating system's message, a message or an error of this library, or
/// else only the kind.
struct Shown<'a>(&'a io::Error);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get_ref() {
            None => fmt::Display::fmt(self.0, f),
            Some(inner) => {
                let said = inner.downcast_ref::<Said>().map(|said| said as &dyn fmt::Display);
                let error = || inner.downcast_ref::<Error>().map(|error| error as &dyn fmt::Display);
                let io = || inner.downcast_ref::<IoError>().map(|error| error as &dyn fmt::Display);
                match said.or_else(error).or_else(io) {
                    Some(ours) => ours.fmt(f),
                    None => fmt::Display::fmt(&self.0.kind(), f),
                }
            }
        }
    }
}
