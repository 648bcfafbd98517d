//! What went wrong, in words for a person, with the exit code that says it to a script.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::process::ExitCode;

pub(crate) type Outcome<T> = Result<T, Failure>;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What it happened to: an object, a file. Empty where the cause says it all.
    subject: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// The command line makes no sense: exit code 2, everything else is 1.
    Usage(String),
    /// A rule of this program.
    Rule(String),
    /// The file system.
    Io(io::Error),
    /// The library.
    Atrest(atrest::Error),
}

impl Failure {
    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Cause::Usage(message.into()).into()
    }

    /// Something that this program does not do or accept.
    pub(crate) fn rule(message: impl Into<String>) -> Self {
        Cause::Rule(message.into()).into()
    }

    /// The library's own error, where it was the library that refused.
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
    /// The library's readers and writers hand its errors through as `io::Error`: taken out again.
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner.cloned() {
            Some(error) => Cause::Atrest(error).into(),
            None => Cause::Io(error).into(),
        }
    }
}

impl From<Failure> for io::Error {
    /// For the library, which asks a store for `io::Error`.
    fn from(failure: Failure) -> Self {
        Self::other(failure.to_string())
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::usage(error.to_string())
    }
}

/// `None` where what it was about is not there: somebody else may remove it at any moment.
pub(crate) fn unless_gone<T>(outcome: Result<T, impl Into<Failure>>) -> Outcome<Option<T>> {
    match outcome.map_err(Into::into) {
        Err(failure) if failure.is_not_found() => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// Says what a failure happened to.
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
