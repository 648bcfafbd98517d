//! `Failure`: an error as text for a person, with the exit code for a script.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::process::ExitCode;

pub(crate) type Outcome<T> = Result<T, Failure>;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The object or file that the failure is about. Empty if the cause names it.
    subject: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// The command line is invalid: exit code 2. Every other failure has exit code 1.
    Usage(String),
    /// A rule of this program.
    Rule(String),
    /// An error of the file system.
    Io(io::Error),
    /// An error of the library.
    Atrest(atrest::Error),
}

impl Failure {
    /// Creates a failure for an invalid command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Cause::Usage(message.into()).into()
    }

    /// Creates a failure for something that this program does not do or accept.
    pub(crate) fn rule(message: impl Into<String>) -> Self {
        Cause::Rule(message.into()).into()
    }

    /// The library's error, if the library refused.
    pub(crate) fn atrest(&self) -> Option<&atrest::Error> {
        match &self.cause {
            Cause::Atrest(error) => Some(error),
            _ => None,
        }
    }

    fn is_not_found(&self) -> bool {
        matches!(&self.cause, Cause::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    pub(crate) fn is_usage(&self) -> bool {
        matches!(self.cause, Cause::Usage(_))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.is_usage() { 2 } else { 1 })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.subject.is_empty() {
            write!(f, "{}: ", self.subject)?;
        }
        let cause: &dyn StdError = match &self.cause {
            Cause::Usage(message) | Cause::Rule(message) => return f.write_str(message),
            Cause::Io(error) => error,
            Cause::Atrest(error) => error,
        };
        let mut message = cause.to_string();
        let mut deeper = cause.source();
        while let Some(error) = deeper {
            message += &format!(": {error}");
            deeper = error.source();
        }
        f.write_str(&message)
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self { subject: String::new(), cause }
    }
}

impl From<atrest::Error> for Failure {
    fn from(error: atrest::Error) -> Self {
        Cause::Atrest(error).into()
    }
}

impl From<io::Error> for Failure {
    /// Unwraps an error of the library from the `io::Error` in which its readers and writers return it.
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner.cloned() {
            Some(error) => Cause::Atrest(error).into(),
            None => Cause::Io(error).into(),
        }
    }
}

impl From<Failure> for io::Error {
    /// Converts a failure for the library, which expects `io::Error` from a store.
    fn from(failure: Failure) -> Self {
        Self::other(failure.to_string())
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::usage(error.to_string())
    }
}

/// Returns `None` if the file does not exist: another process may remove it at any moment.
pub(crate) fn unless_gone<T>(outcome: Result<T, impl Into<Failure>>) -> Outcome<Option<T>> {
    match outcome.map_err(Into::into) {
        Err(failure) if failure.is_not_found() => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// Adds the name of the object or file to a failure.
pub(crate) trait About<T> {
    fn about(self, subject: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: Into<Failure>> About<T> for Result<T, E> {
    fn about(self, subject: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| {
            let mut failure = error.into();
            if failure.subject.is_empty() {
                failure.subject = subject.to_string();
            }
            failure
        })
    }
}
