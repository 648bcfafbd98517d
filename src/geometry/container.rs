//! [`Container`]: where envelope and body lie in the stored objects of one store.

use std::ops::Range;

use super::{Fetch, Layers, in_object};
use crate::byte_range::ByteRange;
use crate::error::{Error, Result};

/// The container of a store: one stored object holds envelope and body, the envelope in front or behind, always of
/// one length.
///
/// | container | stored object | |
/// |---|---|---|
/// | [`inline`](Self::inline) | `envelope \|\| body` | read in order, from its first byte |
/// | [`trailer`](Self::trailer) | `body \|\| envelope` | written before the envelope is known; read from its end |
///
/// The fixed length gives the plaintext length of every object in a listing, and the place of every range, without a
/// read. A store of a container therefore holds DSSE-KMS alone or not at all ([`Layers`]), and no object in parts.
/// Set the container with [`SseBuilder::container`](crate::SseBuilder::container). The functions here need no key.
///
/// ```
/// use atrest::ByteRange;
/// use atrest::geometry::{Container, Fetch};
///
/// let trailer = Container::trailer(512);
/// assert_eq!(trailer.stored_len(0), Some(72 + 512));
/// assert_eq!(trailer.plaintext_len(10_584), Some(10_000));
/// assert_eq!(trailer.envelope_fetch(), Fetch::Last(512));
/// assert_eq!(trailer.fetch(ByteRange::last(8)), Fetch::Last(16_424 + 512));
/// assert_eq!(Container::inline(512).fetch(20_000..20_001), Fetch::Range(512 + 16_456..512 + 32_856));
/// ```
///
/// # Security
///
/// The configuration of the store says which container it has. A reader never finds it out from stored bytes, and
/// never looks at the other end of an object.
///
/// Spec: manual, format, "Inline container" and "Trailer container".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    end: End,
    layers: Layers,
    envelope_len: u64,
}

/// The end of the stored object that holds the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    Front,
    Back,
}

impl Container {
    /// Creates the inline container of a store without DSSE-KMS, whose envelopes have `envelope_len` bytes each.
    pub fn inline(envelope_len: usize) -> Self {
        Self { end: End::Front, layers: Layers::One, envelope_len: in_object(envelope_len) }
    }

    /// Creates the trailer container of a store without DSSE-KMS, whose envelopes have `envelope_len` bytes each.
    pub fn trailer(envelope_len: usize) -> Self {
        Self { end: End::Back, ..Self::inline(envelope_len) }
    }

    /// Sets the layers of every object: [`Layers::Two`] for a store that holds DSSE-KMS and no other mode.
    #[must_use]
    pub fn with_layers(self, layers: Layers) -> Self {
        Self { layers, ..self }
    }

    /// Returns whether the envelope lies in front of the body.
    pub fn is_inline(self) -> bool {
        self.end == End::Front
    }

    /// Returns whether the envelope lies behind the body.
    pub fn is_trailer(self) -> bool {
        self.end == End::Back
    }

    /// Returns the layers of every object.
    pub fn layers(self) -> Layers {
        self.layers
    }

    /// Returns the length in bytes of every envelope.
    pub fn envelope_len(self) -> u64 {
        self.envelope_len
    }

    /// Returns the length in bytes of the stored object of a plaintext; `None` if the plaintext exceeds the format's
    /// limit.
    pub fn stored_len(self, plaintext_len: u64) -> Option<u64> {
        self.layers.ciphertext_len(plaintext_len)?.checked_add(self.envelope_len)
    }

    /// Returns the plaintext length in bytes of a stored object of this length; `None` if no object has it.
    ///
    /// The result is not authenticated: it is as true as the store's listing.
    pub fn plaintext_len(self, stored_len: u64) -> Option<u64> {
        self.layers.plaintext_len(stored_len.checked_sub(self.envelope_len)?)
    }

