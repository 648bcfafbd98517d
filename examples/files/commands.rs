//! What a store does with an object: put, get, cat, ls, stat.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use atrest::io::DecryptAt;
use atrest::{AnyMode, Decryptor, DsseKms, SseC, SseKms, SseS3, Unlock};

use crate::cli::{Cat, Endpoint, Get, Put, PutMode, Stat};
use crate::customer_key::{self, KeyBunch, unlock};
use crate::failure::{About, Failure, Outcome};
use crate::kms::DEFAULT_ALIAS;
use crate::objects::StoredObject;
use crate::record;
use crate::report::{grouped, key_description, mode_name, printable};
use crate::store::Store;
use crate::streams;

pub(crate) fn put(store: &Store, put: Put, out: &mut impl Write) -> Outcome<()> {
    let mode = put_mode(store, put.mode)?;
    let mode_name = mode_name(mode.id());
    let (source, known_len) = open_source(&put.source)?;
    let len = put_stream(store, &put.name, mode, source, known_len)?;
    writeln!(out, "stored {}: {} bytes, {mode_name}", printable(&put.name), grouped(len))?;
    Ok(())
}

pub(crate) fn get(store: &Store, get: Get, out: &mut impl Write) -> Outcome<()> {
    let key = get.key_file.as_deref().map(customer_key::read).transpose()?;
    let target = match get.target {
        Some(target) => target,
        None => Endpoint::File(file_named_like(&get.name)?),
    };
    let (stored, decryptor) = open_object(store, &get.name, unlock(key.as_ref()))?;
    match target {
        Endpoint::Standard => {
            streams::decrypt(&decryptor, stored.body, out).about(printable(&get.name))?;
        }
        Endpoint::File(path) => {
            let len = decrypt_to_file(&decryptor, stored.body, &path).about(printable(&get.name))?;
            writeln!(out, "wrote {}: {} bytes, verified", path.display(), grouped(len))?;
        }
    }
    Ok(())
}

pub(crate) fn cat(store: &Store, cat: Cat, out: &mut impl Write) -> Outcome<()> {
    let key = cat.key_file.as_deref().map(customer_key::read).transpose()?;
    let (stored, decryptor) = open_object(store, &cat.name, unlock(key.as_ref()))?;
    let outcome = match cat.range {
        None => streams::decrypt(&decryptor, stored.body, out).map(drop),
        Some(range) => streams::decrypt_range(&decryptor, range, stored.body, out).map(drop),
    };
    outcome.about(printable(&cat.name))
}

/// Says what the envelopes say, and opens none: nothing here is authenticated. `stat` and `verify` do that.
pub(crate) fn ls(store: &Store, out: &mut impl Write) -> Outcome<()> {
    let mut damaged = 0;
    for name in store.objects().names()? {
        let line = match store.objects().open(&name) {
            Ok(stored) => {
                let envelope = &stored.record.envelope;
                let len = envelope
                    .plaintext_len()
                    .or_else(|| envelope.mode().plaintext_len(stored.body_len))
                    .map_or_else(|| "?".to_owned(), grouped);
                format!("{:<8}  {len:>15}", mode_name(envelope.mode()))
            }
            Err(_) => {
                damaged += 1;
                format!("{:<8}  {:>15}", "DAMAGED", "?")
            }
        };
        writeln!(out, "{line}  {}", printable(&name))?;
    }
    match damaged {
        0 => Ok(()),
        _ => Err(Failure::rule(format!("{damaged} damaged"))),
    }
}

pub(crate) fn stat(store: &Store, stat: Stat, out: &mut impl Write) -> Outcome<()> {
    let key = stat.key_file.as_deref().map(customer_key::read).transpose()?;
    let stored = store.objects().open(&stat.name)?;
    let envelope = stored.record.envelope.clone();
    writeln!(out, "name      {}", printable(&stat.name))?;
    writeln!(out, "mode      {}", mode_name(envelope.mode()))?;
    writeln!(out, "key       {}", key_description(&envelope))?;
    writeln!(out, "envelope  {} bytes", envelope.encode().len())?;
    writeln!(out, "body      {} bytes, bodies/{}", grouped(stored.body_len), stored.record.body.as_str())?;

    // What an envelope says of itself is worth as much as whoever wrote the directory; opened, it is authentic.
    let unlock = unlock(key.as_ref());
    let decryptor = open_stored(store, &stat.name, &stored, unlock)?;
    let body_len = stored.body_len;
    let source = DecryptAt::new(decryptor, stored.body, 0..body_len);
    let plaintext_len = source.plaintext_len().about(printable(&stat.name))?;
    writeln!(out, "size      {} bytes, authenticated", grouped(plaintext_len))?;
    if envelope.mode().ciphertext_len(plaintext_len) != Some(body_len) {
        return Err(Failure::rule("the body has another length than its envelope says")).about(printable(&stat.name));
    }
    let needs_rewrap = store.sse().needs_rewrap(&envelope);
    writeln!(out, "rewrap    {}", if needs_rewrap { "needed" } else { "not needed" })?;
    Ok(())
}

