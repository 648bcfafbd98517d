//! Errors of others, underneath ours: kept for a caller who asks for them by name, and shown nowhere.

use std::any::type_name;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::Error;

/// An underlying error of someone else's: a random generator's, or a key provider's.
///
/// # Security
///
/// Another library's error may hold a key: an HTTP client's often holds the body of the answer that it did not
/// understand. `Debug` of a cause therefore shows the error's type and nothing else, and no `source()` of ours leads to
/// it. [`error`](Self::error) gives the error itself to a caller who knows its type and what of it may be logged.
#[derive(Clone)]
pub struct Cause {
    error: Arc<dyn StdError + Send + Sync>,
    type_name: &'static str,
}

impl Cause {
    pub(crate) fn new<E: StdError + Send + Sync + 'static>(error: E) -> Self {
        Self { error: Arc::new(error), type_name: type_name::<E>() }
    }

    /// The error itself, to be downcast.
    pub fn error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.error
    }

    /// The error itself where it is one of ours, which shows nothing and leads to nothing that it may not.
    pub(super) fn ours(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.downcast_ref::<Error>().map(|error| error as _)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cause({})", self.type_name)
    }
}

/// Reading or writing failed: a file of ours, an environment variable, or the store of a sweep.
///
/// # Security
///
/// `Display` and `Debug` show what the operating system says. Of an error that holds another one, such as a store's, they
/// show the kind alone; [`cause`](Self::cause) gives the error itself.
#[derive(Clone)]
pub struct IoError {
    doing: &'static str,
    cause: Arc<io::Error>,
}

impl IoError {
    pub(crate) fn new(doing: &'static str, cause: io::Error) -> Self {
        Self { doing, cause: Arc::new(cause) }
    }

    /// What kind of error the operating system or the store gave.
    pub fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }

    /// The error itself.
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

/// Words of ours inside an `io::Error`: the ones that [`IoError`] may show.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Said(pub(crate) &'static str);

/// What may be shown of an I/O error: the operating system's words, words or an error of ours, and else the kind.
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
