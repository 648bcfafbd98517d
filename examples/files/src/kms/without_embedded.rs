//! Replaces `embedded.rs` in a build without the feature `embedded-kms`: every function refuses, and the error says how
//! to build the program with the feature.

use std::io::Write;
use std::path::Path;

use atrest::{Keyring, RootKey, Sse, SseBuilder};

use crate::cli::Words;
use crate::failure::{Failure, Outcome};
use crate::store::StoreOptions;

#[derive(Debug)]
pub(crate) enum Embedded {}

pub(crate) enum KeysCommand {}

pub(crate) fn parse(_: &mut Words) -> Outcome<KeysCommand> {
    Err(not_built())
}

pub(crate) fn run(command: KeysCommand, _: &StoreOptions, _: &mut impl Write) -> Outcome<()> {
    match command {}
}

impl Embedded {
    pub(crate) fn create(_: &Path, _: &RootKey) -> Outcome<String> {
        Err(not_built())
    }

    pub(crate) fn open(_: &Path, _: &str, _: &RootKey, _: Option<&str>) -> Outcome<Self> {
        Err(not_built())
    }

    pub(crate) fn default_key(&self) -> &'static str {
        match *self {}
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        match *self {}
    }

    pub(crate) fn owned(&self) -> Outcome<()> {
        match *self {}
    }

    pub(crate) fn sse(&self, _: SseBuilder) -> Outcome<Sse> {
        match *self {}
    }
}

fn not_built() -> Failure {
    Failure::rule(
        "this program was built without the embedded KMS: \
         `cargo build --release -p atrest-files --features embedded-kms`",
    )
}
