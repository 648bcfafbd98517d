// Floor 8. May use floors 0 to 7, and no other module of floor 8.
//! Functions that seal and open one message without an envelope, for test vectors, recovery and fuzzing.
//!
//! Any C2SP Cobblestone-256 implementation opens a body with the object's data key and [`OBJECT_CONTEXT`]. This module
//! is such an implementation.
//!
//! ```
//! # fn main() -> atrest::Result<()> {
//! use atrest::{Backend, DataKey, hazmat};
//! let key = DataKey::generate()?;
//! let message = hazmat::seal_message(Backend::fastest(), &key, b"a context", b"meow")?;
//! let opened = hazmat::open_message(Backend::fastest(), &key, b"a context", &message)?;
//! assert_eq!(opened, b"meow");
//! # Ok(()) }
//! ```
//!
//! # Security
//!
//! These functions bind no message to a name and no key to a purpose. Use [`Sse`](crate::Sse) for all stored objects.
//!
//! Spec: C2SP chunked-encryption, Cobblestone-256.

use crate::crypto::{Backend, Crypto, Generator, label};
use crate::error::{Error, Result};
use crate::geometry::EachLayer;
use crate::secret::DataKey;
use crate::stream::message::{HEADER_LEN, MessageHeader};
use crate::stream::object_keys::{LayerSecret, ObjectKeys};
use crate::stream::{Decryptor, Encryptor, parts};

/// The context of the body of an object that was not uploaded in parts.
pub const OBJECT_CONTEXT: &[u8] = label::OBJECT;

/// The context of a multipart object's manifest.
pub const MANIFEST_CONTEXT: &[u8] = label::MANIFEST;

/// Returns the context of a part of a multipart object.
pub fn part_context(number: u32) -> Vec<u8> {
    parts::part_context(number)
}

/// Seals a whole message under a fresh salt.
///
/// # Errors
///
/// Returns [`Error::NotCompiled`] if the backend is not compiled in, [`Error::Random`] if the random generator fails,
/// and [`Error::LimitExceeded`] if the message is too long.
pub fn seal_message(backend: Backend, key: &DataKey, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    Ok(encryptor(backend, key, context)?.all(plaintext)?.0)
}

/// Opens a whole message.
///
/// # Errors
///
/// Returns [`Error::Inauthentic`] if the key, the context and the message do not belong together, and
/// [`Error::Truncated`] if the message is incomplete.
pub fn open_message(backend: Backend, key: &DataKey, context: &[u8], message: &[u8]) -> Result<Vec<u8>> {
    let header = message.first_chunk::<HEADER_LEN>().ok_or(Error::Truncated)?;
    decryptor(backend, key, context, header)?.sequential().all(message)
}

/// Creates an [`Encryptor`] that seals one message under a fresh salt.
///
/// # Errors
///
/// Returns [`Error::NotCompiled`] if the backend is not compiled in, and [`Error::Random`] if the random generator
/// fails.
pub fn encryptor(backend: Backend, key: &DataKey, context: &[u8]) -> Result<Encryptor> {
    let keys = object_keys(backend, key)?;
    Ok(Encryptor::new(keys.message_under(&keys.fresh_salts()?, context), keys, None))
}

/// Creates a [`Decryptor`] for the message that begins with `header`. It reads the whole message or ranges.
///
/// # Errors
///
/// Returns [`Error::Inauthentic`] if the key and the context do not match the header, and [`Error::NotCompiled`] if the
/// backend is not compiled in.
pub fn decryptor(backend: Backend, key: &DataKey, context: &[u8], header: &[u8; 56]) -> Result<Decryptor> {
    let keys = object_keys(backend, key)?;
    let headers = EachLayer::one(MessageHeader::from_bytes(*header));
    Ok(Decryptor::of_message(keys.message_of(&headers, context)?, keys, None))
}

fn object_keys(backend: Backend, key: &DataKey) -> Result<ObjectKeys> {
    let layer = LayerSecret::new(Crypto::single(backend)?, key.duplicate());
    Ok(ObjectKeys::new(EachLayer::one(layer), Generator::default(), None))
}
