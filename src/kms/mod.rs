// Floor 6. May use floors 0 to 5, and no other module of floor 6.
//! [`EmbeddedKms`], a key management service in one sealed file of this process (feature `embedded-kms`), and its
//! types; [`Authorized`], which authorises requesters for a KMS that cannot; and [`Threads`], for a KMS whose calls
//! block.
//!
//! For another KMS implement [`KeyProvider`](crate::KeyProvider).

mod authorized;
#[cfg(feature = "embedded-kms")]
mod embedded;
mod threads;
pub(crate) mod wrapped_kek;

pub use authorized::{Authorized, KeyAccess, KeyUse};
#[cfg(feature = "embedded-kms")]
pub use embedded::{
    DEFAULT_ALIAS, EmbeddedKms, EmbeddedKmsBuilder, KeyAdmin, KeyInfo, KeyOrigin, KeyPolicy, KeyState, KeyVersion,
    Maintained, Maintenance, NewKey, Permission, Quota,
};
pub use threads::Threads;
