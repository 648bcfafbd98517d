//! The commands that read: `get`, `cat`, `ls`, `stat`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use crate::cli::{Cat, Endpoint, Get, GetAll, Stat, What};
use crate::customer_key::{self, KeyBunch, unlock};
use crate::failure::{About, Failure, Outcome};
use crate::open_object::OpenObject;
use crate::progress;
use crate::report::{grouped, key_description, mode_name, printable};
use crate::store::Store;
use crate::tree;

pub(crate) fn get(store: &Store, get: Get, out: &mut impl Write) -> Outcome<()> {
    let key = get.key_file.as_deref().map(customer_key::read).transpose()?;
    let target = match get.target {
        Some(target) => target,
        None => Endpoint::File(file_named_like(&get.name)?),
    };
    let object = OpenObject::open(store, &get.name, unlock(key.as_ref()))?;
    let path = match target {
        Endpoint::Standard => return object.decrypt(out).map(drop).about(printable(&get.name)),
        Endpoint::File(path) => path,
    };
    let bar = progress::of_bytes(printable(&get.name), object.envelope.plaintext_len());
    let len = decrypt_to_file(&object, &path, &bar).about(printable(&get.name))?;
    bar.finish_and_clear();
    writeln!(out, "wrote {}: {} bytes, verified", path.display(), grouped(len))?;
    Ok(())
}

/// Writes into a new directory, so that no existing file is replaced and no existing link is followed.
pub(crate) fn get_all(store: &Store, get: GetAll, out: &mut impl Write) -> Outcome<()> {
    let keys = KeyBunch::read(&get.key_files)?;
    if fs::metadata(&get.target).is_ok_and(|metadata| !metadata.is_dir()) {
        return Err(Failure::rule("is not a directory")).about(get.target.display());
    }
    if fs::read_dir(&get.target).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::rule("exists and is not empty")).about(get.target.display());
    }
    fs::create_dir_all(&get.target).about(get.target.display())?;
    let names = store.objects().names()?;
    let failed = progress::of_each("get", &names, out, |name| {
        let len = get_one_of_all(store, name, &get.target, &keys)?;
        Ok(format!("wrote   {}: {} bytes, verified", printable(name), grouped(len)))
    })?;
    writeln!(out, "{} of {} written", names.len() - failed, names.len())?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::rule(format!("{failed} could not be written"))),
    }
}

fn get_one_of_all(store: &Store, name: &str, directory: &Path, keys: &KeyBunch) -> Outcome<u64> {
    let path = tree::path_below(directory, name)
        .ok_or_else(|| Failure::rule("not the name of a file below a directory: `get` it by itself"))?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).about(parent.display())?;
    }
    let object = OpenObject::open_with_keys(store, name, keys)?;
    decrypt_to_file(&object, &path, &ProgressBar::hidden())
}

pub(crate) fn cat(store: &Store, cat: Cat, out: &mut impl Write) -> Outcome<()> {
    let key = cat.key_file.as_deref().map(customer_key::read).transpose()?;
    let object = OpenObject::open(store, &cat.name, unlock(key.as_ref()))?;
    let outcome = match cat.what {
        What::All => object.decrypt(out).map(drop),
        What::Range(range) => object.decrypt_range(range, out).map(drop),
        What::Part(number) => object.decrypt_part(number, out).map(drop),
    };
    outcome.about(printable(&cat.name))
}

/// Prints the fields of envelopes without opening them: the output is not authenticated. `stat` and `verify`
/// authenticate.
pub(crate) fn ls(store: &Store, out: &mut impl Write) -> Outcome<()> {
    let mut damaged = 0;
    for name in store.objects().names()? {
        let line = match claimed(store, &name) {
            Ok(line) => line,
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

fn claimed(store: &Store, name: &str) -> Outcome<String> {
    let stored = store.objects().open(name)?;
    let len = match stored.envelope.plaintext_len() {
        Some(len) => Some(len),
        None => stored.envelope.mode().plaintext_len(stored.body.stored_len()?),
    };
    Ok(format!("{:<8}  {:>15}", mode_name(stored.envelope.mode()), len.map_or_else(|| "?".to_owned(), grouped)))
}

pub(crate) fn stat(store: &Store, stat: Stat, out: &mut impl Write) -> Outcome<()> {
    let key = stat.key_file.as_deref().map(customer_key::read).transpose()?;
    let stored = store.objects().open(&stat.name)?;
    let (envelope, body_len) = (stored.envelope.clone(), stored.body.stored_len()?);
    writeln!(out, "name      {}", printable(&stat.name))?;
    writeln!(out, "mode      {}", mode_name(envelope.mode()))?;
    writeln!(out, "key       {}", key_description(&envelope))?;
    writeln!(out, "envelope  {} bytes", stored.record.envelope.len())?;
    writeln!(out, "body      {} bytes, bodies/{}", grouped(body_len), stored.record.body.as_str())?;

    // The fields of an envelope are unauthenticated until it is opened: an attacker who writes the directory can forge
    // them.
    let object = OpenObject::unlock(store, &stat.name, stored, unlock(key.as_ref()))?;
    let plaintext_len = object.plaintext_len().about(printable(&stat.name))?;
    if let Some(parts) = object.parts()? {
        writeln!(out, "parts     {}, authenticated", grouped(parts as u64))?;
    }
    writeln!(out, "size      {} bytes, authenticated", grouped(plaintext_len))?;
    let needs_rewrap = store.sse().needs_rewrap(&envelope);
    writeln!(out, "rewrap    {}", if needs_rewrap { "needed" } else { "not needed" })?;
    Ok(())
}

/// Writes under a temporary name, and renames the file only after all of it has verified.
fn decrypt_to_file(object: &OpenObject, path: &Path, bar: &ProgressBar) -> Outcome<u64> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(Failure::rule(format!("not a regular file, so it is not replaced: {}", path.display())));
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let metadata = fs::metadata(directory).about(directory.display())?;
    if !metadata.is_dir() {
        return Err(Failure::rule("is not a directory")).about(directory.display());
    }
    // The original error would name the temporary file.
    let unverified = tempfile::NamedTempFile::new_in(directory)
        .map_err(|error| Failure::rule(format!("cannot create a file there: {}", error.kind())))
        .about(directory.display())?;
    let len = object.decrypt(bar.wrap_write(unverified.as_file()))?;
    unverified.as_file().sync_all()?;
    unverified.persist(path).map_err(|error| error.error).about(path.display())?;
    Ok(len)
}

/// The path that `get NAME` without a PATH writes to: this directory, if the name is a file name that does not exist
/// yet.
fn file_named_like(name: &str) -> Outcome<PathBuf> {
    let path = Path::new(name);
    if path.file_name() != Some(name.as_ref()) {
        return Err(Failure::usage(format!("{} is not the name of a file: give a PATH", printable(name))));
    }
    if path.try_exists()? {
        return Err(Failure::rule(format!("{} exists: give it as PATH to replace it", printable(name))));
    }
    Ok(path.to_owned())
}
