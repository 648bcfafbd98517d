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
//! years: rotate the key before (make a new one, move the label, rewrap). With [bucket keys](#bucket-keys) it takes
//! decades.
//!
//! The operating system draws the nonce. A token that writes its own in its place, as one in FIPS mode may, is obeyed.
//!
//! A provider counts its own wraps ([`Pkcs11Kms::wraps`]), calls [`Pkcs11KmsBuilder::warns`] once at 2^31, if it is
//! set, and refuses at 2^32. The count starts at zero with each process. The sum is known only with a [`WrapCounter`]
//! that all users share: a provider reserves 2^20 wraps at a time there, and wraps nothing without a reservation.
//!
//! # Bucket keys
//!
//! With a [bucket key](atrest::SseKms::with_bucket_key) the token wraps once for many objects: those of one requester,
//! bucket, key and context, for 5 minutes or 2^20 of them ([`atrest::BucketKeys`]). That is 288 wraps a day instead of
//! 86 million at 1,000 writes a second. A process that writes for 1,000 pairs of requester and bucket without a pause
//! wraps 288,000 times a day, and 2^32 wraps last for 40 years.
//!
//! A token tells no changes. A key that was removed, that may no longer decrypt, or whose token was pulled out still
//! serves through the bucket keys in memory, for up to 5 minutes ([`with_max_age`](atrest::BucketKeys::with_max_age)).
//! To end that at once, call [`Sse::purge_bucket_keys`](atrest::Sse::purge_bucket_keys) in each process.
//!
//! # Failures
//!
//! | token | kind | transient |
//! |---|---|---|
//! | no key of this name; a URI that is not understood | `NotFound` | no |
//! | the key may not encrypt or decrypt (`CKR_KEY_FUNCTION_NOT_PERMITTED`) | `Disabled` | no |
//! | another type or size of key | `InvalidKeyUsage` | no |
//! | a PIN that is wrong, locked or expired, or that has one try left | `Misconfigured` | no |
//! | no AES-GCM; several keys of one name; no library | `Misconfigured` | no |
//! | a wrapped key of another key or context, or damaged | `Rejected` | no |
//! | 2^32 wraps | `InvalidState` | no |
//! | no more sessions; a full queue | `Throttled` | yes |
//! | no token, a broken one, no reservation; anything else | `Unavailable` | yes |
//!
//! The error's `cause` is a [`Pkcs11Error`]. A wrong tag has no return value of its own in PKCS#11 2.40. A table says
//! what is at fault when a decryption fails:
//!
//! | return value | token | at fault |
//! |---|---|---|
//! | `CKR_ENCRYPTED_DATA_INVALID`, `CKR_ENCRYPTED_DATA_LEN_RANGE` | any | the wrapped key |
//! | `CKR_DATA_INVALID`, `CKR_DATA_LEN_RANGE`, `CKR_SIGNATURE_INVALID` | any | the wrapped key |
//! | `CKR_GENERAL_ERROR` | of a manufacturer `SoftHSM..` (measured with 2.6.1) | the wrapped key |
//! | `CKR_GENERAL_ERROR` | any other | not known |
//! | `CKR_FUNCTION_FAILED`, `CKR_DEVICE_ERROR` | any | not known |
//! | any other | any | not the wrapped key |
//!
//! Where it is not known, the provider unwraps what has unwrapped before; if that fails too, or nothing has, it wraps a
//! key and unwraps that, since another key may be in its place. If either works, the wrapped key is at fault. The wrap
//! counts as any other.
//!
//! PKCS#11 has no request ids. To find an event of the audit trail of [`atrest`] in the log of an HSM, compare the
//! times.
//!
//! A token that was reset, pulled out and put in again, or logged out by another part of the process is logged in again
//! at the next call.
//!
//! # The end of the process
//!
//! Keep the provider until the process ends, and end the process only when no call is under way. The library of a token
//! frees its memory when the process ends, in exit handlers of its own, and waits for no thread. A thread that uses the
//! library meanwhile can crash the process: with SoftHSM 2.6.1 one process in a hundred, and one in 13 on a busy
//! machine. Dropping the last handle of a [`Pkcs11Kms`] makes its threads close their sessions, and waits for none of
//! them. So a program that drops it as the last thing in `main` is at risk. One that keeps it has idle threads at its
//! end, which is safe:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use atrest_pkcs11::{Pin, Pkcs11Kms};
//! # let pin = || Ok(Pin::new("123456"));
//! let kms = Arc::new(Pkcs11Kms::builder("/usr/lib/softhsm/libsofthsm2.so", "storage", pin).build());
//! std::mem::forget(kms.clone()); // or a handle in a static
//! ```
//!
//! Nothing is lost by it: the library closes the sessions of a process that ends. A program that drops a provider
//! earlier, such as to exchange it, has to let its threads end before the process does; their names begin with
//! `atrest-pkcs11-`.

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
