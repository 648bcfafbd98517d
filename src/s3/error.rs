//! What S3 answers where it refuses: status, code, message, and the XML around them.

mod from;
mod kind;

pub use kind::S3ErrorKind;

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use quick_xml::escape::escape;

/// An error as S3 answers it.
///
/// `Display` is its message. It holds no customer key, no MD5 of one and no value of an encryption context; the id of a KMS
/// key, the method and the algorithm that the request named it may hold, as S3's own answers do.
///
/// ```
/// use atrest::s3::{S3Error, S3ErrorKind};
///
/// let error = S3Error::new(S3ErrorKind::KmsKeyIdInvalid).about("app-key");
/// assert_eq!((error.status().as_u16(), error.code()), (400, "KMS.NotFoundException"));
/// assert_eq!(error.message(), "Invalid keyId 'app-key'");
/// assert!(error.to_xml("/photos/cat.jpg", "4442587FB7D0A2F9").contains("<Code>KMS.NotFoundException</Code>"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Error {
    kind: S3ErrorKind,
    argument: Option<(&'static str, Option<String>)>,
    subject: Option<String>,
    profile: Profile,
}

/// Whose answers are given, in the two places where servers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Those of Amazon S3.
    #[default]
    Amazon,
    /// Those that the suite `ceph/s3-tests` asserts: 400 where S3 answers a wrong customer key with 403, and an error where
    /// SSE-KMS or DSSE-KMS is asked for without a key, which S3 takes for its own key `aws/s3`.
    CephTests,
}

impl S3Error {
    /// An error of this kind.
    pub fn new(kind: S3ErrorKind) -> Self {
        Self { kind, argument: None, subject: None, profile: Profile::Amazon }
    }

    /// The same with an `ArgumentName` and its `ArgumentValue`. The client is shown both.
    #[must_use]
    pub fn with_argument(self, name: &'static str, value: impl Into<String>) -> Self {
        Self { argument: Some((name, Some(value.into()))), ..self }
    }

    /// The same with a value of the request that is shown only where it is as short as a method or an algorithm: a key or its
    /// MD5 may stand where it does not belong.
    pub(super) fn with_request_value(self, name: &'static str, value: &str) -> Self {
        match shown(value) {
            Some(value) => self.with_argument(name, value),
            None => self.with_argument_name(name),
        }
    }

    /// The same as a service of this profile answers it.
    #[must_use]
    pub fn in_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// The same with an `ArgumentName` alone.
    #[must_use]
    pub fn with_argument_name(self, name: &'static str) -> Self {
        Self { argument: Some((name, None)), ..self }
    }

    /// The same about this KMS key: the messages of some kinds name it. In others nothing is shown of it.
    #[must_use]
    pub fn about(self, key_id: impl Into<String>) -> Self {
        Self { subject: Some(key_id.into()), ..self }
    }

    /// What kind of refusal it is.
    pub fn kind(&self) -> S3ErrorKind {
        self.kind
    }

    /// The code, as `InvalidArgument`.
    pub fn code(&self) -> &'static str {
        self.kind.answer().code
    }

    /// The status with which a service of its [profile](Self::in_profile) answers; what [`decide`](super::decide) refuses has
    /// that of the request.
    pub fn status(&self) -> StatusCode {
        match (self.profile, self.kind) {
            (Profile::CephTests, S3ErrorKind::CustomerKeyWrong) => StatusCode::BAD_REQUEST,
            _ => self.kind.answer().status,
        }
    }

    /// The message, as `Display` gives it.
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// `ArgumentName` and, where there is one, `ArgumentValue`.
    pub fn argument(&self) -> Option<(&str, Option<&str>)> {
        self.argument.as_ref().map(|(name, value)| (*name, value.as_deref()))
    }

    /// The body of the answer, in UTF-8; a HEAD is answered with the same status and no body.
    ///
    /// `resource` is the path of the bucket or object; where one of these is empty its element is left out.
    pub fn to_xml(&self, resource: &str, request_id: &str) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
        element(&mut xml, "Code", self.code());
        element(&mut xml, "Message", &self.message());
        if let Some((name, value)) = self.argument() {
            element(&mut xml, "ArgumentName", name);
            if let Some(value) = value {
                element(&mut xml, "ArgumentValue", value);
            }
        }
        for (name, text) in [("Resource", resource), ("RequestId", request_id)] {
            if !text.is_empty() {
                element(&mut xml, name, text);
            }
        }
        xml.push_str("</Error>");
        xml
    }
}

/// A value of the request, unless it is longer than any method or algorithm.
pub(super) fn shown(value: &str) -> Option<&str> {
    Some(value).filter(|value| value.len() <= 16)
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = self.kind.answer();
        match (answer.naming, &self.subject) {
            (Some([before, after]), Some(subject)) => write!(f, "{before}{subject}{after}"),
            _ => f.write_str(answer.message),
        }
    }
}

impl std::error::Error for S3Error {}

impl From<S3ErrorKind> for S3Error {
    fn from(kind: S3ErrorKind) -> Self {
        Self::new(kind)
    }
}

fn element(xml: &mut String, name: &str, text: &str) {
    xml.extend(["<", name, ">", &escape(legal(text)), "</", name, ">"]);
}

/// What XML 1.0 has no character for, not even escaped, is replaced.
fn legal(text: &str) -> Cow<'_, str> {
    let illegal = |c: char| matches!(c, '\0'..='\x08' | '\x0b'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    if text.contains(illegal) { text.replace(illegal, "\u{fffd}").into() } else { text.into() }
}
