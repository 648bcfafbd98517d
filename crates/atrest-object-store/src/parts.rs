//! [`Parts`], bytes that are read and written in parts of one length.

use std::mem;

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::{PutPayload, Result};

use crate::error::StoreError;
use crate::source::Pieces;

/// The length of the parts in which an object is written, in bytes; longer for objects of more than 70 GB.
const PART_LEN: u64 = 8 << 20;
/// The most parts that S3 allows, less some.
const MAX_PARTS: u64 = 9_000;

/// Bytes in parts of one length, the last of which may be shorter.
pub(crate) struct Parts {
    pieces: Pieces,
    waiting: Bytes,
    part_len: u64,
    /// The bytes that were promised and are not read yet.
    promised: u64,
}

impl Parts {
    /// Cuts exactly `len` bytes into parts.
    pub(crate) fn new(pieces: Pieces, len: u64) -> Self {
        let part_len = PART_LEN.max(len / MAX_PARTS + 1);
        Self { pieces, waiting: Bytes::new(), part_len, promised: len }
    }

    /// Returns the same bytes in parts of another length.
    pub(crate) fn of_len(self, part_len: u64) -> Self {
        Self { part_len, ..self }
    }

    pub(crate) fn part_len(&self) -> u64 {
        self.part_len
    }

    /// Returns the next part; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<PutPayload>> {
        let (mut pieces, mut left) = (Vec::new(), self.part_len);
        while left > 0 {
            let mut piece = mem::take(&mut self.waiting);
            if piece.is_empty() {
                let Some(next) = self.pieces.next().await.transpose()? else { break };
                piece = next;
            }
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            self.waiting = piece.split_off(taken);
            left -= taken as u64;
            self.promised = self.promised.checked_sub(taken as u64).ok_or_else(|| StoreError::OtherBytes.generic())?;
            pieces.push(piece);
        }
        if left > 0 && self.promised > 0 {
            return Err(StoreError::OtherBytes.generic());
        }
        Ok((!pieces.is_empty()).then(|| pieces.into_iter().collect()))
    }
}
