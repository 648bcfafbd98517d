//! Objects of any size through two reused buffers.

use std::io::{ErrorKind, Read, Write};

use atrest::PlaintextReader;

use crate::failure::Outcome;

/// Anything from a few chunks to a few megabytes is fast; this fits a processor's cache.
const BUFFER_LEN: usize = 256 * 1024;

/// Writes everything from `source` into `writer`, one that encrypts. Returns how much that was.
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

/// Reads `source` to its end, and writes to `target` what `reader` makes of it. Returns how much that was.
pub(crate) fn pump(mut source: impl Read, mut target: impl Write, reader: &mut PlaintextReader) -> Outcome<u64> {
    let mut input = vec![0; BUFFER_LEN];
    let mut output = vec![0; BUFFER_LEN];
    let mut written = 0;
    loop {
        let len = read_some(&mut source, &mut input)?;
        if len == 0 {
            return Ok(written);
        }
        output.resize(output.len().max(reader.update_len(len)), 0);
        let plaintext_len = reader.update(&input[..len], &mut output)?;
        target.write_all(&output[..plaintext_len])?;
        written += plaintext_len as u64;
    }
}

/// Writes the last of what `reader` makes to `target`. Returns how much that was.
pub(crate) fn finish(reader: PlaintextReader, mut target: impl Write) -> Outcome<u64> {
    let mut last = vec![0; reader.finish_len()];
    let last_len = reader.finish(&mut last)?;
    target.write_all(&last[..last_len])?;
    Ok(last_len as u64)
}

fn read_some(source: &mut impl Read, buffer: &mut [u8]) -> Outcome<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return Ok(outcome?),
        }
    }
}
