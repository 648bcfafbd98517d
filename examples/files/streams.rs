//! Objects of any size through two reused buffers.

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};

use atrest::io::EncryptWriter;
use atrest::{ByteRange, Decryptor, Encryptor, Progress};

use crate::failure::Outcome;

/// Anything from a few chunks to a few megabytes is fast; this fits a processor's cache.
const BUFFER_LEN: usize = 256 * 1024;

/// What a range read took and gave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RangeRead {
    /// The plaintext bytes that were asked for and written.
    pub(crate) plaintext_len: u64,
    /// The body bytes that had to be read for them.
    pub(crate) fetched_len: u64,
}

/// Encrypts everything from `source` into `body`. Returns the length of the plaintext.
pub(crate) fn encrypt(encryptor: Encryptor, mut source: impl Read, body: impl Write) -> Outcome<u64> {
    let mut writer = EncryptWriter::new(encryptor, body);
    let mut buffer = vec![0; BUFFER_LEN];
    let mut plaintext_len = 0;
    loop {
        match read_some(&mut source, &mut buffer)? {
            0 => break,
            len => {
                writer.write_all(&buffer[..len])?;
                plaintext_len += len as u64;
            }
        }
    }
    // A writer that is dropped instead leaves a body that never opens.
    writer.finish()?;
    Ok(plaintext_len)
}

/// Decrypts a whole body into `target`, chunk by chunk; what `target` gets is authentic, but only with the `Ok` at
/// the end is it known to be all. Returns the length of the plaintext.
pub(crate) fn decrypt(decryptor: &Decryptor, body: impl Read, mut target: impl Write) -> Outcome<u64> {
    let mut reader = decryptor.sequential();
    let pumped_len = pump(body, &mut target, |input, output| reader.update(input, output))?;
    let mut last = vec![0; reader.finish_len()];
    let last_len = reader.finish(&mut last)?;
    target.write_all(&last[..last_len])?;
    Ok(pumped_len + last_len as u64)
}

/// Decrypts a range into `target`, reading only those bytes of the body that it needs.
pub(crate) fn decrypt_range(
    decryptor: &Decryptor,
    range: impl Into<ByteRange>,
    mut body: impl Read + Seek,
    mut target: impl Write,
) -> Outcome<RangeRead> {
    let body_len = body.seek(SeekFrom::End(0))?;
    let plan = decryptor.range(range, body_len)?;
    let mut reader = plan.reader();
    let mut read = RangeRead::default();
    for fetch in plan.fetches() {
        body.seek(SeekFrom::Start(fetch.start))?;
        let fetched = (&mut body).take(fetch.end - fetch.start);
        read.plaintext_len += pump(fetched, &mut target, |input, output| reader.update(input, output))?;
        read.fetched_len += fetch.end - fetch.start;
    }
    let mut last = vec![0; reader.finish_len()];
    let last_len = reader.finish(&mut last)?;
    target.write_all(&last[..last_len])?;
    read.plaintext_len += last_len as u64;
    Ok(read)
}

/// Reads `source` to its end, and writes to `target` what `update` makes of it. Returns how much that was.
fn pump(
    mut source: impl Read,
    target: &mut impl Write,
    mut update: impl FnMut(&[u8], &mut [u8]) -> atrest::Result<Progress>,
) -> Outcome<u64> {
    let mut input = vec![0; BUFFER_LEN];
    let mut output = vec![0; BUFFER_LEN];
    let mut written = 0;
    loop {
        let len = read_some(&mut source, &mut input)?;
        if len == 0 {
            return Ok(written);
        }
        let mut rest = &input[..len];
        while !rest.is_empty() {
            let progress = update(rest, &mut output)?;
            target.write_all(&output[..progress.written])?;
            written += progress.written as u64;
            rest = &rest[progress.read..];
        }
    }
}

fn read_some(source: &mut impl Read, buffer: &mut [u8]) -> Outcome<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return Ok(outcome?),
        }
    }
}
