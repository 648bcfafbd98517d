//! Tests of the encrypted store over inner stores that record, fail and lie.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

mod attributes;
mod cache;
mod copies;
mod cut_short;
mod each_request;
mod faults;
mod files;
mod foreign;
mod integration;
mod kit;
mod lists;
mod memory;
mod modes;
mod ranges;
mod requests;
mod s3;
mod secrecy;
mod spy;
mod sweeps;
mod uploads;
