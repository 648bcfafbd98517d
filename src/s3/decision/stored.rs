//! Checks a request against the stored object or upload: its record, envelope, mode and customer key.

use std::sync::Arc;

use super::outcome::{Completing, PartWriting, Reading};
use super::request::{Present, S3Request, Signature, Stored, Transport};
use super::{S3Rules, customer};
use crate::envelope::{Envelope, EnvelopeState, ModeId};
use crate::mode::{AnyMode, SseKms};
use crate::s3::bucket_encryption::ObjectEncryption;
use crate::s3::error::{S3Error, S3ErrorKind as Kind};
use crate::s3::headers::{AnswerHeaders, CustomerKeyHeaders, DecodedKey};
use crate::s3::record::EncryptionRecord;
use crate::sse::{Access, Expected};

/// The decision about reading one object.
pub(super) struct Read {
    pub(super) reading: Reading,
    pub(super) answer: AnswerHeaders,
    pub(super) record: Arc<EncryptionRecord>,
}

/// Decides about reading an object, or the source of a copy. `wrong` is the error for another customer key.
pub(super) fn read(
    rules: &S3Rules,
    request: &S3Request,
    stored: &Stored,
    group: Option<&DecodedKey>,
    wrong: Kind,
) -> Result<Read, S3Error> {
    let present = stored.0.as_ref().ok_or(Kind::NoSuchKey)?;
    let record = present.record.clone();
    let answered = |reading, answer| Ok(Read { reading, answer, record: record.clone() });
    let is_upload = present.envelope.as_ref().is_some_and(|envelope| envelope.state() == EnvelopeState::Upload);
    if !present.awaits_key && is_upload && present.is_as_recorded() {
        return Err(Kind::NoSuchKey.into());
    }
    let expected = match present.expected(present.object_states())? {
        None if group.is_some() => return Err(Kind::CustomerKeyNotApplicable.into()),
        None => return answered(Reading::Unencrypted, AnswerHeaders::default()),
        Some(expected) => expected,
    };
    match (record.mode() == Some(ModeId::SseC), group) {
        (true, None) => Err(Kind::CustomerKeyRequired.into()),
        (false, Some(_)) => Err(Kind::CustomerKeyNotApplicable.into()),
        (false, None) => {
            check_kms(rules, request, &record)?;
            answered(Reading::Encrypted(Access::new(expected)), AnswerHeaders::default())
        }
        (true, Some(decoded)) => {
            let key = customer::check_key(decoded, present.envelope()?, wrong)?;
            let access = Access::new(expected).with_customer_key(key);
            let reading = if present.awaits_key { Reading::FinishFirst(access) } else { Reading::Encrypted(access) };
            answered(reading, AnswerHeaders { customer_key_md5: Some(decoded.md5.clone()), context: None })
        }
    }
}

/// Decides about writing a part of an upload.
pub(super) fn part(
    rules: &S3Rules,
    request: &S3Request,
    upload: &Stored,
    group: Option<&DecodedKey>,
) -> Result<(PartWriting, AnswerHeaders, Arc<EncryptionRecord>), S3Error> {
    let present = under_way(upload)?;
    let record = present.record.clone();
    let expected = match present.expected(&[EnvelopeState::Upload])? {
        // SECURITY: as in a write, a request that names any encryption is never stored unencrypted.
        None if request.headers.asks_for_encryption() => return Err(Kind::PartEncryption.into()),
        None => return Ok((PartWriting::Unencrypted, AnswerHeaders::default(), record)),
        Some(expected) => expected,
    };
    match (record.mode() == Some(ModeId::SseC), group) {
        (true, None) | (false, Some(_)) => Err(Kind::PartEncryption.into()),
        (false, None) => {
            check_kms(rules, request, &record)?;
            Ok((PartWriting::Encrypt(Access::new(expected)), AnswerHeaders::default(), record))
        }
        (true, Some(decoded)) => {
            let key = customer::check_key(decoded, present.envelope()?, Kind::CustomerKeyOther)?;
            let answer = AnswerHeaders { customer_key_md5: Some(decoded.md5.clone()), context: None };
            Ok((PartWriting::Encrypt(Access::new(expected).with_customer_key(key)), answer, record))
        }
    }
}

