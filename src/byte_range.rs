// Floor 0, a noun: any module may use it.
//! [`ByteRange`], the requested bytes of an object, and [`ResolvedRange`], their position in an object of known length.

use std::ops::{Range, RangeFrom, RangeInclusive};

use crate::error::{Error, Result};

/// A range of plaintext bytes of an object to read: made from a Rust range, by [`last`](Self::last), or from an HTTP
/// header by [`parse`](Self::parse).
///
/// An end behind the object's end is clipped. A range that holds no byte of the object is refused as
/// [`Error::RangeNotSatisfiable`], with one exception: the Rust range `0..` of an empty object is the whole, empty
/// object. The header `bytes=0-` of an empty object is refused, as HTTP requires.
///
/// # Examples
///
/// ```
/// use atrest::ByteRange;
///
/// # fn main() -> atrest::Result<()> {
/// let range = ByteRange::parse("bytes=-500")?.expect("the header is well formed");
/// let resolved = range.resolve(1_200)?;
/// assert_eq!(resolved.range(), 700..1_200);
/// assert_eq!(resolved.content_range().as_deref(), Some("bytes 700-1199/1200"));
///
/// // S3 answers the whole object to a header that is no range of bytes.
/// assert_eq!(ByteRange::parse("pages=1-2")?, None);
/// # Ok(()) }
/// ```
///
/// Spec: RFC 9110 section 14.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    shape: Shape,
    /// Whether the range is from an HTTP header, for which an empty object has no satisfiable range.
    of_http: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// From the first offset to before the second.
    Between(u64, u64),
    From(u64),
    Last(u64),
}

impl ByteRange {
    /// Returns the range of the last `len` bytes, or of the whole object if it is shorter.
    pub fn last(len: u64) -> Self {
        Self { shape: Shape::Last(len), of_http: false }
    }

    /// Parses the value of the HTTP header `Range`: `bytes=a-b`, `bytes=a-` or `bytes=-n`.
    ///
    /// Returns `None` if the header is ignored and the answer is the whole object, status 200: the unit is not bytes,
    /// the value is malformed, or the end is before the start. The unit is case-insensitive; spaces and tabs around the
    /// range are ignored. A number too large for a `u64` becomes the largest `u64`.
    ///
    /// # Errors
    ///
    /// Returns [`Error::SeveralRanges`] if the header is well formed and asks for more than one range, which S3 does
    /// not answer.
    ///
    /// Spec: RFC 9110 section 14.2; Amazon S3 API reference, GetObject, "Range".
    pub fn parse(header: &str) -> Result<Option<Self>> {
        let Some((unit, set)) = header.split_once('=') else {
            return Ok(None);
        };
        if !trimmed(unit).eq_ignore_ascii_case("bytes") {
            return Ok(None);
        }
        // Empty elements of a list do not count: RFC 9110 section 5.6.1.
        let elements = || set.split(',').map(trimmed).filter(|element| !element.is_empty());
        let mut shapes = elements().map(Shape::parse);
        match (shapes.next().flatten(), elements().count()) {
            (Some(shape), 1) => Ok(Some(Self { shape, of_http: true })),
            (Some(_), _) if shapes.all(|shape| shape.is_some()) => Err(Error::SeveralRanges),
            _ => Ok(None),
        }
    }

    /// Returns the position of the range in an object of `object_len` bytes; also for unencrypted objects.
    ///
    /// For an encrypted object pass the authenticated plaintext length:
    /// [`Decryptor::plaintext_len`](crate::Decryptor::plaintext_len).
    ///
    /// # Errors
    ///
    /// Returns [`Error::RangeNotSatisfiable`] if the range holds no byte of the object: HTTP status 416.
    pub fn resolve(self, object_len: u64) -> Result<ResolvedRange> {
        let (range, _) = self.within(object_len);
        if range.is_empty() && !self.is_whole_of_empty(object_len) {
            return Err(Error::RangeNotSatisfiable { plaintext_len: object_len });
        }
        Ok(ResolvedRange { range, object_len })
    }

    /// Returns the position of the range in an object of this length, and whether it depends on the length.
    pub(crate) fn within(self, object_len: u64) -> (Range<u64>, bool) {
        match self.shape {
            Shape::Between(start, end) => (start..end.min(object_len), end > object_len),
            Shape::From(start) => (start..object_len, true),
            Shape::Last(len) => (object_len.saturating_sub(len)..object_len, true),
        }
    }

    /// Returns the numbers of the range.
    pub(crate) fn shape(self) -> Shape {
        self.shape
    }

    /// Returns whether a Rust range asks for the whole of an empty object.
    pub(crate) fn is_whole_of_empty(self, object_len: u64) -> bool {
        object_len == 0 && !self.of_http && self.shape == Shape::From(0)
    }
}

impl Shape {
    fn parse(element: &str) -> Option<Self> {
        let (start, end) = element.split_once('-')?;
        match (trimmed(start), trimmed(end)) {
            ("", len) => number(len).map(Self::Last),
            (start, "") => number(start).map(Self::From),
            (start, end) => {
                let (start, end) = (number(start)?, number(end)?);
                (start <= end).then(|| Self::Between(start, end.saturating_add(1)))
            }
        }
    }
}

/// Parses decimal digits only; returns the largest `u64` if the number is larger.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

impl From<Range<u64>> for ByteRange {
    fn from(range: Range<u64>) -> Self {
        Self { shape: Shape::Between(range.start, range.end), of_http: false }
    }
}

impl From<RangeInclusive<u64>> for ByteRange {
    fn from(range: RangeInclusive<u64>) -> Self {
        // No object has bytes beyond the last `u64` to clip.
        Self { shape: Shape::Between(*range.start(), range.end().saturating_add(1)), of_http: false }
    }
}

impl From<RangeFrom<u64>> for ByteRange {
    fn from(range: RangeFrom<u64>) -> Self {
        Self { shape: Shape::From(range.start), of_http: false }
    }
}

/// The position of a range in an object of known length, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResolvedRange {
    range: Range<u64>,
    object_len: u64,
}

impl ResolvedRange {
    /// Creates a resolved range of an object of `object_len` bytes.
    pub(crate) fn new(range: Range<u64>, object_len: u64) -> Self {
        Self { range, object_len }
    }

    /// Returns the bytes of the object, counted from 0; empty only if a Rust range asked for the whole of an empty
    /// object.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Returns the number of bytes in the range: the `Content-Length` of the answer.
    pub fn range_len(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Returns the length of the whole object in bytes.
    pub fn object_len(&self) -> u64 {
        self.object_len
    }

    /// Returns the value of the header `Content-Range` of a 206 answer, such as `bytes 0-499/1200`; `None` if the range
    /// is empty, which the header cannot express.
    ///
    /// Spec: RFC 9110 section 14.4.
    pub fn content_range(&self) -> Option<String> {
        let last = self.range.end.checked_sub(1).filter(|last| *last >= self.range.start)?;
        Some(format!("bytes {}-{last}/{}", self.range.start, self.object_len))
    }
}
