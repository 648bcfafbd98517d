//! [`EncryptionHeaders`], the encryption headers of a request, and [`AnswerHeaders`], those of the answer.

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

/// The encryption headers of a request, also if they came as query parameters of a presigned URL or as form fields of a
/// POST.
///
/// Customer keys are parsed into [`CustomerKey`](crate::CustomerKey). Parsing refuses only a header that comes twice
/// with different values, is longer than any valid value, or is not printable ASCII. The decision refuses other wrong
/// values later, in S3's order of checks.
///
/// `Debug` shows no key, no MD5 of a key and no value of the encryption context.
///
/// ```
/// use atrest::s3::EncryptionHeaders;
///
/// let headers = http::Request::put("/photos/cat.jpg")
///     .header("x-amz-server-side-encryption", "aws:kms")
///     .body(())?;
/// let headers = EncryptionHeaders::from_request(headers.headers(), headers.uri().query())?;
/// assert!(!headers.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
///
/// The header map, the query and the form still contain the customer key as text. [Mark](mark_sensitive) the headers,
/// log none of the three, and drop them soon. Proxies log URLs, so a customer key in a query ends up in their logs.
#[derive(Clone, Default)]
pub struct EncryptionHeaders {
    pub(super) method: Option<Method>,
    pub(super) kms_key_id: Option<String>,
    /// The inner value is `None` if the header is present but cannot be parsed.
    pub(super) context: Option<Option<ContextHeader>>,
    pub(super) bucket_key: Option<Option<bool>>,
    pub(super) customer: CustomerKeyHeaders,
    pub(super) source: CustomerKeyHeaders,
}

/// The encryption method that a request names.
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

/// A header, the maximum length of its value in bytes, and the setter of its value.
struct Field {
    name: &'static str,
    max_len: usize,
    set: Set,
}

/// The setter of a value. It returns whether the value agrees with an earlier value.
enum Set {
    Text(fn(&mut EncryptionHeaders, &str) -> bool),
    /// The value may be any bytes. The rules of SSE-C refuse a wrong value later, also one that is not text.
    Bytes(fn(&mut EncryptionHeaders, &[u8]) -> bool),
}

/// Sets a value. Returns whether there was no value before, or an equal one.
fn put<T: PartialEq>(place: &mut Option<T>, value: T) -> bool {
    match place {
        Some(there) => *there == value,
        None => {
            *place = Some(value);
            true
        }
    }
}

/// Parses a boolean as clients send it, including Python's `True`.
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
    /// Parses the headers of a request and the query of its URL, not yet decoded. The parameters of a presigned URL
    /// count as headers.
    ///
    /// A header that comes twice with the same value, also as header and parameter, counts once.
    ///
    /// # Errors
    ///
    /// The error has the header's name as its argument, without the value.
    ///
    /// - [`HeaderRepeated`](S3ErrorKind::HeaderRepeated): a header comes twice with different values.
    /// - [`HeaderTooLong`](S3ErrorKind::HeaderTooLong): a header is longer than any valid value.
    /// - [`HeaderNotText`](S3ErrorKind::HeaderNotText): a header is not printable ASCII.
    pub fn from_request(headers: &HeaderMap, query: Option<&str>) -> Result<Self, S3Error> {
        let mut found = Self::default();
        for (name, value) in headers {
            found.take(name.as_str(), value.as_bytes())?;
        }
        for parameter in query.unwrap_or_default().split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let name = percent_decode_str(name).decode_utf8_lossy();
            // In a query `+` means a space, and `%2B` means a plus sign.
            let value = if value.contains('+') { Cow::Owned(value.replace('+', " ")) } else { Cow::Borrowed(value) };
            let value: Cow<'_, [u8]> = percent_decode_str(&value).into();
            found.take(&name, &value)?;
        }
        Ok(found)
    }

    /// Parses the headers of a request whose URL has no query, or an irrelevant query.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_request`](Self::from_request).
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, S3Error> {
        Self::from_request(headers, None)
    }

    /// Parses the form fields of a POST. Ignores the case of the names, and other fields.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_request`](Self::from_request).
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

    /// Returns whether the request has no encryption header.
    pub fn is_empty(&self) -> bool {
        !self.asks_for_encryption() && !self.source.is_present()
    }

    /// Returns whether any header asks for encryption of the object that is written.
    pub(super) fn asks_for_encryption(&self) -> bool {
        self.method.is_some()
            || self.kms_key_id.is_some()
            || self.context.is_some()
            || self.bucket_key.is_some()
            || self.customer.is_present()
    }

    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), S3Error> {
        // Form field names are written by hand. If a name with spaces were ignored, the object would be stored
        // unencrypted.
        let name = name.trim();
        // PERF: most headers of a request are not encryption headers.
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
            .field("kms_key_id", &self.kms_key_id.as_deref().map(shown_key_id))
            .field("context", &self.context)
            .field("bucket_key", &self.bucket_key)
            .field("customer", &self.customer)
            .field("source", &self.source)
            .finish()
    }
}

/// Returns the KMS key id for a log if it is an ARN, an alias or a UUID. Any other text may be a customer key in the
/// wrong header, and is not shown.
fn shown_key_id(key_id: &str) -> &str {
    let is_uuid = key_id.len() == 36 && key_id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_uuid || key_id.starts_with("arn:") || key_id.starts_with("alias/") { key_id } else { "not shown" }
}

/// Marks the headers that must not be logged as [sensitive](http::HeaderValue::set_sensitive): customer keys, their
/// MD5s and the encryption context. `Debug` does not show a sensitive value, and HTTP/2 does not add it to its header
/// table.
///
/// Call this first, before anything logs the request. The response headers of a decision are already marked.
pub fn mark_sensitive(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if names::SENSITIVE.contains(&name.as_str()) {
            value.set_sensitive(true);
        }
    }
}
