//! The store over `AmazonS3` against moto, an emulator of AWS in Python, each test beside what the bare store does
//! there.

mod bucket;
mod functions;
mod keys;
mod objects;
mod writes;

#[path = "../../../../../tests/moto/server.rs"]
mod server;
