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
/// `Display` is its message. It holds no customer key, no MD5 of one and no value of an encryption context; it may
/// hold the id of a KMS key, the method and the algorithm that the request named, as S3's own answers do.
///
/// Its status depends on the profile that the service chose: [`S3Rules::status`](super::S3Rules::status).
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

/// Whose answers are given, where servers differ; chosen once, for the whole service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Those of Amazon S3.
    #[default]
    Amazon,
    /// Those that the suite `ceph/s3-tests` asserts, which differ from S3's in five places. A wrong customer key on a
    /// read is 400 where S3 answers 403. SSE-KMS or DSSE-KMS without a KMS key is an error where S3 takes its own key
    /// `aws/s3`. A method on a part or a completion of an encrypted upload is passed over where S3 refuses it.
    /// GetBucketEncryption of a bucket that was never configured is 404. Deleting a bucket's encryption leaves the
    /// bucket without any.
    CephTests,
}

impl S3Error {
    /// An error of this kind.
    pub fn new(kind: S3ErrorKind) -> Self {
        Self { kind, details: None }
    }

    /// An error of the service's own, of the kind [`Custom`](S3ErrorKind::Custom): answered and written as the others
    /// are.
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

    /// The same with an `ArgumentName` and its `ArgumentValue`. The client is shown both.
    #[must_use]
    pub fn with_argument(self, name: &'static str, value: impl Into<String>) -> Self {
        self.with(|details| details.argument = Some((name, Some(value.into()))))
    }

    /// The same with an `ArgumentName` alone.
    #[must_use]
    pub fn with_argument_name(self, name: &'static str) -> Self {
        self.with(|details| details.argument = Some((name, None)))
    }

    /// The same with a value of the request that is shown only where it is as short as a method or an algorithm: a
    /// key or its MD5 may stand where it does not belong.
    pub(super) fn with_request_value(self, name: &'static str, value: &str) -> Self {
        match shown(value) {
            Some(value) => self.with_argument(name, value),
            None => self.with_argument_name(name),
        }
    }

    /// The same with one more XML element after the argument, such as `Key` or `BucketName`. The client is shown it.
    #[must_use]
    pub fn with_element(self, name: &'static str, value: impl Into<String>) -> Self {
        self.with(|details| details.elements.push((name, value.into())))
    }

    /// The same with what the request's `Range` header says, as `RangeRequested`, where the range is not satisfiable;
    /// SDKs read it to try again.
    #[must_use]
    pub fn with_range_requested(self, range: impl Into<String>) -> Self {
        self.with(|details| details.elements.insert(0, ("RangeRequested", range.into())))
    }

    /// The same with the number of parts that the object has, as `ActualPartCount`, where it has no part of the
    /// number that was asked for.
    #[must_use]
    pub fn with_actual_part_count(self, parts: u32) -> Self {
        self.with_element("ActualPartCount", parts.to_string())
    }

    /// The same about this KMS key, or with this text in place of the kind's message: the messages of some kinds name
    /// what they are about. In others nothing is shown of it.
    #[must_use]
    pub fn with_subject(self, subject: impl Into<String>) -> Self {
        self.with(|details| details.subject = Some(subject.into()))
    }

    /// What kind of refusal it is.
    pub fn kind(&self) -> S3ErrorKind {
        self.kind
    }

    /// The code, as `InvalidArgument`.
    pub fn code(&self) -> &str {
        self.custom_answer().map_or(self.kind.answer().code, |(_, code, _)| code)
    }

    /// The message, as `Display` gives it.
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

    /// `ArgumentName` and, where there is one, `ArgumentValue`.
    pub fn argument(&self) -> Option<(&str, Option<&str>)> {
        let (name, value) = self.details.as_ref()?.argument.as_ref()?;
        Some((name, value.as_deref()))
    }

    /// The further elements, in the order of the XML.
    pub fn elements(&self) -> impl Iterator<Item = (&str, &str)> {
        self.details.iter().flat_map(|details| details.elements.iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// The body of the answer to this operation, in UTF-8; a HEAD is answered with the same status and no body.
    ///
    /// As recorded of the service, the XML declaration is left out where it belongs to a copy or a completion. An empty
    /// request id or host id leaves its element out.
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

/// A value of the request, unless it is as long as the text of an MD5, with or without its padding.
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

/// What XML 1.0 has no character for, not even escaped, is replaced.
fn legal(text: &str) -> Cow<'_, str> {
    let illegal = |c: char| matches!(c, '\0'..='\x08' | '\x0b'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    if text.contains(illegal) { text.replace(illegal, "\u{fffd}").into() } else { text.into() }
}
