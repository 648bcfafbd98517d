//! [`CustomerKeyHeaders`], the three headers of a customer key, for the object or for the source of a copy.

use std::fmt;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::base64;
use crate::crypto::md5::md5;
use crate::s3::error::shown;
use crate::secret::CustomerKey;

/// The three headers, each parsed as far as possible. An empty header is present and has a wrong value.
#[derive(Clone, Default)]
pub(in crate::s3) struct CustomerKeyHeaders {
    pub(in crate::s3) algorithm: Option<String>,
    key: Option<Given<KeyText>>,
    md5: Option<Given<()>>,
}

/// A value of a header, and the header's text to compare with a repetition of the header.
#[derive(Clone)]
struct Given<T> {
    text: Arc<Zeroizing<Vec<u8>>>,
    value: T,
}

/// The parsed text of a key.
#[derive(Clone)]
pub(in crate::s3) enum KeyText {
    /// A byte of the text is not ASCII.
    NotAscii,
    /// The text decodes to no byte; the flag says whether the text is empty.
    TooShort { empty: bool },
    /// The text decodes to these bytes.
    Decoded(DecodedKey),
}

/// A decoded key. `key` is `None` if the bytes are not a customer key, by their length or because all are zero.
#[derive(Clone)]
pub(in crate::s3) struct DecodedKey {
    pub(in crate::s3) key: Option<Arc<CustomerKey>>,
    pub(in crate::s3) md5: CustomerKeyMd5,
}

/// The MD5 of a customer key in base64. It is derived from a secret, so `Debug` does not show it.
#[derive(Clone)]
pub(in crate::s3) struct CustomerKeyMd5(Zeroizing<[u8; 24]>);

impl CustomerKeyMd5 {
    fn of(key: &[u8]) -> Self {
        let digest = Zeroizing::new(md5(key));
        let mut text = Zeroizing::new([0; 24]);
        // 16 bytes always encode to 24 characters.
        let _ = Base64::encode(&*digest, &mut *text);
        Self(text)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &*self.0
    }
}

impl KeyText {
    fn of(text: &[u8]) -> Self {
        let Some(mut bytes) = base64::decode(text) else {
            return Self::NotAscii;
        };
        if bytes.is_empty() {
            return Self::TooShort { empty: text.is_empty() };
        }
        let md5 = CustomerKeyMd5::of(&bytes);
        Self::Decoded(DecodedKey { key: CustomerKey::from_slice(&mut bytes).ok().map(Arc::new), md5 })
    }
}

impl<T> Given<T> {
    fn new(text: &[u8], value: T) -> Self {
        Self { text: Arc::new(Zeroizing::new(text.to_vec())), value }
    }

    fn is(&self, text: &[u8]) -> bool {
        self.text.as_slice().ct_eq(text).into()
    }
}

impl CustomerKeyHeaders {
    pub(super) fn set_algorithm(&mut self, text: &str) -> bool {
        super::put(&mut self.algorithm, text.to_owned())
    }

    pub(super) fn set_key(&mut self, text: &[u8]) -> bool {
        let again = self.key.as_ref().is_none_or(|key| key.is(text));
        self.key.get_or_insert_with(|| Given::new(text, KeyText::of(text)));
        again
    }

    pub(super) fn set_md5(&mut self, text: &[u8]) -> bool {
        let again = self.md5.as_ref().is_none_or(|md5| md5.is(text));
        self.md5.get_or_insert_with(|| Given::new(text, ()));
        again
    }

    /// Returns whether any of the three headers is present.
    pub(in crate::s3) fn is_present(&self) -> bool {
        self.algorithm.is_some() || self.key.is_some() || self.md5.is_some()
    }

    /// Returns whether all three headers are present.
    pub(in crate::s3) fn is_complete(&self) -> bool {
        self.algorithm.is_some() && self.key.is_some() && self.md5.is_some()
    }

    pub(in crate::s3) fn key(&self) -> Option<&KeyText> {
        self.key.as_ref().map(|key| &key.value)
    }

    pub(in crate::s3) fn has_md5(&self) -> bool {
        self.md5.is_some()
    }

    /// Returns whether the MD5 header is absent or equals this MD5. The texts are compared, because the service does
    /// not decode the MD5 leniently.
    pub(in crate::s3) fn md5_is(&self, md5: &CustomerKeyMd5) -> bool {
        self.md5.as_ref().is_none_or(|given| given.is(md5.as_bytes()))
    }
}

impl fmt::Debug for CustomerKeyHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = |there: bool| there.then_some("..");
        f.debug_struct("CustomerKeyHeaders")
            .field("algorithm", &self.algorithm.as_deref().map(shown))
            .field("key", &given(self.key.is_some()))
            .field("md5", &given(self.md5.is_some()))
            .finish()
    }
}

impl fmt::Debug for CustomerKeyMd5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKeyMd5(..)")
    }
}
