//! Reading a part of an object: what to fetch, and how to open it.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;
use zeroize::Zeroizing;

use super::body::{BodyReader, PartsExtent, extents};
use super::decryptor::Decryptor;
use super::each_layer::EachLayer;
use super::geometry::{in_object, opened_len};
use super::parts::PartTable;
use super::reader::Extent;
use super::{Progress, Sticky, Transform};
use crate::byte_range::{ByteRange, ResolvedRange};
use crate::error::{Error, Result};

impl Decryptor {
    /// Plans how to read a range of an object whose stored body has so many bytes.
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
    /// [`Error::Inauthentic`] and [`Error::Truncated`]: the object does not end there.
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

/// What to fetch for a range, and how to open it.
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
/// let fetched: Vec<u8> = plan.fetches().iter().flat_map(|range| fetch(range.clone())).collect();
/// assert_eq!(plan.decrypt(&fetched)?, [7; 100]);
/// # Ok(()) }
/// ```
///
/// # Security
///
/// Whole chunks are fetched and authenticated; nothing comes out of one that does not. A range whose place depends on
/// where the object ends includes the last chunk, and what hangs on the end is reported only once that has verified.
///
/// Spec: manual, format, "Reading a message".
#[derive(Clone, Debug)]
pub struct RangePlan {
    decryptor: Decryptor,
    fetches: Vec<Range<u64>>,
    reading: Reading,
    outcome: Outcome,
}

/// What of the body is read.
#[derive(Clone, Debug)]
enum Reading {
    Message(EachLayer<Extent>),
    Parts(Arc<PartTable>, PartsExtent),
}

#[derive(Clone, Debug)]
enum Outcome {
    /// These bytes; `proven` where no unverified length had a say.
    Bytes { range: Range<u64>, proven: bool },
    /// None: the range lies outside, if the object is as long as its stored bytes say.
    Nothing { plaintext_len: u64 },
}

impl RangePlan {
    /// A plan for an object of so many stored bytes, its length being known only where `proven`.
    pub(crate) fn new(decryptor: &Decryptor, range: ByteRange, ciphertext_len: u64) -> Result<Self> {
        let known = decryptor.plaintext_len();
        let plaintext_len = unverified_plaintext_len(decryptor, ciphertext_len)?;
        let (wanted, depends) = range.within(plaintext_len);
        let outcome = if !wanted.is_empty() || range.is_whole_of_empty(plaintext_len) {
            Outcome::Bytes { range: wanted, proven: known.is_some() || !depends }
        } else if known.is_some() {
            return Err(Error::RangeNotSatisfiable { plaintext_len });
        } else {
            Outcome::Nothing { plaintext_len }
        };
        let (bytes, to_end) = match &outcome {
            // An empty object has nothing but its end to verify.
            Outcome::Bytes { range, proven } => (range.clone(), !proven || range.is_empty()),
            Outcome::Nothing { plaintext_len } => (*plaintext_len..*plaintext_len, true),
        };
        Self::over(decryptor, bytes, to_end, ciphertext_len, outcome)
    }

    /// A plan that gives nothing and verifies where the object ends.
    pub(crate) fn of_end(decryptor: &Decryptor, ciphertext_len: u64) -> Result<Self> {
        let end = match decryptor.table()? {
            None => opened_len(decryptor.layers(), ciphertext_len)?,
            Some(_) => unverified_plaintext_len(decryptor, ciphertext_len)?,
        };
        let outcome = Outcome::Bytes { range: end..end, proven: false };
        Self::over(decryptor, end..end, true, ciphertext_len, outcome)
    }

    /// Finds the parts, and the chunks of each layer from the inside out.
    fn over(
        decryptor: &Decryptor,
        bytes: Range<u64>,
        to_end: bool,
        ciphertext_len: u64,
        outcome: Outcome,
    ) -> Result<Self> {
        let (reading, fetches) = match decryptor.table()? {
            None => {
                let (extents, fetch) = extents(decryptor.layers(), bytes, to_end, ciphertext_len, false)?;
                (Reading::Message(extents), vec![fetch])
            }
            Some(table) => {
                let parts = table.geometry();
                let last = parts.len().saturating_sub(1);
                let first = parts.index_of(bytes.start).unwrap_or(last);
                let end = if bytes.is_empty() { None } else { parts.index_of(bytes.end.saturating_sub(1)) };
                let indices = first..end.unwrap_or(last).saturating_add(1);
                let extent = PartsExtent { parts: indices, bytes, header: false, to_end };
                let fetches = extent.fetches(parts);
                (Reading::Parts(table.clone(), extent), fetches)
            }
        };
        Ok(Self { decryptor: decryptor.clone(), fetches, reading, outcome })
    }

    /// The ranges of the stored body to fetch, in this order: one, or one in each part that is read. Their bytes belong one
    /// behind the other.
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
        match &self.outcome {
            Outcome::Bytes { range, proven: true } => Some(range.clone()),
            _ => None,
        }
    }

