//! Tests of the encrypted store over inner stores that record, fail and lie.

mod cache;
mod copies;
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
mod secrecy;
mod spy;
mod uploads;
