//! What keeps a store healthy: verify, rotate, rewrap, gc.

use std::io::{self, Write};

use atrest::Envelope;

use crate::cli::{Rewrap, Verify};
use crate::commands::open_with_keys;
use crate::customer_key::KeyBunch;
use crate::failure::{About, Failure, Outcome};
use crate::report::{grouped, mode_name, printable};
use crate::store::Store;
use crate::streams;

pub(crate) fn verify(store: &Store, verify: Verify, out: &mut impl Write) -> Outcome<()> {
    let keys = KeyBunch::read(&verify.key_files)?;
    let names = match verify.name {
        Some(name) => vec![name],
        None => store.objects().names()?,
    };
    let mut failed = 0;
    for name in &names {
        match verify_one(store, name, &keys).about(printable(name)) {
            Ok((mode, len)) => writeln!(out, "ok      {mode:<8}  {len:>15}  {}", printable(name))?,
            Err(failure) => {
                failed += 1;
                writeln!(out, "FAILED  {failure}")?;
            }
        }
    }
    writeln!(out, "{} of {} verified", names.len() - failed, names.len())?;
    all_done(failed, "did not verify")
}

/// Reads the whole object, and throws away what it says.
fn verify_one(store: &Store, name: &str, keys: &KeyBunch) -> Outcome<(&'static str, String)> {
    let (stored, decryptor) = open_with_keys(store, name, keys)?;
    let len = streams::decrypt(&decryptor, stored.body, io::sink())?;
    Ok((mode_name(stored.record.envelope.mode()), grouped(len)))
}

/// From here on, new objects are under a new version of the master key; the old ones still open.
pub(crate) fn rotate(store: &Store, out: &mut impl Write) -> Outcome<()> {
    let version = store.keyring().rotate()?;
    writeln!(out, "the primary is now version {version}")?;
    let sse = store.sse();
    let is_outdated = |name: &String| {
        let record = store.objects().record(name);
        record.is_ok_and(|record| sse.needs_rewrap(&record.envelope))
    };
    let outdated = store.objects().names()?.iter().filter(|name| is_outdated(name)).count();
    writeln!(out, "envelopes to rewrap: {outdated}")?;
    Ok(())
}

pub(crate) fn rewrap(store: &Store, rewrap: Rewrap, out: &mut impl Write) -> Outcome<()> {
    let keys = KeyBunch::read(&rewrap.key_files)?;
    let (mut rewrapped, mut failed) = (0, 0);
    for name in store.objects().names()? {
        match rewrap_one(store, &name, &keys, rewrap.all).about(printable(&name)) {
            Ok(None) => {}
            Ok(Some(envelope)) => {
                rewrapped += 1;
                writeln!(out, "rewrapped  {:<8}  {}", mode_name(envelope.mode()), printable(&name))?;
            }
            Err(failure) => {
                failed += 1;
                writeln!(out, "FAILED     {failure}")?;
            }
        }
    }
    writeln!(out, "{rewrapped} rewrapped")?;
    all_done(failed, "could not be rewrapped")
}

/// Gives one object a fresh envelope, and returns it; `None` where it needs none.
pub(crate) fn rewrap_one(store: &Store, name: &str, keys: &KeyBunch, always: bool) -> Outcome<Option<Envelope>> {
    let (sse, object) = (store.sse(), store.object(name)?);
    loop {
        let record = store.objects().record(name)?;
        if !always && !sse.needs_rewrap(&record.envelope) {
            return Ok(None);
        }
        let unlock = keys.unlock(&record.envelope)?;
        let fresh = sse.blocking().rewrap(&object, &record.envelope, unlock)?;
        // Someone wrote the object in the meantime? Then this envelope belongs to a body that is gone: look again.
        if store.objects().replace_envelope(name, &record, fresh.clone())? {
            return Ok(Some(fresh));
        }
    }
}

pub(crate) fn gc(store: &Store, out: &mut impl Write) -> Outcome<()> {
    let swept = store.objects().gc()?;
    writeln!(out, "removed {} temporary files and {} bodies of nobody", swept.temporary, swept.bodies)?;
    Ok(())
}

fn all_done(failed: usize, what: &str) -> Outcome<()> {
    match failed {
        0 => Ok(()),
        _ => Err(Failure::rule(format!("{failed} {what}"))),
    }
}
