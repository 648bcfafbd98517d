//! [`ParquetKeys`]: keys of [`atrest`] for Parquet Modular Encryption.
#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(unused_must_use))))]

mod cache;
mod error;
mod keys;
mod metadata;
mod modes;

pub use cache::CachePolicy;
pub use error::KeyError;
pub use keys::{FileKeys, ParquetKeys};
pub use modes::ColumnModes;
