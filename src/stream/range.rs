//! [`RangePlan`]: which stored bytes to fetch for a range of an object, and how to open them.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::decryptor::Decryptor;
use super::parts::PartTable;
use super::plaintext_reader::PlaintextReader;
use crate::byte_range::{ByteRange, ResolvedRange};
use crate::error::{Error, Misuse, Result};
use crate::geometry::{EachLayer, Extent, PartsExtent, in_object, opened_len};

impl Decryptor {
    /// Plans how to read a range of an object whose stored body has `ciphertext_len` bytes.
    ///
    /// [`Layers::fetch`](crate::geometry::Layers::fetch) and
    /// [`Layers::fetch_of_len`](crate::geometry::Layers::fetch_of_len) return the bytes to fetch without a key.
    ///
    /// # Errors
    ///
    /// - [`Error::RangeNotSatisfiable`] if the range holds no byte of the object and the object's length is
    ///   authenticated. If the length is not authenticated, only reading the plan returns this error.
    /// - [`Error::Truncated`] if no object has a body of this length.
    /// - [`Error::Inauthentic`] if this object has a body of another length.
    /// - [`Error::ManifestRequired`] if the object has parts and no manifest was given.
    pub fn range(&self, range: impl Into<ByteRange>, ciphertext_len: u64) -> Result<RangePlan> {
        RangePlan::new(self, range.into(), ciphertext_len)
    }

    /// Returns the range of the stored body to fetch for [`verify_end`](Self::verify_end): the last chunk.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Truncated`] if no object has a body of this length, and [`Error::ManifestRequired`] if the
    /// object has parts and no manifest was given.
    pub fn end_fetch(&self, ciphertext_len: u64) -> Result<Range<u64>> {
        Ok(self.end_plan(ciphertext_len)?.fetch_span())
    }

    /// Verifies the last chunk and returns a decryptor that knows the object's length: for `Content-Range`, `HEAD`, and
    /// answers that need the length before any data.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`] or [`Error::Truncated`] if the object does not end there, and
    /// [`Misuse::FetchedLen`] if `fetched` is longer than [`end_fetch`](Self::end_fetch).
    pub fn verify_end(&self, ciphertext_len: u64, fetched: &[u8]) -> Result<Self> {
        self.end_plan(ciphertext_len)?.decrypt(fetched)?;
        self.ending_at(ciphertext_len)
    }

    /// Plans to verify the end of the object and to return no plaintext.
    pub(crate) fn end_plan(&self, ciphertext_len: u64) -> Result<RangePlan> {
        let end = match self.table()? {
            None => opened_len(self.layers(), ciphertext_len)?,
            Some(_) => unverified_plaintext_len(self, ciphertext_len)?,
        };
        RangePlan::over(self, end..end, true, ciphertext_len)
    }

    /// Returns a decryptor that knows the object's length; the caller has verified the [end](Self::end_plan).
    pub(crate) fn ending_at(&self, ciphertext_len: u64) -> Result<Self> {
        if self.table()?.is_some() {
            return Ok(self.clone());
        }
        let plaintext_len = self.layers().plaintext_len(ciphertext_len);
        if self.plaintext_len().is_some_and(|known| plaintext_len != Some(known)) {
            return Err(Error::Inauthentic);
        }
        Ok(self.knowing(plaintext_len))
    }
}

/// A plan of which stored bytes to fetch for a range, and how to open them.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
/// # let object = atrest::ObjectName::unbound();
/// # let stored = sse.blocking().encrypt(&object, atrest::SseS3, &vec![7; 100_000])?;
/// # let (envelope, body) = (stored.envelope, stored.ciphertext);
/// # let fetch = |range: std::ops::Range<u64>| body[range.start as usize..range.end as usize].to_vec();
/// let decryptor = sse.blocking().decryptor(&object, &envelope, atrest::Unlock::Server)?;
/// let plan = decryptor.range(50_000..50_100, body.len() as u64)?;
/// let fetched = plan.fetches().iter().cloned().flat_map(fetch).collect::<Vec<u8>>();
/// assert_eq!(plan.decrypt(&fetched)?, [7; 100]);
/// assert_eq!(plan.decrypt_pieces([(0, &body[..])])?, [7; 100]); // wider than asked for
/// # Ok(()) }
/// ```
///
/// # Security
///
/// Whole chunks are fetched; no byte of a chunk is returned before the chunk is authenticated. A plan for a range whose
/// position depends on the object's end includes the last chunk, and reports what depends on the end only after the
/// last chunk is verified.
///
/// Spec: manual, format, "Reading a message".
#[derive(Clone, Debug)]
pub struct RangePlan {
    decryptor: Decryptor,
    ciphertext_len: u64,
    fetches: Vec<Range<u64>>,
    reading: Reading,
    /// The plaintext bytes that the plan returns.
    wanted: Range<u64>,
    /// Whether `wanted` is independent of any unverified length.
    proven: bool,
    /// The unverified plaintext length of an object that has no byte in the range.
    nothing_of: Option<u64>,
}