/// Decides about completing an upload. `group` is set only if all three headers of the customer key are present.
pub(super) fn complete(
    rules: &S3Rules,
    request: &S3Request,
    upload: &Stored,
    group: Option<&DecodedKey>,
) -> Result<(Completing, AnswerHeaders, Arc<EncryptionRecord>), S3Error> {
    let present = under_way(upload)?;
    let record = present.record.clone();
    let expected = match (present.expected(&[EnvelopeState::Upload])?, group) {
        (None, Some(_)) => return Err(Kind::CompletionCustomerKey.into()),
        // SECURITY: one profile ignores a method here. A request with a method is never completed unencrypted.
        (None, None) if request.headers.method.is_some() => return Err(Kind::PartEncryption.into()),
        (None, None) => return Ok((Completing::Unencrypted, AnswerHeaders::default(), record)),
        (Some(expected), _) => expected,
    };
    match (record.mode() == Some(ModeId::SseC), group) {
        (false, Some(_)) => Err(Kind::CompletionCustomerKey.into()),
        (false, None) => {
            check_kms(rules, request, &record)?;
            Ok((Completing::Encrypted(Access::new(expected)), AnswerHeaders::default(), record))
        }
        (true, None) if record.has_checksum_algorithm() => Err(Kind::CompletionCustomerKey.into()),
        (true, None) => Ok((Completing::WithoutKey, AnswerHeaders::default(), record)),
        (true, Some(decoded)) => {
            let key = customer::check_key(decoded, present.envelope()?, Kind::CompletionCustomerKey)?;
            let answer = AnswerHeaders { customer_key_md5: Some(decoded.md5.clone()), context: None };
            Ok((Completing::Encrypted(Access::new(expected).with_customer_key(key)), answer, record))
        }
    }
}

/// Decides about rewrapping an object's data key. Unlike in a copy, the object keeps the context pairs of its writer.
pub(super) fn update(
    rules: &S3Rules,
    request: &S3Request,
    object: &Stored,
    target: &ObjectEncryption,
) -> Result<(Access, AnyMode), S3Error> {
    let present = object.0.as_ref().ok_or(Kind::NoSuchKey)?;
    let expected = present.expected(present.object_states())?.ok_or(Kind::UpdateOfUnencrypted)?;
    if !matches!(present.record.mode(), Some(ModeId::SseS3 | ModeId::SseKms)) {
        return Err(Kind::UpdateOfMode.into());
    }
    if request.headers.customer.is_present() {
        return Err(Kind::CustomerKeyNotApplicable.into());
    }
    check_kms(rules, request, &present.record)?;
    let pairs = present.envelope()?.context().cloned().unwrap_or_default();
    Ok((Access::new(expected), SseKms::new(&target.kms_key_arn).with_context(pairs).into()))
}

/// Returns the upload if it still takes parts. An upload that was completed without its key takes none.
fn under_way(upload: &Stored) -> Result<&Present, S3Error> {
    upload.0.as_ref().filter(|present| !present.awaits_key).ok_or_else(|| Kind::NoSuchUpload.into())
}

/// Refuses plain HTTP, unless the rules allow it, and any signature except Version 4, for data under a KMS key.
pub(super) fn check_kms_caller(rules: &S3Rules, request: &S3Request) -> Result<(), S3Error> {
    if request.caller.transport == Transport::Plain && !rules.encryption_without_tls {
        return Err(Kind::KmsInsecure.into());
    }
    if request.caller.signature != Signature::V4 {
        return Err(S3Error::new(Kind::KmsUnsigned).with_argument_name("Authorization"));
    }
    Ok(())
}

fn check_kms(rules: &S3Rules, request: &S3Request, record: &EncryptionRecord) -> Result<(), S3Error> {
    match record.mode() {
        Some(ModeId::SseKms | ModeId::DsseKms) => check_kms_caller(rules, request),
        _ => Ok(()),
    }
}

/// Returns the customer key headers of a completion, only if all three are present.
pub(super) fn group_of_completion(group: &CustomerKeyHeaders) -> Option<&CustomerKeyHeaders> {
    Some(group).filter(|group| group.is_complete())
}

impl Present {
    /// Returns the states that the object's envelope may have: the upload's state until the completion is finished.
    fn object_states(&self) -> &'static [EnvelopeState] {
        match self.awaits_key {
            true => &[EnvelopeState::Upload],
            false => &[EnvelopeState::Object, EnvelopeState::Multipart],
        }
    }

    /// Checks the envelope against the record and returns the expectations; `None` if the object is unencrypted.
    fn expected(&self, states: &[EnvelopeState]) -> Result<Option<Expected>, S3Error> {
        // The error reveals no detail of an envelope that an attacker who writes the store may have put there.
        let state_is_right = self.envelope.as_ref().is_none_or(|envelope| states.contains(&envelope.state()));
        if state_is_right && self.is_as_recorded() {
            Ok(self.record.expected())
        } else {
            Err(Kind::StoredUnexpected.into())
        }
    }

    fn is_as_recorded(&self) -> bool {
        match (self.record.expected(), &self.envelope) {
            (Some(expected), Some(envelope)) => expected.accepts(envelope),
            (None, Some(_)) => false,
            (_, None) => true,
        }
    }

    fn envelope(&self) -> Result<&Envelope, S3Error> {
        self.envelope.as_deref().ok_or_else(|| Kind::StoredUnexpected.into())
    }
}
