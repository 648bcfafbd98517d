//! [`AnswerHeaders`], which creates the encryption headers of an answer.

use http::{HeaderMap, HeaderValue};

use super::{ContextHeader, CustomerKeyMd5, names};
use crate::envelope::ModeId;
use crate::s3::record::EncryptionRecord;

/// The parts of an answer that come from the request, not from the record.
#[derive(Clone, Debug, Default)]
pub(in crate::s3) struct AnswerHeaders {
    /// The MD5 of the request's customer key.
    pub(in crate::s3) customer_key_md5: Option<CustomerKeyMd5>,
    /// The request's encryption context, which the answer repeats.
    pub(in crate::s3) context: Option<ContextHeader>,
}

impl AnswerHeaders {
    /// Creates the headers of an answer about the object with this record, and marks sensitive values.
    pub(in crate::s3) fn headers(&self, record: &EncryptionRecord) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let method = match record.mode() {
            None => return headers,
            Some(ModeId::SseS3) => "AES256",
            Some(ModeId::SseKms) => "aws:kms",
            Some(ModeId::DsseKms) => "aws:kms:dsse",
            Some(ModeId::SseC) => {
                headers.insert(names::CUSTOMER_ALGORITHM, HeaderValue::from_static("AES256"));
                if let Some(md5) = &self.customer_key_md5 {
                    insert(&mut headers, names::CUSTOMER_KEY_MD5, md5.as_bytes(), true);
                }
                return headers;
            }
        };
        headers.insert(names::SERVER_SIDE_ENCRYPTION, HeaderValue::from_static(method));
        if let Some(key_id) = record.kms_key_id() {
            insert(&mut headers, names::KMS_KEY_ID, key_id.as_bytes(), false);
        }
        if record.bucket_key_done() {
            headers.insert(names::BUCKET_KEY_ENABLED, HeaderValue::from_static("true"));
        }
        if let Some(context) = &self.context {
            insert(&mut headers, names::CONTEXT, context.encode().as_bytes(), true);
        }
        headers
    }
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &[u8], sensitive: bool) {
    // A header can hold every value: a KMS key id has no control characters, and the other values are base64.
    if let Ok(mut value) = HeaderValue::from_bytes(value) {
        value.set_sensitive(sensitive);
        headers.insert(name, value);
    }
}
