//! What a request says of encryption, and what the answer to it says.

pub mod names;

mod base64;
mod context;
mod customer_key;
mod response;

pub(super) use context::ContextHeader;
pub(super) use customer_key::{CustomerKeyHeaders, CustomerKeyMd5, DecodedKey, KeyText};
pub(super) use response::AnswerHeaders;

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::error::{S3Error, S3ErrorKind, shown};
use names::SERVER_SIDE_ENCRYPTION;

/// The encryption headers of a request, with the query parameters of a presigned URL or the form fields of a POST that
/// stand for them.
///
/// Customer keys are [`CustomerKey`](crate::CustomerKey) from the moment they are parsed. A decision says what is
/// wrong with a value, in the place where S3 says it; here a request is refused only where a header comes twice with
/// different values, is longer than any valid value, or is not printable ASCII.
///
/// `Debug` shows no key, no MD5 of one and no value of the context.
///
/// ```
/// use atrest::s3::EncryptionHeaders;
///
/// let headers = http::Request::put("/photos/cat.jpg").header("x-amz-server-side-encryption", "aws:kms").body(())?;
/// let headers = EncryptionHeaders::from_request(headers.headers(), headers.uri().query())?;
/// assert!(!headers.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
///
/// The map, the query and the form still hold the customer key in text: [mark](mark_sensitive) the headers, write
/// none of it to a log, and drop it soon. A URL is written to logs by proxies: a customer key in a query is a key in
/// their logs.
#[derive(Clone, Default)]
pub struct EncryptionHeaders {
    pub(super) method: Option<Method>,
    pub(super) kms_key_id: Option<String>,
    /// Given, and what it holds if it can be read.
    pub(super) context: Option<Option<ContextHeader>>,
    pub(super) bucket_key: Option<Option<bool>>,
    pub(super) customer: CustomerKeyHeaders,
    pub(super) source: CustomerKeyHeaders,
}

/// A method as the request names it.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Method {
    Aes256,
    Kms,
    DsseKms,
    Unknown(String),
}

impl Method {
    fn of(text: &str) -> Self {
        match text {
            "AES256" => Self::Aes256,
            "aws:kms" => Self::Kms,
            "aws:kms:dsse" => Self::DsseKms,
            _ => Self::Unknown(text.to_owned()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms => "aws:kms",
            Self::DsseKms => "aws:kms:dsse",
            Self::Unknown(text) => text,
        }
    }

    pub(super) fn is_kms(&self) -> bool {
        matches!(self, Self::Kms | Self::DsseKms)
    }
}

/// A header, the longest value that is looked at, and whether the value may be any bytes.
struct Field {
    name: &'static str,
    max_len: usize,
    set: Set,
}

/// Sets a value; says whether it agrees with one that was there.
enum Set {
    Text(fn(&mut EncryptionHeaders, &str) -> bool),
    /// What is wrong with the value is told by the rules of SSE-C, also where it is no text.
    Bytes(fn(&mut EncryptionHeaders, &[u8]) -> bool),
}

/// Puts a value in its place; says whether the place was free, or held the same.
fn put<T: PartialEq>(place: &mut Option<T>, value: T) -> bool {
    match place {
        Some(there) => *there == value,
        None => {
            *place = Some(value);
            true
        }
    }
}

/// As clients send it: Python's `True` among them.
fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

const MAX_KEY_LEN: usize = 4_096;

#[rustfmt::skip]
const FIELDS: [Field; 10] = [
    Field { name: SERVER_SIDE_ENCRYPTION, max_len: 40, set: Set::Text(|h, text| put(&mut h.method, Method::of(text))) },
    Field { name: names::KMS_KEY_ID, max_len: 2_048, set: Set::Text(|h, text| put(&mut h.kms_key_id, text.to_owned())) },
    Field { name: names::CONTEXT, max_len: 16_384, set: Set::Text(|h, text| put(&mut h.context, ContextHeader::decode(text))) },
    Field { name: names::BUCKET_KEY_ENABLED, max_len: 40, set: Set::Text(|h, text| put(&mut h.bucket_key, boolean(text))) },
    Field { name: names::CUSTOMER_ALGORITHM, max_len: 64, set: Set::Text(|h, text| h.customer.set_algorithm(text)) },
    Field { name: names::CUSTOMER_KEY, max_len: MAX_KEY_LEN, set: Set::Bytes(|h, bytes| h.customer.set_key(bytes)) },
    Field { name: names::CUSTOMER_KEY_MD5, max_len: MAX_KEY_LEN, set: Set::Bytes(|h, bytes| h.customer.set_md5(bytes)) },
    Field { name: names::SOURCE_CUSTOMER_ALGORITHM, max_len: 64, set: Set::Text(|h, text| h.source.set_algorithm(text)) },
    Field { name: names::SOURCE_CUSTOMER_KEY, max_len: MAX_KEY_LEN, set: Set::Bytes(|h, bytes| h.source.set_key(bytes)) },
    Field { name: names::SOURCE_CUSTOMER_KEY_MD5, max_len: MAX_KEY_LEN, set: Set::Bytes(|h, bytes| h.source.set_md5(bytes)) },
];

impl EncryptionHeaders {
    /// Reads a request's headers and the query of its URL, as it came: the parameters of a presigned URL count as
    /// headers.
    ///
    /// A header and a parameter of the same value are one; so is a header that comes twice.
    ///
    /// # Errors
    ///
    /// [`HeaderRepeated`](S3ErrorKind::HeaderRepeated): one comes twice, with different values.
    /// [`HeaderTooLong`](S3ErrorKind::HeaderTooLong) or [`HeaderNotText`](S3ErrorKind::HeaderNotText). The header's
    /// name is the argument, and there is no value.
    pub fn from_request(headers: &HeaderMap, query: Option<&str>) -> Result<Self, S3Error> {
        let mut found = Self::default();
        for (name, value) in headers {
            found.take(name.as_str(), value.as_bytes())?;
        }
        for parameter in query.unwrap_or_default().split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let name = percent_decode_str(name).decode_utf8_lossy();
            // In a query `+` is a space; one that stands for itself is written `%2B`.
            let value = if value.contains('+') { Cow::Owned(value.replace('+', " ")) } else { Cow::Borrowed(value) };
            let value: Cow<'_, [u8]> = percent_decode_str(&value).into();
            found.take(&name, &value)?;
        }
        Ok(found)
    }

