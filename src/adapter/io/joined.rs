//! [`Joined`]: parts that are stored separately, read as one body.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::ReadAt;

/// Concatenates sources and reads them as one: the parts of a multipart object, each stored separately.
///
/// Works with [`DecryptAt`](super::DecryptAt) and [`DecryptReader`](super::DecryptReader). A source is any [`ReadAt`];
/// a source that opens its file at its first read avoids opening thousands of parts at once.
///
/// ```no_run
/// use std::fs::File;
/// use std::io::Result;
/// use atrest::Decryptor;
/// use atrest::io::{DecryptReader, Joined};
///
/// /// Reads an object whose parts lie in files of their own, named by their numbers.
/// fn reader(decryptor: Decryptor) -> Result<DecryptReader<Joined<File>>> {
///     let parts = decryptor.parts()?.into_iter().map(|part| {
///         let len = part.ciphertext.end - part.ciphertext.start;
///         Ok((File::open(format!("parts/{}", part.number))?, len))
///     });
///     let body = Joined::new(parts.collect::<Result<Vec<_>>>()?);
///     Ok(DecryptReader::new(decryptor, body))
/// }
/// ```
///
/// # Security
///
/// The lengths are those of the [parts](crate::Decryptor::parts). Bytes of a source beyond its length are ignored: a
/// store that must detect them compares the lengths.
#[derive(Clone, Debug)]
pub struct Joined<S> {
    sources: Vec<S>,
    /// Where each source ends, in bytes from the beginning of the first.
    ends: Vec<u64>,
    position: u64,
}

impl<S: ReadAt> Joined<S> {
    /// Joins sources, each given with its length in bytes.
    pub fn new(sources: impl IntoIterator<Item = (S, u64)>) -> Self {
        let mut joined = Self { sources: Vec::new(), ends: Vec::new(), position: 0 };
        for (source, len) in sources {
            joined.ends.push(joined.len().saturating_add(len));
            joined.sources.push(source);
        }
        joined
    }

    /// Returns the total length of the sources in bytes.
    pub fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Returns whether the total length is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<S: ReadAt> ReadAt for Joined<S> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let index = self.ends.partition_point(|end| *end <= offset);
        let (Some(source), Some(end)) = (self.sources.get(index), self.ends.get(index)) else {
            return Ok(0);
        };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let len = usize::try_from(end - offset).unwrap_or(usize::MAX).min(buffer.len());
        source.read_at(&mut buffer[..len], offset - start)
    }
}

impl<S: ReadAt> Read for Joined<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl<S: ReadAt> Seek for Joined<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
            SeekFrom::End(distance) => self.len().checked_add_signed(distance),
        };
        self.position = position.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
