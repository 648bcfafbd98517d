//! [`Pkcs11Kms`], a key provider of [`atrest`] whose keys are in the token of a PKCS#11 library: an HSM.
#![doc = include_str!("../README.md")]
//!
//! # Keys
//!
//! A key is an AES key of the token with a `CKA_ID`, which may encrypt and decrypt. A request names it by its label
//! (`CKA_LABEL`) or by a URI of RFC 7512 with `token`, `object`, `id` and `type`. Envelopes hold the resolved id,
//! `pkcs11:token=LABEL;id=%..;type=secret-key`. So a key that was given another label still opens its objects, and so
//! does a key in a token of the same label that was restored from a backup. Two keys of one label are an error, not a
//! choice.
//!
//! # How many wraps
//!
//! Each write wraps one key with AES-256-GCM under a random nonce. One key may do so 2^32 times, over all processes,
//! nodes and programs that use it (NIST SP 800-38D, 8.3). At 1,000 writes a second that is 50 days, at 100 writes 1.4
//! years: rotate the key before (make a new one, move the label, rewrap). With bucket keys one wrap serves many writes.
//!
//! A provider counts its own wraps ([`Pkcs11Kms::wraps`]), tells once at 2^31 ([`Pkcs11KmsBuilder::warns`]) and refuses
//! at 2^32. It starts at zero with each process. The sum is known only with a [`WrapCounter`] that all users share: a
//! provider reserves 2^20 wraps at a time there, and wraps nothing without a reservation.
//!
//! # Failures
//!
//! | token | kind | transient |
//! |---|---|---|
//! | no key of this name; a URI that is not understood | `NotFound` | no |
//! | the key may not encrypt or decrypt (`CKR_KEY_FUNCTION_NOT_PERMITTED`) | `Disabled` | no |
//! | another type or size of key | `InvalidKeyUsage` | no |
//! | a wrong PIN, a locked or expired one; no AES-GCM; several keys of one name; no library | `Misconfigured` | no |
//! | a wrapped key of another key or context, or damaged | `Rejected` | no |
//! | 2^32 wraps | `InvalidState` | no |
//! | no more sessions; a full queue | `Throttled` | yes |
//! | no token, a broken one, no reservation; anything else | `Unavailable` | yes |
//!
//! The error's `cause` is a [`Pkcs11Error`]. A wrong tag has no return value of its own in PKCS#11 2.40. SoftHSM
//! answers `CKR_GENERAL_ERROR`, which other tokens answer when they are broken. For an unknown token the provider then
//! unwraps what has unwrapped before: if that works, the wrapped key is at fault.
//!
//! PKCS#11 has no request ids, so that answers have none: the events of the audit trail of [`atrest`] and the log of an
//! HSM have only the time in common.
//!
//! A token that was reset, pulled out and put in again, or logged out by another part of the process is logged in again
//! at the next call.

mod counter;
mod failure;
mod name;
mod pin;
mod provider;
mod token;
mod wrapped;

pub use counter::{WrapCount, WrapCounter};
pub use failure::Pkcs11Error;
pub use pin::Pin;
pub use provider::{Pkcs11Kms, Pkcs11KmsBuilder};
