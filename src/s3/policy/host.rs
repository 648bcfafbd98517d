//! [`HostPolicy`], a document that the host's own engine evaluates.

use super::error::PolicyError;
use super::{Statement, document};

/// A bucket policy that the host's own policy engine evaluates as a whole, and this crate does not.
///
/// It keeps the document as it was put, whether this crate understands it or not, and names what it does not
/// understand. There is no way to evaluate it here: what is not understood can be neither ignored nor taken for an
/// answer.
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
    /// Takes a document for the host's own engine.
    ///
    /// # Errors
    ///
    /// The document is longer than [`BucketPolicy::MAX_LEN`](super::BucketPolicy::MAX_LEN), not JSON, or nested more
    /// deeply than any policy.
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
        // JSON is text.
        Ok(Self { document: String::from_utf8_lossy(document).into(), not_understood })
    }

    /// The document as it was put.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The first thing in each statement that this crate does not understand; empty where a
    /// [`BucketPolicy`](super::BucketPolicy) can be read from the document.
    pub fn not_understood(&self) -> &[PolicyError] {
        &self.not_understood
    }
}
