//! Gives any storage backend the server-side encryption of Amazon S3: SSE-S3, SSE-KMS, DSSE-KMS and SSE-C.
//!
//! | mode | whose key | to write | to read |
//! |---|---|---|---|
//! | SSE-S3 | the service's, out of a [`Keyring`] | [`SseS3`] | [`Unlock::Server`] |
//! | SSE-KMS | a KMS's, asked for through a [`KeyProvider`] | [`SseKms::new`]`(key_id)` | [`Unlock::Server`] |
//! | DSSE-KMS | both, in two layers of encryption | [`DsseKms::new`]`(key_id)` | [`Unlock::Server`] |
//! | SSE-C | the client's, brought with each request | [`SseC::new`]`(key)` | [`Unlock::CustomerKey`]`(&key)` |
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let at = |name: &str| directory.path().join(name);
//! use atrest::{KeyringFile, ObjectName, RootKey, Sse, SseS3, Unlock};
//!
//! // Once. Both refuse to replace a file that is there.
//! let root_key = RootKey::create_file(at("root.key"))?;
//! KeyringFile::create_blocking(at("master.atrest"), &root_key)?;
//!
//! // At every start.
//! let root_key = RootKey::open_file(at("root.key"))?;
//! let keyring = KeyringFile::open_blocking(at("master.atrest"), &root_key)?;
//! let sse = Sse::builder().keyring(keyring.clone()).build()?;
//!
//! let object = ObjectName::new("photos", "2026/cat.jpg")?;
//! let encrypted = sse.blocking().encrypt(&object, SseS3, b"meow")?; // { envelope, ciphertext }: store both
//! assert_eq!(sse.blocking().decrypt(&object, &encrypted, Unlock::Server)?, b"meow");
//!
//! // Later: a new master key, the data untouched.
//! keyring.blocking().rotate()?;
//! assert!(sse.needs_rewrap(&encrypted.envelope));
//! let envelope = sse.blocking().rewrap(&object, &encrypted.envelope, Unlock::Server)?;
//! # Ok(()) }
//! ```
//!
//! # How it fits together
//!
//! ```text
//!             Keyring   KeyProvider   customer key
//!                 \          |            /
//!                  key-encryption key, one for each envelope or master-key version
//!                            |  wraps, bound to the object's name
//!   ObjectName ──> Envelope (stored beside the object) ──> data key, random, one for each object
//!                                                              |  seals, in chunks of 16 KiB
//!   plaintext ──> Encryptor ──> body (stored) ──> Decryptor ──> sequential(), range(..), io::DecryptReader
//! ```
//!
//! Asking for a key is async, as it may cross a network ([`Sse::blocking`] needs no runtime). All else is synchronous
//! and does no I/O: [`Encryptor`] and [`Decryptor`] work in the caller's memory, in one pass. The adapters for
//! `std::io` are in [`io`].
//!
//! Without a KMS elsewhere, the embedded one of the feature `embedded-kms` keeps KMS keys and the keyring in one sealed
//! file, on one machine: [`manual::kms`]. What was done with which object and key, for whom, and what was refused, is
//! in the trail of [`audit`].
//!
//! Which mode a request of S3 gets, or which error, is for the feature `s3` to say: [`manual::s3`].
//!
//! Objects that arrive in parts are in [`multipart`]. Checksums and ETags that must not lie in the clear are sealed
//! beside the object: [`ValueSealer`]. To rewrap, list or encrypt all that a store holds: [`rotation`].
//!
//! # Should I use this?
//!
//! Yes, if you write something that stores other people's bytes and should encrypt them as S3 does. Not to hand a file to
//! a person (use age), and not in front of S3 itself, which does this already. It has not been audited, and it is not
//! validated under FIPS 140. It does not notice that an older object was put back under its own name, or that one was
//! deleted, and it hides no lengths; [`manual::threats`] has the whole list.
//!
//! # The promise about old objects
//!
//! Every envelope and body ever written opens for ever, with the keys it was written under. The bytes are specified in
//! [`manual::format`], and files written by every release are kept and opened by the tests.
//!
//! # Features
//!
//! - `aws-lc-rs` (default): AES-256-GCM four to five times faster, and DSSE-KMS, which needs two implementations; needs a C
//!   compiler.
//! - `embedded-kms`: a KMS of one's own in one sealed file, [`kms`](manual::kms).
//! - `audit-json`: the audit trail as a file of JSON lines, shaped like AWS CloudTrail's records.
//! - `s3`: what Amazon S3 makes of a request, from its headers to the exact answer, as pure functions: [`manual::s3`].
//! - `tracing`: the audit trail as events of `tracing`.
//! - `passphrase`: keyring files and key stores under a passphrase.
//! - `testing`: a memory KMS, the conformance suite for key providers, and the log that watches for a repeated nonce.
//!
//! Features only add: what is there without one is the same with it, to the last field, variant and stored byte.
#![doc(test(attr(deny(unused_must_use))))]

mod adapter;
pub mod audit;
mod byte_range;
mod clock;
mod crypto;
mod envelope;
pub mod error;
mod files;
pub mod geometry;
pub mod hazmat;
mod keys;
#[cfg(feature = "embedded-kms")]
pub mod kms;
pub mod manual;
mod mode;
pub mod multipart;
mod object;
mod offload;
#[cfg(any(feature = "embedded-kms", feature = "s3"))]
mod principal;
pub mod rotation;
#[cfg(feature = "s3")]
pub mod s3;
mod secret;
mod sse;
mod stream;
#[cfg(feature = "testing")]
pub mod testing;

// The one door, and what a call of it takes.
pub use mode::{AnyMode, DsseKms, KmsKeys, Mode, SseC, SseKms, SseS3};
pub use object::{ObjectName, PartNumber, Requester};
pub use sse::{Access, Blocking, Encrypted, Expected, Sse, SseBuilder, Unlock};

// What it gives: an envelope to store, and streams.
pub use byte_range::{ByteRange, ResolvedRange};
pub use envelope::{Envelope, EnvelopeState, ModeId};
pub use stream::{
    Decryptor, Encryptor, Finished, ListedPart, ManifestPage, PartInfo, PlaintextReader, RangePlan, SealedValue,
    ValueSealer,
};

// Keys, and where they come from.
pub use clock::Clock;
pub use keys::{
    BlockingKeyring, EncryptionContext, GeneratedKey, KeyFuture, KeyProvider, KeyRequest, KeyUsage, Keyring,
    KeyringFile, KeyringStorage, Loaded, Replaced, RootKey, StorageFuture, StorageTag, UnwrappedKey, VersionInfo,
    VersionState, WrappedKey,
};
pub use secret::{CustomerKey, DataKey, KeyEncryptionKey, MasterKey};

pub use adapter::io;
pub use crypto::Backend;
pub use crypto::passphrase::Argon2Cost;
pub use error::{Error, KeyProviderError, KeyProviderErrorKind, Result};

/// The examples of README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
