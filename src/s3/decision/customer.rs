//! Checks the headers of a customer key, in the order of S3.
//!
//! C is the request's own group of three headers, S the group of a copy's source. The rules explain every recorded
//! answer of Amazon S3 except one.
//!
//! 1. S is checked before C, each completely, in this order: the algorithm is absent; the key is absent; the MD5 is
//!    absent (allowed in a read, in S and in a completion); plain HTTP; the values.
//! 2. Values, in this order: the key is not ASCII or decodes to nothing; the MD5 is not that of the decoded key; the
//!    algorithm is not `AES256`. The key's length is not checked here.
//! 3. The stored object or upload: no group for SSE-C; a group for another mode or none; another key. A key of another
//!    length is another key.
//! 4. The key's length, only for a new SSE-C object or upload.
//! 5. A completion ignores a C that lacks one of the three headers. With all three, every mismatch with the upload is
//!    the same error.

use std::sync::Arc;

use super::request::Transport;
use crate::envelope::Envelope;
use crate::s3::error::{S3Error, S3ErrorKind as Kind};
use crate::s3::headers::names::SERVER_SIDE_ENCRYPTION;
use crate::s3::headers::{CustomerKeyHeaders, DecodedKey, KeyText};
use crate::secret::CustomerKey;

/// Checks which headers of a group are present, and the transport: rule 1.
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

/// Checks the values of a group and returns its key: rule 2. Returns `None` if there is no group.
pub(super) fn check_values(group: &CustomerKeyHeaders) -> Result<Option<&DecodedKey>, S3Error> {
    let decoded = match group.key() {
        None => return Ok(None),
        // SECURITY: Amazon S3 repeats the key here, as ArgumentValue. This library never repeats it.
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

/// Returns the key if it is the envelope's customer key: rule 3.
pub(super) fn check_key(decoded: &DecodedKey, envelope: &Envelope, other: Kind) -> Result<Arc<CustomerKey>, S3Error> {
    let key = decoded.key.as_ref().filter(|key| envelope.verify_customer_key(key).is_ok());
    key.cloned().ok_or_else(|| other.into())
}

/// Checks the length of the key of a new object or upload, and returns the key: rule 4.
pub(super) fn check_length(decoded: &DecodedKey) -> Result<Arc<CustomerKey>, S3Error> {
    decoded.key.clone().ok_or_else(|| named(Kind::CustomerKeyInvalid))
}

/// Adds the argument name of Amazon S3's answer, which is the header of another mode.
fn named(kind: Kind) -> S3Error {
    S3Error::new(kind).with_argument_name(SERVER_SIDE_ENCRYPTION)
}
