//! What the request has to say for what is stored.

use std::sync::Arc;

use super::answer::Access;
use super::request::{S3Request, Stored, Transport};
use crate::envelope::{Envelope, EnvelopeState, ModeId};
use crate::mode::{AnyMode, SseKms};
use crate::s3::bucket_encryption::ObjectEncryption;
use crate::s3::error::{S3Error, S3ErrorKind as Kind};
use crate::s3::headers::{CustomerKeyHeaders, CustomerKeyMd5};
use crate::secret::CustomerKey;
use crate::sse::Expected;

type Accessed = (Access, Option<CustomerKeyMd5>);

/// The object that is read.
pub(super) fn object(request: &S3Request<'_>, object: Stored<'_>) -> Result<Accessed, S3Error> {
    read(request, object, &request.headers.customer)
}

/// The object that is copied from.
pub(super) fn source(request: &S3Request<'_>, source: Stored<'_>) -> Result<Accessed, S3Error> {
    read(request, source, &request.headers.source)
}

fn read(request: &S3Request<'_>, stored: Stored<'_>, given: &CustomerKeyHeaders) -> Result<Accessed, S3Error> {
    let (envelope, expected) = match stored {
        Stored::InTheClear if given.is_present() => return Err(Kind::CustomerKeyNotApplicable.into()),
        Stored::InTheClear => return Ok((Access::InTheClear, None)),
        Stored::Encrypted { envelope, expected } => (envelope, expected),
    };
    if envelope.state() == EnvelopeState::Upload && expected.accepts(envelope) {
        return Err(Kind::NoSuchKey.into());
    }
    as_recorded(envelope, expected, &[EnvelopeState::Object, EnvelopeState::Multipart])?;
    match (envelope.mode() == ModeId::SseC, given.is_present()) {
        (true, false) => Err(Kind::CustomerKeyRequired.into()),
        (false, true) => Err(Kind::CustomerKeyNotApplicable.into()),
        (false, false) => server(request, envelope, expected),
        (true, true) => {
            let (key, md5) = given.check_values().map_err(on_a_read)?;
            customer(envelope, expected, key, md5, Kind::CustomerKeyWrong)
        }
    }
}

/// The upload that a part or the completion belongs to.
pub(super) fn upload(request: &S3Request<'_>, upload: Stored<'_>) -> Result<Accessed, S3Error> {
    let given = &request.headers.customer;
    let (envelope, expected) = match upload {
        // SECURITY: as in a write, whoever asks for anything is not answered with nothing.
        Stored::InTheClear if request.headers.asks_for_encryption() => return Err(Kind::PartEncryption.into()),
        Stored::InTheClear => return Ok((Access::InTheClear, None)),
        Stored::Encrypted { envelope, expected } => (envelope, expected),
    };
    as_recorded(envelope, expected, &[EnvelopeState::Upload])?;
    match (envelope.mode() == ModeId::SseC, given.is_present()) {
        (true, false) | (false, true) => Err(Kind::PartEncryption.into()),
        (false, false) => server(request, envelope, expected),
        (true, true) => {
            let (key, md5) = given.check_values()?;
            customer(envelope, expected, key, md5, Kind::PartCustomerKeyWrong)
        }
    }
}

/// The object whose data key is wrapped anew, and as what. The caller's pairs stay with it: it is no copy.
pub(super) fn update(
    request: &S3Request<'_>,
    object: Stored<'_>,
    target: &ObjectEncryption,
) -> Result<(Access, AnyMode), S3Error> {
    let (envelope, expected) = match object {
        Stored::InTheClear => return Err(Kind::UpdateOfPlain.into()),
        Stored::Encrypted { envelope, expected } => (envelope, expected),
    };
    as_recorded(envelope, expected, &[EnvelopeState::Object, EnvelopeState::Multipart])?;
    if !matches!(envelope.mode(), ModeId::SseS3 | ModeId::SseKms) {
        return Err(Kind::UpdateOfMode.into());
    }
    if request.headers.customer.is_present() {
        return Err(Kind::CustomerKeyNotApplicable.into());
    }
    let (access, _) = server(request, envelope, expected)?;
    let mode = SseKms::new(&target.kms_key_arn).context(envelope.context().cloned().unwrap_or_default());
    Ok((access, mode.into()))
}

/// What the store's writer put there is no reason to tell the client anything.
fn as_recorded(envelope: &Envelope, expected: &Expected, states: &[EnvelopeState]) -> Result<(), S3Error> {
    let right = states.contains(&envelope.state()) && expected.accepts(envelope);
    if right { Ok(()) } else { Err(Kind::StoredUnexpected.into()) }
}

fn server(request: &S3Request<'_>, envelope: &Envelope, expected: &Expected) -> Result<Accessed, S3Error> {
    let of_kms = matches!(envelope.mode(), ModeId::SseKms | ModeId::DsseKms);
    if of_kms && request.transport == Transport::Plain {
        return Err(Kind::KmsInsecure.into());
    }
    Ok((Access::Encrypted { customer_key: None, expected: expected.clone() }, None))
}

fn customer(
    envelope: &Envelope,
    expected: &Expected,
    key: Arc<CustomerKey>,
    md5: CustomerKeyMd5,
    wrong: Kind,
) -> Result<Accessed, S3Error> {
    envelope.verify_customer_key(&key).map_err(|_| wrong)?;
    Ok((Access::Encrypted { customer_key: Some(key), expected: expected.clone() }, Some(md5)))
}

/// What is no customer key, or not the one that its MD5 says, is not the right one.
fn on_a_read(error: S3Error) -> S3Error {
    match error.kind() {
        Kind::CustomerKeyInvalid | Kind::CustomerKeyMd5Mismatch => Kind::CustomerKeyWrong.into(),
        _ => error,
    }
}
