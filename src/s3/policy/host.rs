//! [`HostPolicy`], a policy document for the host's own policy engine.

use super::error::PolicyError;
use super::{Statement, document};

/// A bucket policy that the host's own policy engine evaluates.
///
/// A `HostPolicy` holds the unchanged document and lists the elements that this crate does not support. This crate
/// cannot evaluate the document, because it can neither ignore nor decide an unsupported element.
///
/// # Examples
///
/// ```
/// use atrest::s3::{BucketPolicy, HostPolicy, PolicyErrorKind};
///
/// # fn main() -> Result<(), atrest::s3::PolicyError> {
/// let document = br#"{"Version": "2012-10-17", "Statement": [{
///     "Sid": "NotMine", "Effect": "Deny", "Principal": "*", "NotAction": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*"
/// }]}"#;
/// assert!(BucketPolicy::from_json(document).is_err());
/// let policy = HostPolicy::from_json(document)?;
/// assert_eq!(policy.not_understood()[0].kind(), PolicyErrorKind::UnknownElement);
/// assert_eq!(policy.not_understood()[0].name(), "NotAction");
/// assert_eq!(policy.document().as_bytes(), document);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct HostPolicy {
    document: Box<str>,
    not_understood: Vec<PolicyError>,
}

impl HostPolicy {
    /// Creates the policy from a document.
    ///
    /// # Errors
    ///
    /// Returns a [`PolicyError`] if the document is longer than
    /// [`BucketPolicy::MAX_LEN`](super::BucketPolicy::MAX_LEN), not JSON, or nested more deeply than any policy.
    pub fn from_json(document: &[u8]) -> Result<Self, PolicyError> {
        let json = document::json(document)?;
        let not_understood = match document::read(&json) {
            Err(error) => vec![error],
            Ok(read) => match read.into_iter().partition::<Vec<_>, _>(Result::is_ok) {
                (understood, refused) if refused.is_empty() => {
                    let statements: Vec<Statement> = understood.into_iter().filter_map(Result::ok).collect();
                    document::check_cost(&statements).err().into_iter().collect()
                }
                (_, refused) => refused.into_iter().filter_map(Result::err).collect(),
            },
        };
        // JSON is UTF-8, so the conversion loses nothing.
        Ok(Self { document: String::from_utf8_lossy(document).into(), not_understood })
    }

    /// Returns the unchanged document.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// Returns the first unsupported element of each statement. The list is empty if the document is a valid
    /// [`BucketPolicy`](super::BucketPolicy).
    pub fn not_understood(&self) -> &[PolicyError] {
        &self.not_understood
    }
}
