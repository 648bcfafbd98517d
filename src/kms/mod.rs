//! [`EmbeddedKms`], a key management service in one sealed file of this process (feature `embedded-kms`), and its
//! types.
//!
//! For another KMS implement [`KeyProvider`](crate::KeyProvider).

mod embedded;

pub use embedded::{
    DEFAULT_ALIAS, EmbeddedKms, EmbeddedKmsBuilder, KeyAdmin, KeyInfo, KeyOrigin, KeyPolicy, KeyState, KeyVersion,
    Maintained, Maintenance, NewKey, Permission, Quota,
};
