//! The three headers of a customer key, the request's own or those of a copy's source.

use std::fmt;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypto::md5::md5;
use crate::s3::error::{S3Error, S3ErrorKind as Kind, shown};
use crate::secret::CustomerKey;

use super::names::SERVER_SIDE_ENCRYPTION;

/// What was given, each as far as it could be read.
#[derive(Clone, Default)]
pub(in crate::s3) struct CustomerKeyHeaders {
    algorithm: Option<String>,
    /// `None` inside: it is not 32 bytes in base64, or all of them are zero.
    key: Option<Option<Arc<CustomerKey>>>,
    md5: Option<Option<CustomerKeyMd5>>,
}

/// The MD5 of a customer key: made from a secret, and shown by no `Debug`.
#[derive(Clone)]
pub(in crate::s3) struct CustomerKeyMd5(Zeroizing<[u8; 16]>);

impl CustomerKeyMd5 {
    fn of(key: &CustomerKey) -> Self {
        Self(Zeroizing::new(md5(key.expose_secret())))
    }

    fn decode(text: &str) -> Option<Self> {
        // 24 characters are at most 18 bytes.
        let mut bytes = Zeroizing::new([0; 18]);
        let decoded = Base64::decode(text, &mut bytes[..]).ok()?;
        decoded.try_into().ok().map(Zeroizing::new).map(Self)
    }

    pub(super) fn encode(&self) -> String {
        Base64::encode_string(&*self.0)
    }
}

impl CustomerKeyHeaders {
    pub(super) fn set_algorithm(&mut self, text: &str) -> bool {
        super::put(&mut self.algorithm, text.to_owned())
    }

    pub(super) fn set_key(&mut self, text: &str) -> bool {
        super::put(&mut self.key, decode(text).map(Arc::new))
    }

    pub(super) fn set_md5(&mut self, text: &str) -> bool {
        super::put(&mut self.md5, CustomerKeyMd5::decode(text))
    }

    /// Whether any of the three is there.
    pub(in crate::s3) fn is_present(&self) -> bool {
        self.algorithm.is_some() || self.key.is_some() || self.md5.is_some()
    }

    /// The algorithm as the request has it.
    pub(in crate::s3) fn algorithm(&self) -> Option<&str> {
        self.algorithm.as_deref()
    }

    /// Refuses less than three of three. An empty header is there, with an invalid value.
    pub(in crate::s3) fn check_complete(&self) -> Result<(), S3Error> {
        let missing = if !self.is_present() {
            return Ok(());
        } else if self.algorithm.is_none() {
            Kind::CustomerAlgorithmMissing
        } else if self.key.is_none() {
            Kind::CustomerKeyMissing
        } else if self.md5.is_none() {
            return Err(Kind::CustomerKeyMd5Missing.into());
        } else {
            return Ok(());
        };
        Err(named(missing))
    }

    /// The key, and its MD5, once all values are right.
    pub(in crate::s3) fn check_values(&self) -> Result<(Arc<CustomerKey>, CustomerKeyMd5), S3Error> {
        let key = self.key.clone().flatten().ok_or_else(|| named(Kind::CustomerKeyInvalid))?;
        if let Some(algorithm) = self.algorithm.as_deref().filter(|algorithm| *algorithm != "AES256") {
            return Err(S3Error::new(Kind::CustomerAlgorithm).with_request_value(SERVER_SIDE_ENCRYPTION, algorithm));
        }
        let md5 = CustomerKeyMd5::of(&key);
        let given = self.md5.as_ref().and_then(Option::as_ref);
        if given.is_some_and(|given| bool::from(given.0.ct_eq(&*md5.0))) {
            Ok((key, md5))
        } else {
            Err(named(Kind::CustomerKeyMd5Mismatch))
        }
    }
}

/// As S3 answers: it names the header of another mode, and `null` as its value.
fn named(kind: Kind) -> S3Error {
    S3Error::new(kind).with_argument(SERVER_SIDE_ENCRYPTION, "null")
}

fn decode(text: &str) -> Option<CustomerKey> {
    // 44 characters are at most 33 bytes.
    let mut bytes = Zeroizing::new([0; 33]);
    let len = Base64::decode(text, &mut bytes[..]).ok()?.len();
    CustomerKey::from_slice(&mut bytes[..len]).ok()
}

impl fmt::Debug for CustomerKeyHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomerKeyHeaders")
            .field("algorithm", &self.algorithm.as_deref().map(shown))
            .field("key", &self.key)
            .field("md5", &self.md5)
            .finish()
    }
}

impl fmt::Debug for CustomerKeyMd5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKeyMd5(..)")
    }
}
