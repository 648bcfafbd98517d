//! The kit of the tests of `atrest`: services, streams in steps, objects of the oracle, and an allocator that looks into
//! freed memory. It is a crate, so that it is built once for all test binaries.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::new_without_default, reason = "a service is made by name, as each test wants it")]

mod bodies;
mod clock;
#[allow(unsafe_code, reason = "a global allocator is unsafe to implement")]
pub mod freed;
pub mod parts;
mod playback;
pub mod polled;
mod providers;
pub mod sample;
mod service;
mod streams;
mod time;

pub use bodies::{
    Body, RANGE_READERS, READERS, WRITERS, for_every_body, for_every_written_body, of_io, read_in_place, steps,
};
pub use clock::wall_clock;
pub use playback::{Draws, Playback, broken_generator, keyring, keyring_of, stuck_generator};
pub use providers::{Faults, Faulty, KMS_KEY, OneKey, TableKms};
pub use service::{Service, name};
pub use streams::{
    C, LENS, Read, STEPS, Steps, Stream, backends, class, fetch, pass, plain, read_range, read_range_streamed,
    read_streamed, seal, seal_finished,
};
pub use time::{ManualTime, yields};
