//! Checks the headers of a customer key, in the order of S3.
//!
//! C is the request's own group of three headers, S that of the source of a copy. The rules explain every answer of the
//! real service that was recorded, apart from one.
//!
//! 1. S before C, each as a whole: the algorithm is absent, the key is absent, the MD5 is absent (it may be on a read,
//!    in S and on a completion); plain HTTP; the values.
//! 2. Values: the key is not ASCII, or decodes to nothing; the MD5 is not that of the decoded key; the algorithm is not
//!    `AES256`. Nothing is said here of the key's length.
//! 3. What is stored: no group for what is in SSE-C, a group for what is not, another key. A key of another length is
//!    another key.
//! 4. The length, of what is newly written in SSE-C alone.
//! 5. A completion passes over a C that lacks one of the three. With all three, whatever does not fit the upload is one
//!    error.

use std::sync::Arc;

use super::request::Transport;
use crate::envelope::Envelope;
use crate::s3::error::{S3Error, S3ErrorKind as Kind};
use crate::s3::headers::names::SERVER_SIDE_ENCRYPTION;
use crate::s3::headers::{CustomerKeyHeaders, DecodedKey, KeyText};
use crate::secret::CustomerKey;

/// What a group has to say before its values are looked at: rule 1.
pub(super) fn check_presence(
    group: &CustomerKeyHeaders,
    requires_md5: bool,
    transport: Transport,
    allowed_without_tls: bool,
) -> Result<(), S3Error> {
    if !group.is_present() {
        return Ok(());
    }
    if group.algorithm.is_none() {
        return Err(named(Kind::CustomerAlgorithmMissing));
    }
    if group.key().is_none() {
        return Err(named(Kind::CustomerKeyMissing));
    }
    if requires_md5 && !group.has_md5() {
        return Err(named(Kind::CustomerKeyMd5Missing));
    }
    if transport == Transport::Plain && !allowed_without_tls {
        return Err(named(Kind::CustomerKeyInsecure));
    }
    Ok(())
}

/// The key of a group, once its values are right: rule 2. `None` where there is no group.
pub(super) fn check_values(group: &CustomerKeyHeaders) -> Result<Option<&DecodedKey>, S3Error> {
    let decoded = match group.key() {
        None => return Ok(None),
        // SECURITY: the service repeats the key here, as ArgumentValue; it is repeated nowhere in this library.
        Some(KeyText::NotAscii) => return Err(named(Kind::CustomerKeyNotAscii)),
        Some(KeyText::TooShort { empty: true }) => {
            return Err(S3Error::new(Kind::CustomerKeyTooShort).with_argument(SERVER_SIDE_ENCRYPTION, ""));
        }
        Some(KeyText::TooShort { empty: false }) => return Err(named(Kind::CustomerKeyTooShort)),
        Some(KeyText::Decoded(decoded)) => decoded,
    };
    if !group.md5_is(&decoded.md5) {
        return Err(named(Kind::CustomerKeyMd5Mismatch));
    }
    match group.algorithm.as_deref() {
        Some("AES256") => Ok(Some(decoded)),
        other => {
            let algorithm = other.unwrap_or_default();
            Err(S3Error::new(Kind::CustomerAlgorithm).with_request_value(SERVER_SIDE_ENCRYPTION, algorithm))
        }
    }
}

/// The key, if it is the one of the envelope: rule 3.
pub(super) fn check_key(decoded: &DecodedKey, envelope: &Envelope, other: Kind) -> Result<Arc<CustomerKey>, S3Error> {
    let key = decoded.key.as_ref().filter(|key| envelope.verify_customer_key(key).is_ok());
    key.cloned().ok_or_else(|| other.into())
}

/// The key that something new is written with: rule 4.
pub(super) fn check_length(decoded: &DecodedKey) -> Result<Arc<CustomerKey>, S3Error> {
    decoded.key.clone().ok_or_else(|| named(Kind::CustomerKeyInvalid))
}

/// As the service answers: it names the header of another mode.
fn named(kind: Kind) -> S3Error {
    S3Error::new(kind).with_argument_name(SERVER_SIDE_ENCRYPTION)
}
