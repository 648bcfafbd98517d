//! Gives any storage backend the server-side encryption of Amazon S3: SSE-S3, SSE-KMS, DSSE-KMS and SSE-C.
//!
//! | mode | key held by | to write | to read |
//! |---|---|---|---|
//! | SSE-S3 | the service, in a [`Keyring`] | [`SseS3`] | [`Unlock::Server`] |
//! | SSE-KMS | a KMS, called through a [`KeyProvider`] | [`SseKms::new`]`(key_id)` | [`Unlock::Server`] |
//! | DSSE-KMS | both, for two layers of encryption | [`DsseKms::new`]`(key_id)` | [`Unlock::Server`] |
//! | SSE-C | the client, which sends it with each request | [`SseC::new`]`(key)` | [`Unlock::CustomerKey`]`(&key)` |
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let at = |name: &str| directory.path().join(name);
//! use atrest::{Keyring, ObjectName, Rewrap, RootKey, Sse, SseS3, Unlock};
//!
//! // Run once. Both calls refuse to replace an existing file.
//! let root_key = RootKey::create_file(at("root.key"))?;
//! Keyring::create_blocking(at("master.atrest"), &root_key)?;
//!
//! // Run at every start.
//! let root_key = RootKey::open_file(at("root.key"))?;
//! let keyring = Keyring::open_blocking(at("master.atrest"), &root_key)?;
//! let sse = Sse::builder().keyring(keyring.clone()).build()?;
//!
//! let object = ObjectName::new("photos", "2026/cat.jpg")?;
//! // Store the envelope and the ciphertext.
//! let encrypted = sse.blocking().encrypt(&object, SseS3, b"meow")?;
//! assert_eq!(sse.blocking().decrypt(&object, &encrypted, Unlock::Server)?, b"meow");
//!
//! // Later: rotate the master key. The stored ciphertext does not change.
//! keyring.blocking().rotate()?;
//! assert!(sse.needs_rewrap(&encrypted.envelope));
//! let request = Rewrap::of(&object, &encrypted.envelope, Unlock::Server);
//! let envelope = sse.blocking().rewrap(request)?;
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
//!   ObjectName ──> Envelope (stored beside the object) ──> data key, random, one per object
//!                                                              |  seals, in chunks of 16 KiB
//!   plaintext ──> Encryptor ──> body (stored) ──> Decryptor ──> plaintext
//! ```
//!
//! A call that needs a key is async, because the key may come over a network; [`Sse::blocking`] makes the same calls
//! without a runtime. Everything else is synchronous and does no I/O: [`Encryptor`] and [`Decryptor`] work in the
//! caller's memory, in one pass. The adapters for `std::io` are in [`io`]; those for tokio, for streams of `Bytes` and
//! for HTTP bodies are in `tokio`, `streams` and `http_body`, behind features.
//!
//! A service without an external KMS can use the embedded one (feature `embedded-kms`), which keeps KMS keys and the
//! keyring in one sealed file on one machine: [`manual::kms`]. The audit trail records each operation, its object, key
//! and requester, and each refusal: [`audit`].
//!
//! The feature `s3` decides which mode or which error an S3 request gets: [`manual::s3`].
//!
//! Multipart uploads are in [`multipart`]. A [`ValueSealer`] seals checksums and ETags that must not be stored
//! unencrypted. [`rotation`] rewraps, lists or encrypts all objects of a store.
//!
//! # Should I use this?
//!
//! Use it in a service that stores other people's data and should encrypt the data as S3 does. To send a file to a
//! person, use age. Amazon S3 itself already encrypts what you put into it. The library has not been audited and is
//! not validated under FIPS 140. It does not detect that an older version of an object was put back under the same
//! name or that an object was deleted, and it does not hide lengths; [`manual::threats`] has the whole list.
//!
//! # The promise about old objects
//!
//! Every release opens every envelope and body that it or an earlier release wrote, given the keys. [`manual::format`]
//! specifies the bytes, and the tests open stored files of every release.
//!
//! # Features
//!
//! - `aws-lc-rs` (default): the fastest AES-256-GCM, and DSSE-KMS, which needs two implementations. The build needs a C
//!   compiler.
//! - `graviola`: fast AES-256-GCM without a C compiler, on x86-64 and AArch64. With `aws-lc-rs` it makes both layers of
//!   DSSE-KMS fast; without it DSSE-KMS runs on Graviola and RustCrypto.
//! - `embedded-kms`: a KMS in one sealed file, [`kms`](manual::kms).
//! - `audit-json`: writes the audit trail to a file of JSON lines in the shape of AWS CloudTrail's records.
//! - `s3`: the decisions of Amazon S3 as pure functions, from the request's headers to the exact answer:
//!   [`manual::s3`].
//! - `tokio`: readers and writers over the traits of tokio, `atrest::tokio`; `kms::TokioTimer`.
//! - `stream`: streams of `Bytes`, `atrest::streams`.
//! - `http-body`: bodies of HTTP requests and responses, `atrest::http_body`.
//! - `tracing`: emits the audit trail, and the calls of a key provider, as events of `tracing`.
//! - `passphrase`: seals keyring files and key stores under a passphrase.
//! - `rayon`: lets a `rayon::ThreadPool` seal and open the chunks of large calls ([`Workers`]).
//! - `testing`: an in-memory KMS, the conformance suite for key providers, and a log that detects a repeated nonce.
//!
//! A feature only adds items: it changes no field, variant, behaviour or stored byte of other items.
#![doc(test(attr(deny(unused_must_use))))]
// Shows in the rendered documentation which feature an item needs. docs.rs builds with nightly and sets `docsrs`.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapter;
mod byte_range;
mod clock;
mod codec;
mod crypto;
mod envelope;
pub mod error;
mod files;
pub mod geometry;
pub mod hazmat;
mod keys;
pub mod kms;
pub mod manual;
mod mode;
pub mod multipart;
mod object;
mod offload;
#[cfg(any(feature = "embedded-kms", feature = "s3"))]
mod principal;
pub mod rotation;
mod secret;
mod sse;
mod stream;
#[cfg(feature = "testing")]
pub mod testing;
mod timer;
mod trail;
mod workers;

