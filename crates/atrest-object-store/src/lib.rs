//! Server-side encryption with the semantics of Amazon S3 over any store of the crate `object_store`.

mod keyring;

pub use keyring::{KeyringObject, KeyringStoreError, StoreKeyring};