    /// Reads the headers of a request whose URL has no query, or one that counts for nothing.
    ///
    /// # Errors
    ///
    /// As [`from_request`](Self::from_request).
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, S3Error> {
        Self::from_request(headers, None)
    }

    /// Reads the form fields of a POST; upper and lower case of the names are the same, and other fields are passed
    /// over.
    ///
    /// # Errors
    ///
    /// As [`from_request`](Self::from_request).
    pub fn from_form_fields<N, V>(fields: impl IntoIterator<Item = (N, V)>) -> Result<Self, S3Error>
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        let mut found = Self::default();
        for (name, value) in fields {
            found.take(name.as_ref(), value.as_ref())?;
        }
        Ok(found)
    }

    /// Whether the request has none of them.
    pub fn is_empty(&self) -> bool {
        !self.asks_for_encryption() && !self.source.is_present()
    }

    /// Whether any of them says how to encrypt.
    pub(super) fn asks_for_encryption(&self) -> bool {
        self.method.is_some()
            || self.kms_key_id.is_some()
            || self.context.is_some()
            || self.bucket_key.is_some()
            || self.customer.is_present()
    }

    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), S3Error> {
        // A form's fields are named by hand, and one that is passed over would be stored in the clear.
        let name = name.trim();
        // PERF: most headers of a request are not ours.
        if !name.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-amz-")) {
            return Ok(());
        }
        let Some(field) = FIELDS.iter().find(|field| field.name.eq_ignore_ascii_case(name)) else {
            return Ok(());
        };
        let refused = |kind| Err(S3Error::new(kind).with_argument_name(field.name));
        if value.len() > field.max_len {
            return refused(S3ErrorKind::HeaderTooLong);
        }
        let agrees = match field.set {
            Set::Bytes(set) => set(self, value),
            Set::Text(set) => {
                let text = str::from_utf8(value).ok();
                let Some(text) = text.filter(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~'))) else {
                    return refused(S3ErrorKind::HeaderNotText);
                };
                set(self, text)
            }
        };
        if agrees { Ok(()) } else { refused(S3ErrorKind::HeaderRepeated) }
    }
}

impl fmt::Debug for EncryptionHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionHeaders")
            .field("method", &self.method.as_ref().map(|method| shown(method.as_str())))
            .field("kms_key_id", &self.kms_key_id)
            .field("context", &self.context)
            .field("bucket_key", &self.bucket_key)
            .field("customer", &self.customer)
            .field("source", &self.source)
            .finish()
    }
}

/// Marks the headers that belong in no log as [sensitive](http::HeaderValue::set_sensitive): customer keys, their
/// MD5s and the encryption context. The `Debug` of such a value does not show it, and HTTP/2 does not put it into its
/// table.
///
/// A service calls this first, before anything writes the request to a log. The response headers that a decision
/// gives are marked already.
pub fn mark_sensitive(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if names::SENSITIVE.contains(&name.as_str()) {
            value.set_sensitive(true);
        }
    }
}