    /// The range and the object's length, for `Content-Range`; `None` while the length of the object is not authenticated.
    ///
    /// It is `None` where the length was unknown when the object was written. A caller that answers `Content-Range` then
    /// fetches [`Decryptor::end_fetch`], verifies it by [`Decryptor::verify_end`], and plans the range again with the
    /// decryptor that this gives: one more fetch of at most one chunk.
    pub fn resolved(&self) -> Option<ResolvedRange> {
        Some(ResolvedRange::new(self.plaintext_range()?, self.decryptor.plaintext_len()?))
    }

    /// Opens what was fetched, all of it in one piece.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`] and [`Error::Truncated`]; [`Error::RangeNotSatisfiable`] once the end has verified.
    ///
    /// # Performance
    ///
    /// Allocates the result. For long ranges use [`reader`](Self::reader).
    pub fn decrypt(&self, fetched: &[u8]) -> Result<Vec<u8>> {
        // Whatever the lengths claim: no more comes out than goes in.
        // SECURITY: wiped unless all of it proves authentic.
        let mut plaintext = Zeroizing::new(vec![0; self.unverified_len().min(fetched.len())]);
        self.decrypt_into(fetched, &mut plaintext)?;
        Ok(std::mem::take(&mut *plaintext))
    }

    /// How many bytes will come out, if the stored body is as long as was said.
    pub(crate) fn unverified_len(&self) -> usize {
        match &self.outcome {
            Outcome::Bytes { range, .. } => {
                usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX)
            }
            Outcome::Nothing { .. } => 0,
        }
    }

    /// [`decrypt`](Self::decrypt) into memory of exactly the range's length.
    pub(crate) fn decrypt_into(&self, mut fetched: &[u8], plaintext: &mut [u8]) -> Result<()> {
        let planned: u64 = self.fetches.iter().map(|fetch| fetch.end.saturating_sub(fetch.start)).sum();
        match in_object(fetched.len()).cmp(&planned) {
            Ordering::Less => return Err(Error::Truncated),
            Ordering::Greater => return Err(Error::Inauthentic),
            Ordering::Equal => {}
        }
        let mut reader = self.reader().stream;
        let mut written = 0;
        while !fetched.is_empty() {
            let progress = reader.update(fetched, &mut plaintext[written..])?;
            fetched = &fetched[progress.read..];
            written += progress.written;
        }
        // `finish_len` allows for a whole chunk; of this one no more is wanted than there is room for.
        reader.run(|reader| reader.finish(&mut plaintext[written..])).map(drop)
    }

    /// Opens what is fetched as it comes, in constant memory.
    pub fn reader(&self) -> RangeReader {
        let reader = match &self.reading {
            Reading::Message(extents) => self.decryptor.message_reader(*extents),
            Reading::Parts(table, extent) => self.decryptor.parts_reader(table, extent.clone()),
        };
        RangeReader { stream: Sticky::new(Opening { reader, outcome: self.outcome.clone() }) }
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

/// Opens the chunks of a range as they come; [`update`](Self::update) and [`finish`](Self::finish) as in
/// [`SequentialDecryptor`](super::SequentialDecryptor).
#[derive(Debug)]
pub struct RangeReader {
    stream: Sticky<Opening>,
}

impl RangeReader {
    /// The most that [`finish`](Self::finish) ever gives, in bytes: an output of this length always has room.
    pub const MAX_FINISH_LEN: usize = super::MAX_FINISH_LEN;

    /// Takes what it can from the fetched bytes and puts plaintext of the range into `output`.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`]: a chunk does not authenticate, or more was fetched than planned.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        self.stream.update(input, output)
    }

    /// At most how many bytes [`finish`](Self::finish) will give; never more than [`MAX_FINISH_LEN`](Self::MAX_FINISH_LEN).
    pub fn finish_len(&self) -> usize {
        self.stream.finish_len()
    }

    /// Gives the rest of the range and says how many bytes it was.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] and [`Error::Inauthentic`]; [`Error::RangeNotSatisfiable`] once the end has verified;
    /// [`Misuse::OutputTooSmall`](crate::error::Misuse::OutputTooSmall).
    pub fn finish(mut self, output: &mut [u8]) -> Result<usize> {
        self.stream.finish(output)
    }

    /// [`update`](Self::update) with the whole input, appending to `output`.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn push(&mut self, input: &[u8], output: &mut BytesMut) -> Result<()> {
        self.stream.push(input, output)
    }

    /// [`finish`](Self::finish), appending to `output`.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_into(mut self, output: &mut BytesMut) -> Result<()> {
        self.stream.finish_into(output)
    }
}

#[derive(Debug)]
struct Opening {
    reader: BodyReader,
    outcome: Outcome,
}

impl Transform for Opening {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        self.reader.update(input, output)
    }

    fn finish_len(&self, more: usize) -> usize {
        self.reader.finish_len(more)
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let written = self.reader.finish(output)?;
        match self.outcome {
            Outcome::Nothing { plaintext_len } => Err(Error::RangeNotSatisfiable { plaintext_len }),
            Outcome::Bytes { .. } => Ok(written),
        }
    }
}
