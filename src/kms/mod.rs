//! Key management services to build on. The [`EmbeddedKms`] lives in one sealed file of this process (feature
//! `embedded-kms`); others are a [`KeyProvider`](crate::KeyProvider) of your own.

mod embedded;

pub use embedded::{
    DEFAULT_ALIAS, EmbeddedKms, EmbeddedKmsBuilder, KeyAdmin, KeyInfo, KeyOrigin, KeyPolicy, KeyState, KeyVersion,
    Maintained, Maintenance, NewKey, Permission, Quota,
};
