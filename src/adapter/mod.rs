//! Adapters to other people's traits, each behind its own module.

pub mod io;
mod pump;