    /// Returns where the body lies in a stored object of this length.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Truncated`] if the stored object has no room for the envelope and the shortest body.
    pub fn body(self, stored_len: u64) -> Result<Range<u64>> {
        let body_len = stored_len.checked_sub(self.envelope_len).ok_or(Error::Truncated)?;
        if self.layers.ciphertext_len(0).is_none_or(|shortest| body_len < shortest) {
            return Err(Error::Truncated);
        }
        Ok(match self.end {
            End::Front => self.envelope_len..stored_len,
            End::Back => 0..body_len,
        })
    }

    /// Returns where the envelope lies in a stored object of this length.
    ///
    /// # Errors
    ///
    /// Returns the error of [`body`](Self::body).
    pub fn envelope(self, stored_len: u64) -> Result<Range<u64>> {
        let body = self.body(stored_len)?;
        Ok(match self.end {
            End::Front => 0..body.start,
            End::Back => body.end..stored_len,
        })
    }

    /// Returns the stored bytes that hold the envelope of an object of unknown length.
    pub fn envelope_fetch(self) -> Fetch {
        match self.end {
            End::Front => Fetch::Range(0..self.envelope_len),
            End::Back => Fetch::Last(self.envelope_len),
        }
    }

    /// Returns the stored bytes that hold a range of an object of unknown length. The answer of a trailer's suffix and
    /// of its open range holds the envelope too.
    ///
    /// [`Layers::fetch`] says what a range fetches; here every offset counts from the start of the stored object.
    /// [`body_piece`](Self::body_piece) cuts the body out of the answer. If the range begins behind the object, the
    /// piece does not hold all that [`RangePlan::fetch_span`](crate::RangePlan::fetch_span) then names: the end of the
    /// object, which proves that. Fetch it.
    pub fn fetch(self, range: impl Into<ByteRange>) -> Fetch {
        match (self.layers.fetch(range), self.end) {
            (Fetch::Range(body), _) => Fetch::Range(self.stored_range(body)),
            (Fetch::From(body), _) => Fetch::From(self.stored_range(body..body).start),
            (Fetch::Last(len), End::Front) => Fetch::Last(len),
            (Fetch::Last(len), End::Back) => Fetch::Last(len.saturating_add(self.envelope_len)),
        }
    }

    /// Returns the stored bytes that hold a range of an object of this length, without the envelope.
    ///
    /// # Errors
    ///
    /// - [`Error::Truncated`] as for [`body`](Self::body).
    /// - The errors of [`Layers::fetch_of_len`].
    pub fn fetch_of_len(self, range: impl Into<ByteRange>, stored_len: u64) -> Result<Range<u64>> {
        let body = self.body(stored_len)?;
        Ok(self.stored_range(self.layers.fetch_of_len(range, body.end.saturating_sub(body.start))?))
    }

    /// Returns where a range of the body lies in the stored object: what a
    /// [`RangePlan`](crate::RangePlan) fetches, as the store counts it.
    pub fn stored_range(self, body: Range<u64>) -> Range<u64> {
        let offset = match self.end {
            End::Front => self.envelope_len,
            End::Back => 0,
        };
        body.start.saturating_add(offset)..body.end.saturating_add(offset)
    }

    /// Cuts the body out of bytes that were fetched from `offset` of a stored object of this length. Returns the
    /// offset in the body, and its bytes: a piece for
    /// [`RangePlan::decrypt_pieces`](crate::RangePlan::decrypt_pieces), empty if the bytes hold the envelope alone.
    ///
    /// # Errors
    ///
    /// Returns the error of [`body`](Self::body).
    pub fn body_piece(self, stored_len: u64, offset: u64, fetched: &[u8]) -> Result<(u64, &[u8])> {
        let body = self.body(stored_len)?;
        let before = |bound: u64| usize::try_from(bound.saturating_sub(offset)).unwrap_or(usize::MAX);
        let end = before(body.end).min(fetched.len());
        let start = before(body.start).min(end);
        let at = offset.clamp(body.start, body.end).saturating_sub(body.start);
        Ok((at, fetched.get(start..end).unwrap_or_default()))
    }
}
