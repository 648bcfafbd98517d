//! `Opened`: plaintext in the memory of the stored bytes, and how the readers of one and two layers leave it there.

use bytes::BytesMut;

use super::Transform;
use super::layers::{Layered, PIPE_CHUNKS};
use super::message::{CHUNK_LEN, SEALED_CHUNK_LEN};
use super::reader::MessageReader;
use crate::error::Result;
use crate::secret::{redacted, wipe};

/// The plaintext of one call, a piece for each chunk; wiped unless it is given out.
#[derive(Default)]
pub(super) struct Opened(Vec<BytesMut>);

redacted!(Opened);

impl Opened {
    /// Adds opened chunks, each but the last followed by its tag, without the tags.
    fn add(&mut self, mut chunks: BytesMut) {
        while !chunks.is_empty() {
            let mut chunk = chunks.split_to(chunks.len().min(SEALED_CHUNK_LEN));
            chunk.truncate(CHUNK_LEN);
            self.0.push(chunk);
        }
    }

    /// Adds room for the last bytes of a part.
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        let at = self.0.len();
        self.0.push(BytesMut::zeroed(len));
        &mut self.0[at]
    }

    /// Returns the plaintext, in order.
    pub(super) fn give(&mut self) -> impl Iterator<Item = BytesMut> {
        self.0.drain(..).filter(|piece| !piece.is_empty())
    }

    pub(super) fn wipe(&mut self) {
        self.0.drain(..).for_each(|mut piece| wipe(&mut piece));
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl Layered<MessageReader> {
    /// Opens all of the stored bytes in their own memory. With two layers the plaintext of the outer is moved together,
    /// since it is the inner's stored bytes.
    pub(super) fn open_in_place(&mut self, stored: &mut BytesMut, opened: &mut Opened) -> Result<()> {
        while !stored.is_empty() {
            let most = self.batch(stored.len()).max(PIPE_CHUNKS);
            let Some((inner, _)) = self.second.as_deref_mut() else {
                opened.add(self.first.open_next(stored, usize::MAX)?);
                continue;
            };
            let mut passed = self.first.open_next(stored, most)?;
            move_together(&mut passed);
            while !passed.is_empty() {
                opened.add(inner.open_next(&mut passed, usize::MAX)?);
            }
        }
        Ok(())
    }
}

/// Moves opened chunks over the tags between them.
fn move_together(chunks: &mut BytesMut) {
    let mut end = chunks.len().min(CHUNK_LEN);
    for start in (SEALED_CHUNK_LEN..chunks.len()).step_by(SEALED_CHUNK_LEN) {
        chunks.copy_within(start..start + CHUNK_LEN, end);
        end += CHUNK_LEN;
    }
    chunks.truncate(end);
}
