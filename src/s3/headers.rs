//! What a request says of encryption, and what the answer to it says.

pub mod names;

mod context;
mod customer_key;
mod response;

pub(super) use context::encode_context;
pub(super) use customer_key::{CustomerKeyHeaders, CustomerKeyMd5};
pub(super) use response::{Answer, response_headers};

use std::fmt;

use http::HeaderMap;

use super::error::{S3Error, S3ErrorKind, shown};
use crate::keys::EncryptionContext;
use names::SERVER_SIDE_ENCRYPTION;

/// The encryption headers of a request, or the form fields of a POST that stand for them.
///
/// Customer keys are [`CustomerKey`](crate::CustomerKey) from the moment they are parsed. What is wrong with a value is told
/// by [`decide`](super::decide), where S3 tells it; here a request is refused only if a header comes twice, is longer than
/// any valid value, or is not printable ASCII.
///
/// `Debug` shows no key, no MD5 of one and no value of the context.
///
/// ```
/// use atrest::s3::EncryptionHeaders;
///
/// let headers = http::Request::put("/photos/cat.jpg").header("x-amz-server-side-encryption", "aws:kms").body(())?;
/// let headers = EncryptionHeaders::from_headers(headers.headers())?;
/// assert!(!headers.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
///
/// The map and the form still hold the customer key in text: have it [marked](mark_sensitive), log none of it, and drop it
/// soon.
#[derive(Clone, Default)]
pub struct EncryptionHeaders {
    pub(super) method: Option<Method>,
    pub(super) kms_key_id: Option<String>,
    /// Given, and what it holds if it can be read.
    pub(super) context: Option<Option<EncryptionContext>>,
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

/// A header, and the longest value that is looked at.
struct Field {
    name: &'static str,
    max_len: usize,
    set: fn(&mut EncryptionHeaders, &str) -> bool,
}

/// Puts a value in its place; says whether that was free.
fn put<T>(place: &mut Option<T>, value: T) -> bool {
    let free = place.is_none();
    *place = Some(value);
    free
}

#[rustfmt::skip]
const FIELDS: [Field; 10] = [
    Field { name: SERVER_SIDE_ENCRYPTION, max_len: 40, set: |h, text| put(&mut h.method, Method::of(text)) },
    Field { name: names::KMS_KEY_ID, max_len: 2_048, set: |h, text| put(&mut h.kms_key_id, text.to_owned()) },
    Field { name: names::CONTEXT, max_len: 16_384, set: |h, text| put(&mut h.context, context::decode(text)) },
    Field { name: names::BUCKET_KEY_ENABLED, max_len: 40, set: |h, text| put(&mut h.bucket_key, text.parse().ok()) },
    Field { name: names::CUSTOMER_ALGORITHM, max_len: 40, set: |h, text| h.customer.set_algorithm(text) },
    Field { name: names::CUSTOMER_KEY, max_len: 1_024, set: |h, text| h.customer.set_key(text) },
    Field { name: names::CUSTOMER_KEY_MD5, max_len: 1_024, set: |h, text| h.customer.set_md5(text) },
    Field { name: names::SOURCE_CUSTOMER_ALGORITHM, max_len: 40, set: |h, text| h.source.set_algorithm(text) },
    Field { name: names::SOURCE_CUSTOMER_KEY, max_len: 1_024, set: |h, text| h.source.set_key(text) },
    Field { name: names::SOURCE_CUSTOMER_KEY_MD5, max_len: 1_024, set: |h, text| h.source.set_md5(text) },
];

impl EncryptionHeaders {
    /// Of a request's headers.
    ///
    /// # Errors
    ///
    /// [`HeaderRepeated`](S3ErrorKind::HeaderRepeated), [`HeaderTooLong`](S3ErrorKind::HeaderTooLong) or
    /// [`HeaderNotText`](S3ErrorKind::HeaderNotText), with the header's name as argument and no value.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, S3Error> {
        let mut found = Self::default();
        for (name, value) in headers {
            found.take(name.as_str(), value.as_bytes())?;
        }
        Ok(found)
    }

    /// Of the form fields of a POST; upper and lower case of the names are the same, and other fields are passed over.
    ///
    /// # Errors
    ///
    /// As [`from_headers`](Self::from_headers).
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

    /// Whether anything in it is about how to encrypt.
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
        let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        let Some(text) = text else {
            return refused(S3ErrorKind::HeaderNotText);
        };
        if (field.set)(self, text) { Ok(()) } else { refused(S3ErrorKind::HeaderRepeated) }
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

/// Marks the headers that belong in no log as [sensitive](http::HeaderValue::set_sensitive): customer keys, their MD5s and
/// the encryption context. The `Debug` of such a value does not show it, and HTTP/2 does not put it into its table.
///
/// For the first thing that a service does with a request, before anything logs it. Responses of
/// [`Decision::response_headers`](super::Decision::response_headers) are marked already.
pub fn mark_sensitive(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if names::SENSITIVE.contains(&name.as_str()) {
            value.set_sensitive(true);
        }
    }
}
