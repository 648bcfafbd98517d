//! `files`: a small, complete object store over a directory, encrypted in the four modes of S3.
//!
//! ```text
//! cargo run --release -p atrest-files -- demo README.md
//! ```
//!
//! This command demonstrates every mode on a file of the user's choice. `files help` lists the other commands. To read
//! the program, start with `put/mod.rs` and `open_object.rs` (what a store does with an object), then read `store.rs`
//! (where the keys are) and `objects/mod.rs` (how a write becomes visible atomically). `put/parts.rs` puts in parts,
//! `sweeps.rs` lists the store for rewraps, inventories and the encryption of old files, `kms/file_kms.rs` is a key
//! provider.
//!
//! The program needs only the default features. With `--features embedded-kms` it also has `--kms embedded`, the
//! library's own KMS in the place of that provider, and the `keys` commands (`kms/embedded/`). A real service keeps
//! its root key, and its KMS if it is not embedded, in another place than the data. For tests, `FILES_STOP_AT` ends the
//! program between two writes (`steps.rs`).

mod cli;
mod customer_key;
mod demo;
mod failure;
mod inventory;
mod kms;
mod maintenance;
mod objects;
mod open_object;
mod plain;
mod progress;
mod put;
mod read;
mod record;
mod report;
mod rewrap;
mod same_as;
mod source;
mod steps;
mod store;
mod streams;
mod sweeps;
mod tree;

use std::io::{self, Write};
use std::process::ExitCode;

use cli::{Command, Invocation};
use failure::{Failure, Outcome};
use store::Store;

fn main() -> ExitCode {
    let outcome = check_stop().and_then(|()| cli::parse(std::env::args_os())).and_then(run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("files: {failure}");
            if failure.is_usage() {
                eprintln!("files: `files help` lists the commands");
            }
            failure.exit_code()
        }
    }
}

/// Errors for an unknown step name, which would stop nothing.
fn check_stop() -> Outcome<()> {
    match std::env::var_os("FILES_STOP_AT") {
        Some(stop) if stop.to_str().and_then(steps::parse).is_none() => {
            let names = steps::Step::NAMES.join(" ");
            Err(Failure::usage(format!("FILES_STOP_AT is one of these, or NAME:2 for the second time: {names}")))
        }
        _ => Ok(()),
    }
}

fn run(invocation: Invocation) -> Outcome<()> {
    let Invocation { store: options, command } = invocation;
    let existing = || Store::open(&options);
    let or_new = || Store::open_or_create(&options);
    let out = &mut io::stdout();

    match command {
        Command::Help => out.write_all(cli::HELP.as_bytes())?,
        Command::Put(put) => put::put(or_new, put, out)?,
        Command::Get(get) => read::get(&existing()?, get, out)?,
        Command::GetAll(get) => read::get_all(&existing()?, get, out)?,
        Command::Cat(cat) => read::cat(&existing()?, cat, out)?,
        Command::Ls => read::ls(&existing()?, out)?,
        Command::Stat(stat) => read::stat(&existing()?, stat, out)?,
        Command::Verify(verify) => maintenance::verify(&existing()?, verify, out)?,
        Command::Inventory(format) => inventory::inventory(&existing()?, format, out)?,
        Command::EncryptExisting(command) => plain::encrypt_existing(&existing()?, command, out)?,
        Command::Rotate => maintenance::rotate(&existing()?, out)?,
        Command::Rewrap(rewrap) => rewrap::rewrap(&existing()?, rewrap, out)?,
        Command::Disable { version } => maintenance::disable(&existing()?, version, out)?,
        Command::Enable { version } => maintenance::enable(&existing()?, version, out)?,
        Command::Retire { version } => maintenance::retire(&existing()?, version, out)?,
        Command::Gc => maintenance::gc(&existing()?, out)?,
        Command::KmsCreate { name } => writeln!(out, "created {}", or_new()?.kms().create_key(&name)?)?,
        Command::Keys(command) => kms::embedded::run(command, &options, out)?,
        Command::CustomerKey { path } => {
            customer_key::create(&path)?;
            writeln!(out, "wrote a new customer key to {}: without it the objects are lost", path.display())?;
        }
        Command::Demo { path } => demo::run(&path, options, out)?,
    }
    out.flush().map_err(Failure::from)
}
