//! What is checked before anything that is stored is looked at.

use super::request::{Operation, PolicyCheck, S3Request, Stored, Transport};
use crate::envelope::ModeId;
use crate::s3::bucket_encryption::DefaultEncryption;
use crate::s3::error::{S3Error, S3ErrorKind as Kind};
use crate::s3::headers::Method;
use crate::s3::headers::names::SERVER_SIDE_ENCRYPTION;
use crate::s3::policy::{ConditionValues, PolicyRequest, Verdict};

/// Which headers are there, and whether they conflict.
pub(super) fn presence(request: &S3Request<'_>) -> Result<(), S3Error> {
    let headers = request.headers;
    if let Some(method) = &headers.method {
        let refused = |kind| Err(S3Error::new(kind).with_request_value(SERVER_SIDE_ENCRYPTION, method.as_str()));
        if !request.operation.takes_method() {
            return refused(Kind::MethodNotSupported);
        }
        if headers.customer.is_present() {
            return refused(Kind::CustomerKeyConflict);
        }
    }
    headers.customer.check_complete()?;
    headers.source.check_complete()?;
    let of_kms = headers.kms_key_id.is_some() || headers.context.is_some();
    if of_kms && !matches!(&headers.method, Some(Method::Kms | Method::DsseKms | Method::Unknown(_))) {
        return Err(Kind::KmsWithoutMethod.into());
    }
    Ok(())
}

/// Whether what is to be kept from others is kept from them on its way.
pub(super) fn transport(request: &S3Request<'_>) -> Result<(), S3Error> {
    if request.transport == Transport::Secure {
        return Ok(());
    }
    if request.headers.customer.is_present() || request.headers.source.is_present() {
        return Err(Kind::CustomerKeyInsecure.into());
    }
    if becomes_kms(request) { Err(Kind::KmsInsecure.into()) } else { Ok(()) }
}

/// Whether the request, or the default in its place, has it encrypted under a KMS key.
fn becomes_kms(request: &S3Request<'_>) -> bool {
    match (request.operation, &request.headers.method) {
        (Operation::UpdateObjectEncryption { .. }, _) => true,
        (operation, _) if !operation.takes_method() => false,
        (_, Some(method)) => method.is_kms(),
        (_, None) => matches!(
            request.bucket.default(),
            Some(DefaultEncryption::SseKms { .. } | DefaultEncryption::DsseKms { .. })
        ),
    }
}

/// Whether a bucket policy denies it.
pub(super) fn policy(request: &S3Request<'_>) -> Result<(), S3Error> {
    if let Some(check) = &request.policy {
        let conditions = condition_values(request);
        denied(check, request.operation.actions(check.of_version), &conditions)?;
    }
    if let (Some(check), Some(source)) = (&request.source_policy, request.operation.source()) {
        // As a read of the source would be asked about, with the key for it.
        let conditions = ConditionValues::new(request.transport == Transport::Secure)
            .customer_algorithm(request.headers.source.algorithm());
        let actions = Operation::GetObject { object: source }.actions(check.of_version);
        denied(check, actions, &conditions)?;
    }
    Ok(())
}

fn denied(check: &PolicyCheck<'_>, actions: &[&str], conditions: &ConditionValues<'_>) -> Result<(), S3Error> {
    let PolicyCheck { policy, principal, resource, .. } = *check;
    // SECURITY: what is no ARN of S3 matches no statement, and no Deny.
    if !resource.starts_with("arn:aws:s3:::") {
        return Err(Kind::PolicyDenied.into());
    }
    let denies =
        |action: &&str| policy.evaluate(&PolicyRequest { principal, action, resource, conditions }) == Verdict::Deny;
    if actions.iter().any(denies) { Err(Kind::PolicyDenied.into()) } else { Ok(()) }
}

pub(super) fn condition_values<'a>(request: &S3Request<'a>) -> ConditionValues<'a> {
    let headers = request.headers;
    let values =
        ConditionValues::new(request.transport == Transport::Secure).customer_algorithm(headers.customer.algorithm());
    if let Operation::UpdateObjectEncryption { target, .. } = request.operation {
        // It asks in its body for what others ask for in headers.
        return values.server_side_encryption(Some("aws:kms")).kms_key_id(Some(&target.kms_key_arn));
    }
    if let (Some(_), Some(begun)) = (request.operation.upload(), request.begun_with) {
        return begun.secure_transport(request.transport == Transport::Secure);
    }
    match request.operation.upload() {
        None => values
            .server_side_encryption(headers.method.as_ref().map(Method::as_str))
            .kms_key_id(headers.kms_key_id.as_deref()),
        Some(Stored::InTheClear) => values,
        Some(Stored::Encrypted { envelope, .. }) => {
            let method = match envelope.mode() {
                ModeId::SseS3 => Some("AES256"),
                ModeId::SseKms => Some("aws:kms"),
                ModeId::DsseKms => Some("aws:kms:dsse"),
                ModeId::SseC => None,
            };
            values.server_side_encryption(method).kms_key_id(envelope.kms_key_id())
        }
    }
}

/// Whether the bucket takes no more objects in SSE-C.
pub(super) fn blocked_types(request: &S3Request<'_>) -> Result<(), S3Error> {
    let blocked = request.bucket.encryption().is_some_and(|bucket| bucket.blocks_customer_keys);
    if blocked && request.operation.writes() && request.headers.customer.is_present() {
        return Err(Kind::CustomerKeyBlocked.into());
    }
    Ok(())
}
