//! Encrypts and decrypts objects of any size through two reused buffers.

use std::io::{ErrorKind, Read, Write};

use atrest::Progress;

use crate::failure::Outcome;

/// Buffers from a few chunks to a few megabytes are fast; this size fits a processor's cache.
const BUFFER_LEN: usize = 256 * 1024;

/// Copies `source` into `writer`, which encrypts. Returns the plaintext length in bytes.
pub(crate) fn copy(mut source: impl Read, mut writer: impl Write) -> Outcome<u64> {
    let mut buffer = vec![0; BUFFER_LEN];
    let mut copied = 0;
    loop {
        match read_some(&mut source, &mut buffer)? {
            0 => return Ok(copied),
            len => {
                writer.write_all(&buffer[..len])?;
                copied += len as u64;
            }
        }
    }
}

/// Reads `source` to its end, and writes the output of `update` to `target`. Returns the number of bytes.
pub(crate) fn pump(
    mut source: impl Read,
    mut target: impl Write,
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
