//! Messages and chunks; knows no key but its own, and does no I/O.
//!
//! ```text
//! message   salt(24) | commitment(32) | chunk 0 | chunk 1 | ... | last chunk
//! chunk     AES-256-GCM of 16,384 plaintext bytes, the last of fewer; 16 bytes longer than its plaintext
//! DSSE-KMS  a message whose plaintext is a whole message
//! ```
//!
//! `geometry` says where everything lies, `message` has the keys of one message, `writer` and `reader` pass one message
//! through in order, `layers` puts one in another, `body` one part behind the other as `parts` lists them. `encryptor`,
//! `decryptor`, `manifest`, `range` and `value` are what users hold.

mod body;
mod decryptor;
pub(crate) mod each_layer;
mod encryptor;
pub mod geometry;
mod layers;
pub(crate) mod manifest;
pub(crate) mod message;
pub(crate) mod parts;
mod range;
mod reader;
mod stage;
pub(crate) mod value;
mod writer;

pub use decryptor::{Decryptor, SequentialDecryptor};
pub use encryptor::Encryptor;
pub use manifest::{ListedPart, ManifestPage};
pub use parts::PartInfo;
pub use range::{RangePlan, RangeReader};
pub use value::SealedValue;

use bytes::BytesMut;

use crate::error::{Error, Result};

/// How far one `update` came: bytes taken from the input and bytes put into the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of the input that need not be given again.
    pub read: usize,
    /// Bytes of the output that are filled.
    pub written: usize,
}

/// What two layers can hold at once: a chunk in each, the pipe between them, and tags.
const MAX_FINISH_LEN: usize = 100_000;

/// What is left of the input and the output of one `update`, and how far it came.
pub(crate) struct Pass<'a> {
    input: &'a [u8],
    output: &'a mut [u8],
    progress: Progress,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(input: &'a [u8], output: &'a mut [u8]) -> Self {
        Self { input, output, progress: Progress::default() }
    }

    /// The next `len` bytes of the input, or all that are left.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.input.split_at(len.min(self.input.len()));
        self.progress.read += taken.len();
        self.input = rest;
        taken
    }

    /// The next `len` bytes of the output, or all that are left, to be filled.
    pub(crate) fn room(&mut self, len: usize) -> &'a mut [u8] {
        let len = len.min(self.output.len());
        let (room, rest) = std::mem::take(&mut self.output).split_at_mut(len);
        self.progress.written += room.len();
        self.output = rest;
        room
    }
}

/// What passes bytes through: a message, or two in one another.
pub(crate) trait Transform {
    /// Takes what it can from `input` and gives what it can into `output`; makes progress wherever `output` has room.
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress>;

    /// At most how many bytes come out when `more` bytes go in and then the end; never less than do.
    fn finish_len(&self, more: usize) -> usize;

    /// Gives all the rest; `output` has at least `finish_len(0)` bytes.
    fn finish(&mut self, output: &mut [u8]) -> Result<usize>;
}

/// A transform that, once failed, gives the same error for ever.
#[derive(Debug)]
pub(crate) struct Sticky<T> {
    transform: T,
    failed: Option<Error>,
}

impl<T: Transform> Sticky<T> {
    pub(crate) fn new(transform: T) -> Self {
        Self { transform, failed: None }
    }

    /// Runs a step unless an earlier one failed, and remembers if this one does.
    pub(crate) fn run<R>(&mut self, step: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        step(&mut self.transform).inspect_err(|error| self.failed = Some(error.clone()))
    }

    pub(crate) fn get(&self) -> &T {
        &self.transform
    }

    pub(crate) fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        self.run(|transform| transform.update(input, output))
    }

    pub(crate) fn finish_len(&self) -> usize {
        self.transform.finish_len(0)
    }

    pub(crate) fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        self.run(|transform| {
            if output.len() < transform.finish_len(0) {
                return Err(crate::error::Misuse::OutputTooSmall.into());
            }
            transform.finish(output)
        })
    }

    /// `update` for those who hold a `BytesMut`: appends whatever the whole input gives.
    pub(crate) fn push(&mut self, mut input: &[u8], output: &mut BytesMut) -> Result<()> {
        loop {
            let start = output.len();
            // PERF: fresh capacity has to be zeroed before it can be lent as a slice; `update` into reused memory
            // does without, which is why it is the primitive.
            output.resize(start + input.len() + 2 * message::SEALED_CHUNK_LEN, 0);
            let progress = self.update(input, &mut output[start..]);
            output.truncate(start + progress.as_ref().map_or(0, |progress| progress.written));
            input = &input[progress?.read..];
            if input.is_empty() {
                return Ok(());
            }
        }
    }

    /// `finish` for those who hold a `BytesMut`.
    pub(crate) fn finish_into(&mut self, output: &mut BytesMut) -> Result<()> {
        let start = output.len();
        output.resize(start + self.finish_len(), 0);
        let written = self.finish(&mut output[start..]);
        output.truncate(start + written.as_ref().map_or(0, |written| *written));
        written.map(drop)
    }
}