pub mod audit {
    //! [`AuditTrail`], [`AuditEvent`] and [`AuditSink`]: the record of operations on keys and objects, done or
    //! refused.
    //!
    //! ```
    //! # fn main() -> atrest::Result<()> {
    //! use std::sync::Arc;
    //! use atrest::audit::{AuditOperation, AuditTrail, MemorySink};
    //! use atrest::{Keyring, ObjectName, Requester, Sse, SseS3};
    //!
    //! let sink = Arc::new(MemorySink::new());
    //! let trail = AuditTrail::new(sink.clone());
    //! let sse = Sse::builder().keyring(Keyring::generate()?).audit(trail).build()?;
    //!
    //! let alice = sse.requested_by(Requester::new("arn:aws:iam::111122223333:user/alice"));
    //! alice.blocking().encrypt(&ObjectName::new("photos", "cat.jpg")?, SseS3, b"meow")?;
    //!
    //! let events = sink.events();
    //! assert_eq!(events[0].operation(), AuditOperation::EncryptObject);
    //! assert_eq!(events[0].key_version(), Some(1));
    //! assert!(events[0].error().is_none());
    //! # Ok(()) }
    //! ```
    //!
    //! The library records one event for each object that is encrypted, decrypted or rewrapped, and for each call of a
    //! KMS that has a trail, including refused and failed ones. No event holds a key, plaintext, or anything made from
    //! one. The manual's page [audit](crate::manual::audit) says what each event holds.
    //!
    //! A sink implements a trait with one required method. The library has [`MemorySink`]; with the cargo feature
    //! `audit-json` `JsonLines`, a file of records in the shape of AWS CloudTrail's; and with the feature `tracing`
    //! `TracingSink`, for a service's own logs.

    #[cfg(feature = "tracing")]
    pub use crate::adapter::audit::TracingSink;
    #[cfg(feature = "audit-json")]
    pub use crate::adapter::audit::{BlockingJsonLines, Fsync, JsonLines, JsonLinesBuilder, JsonLinesStats};
    pub use crate::trail::{
        AuditEvent, AuditFuture, AuditOperation, AuditSink, AuditTrail, KeyFrom, KeyProviderAnswer, MemorySink,
    };
}

// This module follows `sse`, so that rustdoc shows the methods that it adds to `Sse` last.
#[cfg(feature = "s3")]
pub mod s3;

// The entry point, and the arguments of its calls.
pub use mode::{AnyMode, DsseKms, KmsKeys, Mode, SseC, SseKms, SseS3};
pub use object::{ObjectName, PartNumber, Requester};
pub use sse::{Access, Blocking, Encrypted, Expected, KeyEpoch, Rewrap, Sse, SseBuilder, Unlock};

// The results: an envelope to store, and the streaming types.
pub use byte_range::{ByteRange, ResolvedRange};
pub use envelope::{Envelope, EnvelopeState, ModeId};
pub use geometry::Container;
pub use stream::{
    Decryptor, Encryptor, Finished, ListedPart, ManifestPage, PartInfo, PlaintextReader, RangePlan, SealedValue,
    ValueSealer,
};

// Threads.
pub use workers::{ScopedThreads, Workers};

// Keys and their sources.
pub use clock::{Clock, Moment};
pub use keys::{
    BlockingKeyring, BucketKeyStats, BucketKeys, EncryptionContext, GeneratedKey, KeyFuture, KeyProvider, KeyRequest,
    KeyUsage, Keyring, KeyringBuilder, KeyringStorage, Loaded, Replaced, RootKey, StorageFuture, StorageTag,
    UNKNOWN_EPOCH, UnwrappedKey, VersionInfo, VersionState, WrappedKey,
};
pub use secret::{CustomerKey, DataKey, KeyEncryptionKey, MasterKey};

#[cfg(feature = "http-body")]
pub use adapter::http_body;
pub use adapter::io;
#[cfg(feature = "stream")]
pub use adapter::stream as streams;
#[cfg(feature = "tokio")]
pub use adapter::tokio;
pub use crypto::Backend;
pub use crypto::passphrase::Argon2Cost;
pub use error::{Error, KeyProviderError, KeyProviderErrorKind, Result};

/// Runs the examples of the README as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
