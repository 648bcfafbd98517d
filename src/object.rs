// Floor 0, a noun: any module may use it.
//! [`ObjectName`], [`PartNumber`] and [`Requester`].

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use crate::codec::ByteReader;
use crate::error::{Misuse, PartError, Result};

/// The name that an object is bound to: a copy of the stored bytes does not open under another name.
///
/// The bytes are used as they are, without normalisation: `a//b` and `a/b` are two objects. The reader must give the
/// same name as the writer.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use atrest::ObjectName;
/// let object = ObjectName::new("photos", "2026/cat.jpg")?;
/// let object = object.with_realm("account-7/photos-created-2026-03")?;
/// # Ok(()) }
/// ```
///
/// # Security
///
/// Set a [realm](Self::with_realm) if a bucket name can later belong to another owner, or if the same keys serve more
/// than one store.
///
/// Spec: manual, format, "Name binding".
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// Realm, bucket, key, version id and an empty upload id, each with its length: what the wrap of an object's data
    /// key is bound to.
    encoded: Arc<[u8]>,
}

/// The length of five empty components.
const UNBOUND_LEN: usize = 5 * 2;

impl ObjectName {
    /// Creates the name of the object `key` in `bucket`. Neither may be empty.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse`] if `bucket` or `key` is empty or longer than 65,535 bytes.
    pub fn new(bucket: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self> {
        let (bucket, key) = (component(bucket.as_ref())?, component(key.as_ref())?);
        if bucket.is_empty() || key.is_empty() {
            return Err(Misuse::EmptyName.into());
        }
        Ok(Self::of([b"", bucket, key, b""]))
    }

    /// Creates the unbound name, for stores that have no names.
    ///
    /// # Security
    ///
    /// An attacker who can write the store can exchange its unbound objects with each other.
    pub fn unbound() -> Self {
        Self::of([b""; 4])
    }

    /// Returns the same name in a realm. A realm is a byte string that is never used for anything else, such as the
    /// account and the incarnation of the bucket, or the store's id.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse`] if the realm is longer than 65,535 bytes, or the name is unbound.
    pub fn with_realm(self, realm: impl AsRef<[u8]>) -> Result<Self> {
        let [_, bucket, key, version_id] = self.bound()?;
        Ok(Self::of([component(realm.as_ref())?, bucket, key, version_id]))
    }

    /// Returns the same name with the id of one version of the object. The reader must give the same id as the writer.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse`] if the version id is longer than 65,535 bytes, or the name is unbound.
    pub fn with_version_id(self, version_id: impl AsRef<[u8]>) -> Result<Self> {
        let [realm, bucket, key, _] = self.bound()?;
        Ok(Self::of([realm, bucket, key, component(version_id.as_ref())?]))
    }

    /// Returns whether the name is bound, not [`unbound`](Self::unbound).
    pub fn is_bound(&self) -> bool {
        self.encoded.len() > UNBOUND_LEN
    }

    /// Returns the bucket; empty if the name is unbound.
    pub fn bucket(&self) -> &[u8] {
        self.components()[1]
    }

    /// Returns the key; empty if the name is unbound.
    pub fn key(&self) -> &[u8] {
        self.components()[2]
    }

    /// Returns the realm; empty if it was not set.
    pub fn realm(&self) -> &[u8] {
        self.components()[0]
    }

    /// Returns the version id; empty if it was not set.
    pub fn version_id(&self) -> &[u8] {
        self.components()[3]
    }

    /// Returns every component with its length. The wrap of a data key is bound to these bytes.
    pub(crate) fn binding(&self, upload_id: &[u8]) -> Cow<'_, [u8]> {
        if upload_id.is_empty() {
            return Cow::Borrowed(&self.encoded);
        }
        let [realm, bucket, key, version_id] = self.components();
        Cow::Owned(encode([realm, bucket, key, version_id, upload_id]))
    }

    /// Returns the [`binding`](Self::binding) of an upload under this name.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse`] if the name is bound and the id is not 1 to 65,535 bytes long, or if the name is unbound and
    /// the id is not empty.
    pub(crate) fn upload_binding(&self, upload_id: &[u8]) -> Result<Cow<'_, [u8]>> {
        if self.is_bound() == upload_id.is_empty() || upload_id.len() > usize::from(u16::MAX) {
            return Err(Misuse::UploadId.into());
        }
        Ok(self.binding(upload_id))
    }

    /// Creates the name of these components: realm, bucket, key and version id.
    fn of([realm, bucket, key, version_id]: [&[u8]; 4]) -> Self {
        Self { encoded: encode([realm, bucket, key, version_id, b""]).into() }
    }

    /// Returns realm, bucket, key and version id.
    fn components(&self) -> [&[u8]; 4] {
        let mut reader = ByteReader::new(&self.encoded, |_| ());
        [(); 4].map(|()| reader.prefixed().unwrap_or_default())
    }

    /// Returns the components of a bound name.
    fn bound(&self) -> Result<[&[u8]; 4]> {
        if self.is_bound() { Ok(self.components()) } else { Err(Misuse::UnboundName.into()) }
    }
}

/// Encodes every component with its length.
fn encode(components: [&[u8]; 5]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(components.iter().map(|component| 2 + component.len()).sum());
    for component in components {
        // The cast is lossless: `component` checked the length.
        encoded.extend_from_slice(&(component.len() as u16).to_be_bytes());
        encoded.extend_from_slice(component);
    }
    encoded
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_bound() {
            return f.write_str("ObjectName::unbound()");
        }
        let mut shown = f.debug_struct("ObjectName");
        for (field, value) in ["realm", "bucket", "key", "version_id"].into_iter().zip(self.components()) {
            if !value.is_empty() {
                shown.field(field, &String::from_utf8_lossy(value));
            }
        }
        shown.finish()
    }
}

/// The characters that a name keeps in its ASCII form; every other byte becomes `%` and two hexadecimal digits.
pub(crate) const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The number of a part of a multipart upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(NonZeroU32);

impl PartNumber {
    /// The highest part number that Amazon S3 accepts.
    pub const S3_MAX: u32 = 10_000;

    /// Creates a part number as S3 accepts it: 1 to 10,000.
    ///
    /// # Errors
    ///
    /// Returns [`PartError::Number`] if the number is outside this range.
    pub fn new(number: u32) -> Result<Self> {
        if number <= Self::S3_MAX { Self::any(number) } else { Err(PartError::Number(number).into()) }
    }

    /// Creates a part number for a store without S3's limit: any number except 0. An object still has at most 65,536
    /// parts.
    ///
    /// # Errors
    ///
    /// Returns [`PartError::Number`] if the number is 0.
    pub fn any(number: u32) -> Result<Self> {
        NonZeroU32::new(number).map(Self).ok_or(PartError::Number(number).into())
    }

    /// Returns the number as an integer.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn component(bytes: &[u8]) -> Result<&[u8]> {
    if bytes.len() <= usize::from(u16::MAX) { Ok(bytes) } else { Err(Misuse::NameTooLong.into()) }
}

/// The party for which a key is requested. Key providers base their decision on it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Requester(Arc<str>);

impl Requester {
    /// Creates a requester from the name that the key provider knows: a user's ARN, or a service's name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into().into())
    }

    /// Returns the anonymous requester, the default when a request names none.
    pub fn anonymous() -> Self {
        Self::new("anonymous")
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Requester {
    fn default() -> Self {
        Self::anonymous()
    }
}

impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Requester({:?})", &*self.0)
    }
}
