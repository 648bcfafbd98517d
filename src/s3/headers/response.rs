//! The encryption headers of an answer.

use http::{HeaderMap, HeaderValue};

use super::{CustomerKeyMd5, encode_context, names};
use crate::envelope::{Envelope, ModeId};

/// Which headers an operation answers with, and what they need that is not in the envelope.
#[derive(Clone, Debug, Default)]
pub(in crate::s3) struct Answer {
    /// Whether it says how the object is encrypted.
    pub(in crate::s3) method: bool,
    /// Whether it repeats the encryption context.
    pub(in crate::s3) context: bool,
    /// Whether it says that a bucket key was asked for, beside what the envelope says.
    pub(in crate::s3) bucket_key: bool,
    /// The MD5 of the customer key that came with the request.
    pub(in crate::s3) customer_key_md5: Option<CustomerKeyMd5>,
}

/// The headers of an answer about what has this envelope, the sensitive ones marked.
pub(in crate::s3) fn response_headers(envelope: &Envelope, answer: &Answer) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !answer.method {
        return headers;
    }
    let method = match envelope.mode() {
        ModeId::SseS3 => "AES256",
        ModeId::SseKms => "aws:kms",
        ModeId::DsseKms => "aws:kms:dsse",
        ModeId::SseC => {
            if let Some(md5) = &answer.customer_key_md5 {
                headers.insert(names::CUSTOMER_ALGORITHM, HeaderValue::from_static("AES256"));
                insert(&mut headers, names::CUSTOMER_KEY_MD5, &md5.encode(), true);
            }
            return headers;
        }
    };
    headers.insert(names::SERVER_SIDE_ENCRYPTION, HeaderValue::from_static(method));
    if let Some(key_id) = envelope.kms_key_id() {
        insert(&mut headers, names::KMS_KEY_ID, key_id, false);
    }
    if envelope.mode() == ModeId::SseKms && (answer.bucket_key || envelope.has_bucket_key()) {
        headers.insert(names::BUCKET_KEY_ENABLED, HeaderValue::from_static("true"));
    }
    let context = envelope.inner().unwrap_or(envelope).context();
    if let Some(context) = context.filter(|_| answer.context) {
        insert(&mut headers, names::CONTEXT, &encode_context(context), true);
    }
    headers
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str, sensitive: bool) {
    // The id of a KMS key has no control characters, and the rest is base64: there is nothing that a header cannot hold.
    if let Ok(mut value) = HeaderValue::from_bytes(value.as_bytes()) {
        value.set_sensitive(sensitive);
        headers.insert(name, value);
    }
}