/// Stores what `source` gives, under one data key that nobody else ever gets. Returns the plaintext's length.
pub(crate) fn put_stream(
    store: &Store,
    name: &str,
    mode: impl Into<AnyMode>,
    source: impl Read,
    known_len: Option<u64>,
) -> Outcome<u64> {
    record::file_name(name)?; // refused now, or after all of `source` was read
    let object = store.object(name)?;
    let sse = store.sse().blocking();
    // A length that is told beforehand is authenticated with the envelope: every later read knows it at once.
    let (envelope, encryptor) = match known_len {
        Some(len) => sse.encryptor_of_len(&object, mode.into(), len)?,
        None => sse.encryptor(&object, mode.into())?,
    };
    let body = store.objects().new_body()?;
    let len = streams::encrypt(encryptor, source, body.file()).about(printable(name))?;
    store.objects().commit(name, body, envelope)?;
    Ok(len)
}

/// An object's body, and what decrypts it.
pub(crate) fn open_object(store: &Store, name: &str, unlock: Unlock<'_>) -> Outcome<(StoredObject, Decryptor)> {
    let stored = store.objects().open(name)?;
    let decryptor = open_stored(store, name, &stored, unlock)?;
    Ok((stored, decryptor))
}

/// The same for someone with several customer keys: the envelope tells which one is its own.
pub(crate) fn open_with_keys(store: &Store, name: &str, keys: &KeyBunch) -> Outcome<(StoredObject, Decryptor)> {
    let stored = store.objects().open(name)?;
    let unlock = keys.unlock(&stored.record.envelope)?;
    let decryptor = open_stored(store, name, &stored, unlock)?;
    Ok((stored, decryptor))
}

fn open_stored(store: &Store, name: &str, stored: &StoredObject, unlock: Unlock<'_>) -> Outcome<Decryptor> {
    let object = store.object(name)?;
    let decryptor = store.sse().blocking().decryptor(&object, &stored.record.envelope, unlock);
    decryptor.about(printable(name))
}

/// The mode of a new object, with its keys at hand.
pub(crate) fn put_mode(store: &Store, mode: PutMode) -> Outcome<AnyMode> {
    if let PutMode::SseKms { key_id } | PutMode::DsseKms { key_id } = &mode
        && key_id == DEFAULT_ALIAS
    {
        store.kms().ensure_default_key()?;
    }
    Ok(match mode {
        PutMode::SseS3 => SseS3.into(),
        PutMode::SseKms { key_id } => SseKms::new(key_id).into(),
        PutMode::DsseKms { key_id } => DsseKms::new(key_id).into(),
        PutMode::SseC { key_file } => SseC::new(customer_key::read(&key_file)?).into(),
    })
}

/// What to read, and its length where that is known beforehand.
fn open_source(source: &Endpoint) -> Outcome<(Box<dyn Read>, Option<u64>)> {
    let path = match source {
        Endpoint::Standard => return Ok((Box::new(io::stdin().lock()), None)),
        Endpoint::File(path) => path,
    };
    let file = File::open(path).about(path.display())?;
    let metadata = file.metadata().about(path.display())?;
    if metadata.is_dir() {
        return Err(Failure::rule("is a directory")).about(path.display());
    }
    // Files that a kernel makes up as they are read say 0 here, and then give something.
    let known_len = Some(metadata.len()).filter(|&len| metadata.is_file() && len > 0);
    Ok((Box::new(file), known_len))
}

/// Writes under another name, and takes the right one only when all of it has verified.
fn decrypt_to_file(decryptor: &Decryptor, body: impl Read, path: &Path) -> Outcome<u64> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(Failure::rule(format!("not a file, and not replaced by one: {}", path.display())));
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let unverified = tempfile::NamedTempFile::new_in(directory).about(directory.display())?;
    let len = streams::decrypt(decryptor, body, unverified.as_file())?;
    unverified.as_file().sync_all()?;
    unverified.persist(path).map_err(|error| error.error).about(path.display())?;
    Ok(len)
}

/// Where `get NAME` writes without a PATH: here, if the name is one of a file, and not over one that is there.
fn file_named_like(name: &str) -> Outcome<PathBuf> {
    let path = Path::new(name);
    if path.file_name() != Some(name.as_ref()) {
        return Err(Failure::usage(format!("{} is not the name of a file: say where to write it", printable(name))));
    }
    if path.try_exists()? {
        return Err(Failure::rule(format!("{} exists: say its name to replace it", printable(name))));
    }
    Ok(path.to_owned())
}
