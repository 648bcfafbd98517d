//! Decides how a new object is encrypted: by the request, or by the bucket's default.

use super::S3Rules;
use super::customer;
use super::outcome::{NewEncryption, Writing};
use super::request::S3Request;
use crate::keys::EncryptionContext;
use crate::mode::{AnyMode, DsseKms, SseC, SseKms, SseS3};
use crate::s3::bucket_encryption::DefaultEncryption;
use crate::s3::error::{Profile, S3Error, S3ErrorKind as Kind};
use crate::s3::headers::names::{BUCKET_KEY_ENABLED, CONTEXT, SERVER_SIDE_ENCRYPTION};
use crate::s3::headers::{AnswerHeaders, ContextHeader, DecodedKey, Method};
use crate::s3::record::{EncryptionRecord, UploadRequest};

/// Decides how an object is written. `checksum_algorithm` is set if an upload begins.
pub(super) fn decide(
    rules: &S3Rules,
    request: &S3Request,
    group: Option<&DecodedKey>,
    checksum_algorithm: Option<bool>,
) -> Result<(Writing, AnswerHeaders), S3Error> {
    let headers = &request.headers;
    let begun = checksum_algorithm.map(|checksum_algorithm| UploadRequest {
        checksum_algorithm,
        method: headers.method.as_ref().map(|method| method.as_str().to_owned()),
        kms_key_id: headers.kms_key_id.clone(),
        customer_algorithm: headers.customer.algorithm.clone(),
    });
    let bucket_key_asked = bucket_key(request)?;
    let encrypt = |mode: AnyMode, answer: AnswerHeaders| {
        let bucket_keys_applied = rules.bucket_keys;
        (Writing::Encrypt(NewEncryption { mode, bucket_key_asked, bucket_keys_applied, begun: begun.clone() }), answer)
    };
    if let Some(decoded) = group {
        let key = customer::check_length(decoded)?;
        let answer = AnswerHeaders { customer_key_md5: Some(decoded.md5.clone()), context: None };
        return Ok(encrypt(SseC::new(key).into(), answer));
    }
    if let Some(method) = &headers.method {
        let (mode, context) = asked(rules, request, method)?;
        return Ok(encrypt(mode, AnswerHeaders { customer_key_md5: None, context }));
    }
    match request.bucket.default() {
        Some(default) => Ok(encrypt(by_default(default), AnswerHeaders::default())),
        // SECURITY: only the last branch stores unencrypted. A request that names any encryption does not reach it.
        None if headers.asks_for_encryption() => Err(kms_without_method()),
        None => {
            let record = EncryptionRecord::unencrypted();
            let record = begun.into_iter().fold(record, EncryptionRecord::of_upload);
            Ok((Writing::Unencrypted(record), AnswerHeaders::default()))
        }
    }
}

pub(super) fn kms_without_method() -> S3Error {
    S3Error::new(Kind::KmsWithoutMethod).with_argument_name(SERVER_SIDE_ENCRYPTION)
}

/// Returns the mode and the context that the request names, without the bucket's default.
fn asked(rules: &S3Rules, request: &S3Request, method: &Method) -> Result<(AnyMode, Option<ContextHeader>), S3Error> {
    match method {
        Method::Aes256 => Ok((SseS3.into(), None)),
        Method::Kms | Method::DsseKms => {
            let key_id = kms_key_id(rules, request)?.unwrap_or_default();
            let context = context(request)?;
            let pairs = context.as_ref().map_or_else(EncryptionContext::new, |context| context.pairs.clone());
            let mode = match method {
                Method::Kms => SseKms::new(key_id).with_context(pairs).into(),
                _ => DsseKms::new(key_id).with_context(pairs).into(),
            };
            Ok((mode, context))
        }
        Method::Unknown(text) => {
            Err(S3Error::new(Kind::MethodUnknown).with_request_value(SERVER_SIDE_ENCRYPTION, text))
        }
    }
}

/// Returns the KMS key that the request names. An empty name is an error.
fn kms_key_id<'a>(rules: &S3Rules, request: &'a S3Request) -> Result<Option<&'a str>, S3Error> {
    match (request.headers.kms_key_id.as_deref(), rules.profile) {
        (Some(""), _) => Err(S3Error::new(Kind::KmsKeyIdInvalid).with_subject("")),
        (None, Profile::CephTests) => Err(Kind::KmsKeyIdMissing.into()),
        (key_id, _) => Ok(key_id),
    }
}

/// Returns the context pairs of the request. The pair that the library adds is allowed if its value is right.
fn context(request: &S3Request) -> Result<Option<ContextHeader>, S3Error> {
    match &request.headers.context {
        None => Ok(None),
        Some(Some(context)) if context.arn.as_ref().is_none_or(|arn| *arn == request.resource.arn) => {
            Ok(Some(context.clone()))
        }
        Some(_) => Err(S3Error::new(Kind::ContextInvalid).with_argument_name(CONTEXT)),
    }
}

/// Returns whether a bucket key is requested. The request overrides the bucket.
fn bucket_key(request: &S3Request) -> Result<bool, S3Error> {
    match request.headers.bucket_key {
        Some(Some(enabled)) => Ok(enabled),
        Some(None) => Err(S3Error::new(Kind::BucketKeyInvalid).with_argument_name(BUCKET_KEY_ENABLED)),
        None => Ok(request.bucket.encryption().is_some_and(|bucket| bucket.bucket_key_enabled)),
    }
}

fn by_default(default: &DefaultEncryption) -> AnyMode {
    match default {
        DefaultEncryption::SseS3 => SseS3.into(),
        DefaultEncryption::SseKms { key_id: Some(key_id) } => SseKms::new(key_id).into(),
        DefaultEncryption::SseKms { key_id: None } => SseKms::default().into(),
        DefaultEncryption::DsseKms { key_id: Some(key_id) } => DsseKms::new(key_id).into(),
        DefaultEncryption::DsseKms { key_id: None } => DsseKms::default().into(),
    }
}
