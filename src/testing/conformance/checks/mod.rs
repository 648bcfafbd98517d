//! [`GROUPS`], what the suite checks in each kind of runtime.

mod access;
mod calls;
mod contexts;
mod keys;
mod objects;

use super::checker::Checker;
use super::{KeyProviderSuite, NewRuntime, SuiteTask};
use crate::error::{KeyProviderError, KeyProviderErrorKind as Kind, Result};
use crate::keys::{EncryptionContext, KeyRequest, WrappedKey};

/// Checks of one kind.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) checks: &'static [&'static [Check]],
}

/// One check.
pub(super) struct Check {
    pub(super) name: &'static str,
    /// Whether the suite says what the check needs.
    pub(super) applies: fn(&KeyProviderSuite) -> bool,
    pub(super) how: How,
}

/// How a check is run.
#[derive(Clone, Copy)]
pub(super) enum How {
    /// As one task of a new runtime.
    Task(fn(Checker) -> SuiteTask),
    /// With runtimes that the check makes itself.
    Runtimes(fn(&Checker, &NewRuntime)),
}

impl Check {
    const fn task(name: &'static str, task: fn(Checker) -> SuiteTask) -> Self {
        Self { name, applies: |_| true, how: How::Task(task) }
    }

    const fn runtimes(name: &'static str, check: fn(&Checker, &NewRuntime)) -> Self {
        Self { name, applies: |_| true, how: How::Runtimes(check) }
    }

    /// Limits the check to suites that say what it needs.
    const fn if_given(self, applies: fn(&KeyProviderSuite) -> bool) -> Self {
        Self { applies, ..self }
    }
}

/// The checks of a provider's calls, and of objects through an [`Sse`](crate::Sse).
pub(super) const GROUPS: &[Group] = &[
    Group { name: "calls", checks: &[keys::CHECKS, contexts::CHECKS, access::CHECKS, calls::CHECKS] },
    Group { name: "objects with bucket keys", checks: &[objects::CHECKS] },
];

/// The pairs of a context.
type Pairs<'a> = &'a [(&'a str, &'a str)];

const ARN: (&str, &str) = ("aws:s3:arn", "arn:aws:s3:::photos/cat.jpg");
const TEAM: (&str, &str) = ("team", "photos");

/// Builds a context as the library passes it to a provider: the caller's pairs and the object's ARN.
fn pairs(pairs: Pairs<'_>) -> EncryptionContext {
    let (arn, callers): (Vec<_>, Vec<_>) = pairs.iter().partition(|(name, _)| *name == ARN.0);
    let callers =
        callers.iter().try_fold(EncryptionContext::new(), |context, (name, value)| context.with(*name, *value));
    let callers: Result<_> = callers;
    callers.expect("the pairs are valid").shown_for(arn.first().map(|(_, arn)| (*arn).to_owned()))
}

/// Expects that unwrapping fails, for a reason that is right and that never passes by itself. Returns whether it does.
async fn refused(
    checker: &Checker,
    wrapped: &WrappedKey,
    request: KeyRequest,
    what: &str,
    is_right: impl Fn(&KeyProviderError) -> bool,
) -> bool {
    let asked = request.key_id().to_owned();
    let error = match checker.unwraps(wrapped, request, what).await {
        // The library refuses the answer of another key.
        Ok(unwrapped) if unwrapped.key_id() != asked => return true,
        Ok(_) => None,
        Err(error) => Some(error),
    };
    expect_refusal(checker, error, &format!("unwrapping with {what}"), is_right)
}

/// Expects that this is an error, for a reason that is right and that never passes by itself. Returns whether it is.
fn expect_refusal(
    checker: &Checker,
    error: Option<KeyProviderError>,
    what: &str,
    is_right: impl Fn(&KeyProviderError) -> bool,
) -> bool {
    let Some(error) = error else {
        checker.expect(false, || format!("{what} succeeds"));
        return false;
    };
    checker.expect(is_right(&error), || format!("{what} fails as {:?}", error.kind()));
    checker.expect(!error.is_transient(), || format!("{what} fails as if it could succeed later"));
    is_right(&error) && !error.is_transient()
}

/// Returns whether the error blames the wrapped key. Only a missing version of the key may be `NotFound`.
fn is_about_bytes(error: &KeyProviderError) -> bool {
    match error.kind() {
        Kind::Rejected | Kind::WrongKey | Kind::WrongLength => true,
        Kind::NotFound => error.key_version().is_some(),
        _ => false,
    }
}

/// Returns whether the error blames the key id. A KMS may hide which keys exist.
fn is_about_the_key(error: &KeyProviderError) -> bool {
    matches!(error.kind(), Kind::NotFound | Kind::AccessDenied)
}

fn is_about_either(error: &KeyProviderError) -> bool {
    is_about_the_key(error) || is_about_bytes(error)
}

fn is_denied(error: &KeyProviderError) -> bool {
    error.kind() == Kind::AccessDenied
}
