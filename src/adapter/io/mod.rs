//! [`EncryptWriter`], [`DecryptReader`] with seek, and [`DecryptAt`] for reads at any offset, over `std::io`.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let sse = atrest::Sse::builder().build()?;
//! # let object = atrest::ObjectName::unbound();
//! use std::fs::File;
//! use std::io::{Read, Seek, SeekFrom, Write};
//! use atrest::io::{DecryptReader, EncryptWriter};
//! use atrest::{SseS3, Unlock};
//!
//! let (envelope, encryptor) = sse.blocking().encryptor(&object, SseS3)?;
//! let mut writer = EncryptWriter::new(encryptor, File::create("body")?);
//! writer.write_all(b"meow")?;
//! writer.finish()?.sync_all()?; // dropping it instead leaves no valid object
//!
//! let decryptor = sse.blocking().decryptor(&object, &envelope, Unlock::Server)?;
//! let mut reader = DecryptReader::new(decryptor, File::open("body")?);
//! reader.seek(SeekFrom::End(-2))?;
//! let mut tail = String::new();
//! reader.read_to_string(&mut tail)?;
//! # Ok(()) }
//! ```
//!
//! An [`io::Error`](std::io::Error) of this module holds an [`atrest::Error`](crate::Error):
//! `error.get_ref().and_then(|inner| inner.downcast_ref::<atrest::Error>())`.

mod decrypt_at;
mod decrypt_reader;
mod encrypt_writer;
mod joined;

pub use decrypt_at::{DecryptAt, ReadAt};
pub use decrypt_reader::DecryptReader;
pub use encrypt_writer::EncryptWriter;
pub use joined::Joined;

use std::io::{Error as StdError, ErrorKind};

use super::pump::underneath;
use crate::error::Error;

impl From<Error> for StdError {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Inauthentic | Error::Envelope(_) | Error::SealedFile(_) => ErrorKind::InvalidData,
            Error::Truncated => ErrorKind::UnexpectedEof,
            Error::Io(error) => error.kind(),
            Error::RangeNotSatisfiable { .. } | Error::Misuse(_) => ErrorKind::InvalidInput,
            _ => ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Repeats an I/O step while it is interrupted. If `Interrupted` were stored as the stream's error, callers that retry
/// would retry forever.
fn uninterrupted<T>(mut step: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match step() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
