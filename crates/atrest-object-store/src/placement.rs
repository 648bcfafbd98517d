//! [`Placement`], where the envelope of an object lies, and [`Layout`], the arithmetic of one placement.

use std::ops::Range;

use atrest::ByteRange;
use atrest::geometry::{Container, Fetch, Layers};
use object_store::{Attribute, GetRange};

/// The name of the attribute that holds the envelope. Azure takes the names of C# identifiers only, and proxies drop
/// headers with an underscore: so it has letters alone.
pub(crate) const ATTRIBUTE: &str = "atrestenvelope";

/// Where the envelope of an object lies.
///
/// | | in front | behind | attributes |
/// |---|---|---|---|
/// | whole object | 1 request | 1; from 1 MiB on 2, one after the other | 1 |
/// | first range | 2 at once, or 1 near the start | 2 at once | 1 |
/// | first suffix | 2 at once | 1, from 1 MiB on 2 at once | 1 |
/// | each further range, with the cache | 1 | 1 | 1 |
/// | sizes in listings | stored length less the fixed length | the same | stored length alone |
/// | stores | all | all | not `LocalFileSystem`; S3 allows 2 KB of attributes in all |
///
/// Objects are read only with the placement that they were written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Placement {
    /// Before the body, in the same object.
    InFront,
    /// After the body, in the same object: in the last part of an upload, which is held back anyway, and in the suffix
    /// with which a reader of Parquet begins.
    Behind,
    /// Among the attributes of the object, as base64: `x-amz-meta-atrestenvelope` in S3.
    Attributes,
}

/// The arithmetic of one placement: offsets in the stored object against offsets in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    placement: Placement,
    /// The bytes of the envelope within the stored object; 0 if it lies elsewhere.
    envelope_len: u64,
}

impl Layout {
    pub(crate) fn new(placement: Placement, envelope_len: usize) -> Self {
        let within = placement != Placement::Attributes;
        Self { placement, envelope_len: if within { envelope_len as u64 } else { 0 } }
    }

    pub(crate) fn placement(self) -> Placement {
        self.placement
    }

    pub(crate) fn envelope_len(self) -> u64 {
        self.envelope_len
    }

    /// Returns the place of the body in an object of `stored_len` bytes.
    pub(crate) fn body(self, stored_len: u64) -> Option<Range<u64>> {
        let len = stored_len.checked_sub(self.envelope_len)?;
        match self.placement {
            Placement::InFront => Some(self.envelope_len..stored_len),
            Placement::Behind | Placement::Attributes => Some(0..len),
        }
    }

    /// Returns the container of a store whose objects have so many layers, if envelopes lie in the objects.
    pub(crate) fn container(self, layers: Layers) -> Option<Container> {
        let len = usize::try_from(self.envelope_len).ok()?;
        let container = match self.placement {
            Placement::InFront => Container::inline(len),
            Placement::Behind => Container::trailer(len),
            Placement::Attributes => return None,
        };
        Some(container.with_layers(layers))
    }

    /// Returns the place of the envelope in an object of `stored_len` bytes, if it lies there.
    pub(crate) fn envelope(self, stored_len: u64) -> Option<Range<u64>> {
        match self.placement {
            Placement::InFront => Some(0..self.envelope_len).filter(|_| stored_len >= self.envelope_len),
            Placement::Behind => Some(stored_len.checked_sub(self.envelope_len)?..stored_len),
            Placement::Attributes => None,
        }
    }

    /// Returns the request for the envelope alone, if it lies in the object.
    pub(crate) fn envelope_request(self) -> Option<GetRange> {
        match self.placement {
            Placement::InFront => Some(GetRange::Bounded(0..self.envelope_len)),
            Placement::Behind => Some(GetRange::Suffix(self.envelope_len)),
            Placement::Attributes => None,
        }
    }

    /// Returns the plaintext length of an object of `stored_len` bytes; `None` if no object has this length.
    pub(crate) fn plaintext_len(self, layers: Layers, stored_len: u64) -> Option<u64> {
        let body = self.body(stored_len)?;
        layers.plaintext_len(body.end.checked_sub(body.start)?)
    }

    /// Returns what to request for a range of the plaintext of an object of unknown length.
    pub(crate) fn fetch(self, layers: Layers, range: impl Into<ByteRange>) -> Fetch {
        let fetch = layers.fetch(range);
        match (self.placement, fetch) {
            (Placement::InFront, Fetch::Range(range)) => {
                let moved = |offset: u64| offset.saturating_add(self.envelope_len);
                Fetch::Range(moved(range.start)..moved(range.end))
            }
            (Placement::InFront, Fetch::From(offset)) => Fetch::From(offset.saturating_add(self.envelope_len)),
            (Placement::Behind, Fetch::Last(len)) => Fetch::Last(len.saturating_add(self.envelope_len)),
            (_, fetch) => fetch,
        }
    }
}

/// Returns the attribute that holds the envelope.
pub(crate) fn attribute() -> Attribute {
    Attribute::Metadata(ATTRIBUTE.into())
}

/// Returns the range in the form of atrest.
pub(crate) fn byte_range(range: &GetRange) -> ByteRange {
    match range {
        GetRange::Bounded(range) => range.clone().into(),
        GetRange::Offset(offset) => (*offset..).into(),
        GetRange::Suffix(len) => ByteRange::last(*len),
    }
}
