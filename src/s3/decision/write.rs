//! How something new is encrypted: as the request says, or else by default.

use super::answer::{Decision, Write};
use super::request::S3Request;
use crate::keys::EncryptionContext;
use crate::mode::{AnyMode, DsseKms, SseC, SseKms, SseS3};
use crate::s3::bucket_encryption::DefaultEncryption;
use crate::s3::error::{Profile, S3Error, S3ErrorKind as Kind};
use crate::s3::headers::names::{BUCKET_KEY_ENABLED, CONTEXT, SERVER_SIDE_ENCRYPTION};
use crate::s3::headers::{Answer, Method};

pub(super) fn decide(request: &S3Request<'_>) -> Result<Decision, S3Error> {
    let headers = request.headers;
    let answer = Answer { method: true, context: true, ..Answer::default() };
    if headers.customer.is_present() {
        let (key, md5) = headers.customer.check_values()?;
        let answer = Answer { customer_key_md5: Some(md5), ..answer };
        let write = Some(Write::Encrypt(SseC::new(key).into()));
        return Ok(Decision { write, answer, ..Decision::default() });
    }
    let asked = headers.method.as_ref().map(|method| asked(request, method)).transpose()?;
    let bucket_key = bucket_key(request)?;
    let mode = match (asked, request.bucket.default()) {
        (Some(mode), _) => mode,
        (None, Some(default)) => by_default(default),
        // SECURITY: the only place that says so. Whoever asked for anything is not answered with nothing.
        (None, None) if headers.asks_for_encryption() => return Err(Kind::KmsWithoutMethod.into()),
        (None, None) => return Ok(Decision { write: Some(Write::InTheClear), answer, ..Decision::default() }),
    };
    let bucket_key_enabled = bucket_key && matches!(mode, AnyMode::SseKms(_));
    let answer = Answer { bucket_key: bucket_key_enabled, ..answer };
    Ok(Decision { write: Some(Write::Encrypt(mode)), bucket_key_enabled, answer, ..Decision::default() })
}

/// The mode that the request asks for. Nothing of the bucket's default is in it.
fn asked(request: &S3Request<'_>, method: &Method) -> Result<AnyMode, S3Error> {
    match method {
        Method::Aes256 => Ok(SseS3.into()),
        Method::Kms => {
            let key_id = kms_key_id(request)?;
            let mode = key_id.map_or_else(SseKms::default, SseKms::new);
            Ok(mode.context(context(request)?).into())
        }
        Method::DsseKms => {
            let key_id = kms_key_id(request)?;
            let mode = key_id.map_or_else(DsseKms::default, DsseKms::new);
            Ok(mode.context(context(request)?).into())
        }
        Method::Unknown(text) => {
            Err(S3Error::new(Kind::MethodUnknown).with_request_value(SERVER_SIDE_ENCRYPTION, text))
        }
    }
}

/// The KMS key that is named, or none; an empty name is not none.
fn kms_key_id<'a>(request: &S3Request<'a>) -> Result<Option<&'a str>, S3Error> {
    match (request.headers.kms_key_id.as_deref(), request.profile) {
        (Some(""), _) => Err(S3Error::new(Kind::KmsKeyIdInvalid).about("")),
        (None, Profile::CephTests) => Err(Kind::KmsKeyIdMissing.into()),
        (key_id, _) => Ok(key_id),
    }
}

fn context(request: &S3Request<'_>) -> Result<EncryptionContext, S3Error> {
    match &request.headers.context {
        None => Ok(EncryptionContext::new()),
        Some(Some(context)) => Ok(context.clone()),
        Some(None) => Err(S3Error::new(Kind::ContextInvalid).with_argument_name(CONTEXT)),
    }
}

/// Whether a bucket key is asked for: the request overrides the bucket.
fn bucket_key(request: &S3Request<'_>) -> Result<bool, S3Error> {
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