/// The parts of the body that are read.
#[derive(Clone, Debug)]
enum Reading {
    Message(EachLayer<Extent>),
    Parts(Arc<PartTable>, PartsExtent),
}

impl RangePlan {
    /// Plans a range of an object of `ciphertext_len` stored bytes; the object's length is verified only if `proven`.
    fn new(decryptor: &Decryptor, range: ByteRange, ciphertext_len: u64) -> Result<Self> {
        let known = decryptor.plaintext_len();
        let plaintext_len = unverified_plaintext_len(decryptor, ciphertext_len)?;
        let (wanted, depends) = range.within(plaintext_len);
        if !wanted.is_empty() || range.is_whole_of_empty(plaintext_len) {
            let proven = known.is_some() || !depends;
            // An empty object has only its end to verify.
            let to_end = !proven || wanted.is_empty();
            Ok(Self { proven, ..Self::over(decryptor, wanted, to_end, ciphertext_len)? })
        } else if known.is_some() {
            Err(Error::RangeNotSatisfiable { plaintext_len })
        } else {
            let nothing = Self::over(decryptor, plaintext_len..plaintext_len, true, ciphertext_len)?;
            Ok(Self { nothing_of: Some(plaintext_len), ..nothing })
        }
    }

    /// Finds the parts to read, and the chunks of each layer from the inner layer outward.
    fn over(decryptor: &Decryptor, wanted: Range<u64>, to_end: bool, ciphertext_len: u64) -> Result<Self> {
        let bytes = wanted.clone();
        let (reading, fetches) = match decryptor.table()? {
            None => {
                let (extents, fetch) = EachLayer::within(decryptor.layers(), bytes, to_end, ciphertext_len, false)?;
                (Reading::Message(extents), vec![fetch])
            }
            Some(table) => {
                let extent = PartsExtent::within(table.geometry(), bytes, to_end);
                let fetches = extent.fetches(table.geometry());
                (Reading::Parts(table.clone(), extent), fetches)
            }
        };
        let decryptor = decryptor.clone();
        Ok(Self { decryptor, ciphertext_len, fetches, reading, wanted, proven: false, nothing_of: None })
    }

    /// Returns the ranges of the stored body to fetch, in order: one, or one in each part that is read. Concatenate
    /// their bytes. A range from 0 starts after the message's header, at byte 56.
    pub fn fetches(&self) -> &[Range<u64>] {
        &self.fetches
    }

    /// Returns all of [`fetches`](Self::fetches) as one range, for bodies that are stored in one piece: the fetches are
    /// adjacent.
    pub fn fetch_span(&self) -> Range<u64> {
        let start = self.fetches.first().map_or(0, |fetch| fetch.start);
        start..self.fetches.last().map_or(start, |fetch| fetch.end)
    }

    /// Returns the plaintext bytes of the range; `None` while they depend on an end that is not verified.
    ///
    /// A caller that needs the range before the data verifies the end first: [`Decryptor::verify_end`].
    pub fn plaintext_range(&self) -> Option<Range<u64>> {
        self.proven.then(|| self.wanted.clone())
    }

    /// Returns the range and the object's length, for `Content-Range`; `None` while the length is not authenticated.
    ///
    /// The result is `None` if the length was unknown when the object was written. A caller that answers
    /// `Content-Range` then fetches [`Decryptor::end_fetch`], verifies it by [`Decryptor::verify_end`], and plans the
    /// range again with the new decryptor. This costs one more fetch of at most one chunk.
    pub fn resolved(&self) -> Option<ResolvedRange> {
        Some(ResolvedRange::new(self.plaintext_range()?, self.decryptor.plaintext_len()?))
    }

    /// Returns the number of bytes that [`decrypt_into`](Self::decrypt_into) writes; based on the unverified length of
    /// the stored body.
    pub fn output_len(&self) -> usize {
        usize::try_from(self.wanted.end.saturating_sub(self.wanted.start)).unwrap_or(usize::MAX)
    }

    /// Opens exactly the planned bytes, fetched in one piece.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse::FetchedLen`] if `fetched` is longer than the plan, and the errors of
    /// [`decrypt_pieces`](Self::decrypt_pieces).
    ///
    /// # Performance
    ///
    /// Allocates the result. For long ranges use [`reader`](Self::reader).
    pub fn decrypt(&self, fetched: &[u8]) -> Result<Vec<u8>> {
        if in_object(fetched.len()) > self.fetched_len() {
            return Err(Misuse::FetchedLen.into());
        }
        self.decrypt_pieces([(self.fetch_span().start, fetched)])
    }

