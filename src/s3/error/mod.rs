//! [`S3Error`], an error answer of S3: status, code, message and XML.

mod from;
mod kind;
mod parts;

pub use kind::S3ErrorKind;
pub use parts::{check_parts, read_part_number};

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use quick_xml::escape::escape;

use super::operation::S3Operation;

/// An error as S3 answers it.
///
/// `Display` gives the message. The error holds no customer key, no MD5 of a customer key and no value of an encryption
/// context. Like S3's own answers, it may hold the KMS key id, the method and the algorithm that the request names.
///
/// The status depends on the profile of the service: see [`S3Rules::status`](super::S3Rules::status).
///
/// ```
/// use atrest::s3::{S3Operation, S3Error, S3ErrorKind, S3Rules};
///
/// let error = S3Error::new(S3ErrorKind::KmsKeyIdInvalid).with_subject("app-key");
/// assert_eq!(S3Rules::new().status(&error).as_u16(), 400);
/// assert_eq!(error.code(), "KMS.NotFoundException");
/// assert_eq!(error.message(), "Invalid keyId 'app-key'");
/// let xml = error.to_xml(S3Operation::PutObject, "4442587FB7D0A2F9", "");
/// assert!(xml.contains("<Code>KMS.NotFoundException</Code>"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Error {
    kind: S3ErrorKind,
    details: Option<Box<Details>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Details {
    custom: Option<(StatusCode, Cow<'static, str>, Cow<'static, str>)>,
    argument: Option<(&'static str, Option<String>)>,
    subject: Option<String>,
    elements: Vec<(&'static str, String)>,
}

/// The server whose answers the service gives, for cases in which servers differ. One profile holds for the whole
/// service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// The answers of Amazon S3.
    #[default]
    Amazon,
    /// The answers that the suite `ceph/s3-tests` asserts. They differ from S3's in five cases:
    ///
    /// - A wrong customer key on a read is 400. S3 answers 403.
    /// - SSE-KMS or DSSE-KMS without a KMS key is an error. S3 uses its own key `aws/s3`.
    /// - A method on a part or a completion of an encrypted upload is ignored. S3 refuses it.
    /// - GetBucketEncryption of a bucket that was never configured is 404.
    /// - Deleting a bucket's encryption leaves the bucket without encryption.
    CephTests,
}

impl S3Error {
    /// Creates an error of this kind.
    pub fn new(kind: S3ErrorKind) -> Self {
        Self { kind, details: None }
    }

    /// Creates an error of the service's own, of the kind [`Custom`](S3ErrorKind::Custom). It is answered and written
    /// like any other error.
    pub fn custom(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(S3ErrorKind::Custom).with(|details| details.custom = Some((status, code.into(), message.into())))
    }

    fn with(mut self, change: impl FnOnce(&mut Details)) -> Self {
        change(self.details.get_or_insert_default());
        self
    }

    /// Sets `ArgumentName` and `ArgumentValue`. The client sees both.
    #[must_use]
    pub fn with_argument(self, name: &'static str, value: impl Into<String>) -> Self {
        self.with(|details| details.argument = Some((name, Some(value.into()))))
    }

    /// Sets `ArgumentName` without an `ArgumentValue`.
    #[must_use]
    pub fn with_argument_name(self, name: &'static str) -> Self {
        self.with(|details| details.argument = Some((name, None)))
    }

    /// Sets `ArgumentName`, and `ArgumentValue` only if the value is as short as a method or an algorithm. A longer
    /// value may be a customer key or its MD5 in the wrong header.
    pub(super) fn with_request_value(self, name: &'static str, value: &str) -> Self {
        match shown(value) {
            Some(value) => self.with_argument(name, value),
            None => self.with_argument_name(name),
        }
    }

    /// Adds an XML element after the argument, such as `Key` or `BucketName`. The client sees the element.
    #[must_use]
    pub fn with_element(self, name: &'static str, value: impl Into<String>) -> Self {
        self.with(|details| details.elements.push((name, value.into())))
    }

    /// Adds the request's `Range` header as `RangeRequested`, for a range that is not satisfiable. SDKs read this
    /// element to try again.
    #[must_use]
    pub fn with_range_requested(self, range: impl Into<String>) -> Self {
        self.with(|details| details.elements.insert(0, ("RangeRequested", range.into())))
    }

    /// Adds the object's number of parts as `ActualPartCount`, for a request for a part that the object does not have.
    #[must_use]
    pub fn with_actual_part_count(self, parts: u32) -> Self {
        self.with_element("ActualPartCount", parts.to_string())
    }

    /// Sets the subject that the messages of some kinds name, such as the KMS key, the region or the requester. The
    /// subject replaces the whole message of [`MalformedPolicy`](S3ErrorKind::MalformedPolicy). Other kinds do not show
    /// the subject.
    #[must_use]
    pub fn with_subject(self, subject: impl Into<String>) -> Self {
        self.with(|details| details.subject = Some(subject.into()))
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> S3ErrorKind {
        self.kind
    }

    /// Returns the code, such as `InvalidArgument`.
    pub fn code(&self) -> &str {
        self.custom_answer().map_or(self.kind.answer().code, |(_, code, _)| code)
    }

    /// Returns the message, as `Display` gives it.
    pub fn message(&self) -> String {
        self.to_string()
    }

    pub(super) fn status_in(&self, profile: Profile) -> StatusCode {
        match (profile, self.kind) {
            (Profile::CephTests, S3ErrorKind::CustomerKeyWrong) => StatusCode::BAD_REQUEST,
            _ => self.custom_answer().map_or(self.kind.answer().status, |(status, _, _)| *status),
        }
    }

    fn custom_answer(&self) -> Option<&(StatusCode, Cow<'static, str>, Cow<'static, str>)> {
        self.details.as_ref()?.custom.as_ref()
    }

    /// Returns `ArgumentName` and, if set, `ArgumentValue`.
    pub fn argument(&self) -> Option<(&str, Option<&str>)> {
        let (name, value) = self.details.as_ref()?.argument.as_ref()?;
        Some((name, value.as_deref()))
    }

    /// Returns the added elements, in the order of the XML.
    pub fn elements(&self) -> impl Iterator<Item = (&str, &str)> {
        self.details.iter().flat_map(|details| details.elements.iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// Writes the body of the answer to this operation, in UTF-8. The answer to a HEAD has the same status and no body.
    ///
    /// As recorded of the service, the XML of a copy or a completion has no XML declaration. The element of an empty
    /// request id or host id is omitted.
    pub fn to_xml(&self, operation: S3Operation, request_id: &str, host_id: &str) -> String {
        let declaration = if operation.declares_xml() { super::xml::DECLARATION } else { "" };
        let mut xml = format!("{declaration}<Error>");
        element(&mut xml, "Code", self.code());
        element(&mut xml, "Message", &self.message());
        if let Some((name, value)) = self.argument() {
            element(&mut xml, "ArgumentName", name);
            if let Some(value) = value {
                element(&mut xml, "ArgumentValue", value);
            }
        }
        for (name, text) in self.elements() {
            element(&mut xml, name, text);
        }
        for (name, text) in [("RequestId", request_id), ("HostId", host_id)] {
            if !text.is_empty() {
                element(&mut xml, name, text);
            }
        }
        xml.push_str("</Error>");
        xml
    }
}

/// Returns a value of the request, or `None` if the value is at least as long as the unpadded text of an MD5.
pub(super) fn shown(value: &str) -> Option<&str> {
    Some(value).filter(|value| value.len() < 22)
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, _, message)) = self.custom_answer() {
            return f.write_str(message);
        }
        let answer = self.kind.answer();
        match (answer.naming, self.details.as_ref().and_then(|details| details.subject.as_ref())) {
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

/// Replaces the characters that XML 1.0 does not allow, not even escaped.
fn legal(text: &str) -> Cow<'_, str> {
    let illegal = |c: char| matches!(c, '\0'..='\x08' | '\x0b'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    if text.contains(illegal) { text.replace(illegal, "\u{fffd}").into() } else { text.into() }
}
