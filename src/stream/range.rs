//! `RangePlan`: what to fetch for a range of an object, and how to open it.

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
    /// Plans how to read a range of an object whose stored body has so many bytes.
    ///
    /// Which bytes to fetch can also be said without a key: [`Layers::fetch`](crate::geometry::Layers::fetch),
    /// [`Layers::fetch_of_len`](crate::geometry::Layers::fetch_of_len).
    ///
    /// # Errors
    ///
    /// [`Error::RangeNotSatisfiable`] at once if the length is authenticated, and otherwise only when the plan was
    /// carried out. [`Error::Truncated`] where no object has a body of that length, [`Error::Inauthentic`] where it is
    /// not this object's. [`Error::ManifestRequired`].
    pub fn range(&self, range: impl Into<ByteRange>, ciphertext_len: u64) -> Result<RangePlan> {
        RangePlan::new(self, range.into(), ciphertext_len)
    }

    /// The range of the stored body to fetch for [`verify_end`](Self::verify_end): its last chunk.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] where no object has a body of that length; [`Error::ManifestRequired`].
    pub fn end_fetch(&self, ciphertext_len: u64) -> Result<Range<u64>> {
        Ok(RangePlan::of_end(self, ciphertext_len)?.fetch_span())
    }

    /// Verifies the last chunk, and gives a decryptor that knows the object's length: for `Content-Range`, `HEAD`, and
    /// answers that need it before any data.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`] and [`Error::Truncated`]: the object does not end there. [`Misuse::FetchedLen`].
    pub fn verify_end(&self, ciphertext_len: u64, fetched: &[u8]) -> Result<Self> {
        RangePlan::of_end(self, ciphertext_len)?.decrypt(fetched)?;
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

/// Says what to fetch for a range, and opens it.
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
/// Whole chunks are fetched and authenticated; nothing comes out of one that does not. A range whose place depends on
/// where the object ends includes the last chunk, and what depends on the end is reported only once that has verified.
///
/// Spec: manual, format, "Reading a message".
#[derive(Clone, Debug)]
pub struct RangePlan {
    decryptor: Decryptor,
    ciphertext_len: u64,
    fetches: Vec<Range<u64>>,
    reading: Reading,
    /// The plaintext bytes that come out.
    wanted: Range<u64>,
    /// Whether no unverified length had a say in that.
    proven: bool,
    /// The length of an object that has no byte in the range, if it is as long as its stored bytes say.
    nothing_of: Option<u64>,
}

/// What of the body is read.
#[derive(Clone, Debug)]
enum Reading {
    Message(EachLayer<Extent>),
    Parts(Arc<PartTable>, PartsExtent),
}

impl RangePlan {
    /// Plans for an object of so many stored bytes, its length being known only where `proven`.
    fn new(decryptor: &Decryptor, range: ByteRange, ciphertext_len: u64) -> Result<Self> {
        let known = decryptor.plaintext_len();
        let plaintext_len = unverified_plaintext_len(decryptor, ciphertext_len)?;
        let (wanted, depends) = range.within(plaintext_len);
        if !wanted.is_empty() || range.is_whole_of_empty(plaintext_len) {
            let proven = known.is_some() || !depends;
            // An empty object has nothing but its end to verify.
            let to_end = !proven || wanted.is_empty();
            Ok(Self { proven, ..Self::over(decryptor, wanted, to_end, ciphertext_len)? })
        } else if known.is_some() {
            Err(Error::RangeNotSatisfiable { plaintext_len })
        } else {
            let nothing = Self::over(decryptor, plaintext_len..plaintext_len, true, ciphertext_len)?;
            Ok(Self { nothing_of: Some(plaintext_len), ..nothing })
        }
    }

    /// Plans to give nothing and to verify where the object ends.
    fn of_end(decryptor: &Decryptor, ciphertext_len: u64) -> Result<Self> {
        let end = match decryptor.table()? {
            None => opened_len(decryptor.layers(), ciphertext_len)?,
            Some(_) => unverified_plaintext_len(decryptor, ciphertext_len)?,
        };
        Self::over(decryptor, end..end, true, ciphertext_len)
    }

    /// Finds the parts, and the chunks of each layer from the inside out.
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

    /// The ranges of the stored body to fetch, in this order: one, or one in each part that is read. Their bytes belong
    /// one behind the other. A range that begins at 0 begins behind the message's header, at byte 56.
    pub fn fetches(&self) -> &[Range<u64>] {
        &self.fetches
    }

    /// All of [`fetches`](Self::fetches) in one range, for bodies that are stored in one piece: they lie one behind the
    /// other without a gap.
    pub fn fetch_span(&self) -> Range<u64> {
        let start = self.fetches.first().map_or(0, |fetch| fetch.start);
        start..self.fetches.last().map_or(start, |fetch| fetch.end)
    }

    /// Which plaintext bytes will come out; `None` while that depends on an end that has not verified.
    ///
    /// A caller that needs the range before the data verifies the end first: [`Decryptor::verify_end`].
    pub fn plaintext_range(&self) -> Option<Range<u64>> {
        self.proven.then(|| self.wanted.clone())
    }

    /// The range and the object's length, for `Content-Range`; `None` while the length of the object is not
    /// authenticated.
    ///
    /// It is `None` where the length was unknown when the object was written. A caller that answers `Content-Range`
    /// then fetches [`Decryptor::end_fetch`], verifies it by [`Decryptor::verify_end`], and plans the range again with
    /// the decryptor that this gives: one more fetch of at most one chunk.
    pub fn resolved(&self) -> Option<ResolvedRange> {
        Some(ResolvedRange::new(self.plaintext_range()?, self.decryptor.plaintext_len()?))
    }

    /// How many bytes [`decrypt_into`](Self::decrypt_into) gives if the stored body is as long as was said; not
    /// verified.
    pub fn output_len(&self) -> usize {
        usize::try_from(self.wanted.end.saturating_sub(self.wanted.start)).unwrap_or(usize::MAX)
    }

    /// Opens what was fetched, exactly and in one piece.
    ///
    /// # Errors
    ///
    /// [`Misuse::FetchedLen`]: more than the plan fetches. As [`decrypt_pieces`](Self::decrypt_pieces).
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

    /// Opens pieces of the stored body, each given with its offset there: exactly what was asked for, or wider.
    ///
    /// Together the pieces hold all of [`fetch_span`](Self::fetch_span), in order and without a gap; what else they
    /// hold, or hold twice, is passed over.
    ///
    /// # Errors
    ///
    /// [`Misuse::FetchedPlace`]: the pieces are out of order, leave a gap before the end, or reach beyond the body.
    /// [`Error::Truncated`]: they end too early. [`Error::Inauthentic`]; [`Error::RangeNotSatisfiable`] once the end
    /// has verified.
    pub fn decrypt_pieces<'a>(&self, pieces: impl IntoIterator<Item = (u64, &'a [u8])>) -> Result<Vec<u8>> {
        let cut = self.cut(pieces)?;
        // No more than what was fetched: all of it is there.
        let mut output = vec![0; self.output_len()];
        self.reader().all_into(cut, &mut output)?;
        Ok(output)
    }

    /// [`decrypt_pieces`](Self::decrypt_pieces) into the front of the caller's memory; says how many bytes it put
    /// there.
    ///
    /// # Errors
    ///
    /// As [`decrypt_pieces`](Self::decrypt_pieces); then all that the call may have filled is wiped.
    /// [`Misuse::OutputTooSmall`]: `output` is shorter than [`output_len`](Self::output_len).
    pub fn decrypt_into<'a>(
        &self,
        pieces: impl IntoIterator<Item = (u64, &'a [u8])>,
        output: &mut [u8],
    ) -> Result<usize> {
        let cut = self.cut(pieces)?;
        let output = output.get_mut(..self.output_len()).ok_or(Misuse::OutputTooSmall)?;
        self.reader().all_into(cut, output)
    }

    /// Opens what is fetched as it comes, exactly and in order, in constant memory.
    pub fn reader(&self) -> PlaintextReader {
        let body = match &self.reading {
            Reading::Message(extents) => self.decryptor.message_reader(*extents),
            Reading::Parts(table, extent) => self.decryptor.parts_reader(table, extent.clone()),
        };
        PlaintextReader::of_plan(body, self.fetched_len(), self.nothing_of)
    }

    fn fetched_len(&self) -> u64 {
        let span = self.fetch_span();
        span.end.saturating_sub(span.start)
    }

    /// What of the pieces the plan fetches, without a gap.
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

/// The plaintext length of a body of so many stored bytes: authenticated where the decryptor knows it.
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
        // It may still be no length at all, and then it is truncated.
        Some(_) => Err(opened_len(layers, ciphertext_len).err().unwrap_or(Error::Inauthentic)),
        None => opened_len(layers, ciphertext_len),
    }
}
