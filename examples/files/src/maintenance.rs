//! The maintenance commands: `verify`, `rotate`, `disable`, `enable`, `retire`, `gc`.

use std::io::{self, Write};

use crate::cli::Verify;
use crate::customer_key::KeyBunch;
use crate::failure::{Failure, Outcome};
use crate::open_object::OpenObject;
use crate::progress;
use crate::report::{grouped, mode_name, printable};
use crate::steps::{Step, reach};
use crate::store::Store;
use crate::sweeps::last_report;

pub(crate) fn verify(store: &Store, verify: Verify, out: &mut impl Write) -> Outcome<()> {
    let keys = KeyBunch::read(&verify.key_files)?;
    let names = match verify.name {
        Some(name) => vec![name],
        None => store.objects().names()?,
    };
    let failed = progress::of_each("verify", &names, out, |name| {
        let (mode, len) = verify_one(store, name, &keys)?;
        Ok(format!("ok      {mode:<8}  {len:>15}  {}", printable(name)))
    })?;
    writeln!(out, "{} of {} verified", names.len() - failed, names.len())?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::rule(format!("{failed} did not verify"))),
    }
}

/// Reads the whole object and discards the plaintext.
fn verify_one(store: &Store, name: &str, keys: &KeyBunch) -> Outcome<(&'static str, String)> {
    let object = OpenObject::open_with_keys(store, name, keys)?;
    let len = object.decrypt(io::sink())?;
    Ok((mode_name(object.envelope.mode()), grouped(len)))
}

/// Rotates the master key: new objects use the new version; old objects still open.
pub(crate) fn rotate(store: &Store, out: &mut impl Write) -> Outcome<()> {
    let version = {
        let keyring = store.kms().keyring_to_change()?;
        let _no_commit_meanwhile = store.objects().lock_exclusive()?;
        keyring.blocking().rotate()?
    };
    reach(Step::Rotated);
    writeln!(out, "the primary is now version {version}")?;
    let sse = store.sse();
    let is_outdated = |name: &String| {
        let envelope = store.objects().record(name).and_then(|record| record.envelope());
        envelope.is_ok_and(|envelope| sse.needs_rewrap(&envelope))
    };
    let outdated = store.objects().names()?.iter().filter(|name| is_outdated(name)).count();
    writeln!(out, "envelopes to rewrap: {outdated}")?;
    Ok(())
}

/// Disables a version; `enable` reverts this. Objects under the version fail to open, but are not lost.
pub(crate) fn disable(store: &Store, version: u32, out: &mut impl Write) -> Outcome<()> {
    store.kms().keyring_to_change()?.blocking().disable(version)?;
    writeln!(out, "version {version} is disabled; `verify` shows whether an object needs it, `enable` reverses this")?;
    Ok(())
}

pub(crate) fn enable(store: &Store, version: u32, out: &mut impl Write) -> Outcome<()> {
    store.kms().keyring_to_change()?.blocking().enable(version)?;
    writeln!(out, "version {version} is enabled")?;
    Ok(())
}

/// Retires a version, with the count of the last rewrap as the proof that no object is under it.
pub(crate) fn retire(store: &Store, version: u32, out: &mut impl Write) -> Outcome<()> {
    let keyring = store.kms().keyring_to_change()?;
    let report = last_report(store)?;
    let usage = report.usage().ok_or_else(|| Failure::rule("the last rewrap has no counts"))?;
    keyring.blocking().retire(version, usage)?;
    writeln!(out, "version {version} is destroyed")?;
    Ok(())
}

pub(crate) fn gc(store: &Store, out: &mut impl Write) -> Outcome<()> {
    let swept = store.objects().gc()?;
    writeln!(
        out,
        "removed {} temporary files and {} orphaned bodies, {} uploads",
        swept.temporary, swept.bodies, swept.uploads
    )?;
    Ok(())
}