    /// Opens pieces of the stored body, each given with its offset there: exactly the planned bytes, or more.
    ///
    /// Together the pieces hold all of [`fetch_span`](Self::fetch_span), in order and without a gap. Other bytes and
    /// repeated bytes are ignored.
    ///
    /// # Errors
    ///
    /// - [`Misuse::FetchedPlace`] if the pieces are out of order, leave a gap before the end, or exceed the body.
    /// - [`Error::Truncated`] if the pieces end too early.
    /// - [`Error::Inauthentic`] if a chunk does not authenticate.
    /// - [`Error::RangeNotSatisfiable`] if the range holds no byte of the object, once the end is verified.
    pub fn decrypt_pieces<'a>(&self, pieces: impl IntoIterator<Item = (u64, &'a [u8])>) -> Result<Vec<u8>> {
        let cut = self.cut(pieces)?;
        // `output_len` is not larger than the fetched bytes, and all of them are there.
        let mut output = vec![0; self.output_len()];
        self.reader().all_into(cut, &mut output)?;
        Ok(output)
    }

    /// Opens pieces as [`decrypt_pieces`](Self::decrypt_pieces) does, into the front of `output`; returns the number of
    /// bytes written.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`decrypt_pieces`](Self::decrypt_pieces), and [`Misuse::OutputTooSmall`] if `output` is
    /// shorter than [`output_len`](Self::output_len). After an error everything that the call wrote is wiped.
    pub fn decrypt_into<'a>(
        &self,
        pieces: impl IntoIterator<Item = (u64, &'a [u8])>,
        output: &mut [u8],
    ) -> Result<usize> {
        let cut = self.cut(pieces)?;
        let output = output.get_mut(..self.output_len()).ok_or(Misuse::OutputTooSmall)?;
        self.reader().all_into(cut, output)
    }

    /// Returns a reader that opens exactly the planned bytes, in order as they arrive, in constant memory.
    pub fn reader(&self) -> PlaintextReader {
        let body = match &self.reading {
            Reading::Message(extents) => self.decryptor.message_reader(*extents),
            Reading::Parts(table, extent) => self.decryptor.parts_reader(table, extent.clone()),
        };
        let plaintext_len = self.plaintext_range().map(|range| range.end.saturating_sub(range.start));
        PlaintextReader::new(body, plaintext_len, Some(self.fetched_len()), self.nothing_of)
    }

    fn fetched_len(&self) -> u64 {
        let span = self.fetch_span();
        span.end.saturating_sub(span.start)
    }

    /// Cuts the planned bytes out of the pieces; they have no gap.
    fn cut<'a>(&self, pieces: impl IntoIterator<Item = (u64, &'a [u8])>) -> Result<Vec<&'a [u8]>> {
        let (Range { start: mut next, end }, mut before, mut cut) = (self.fetch_span(), 0, Vec::new());
        for (offset, piece) in pieces {
            let behind = offset.saturating_add(in_object(piece.len()));
            if offset < before || behind > self.ciphertext_len || (offset > next && next < end) {
                return Err(Misuse::FetchedPlace.into());
            }
            before = offset;
            if next < behind.min(end) {
                let within = |place: u64| usize::try_from(place.saturating_sub(offset)).unwrap_or(usize::MAX);
                cut.push(&piece[within(next)..within(behind.min(end))]);
                next = behind.min(end);
            }
        }
        if next < end { Err(Error::Truncated) } else { Ok(cut) }
    }
}

/// Returns the plaintext length of a body of `ciphertext_len` bytes; it is authenticated if the decryptor knows it.
fn unverified_plaintext_len(decryptor: &Decryptor, ciphertext_len: u64) -> Result<u64> {
    let layers = decryptor.layers();
    if let Some(table) = decryptor.table()? {
        return match ciphertext_len.cmp(&table.geometry().ciphertext_len()) {
            Ordering::Less => Err(Error::Truncated),
            Ordering::Greater => Err(Error::Inauthentic),
            Ordering::Equal => Ok(table.geometry().plaintext_len()),
        };
    }
    match decryptor.plaintext_len() {
        Some(known) if layers.ciphertext_len(known) == Some(ciphertext_len) => Ok(known),
        // If no body has this length, the body is truncated.
        Some(_) => Err(opened_len(layers, ciphertext_len).err().unwrap_or(Error::Inauthentic)),
        None => opened_len(layers, ciphertext_len),
    }
}
