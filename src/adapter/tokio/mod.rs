//! [`EncryptWriter`], [`DecryptReader`] with seek, and [`SequentialReader`], over the traits of tokio.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
//! # let object = atrest::ObjectName::unbound();
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use std::io::{Cursor, SeekFrom};
//! use atrest::tokio::{DecryptReader, EncryptWriter};
//! use atrest::{SseS3, Unlock};
//! use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
//!
//! let (envelope, encryptor) = sse.encryptor(&object, SseS3).await?;
//! let mut writer = EncryptWriter::new(encryptor, Vec::new()); // or a tokio::fs::File
//! writer.write_all(b"meow").await?;
//! let body = writer.finish().await?; // dropping it instead leaves no valid object
//!
//! let decryptor = sse.decryptor(&object, &envelope, Unlock::Server).await?;
//! let mut reader = DecryptReader::new(decryptor, Cursor::new(body));
//! reader.seek(SeekFrom::End(-2)).await?;
//! let mut tail = String::new();
//! reader.read_to_string(&mut tail).await?;
//! assert_eq!(tail, "ow");
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?; Ok(()) }
//! ```
//!
//! An [`io::Error`](std::io::Error) of this module holds an [`atrest::Error`](crate::Error), as in [`io`](crate::io).
//! Inner readers and writers are `Unpin`; `Box::pin` makes one of any other.
//!
//! # Cancel safety
//!
//! A future of `read`, `write` or `flush` that is dropped while it is pending has taken and given nothing; the call
//! may be repeated. A `seek` that is dropped has moved nothing ([`DecryptReader`] says what follows). `read_exact`,
//! `write_all` and `copy` lose count, as with every reader and writer, and a
//! `finish` that is dropped leaves no way to go on: write the object again.
//!
//! # Performance
//!
//! One poll seals or opens at most 64 KiB and spends one unit of the task's budget in tokio
//! ([`coop`](tokio::task::coop)), so that a task that never waits yields after 8 MiB. `cargo bench --bench adapters`
//! measures the time of a poll on one core: 6 to 12 µs (DSSE-KMS: 23 to 37 µs; the fallback RustCrypto: 19 to 36 µs).

mod decrypt_reader;
mod encrypt_writer;
mod sequential_reader;

pub use decrypt_reader::DecryptReader;
pub use encrypt_writer::EncryptWriter;
pub use sequential_reader::SequentialReader;

use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::pump::Buffer;

/// The maximum plaintext length of one poll, in bytes.
const MAX_POLL_LEN: usize = 64 * 1024;

/// Polls again later if a step was interrupted. If `Interrupted` were stored as the stream's error, callers that retry
/// would retry forever.
fn uninterrupted<T>(context: &Context<'_>, step: Poll<Result<T>>) -> Poll<Result<T>> {
    match step {
        Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        step => step,
    }
}

/// Reads at most `most` stored bytes into the buffer, unless bytes wait there; none at the end.
fn poll_fill<R: AsyncRead + Unpin>(
    inner: &mut R,
    context: &mut Context<'_>,
    buffer: &mut Buffer,
    most: usize,
) -> Poll<Result<()>> {
    if buffer.ready().is_empty() {
        let mut room = ReadBuf::new(buffer.room(most));
        let read = Pin::new(inner).poll_read(context, &mut room);
        ready!(uninterrupted(context, read))?;
        let read = room.filled().len();
        buffer.filled(read);
    }
    Poll::Ready(Ok(()))
}
