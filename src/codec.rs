// Floor 0, a noun: any module may use it.
//! [`ByteReader`], which reads integers, arrays and length-prefixed values from bytes, and [`put_prefixed`], which
//! writes length-prefixed values. All else is written with [`bytes::BufMut`]. Integers are big-endian.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::num::TryFromIntError;

/// Reads the bytes of one encoding from front to back.
///
/// A function that the caller supplies makes every error from a description, often a variant of the caller's error such
/// as `EnvelopeError::Malformed`. After an error the position is unspecified.
#[derive(Clone)]
pub(crate) struct ByteReader<'a, E> {
    bytes: &'a [u8],
    rest: &'a [u8],
    malformed: fn(&'static str) -> E,
}

impl<'a, E> ByteReader<'a, E> {
    pub(crate) fn new(bytes: &'a [u8], malformed: fn(&'static str) -> E) -> Self {
        Self { bytes, rest: bytes, malformed }
    }

    /// Returns the number of bytes read.
    pub(crate) fn position(&self) -> usize {
        self.bytes.len().saturating_sub(self.rest.len())
    }

    /// Returns whether all bytes were read.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], E> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.too_short())?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], E> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(|| self.too_short())?;
        self.rest = rest;
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, E> {
        self.array().map(|[byte]| *byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, E> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, E> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, E> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// Reads `LP(value)`: a length N in two bytes, then N bytes.
    pub(crate) fn prefixed(&mut self) -> Result<&'a [u8], E> {
        let len = self.u16()?;
        self.bytes(len.into())
    }

    /// Reads all remaining bytes.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Ends reading. Refuses remaining bytes.
    pub(crate) fn finish(self) -> Result<(), E> {
        if self.is_empty() { Ok(()) } else { Err((self.malformed)("it has bytes behind its end")) }
    }

    fn too_short(&self) -> E {
        (self.malformed)("it ends too early")
    }
}

/// Writes `LP(value)`: the length in two bytes, then the value.
///
/// # Errors
///
/// Returns an error if the value is longer than 65,535 bytes; nothing is written.
pub(crate) fn put_prefixed(bytes: &mut Vec<u8>, value: &[u8]) -> Result<(), TryFromIntError> {
    let len = u16::try_from(value.len())?;
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test may panic")]

    use super::*;

    fn reader(bytes: &[u8]) -> ByteReader<'_, &'static str> {
        ByteReader::new(bytes, |what| what)
    }

    #[test]
    fn what_is_written_with_a_length_is_read_back_up_to_the_longest_value() {
        for len in [0, 1, 255, 256, 65_535] {
            let value = vec![7; len];
            let mut bytes = Vec::new();
            put_prefixed(&mut bytes, &value).expect("the length fits");
            let mut reader = reader(&bytes);
            assert_eq!(reader.prefixed(), Ok(&*value));
            assert_eq!((reader.position(), reader.finish()), (len + 2, Ok(())));
        }
        let mut bytes = Vec::new();
        put_prefixed(&mut bytes, &vec![7; 65_536]).expect_err("the length does not fit");
        assert!(bytes.is_empty());
    }

    #[test]
    fn integers_are_big_endian_and_each_read_stops_at_the_end() {
        let bytes = [1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 5, 6];
        let all = |bytes| {
            let mut reader = reader(bytes);
            let numbers = (reader.u8()?, reader.u16()?, reader.u32()?, reader.u64()?, *reader.array::<2>()?);
            Ok::<_, &str>((numbers, reader.is_empty()))
        };
        assert_eq!(all(&bytes), Ok(((1, 2, 3, 4, [5, 6]), true)));
        for len in 0..bytes.len() {
            assert_eq!(all(&bytes[..len]), Err("it ends too early"), "{len} bytes");
        }
        assert_eq!(all(&[&bytes[..], &[0]].concat()).map(|(_, is_empty)| is_empty), Ok(false));
    }

    #[test]
    fn a_length_beyond_the_end_reads_nothing_and_bytes_that_are_left_are_refused() {
        assert_eq!(reader(&[0, 3, 1, 2]).prefixed(), Err("it ends too early"));
        assert_eq!(reader(&[1]).bytes(usize::MAX), Err("it ends too early"));
        let mut left = reader(&[1, 2]);
        assert_eq!(left.u8(), Ok(1));
        assert_eq!(left.clone().finish(), Err("it has bytes behind its end"));
        assert_eq!((left.rest(), left.finish()), (&[2][..], Ok(())));
    }
}
