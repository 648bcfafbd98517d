//! Key providers: the embedded KMS, the conformance suite, and which KMS keys a service accepts.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(feature = "testing")]
mod bucket_keys;
#[cfg(feature = "testing")]
mod conformance;
#[cfg(all(feature = "embedded-kms", feature = "testing"))]
mod embedded;
#[cfg(feature = "embedded-kms")]
mod kill;
mod kms_keys;
#[cfg(feature = "testing")]
mod observed;
#[cfg(feature = "testing")]
mod request_ids;
#[cfg(feature = "testing")]
mod resilient;
#[cfg(feature = "testing")]
mod router;
#[cfg(feature = "testing")]
mod scripted;
#[cfg(feature = "embedded-kms")]
mod sources;
#[cfg(feature = "testing")]
mod starting;
#[cfg(feature = "testing")]
mod threads;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod tokio_timer;
mod wakers;
