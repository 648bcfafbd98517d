// Floor 8. May use floors 0 to 7, and no other module of floor 8.
//! [`EmbeddedKms`], a key management service in one sealed file of this process (feature `embedded-kms`), and its
//! types.
//!
//! For another KMS implement [`KeyProvider`](crate::KeyProvider).

mod embedded;

pub use embedded::{
    DEFAULT_ALIAS, EmbeddedKms, EmbeddedKmsBuilder, KeyAdmin, KeyInfo, KeyOrigin, KeyPolicy, KeyState, KeyVersion,
    Maintained, Maintenance, NewKey, Permission, Quota,
};
