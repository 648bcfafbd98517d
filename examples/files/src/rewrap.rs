//! The command `rewrap`: new envelopes for existing objects, by the library's sweep.

use std::io::{self, Write};

use atrest::rotation::{EntryOutcome, Report, Sweep, SweepEvent};
use atrest::{Envelope, ModeId};

use crate::cli::Rewrap;
use crate::customer_key::KeyBunch;
use crate::failure::{About, Failure, Outcome};
use crate::progress;
use crate::report::{grouped, mode_name, printable};
use crate::store::Store;
use crate::sweeps::{SweepFiles, entries, places};

/// The most entries that a resumed rewrap processes a second time.
const CHECKPOINT_EVERY: u64 = 100;

pub(crate) fn rewrap(store: &Store, rewrap: Rewrap, out: &mut (impl Write + Send)) -> Outcome<()> {
    let keys = KeyBunch::read(&rewrap.key_files)?;
    let files = SweepFiles::new(store, rewrap.all);
    let cursor = files.cursor();
    if let Some(cursor) = &cursor {
        writeln!(out, "continuing after {} entries", grouped(cursor.report().counts().entries))?;
    }
    let places = places(store, cursor.as_ref().and_then(|cursor| cursor.position()))?;
    let bar = progress::of_objects("rewrap", places.len());
    let mut rewrapped = 0;
    let mut sweep = Sweep::new(store.sse()).checkpoint_every(CHECKPOINT_EVERY).on_event(|event| match event {
        SweepEvent::Entry { entry, outcome, .. } => {
            bar.inc(1);
            rewrapped += u64::from(matches!(outcome, EntryOutcome::Rewrapped { .. }));
            line(entry, outcome).map_or(Ok(()), |line| bar.suspend(|| writeln!(out, "{line}")))
        }
        SweepEvent::Checkpoint(cursor) => {
            files.save_cursor(cursor).map_err(|failure| io::Error::other(failure.to_string()))
        }
        _ => Ok(()),
    });
    if rewrap.all {
        sweep = sweep.all();
    }
    if let Some(cursor) = cursor {
        sweep = sweep.resume(cursor);
    }
    let report = sweep.blocking().rewrap(entries(store, &places, false), store)?;
    files.finish(&report)?;
    bar.finish_and_clear();

    let mut failed = report.counts().problems;
    if rewrap.all {
        for (name, outcome) in rewrap_under_customer_keys(store, &keys)? {
            match outcome.about(printable(&name)) {
                Ok(()) => {
                    rewrapped += 1;
                    writeln!(out, "rewrapped  {:<8}  {}", mode_name(ModeId::SseC), printable(&name))?;
                }
                Err(failure) => {
                    failed += 1;
                    writeln!(out, "FAILED     {failure}")?;
                }
            }
        }
    }
    summary(&report, rewrapped, out)?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::rule(format!("{failed} could not be rewrapped"))),
    }
}

fn line(entry: &atrest::rotation::Entry, outcome: &EntryOutcome) -> Option<String> {
    let name = printable(&String::from_utf8_lossy(entry.name().key()));
    let upload = if entry.upload_id().is_some() { " (upload)" } else { "" };
    match outcome {
        EntryOutcome::Rewrapped { .. } => {
            let mode = entry.envelope().and_then(|envelope| Envelope::decode(envelope).ok()).map(|e| e.mode());
            Some(format!("rewrapped  {:<8}  {name}{upload}", mode.map_or("", mode_name)))
        }
        EntryOutcome::Problem(error) => Some(format!("FAILED     {name}{upload}: {error}")),
        _ => None,
    }
}

fn summary(report: &Report, rewrapped: u64, out: &mut impl Write) -> Outcome<()> {
    writeln!(out, "{rewrapped} rewrapped")?;
    for (version, objects, uploads) in report.usage().into_iter().flat_map(|usage| usage.versions()) {
        writeln!(out, "under version {version}: {} objects, {} uploads", grouped(objects), grouped(uploads))?;
    }
    if report.counts().unencrypted > 0 {
        writeln!(out, "unencrypted: {}; `encrypt-existing` encrypts them", grouped(report.counts().unencrypted))?;
    }
    Ok(())
}

/// A sweep has no customer keys; objects of customer keys on the command line are rewrapped one by one.
fn rewrap_under_customer_keys(store: &Store, keys: &KeyBunch) -> Outcome<Vec<(String, Outcome<()>)>> {
    let mut done = Vec::new();
    for name in store.objects().names()? {
        let envelope = store.objects().record(&name).and_then(|record| record.envelope());
        // The sweep has already reported unreadable records.
        if envelope.is_ok_and(|envelope| envelope.mode() == ModeId::SseC) {
            let outcome = rewrap_one(store, &name, keys, true).map(drop);
            done.push((name, outcome));
        }
    }
    Ok(done)
}

/// Rewraps one object and returns the new envelope; `None` if it needs no rewrap.
pub(crate) fn rewrap_one(store: &Store, name: &str, keys: &KeyBunch, always: bool) -> Outcome<Option<Envelope>> {
    let (sse, object) = (store.sse(), store.object(name)?);
    loop {
        let record = store.objects().record(name)?;
        let envelope = record.envelope()?;
        if !always && !sse.needs_rewrap(&envelope) {
            return Ok(None);
        }
        let fresh = sse.blocking().rewrap(atrest::Rewrap::of(&object, &envelope, keys.unlock(&envelope)?))?;
        // If another writer replaced the object, the envelope belongs to a removed body: read it again.
        if store.objects().replace_envelope(name, &record.envelope, &fresh.encode())? {
            return Ok(Some(fresh));
        }
    }
}
