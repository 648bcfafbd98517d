//! The command `put`: stores one object, whole or in parts, or all files of a directory.

mod parts;

use std::io::Write;
use std::path::Path;

use atrest::io::EncryptWriter;
use atrest::{AnyMode, CustomerKey, DsseKms, SseC, SseKms, SseS3};
use indicatif::ProgressBar;

use crate::cli::{Put, PutFrom, PutMode};
use crate::customer_key;
use crate::failure::{About, Failure, Outcome};
use crate::objects::InPlaceOf;
use crate::progress;
use crate::record;
use crate::report::{grouped, mode_name, printable};
use crate::source::Source;
use crate::steps::{Step, reach};
use crate::store::Store;
use crate::streams;
use crate::tree::{self, Found};

/// The options of a put in parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// The plaintext length of every part but the last, in bytes.
    pub(crate) len: u64,
    pub(crate) threads: usize,
}

/// The result of a put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) len: u64,
    /// The number of parts, if the object was put in parts.
    pub(crate) parts: Option<usize>,
}

/// Opens the store only after the arguments are checked, so that a put with wrong arguments creates no store.
pub(crate) fn put(store: impl FnOnce() -> Outcome<Store>, put: Put, out: &mut impl Write) -> Outcome<()> {
    match &put.from {
        PutFrom::One { name, source } => {
            let source = Source::open(source)?;
            check(name, &source, put.parts)?;
            let bar = progress::of_bytes(printable(name), source.known_len());
            let stored = put_one(&store()?, name, &put, source, &bar)?;
            bar.finish_and_clear();
            say(name, put.mode.mode_name(), stored, out)
        }
        PutFrom::Directory(directory) => put_directory(&store()?, &put, directory, out),
    }
}

/// Refuses early what would fail only after the whole source was read, or after a part was stored.
fn check(name: &str, source: &Source, parts: Option<Parts>) -> Outcome<()> {
    record::file_name(name)?;
    parts.map_or(Ok(()), |parts| parts::check_count(source, parts.len)).about(printable(name))
}

fn put_directory(store: &Store, put: &Put, directory: &Path, out: &mut impl Write) -> Outcome<()> {
    let found = tree::walk(directory, Some(store.directory()))?;
    let bar = progress::of_bytes("put", Some(found.iter().map(Found::len).sum()));
    let (mut stored, mut failed) = (0, 0);
    for found in &found {
        match found {
            Found::File { name, path, .. } => {
                let outcome = Source::open_file(path).and_then(|source| put_one(store, name, put, source, &bar));
                match outcome.about(printable(name)) {
                    Ok(one) => {
                        stored += 1;
                        bar.suspend(|| say(name, put.mode.mode_name(), one, out))?;
                    }
                    Err(failure) => {
                        failed += 1;
                        bar.suspend(|| writeln!(out, "FAILED  {failure}"))?;
                    }
                }
            }
            Found::Skipped { path, why } => {
                failed += usize::from(why.is_failure());
                bar.suspend(|| writeln!(out, "skipped {}: {why}", path.display()))?;
            }
        }
    }
    bar.finish_and_clear();
    writeln!(out, "{stored} stored")?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::rule(format!("{failed} could not be stored"))),
    }
}

fn say(name: &str, mode: &str, stored: Stored, out: &mut impl Write) -> Outcome<()> {
    let parts = match stored.parts {
        Some(1) => " in 1 part".to_owned(),
        Some(parts) => format!(" in {} parts", grouped(parts as u64)),
        None => String::new(),
    };
    writeln!(out, "stored {}: {} bytes{parts}, {mode}", printable(name), grouped(stored.len))?;
    Ok(())
}

fn put_one(store: &Store, name: &str, put: &Put, source: Source, bar: &ProgressBar) -> Outcome<Stored> {
    let mode = put_mode(store, &put.mode)?;
    // Files of a directory that are not longer than one part are put whole.
    let short = matches!(put.from, PutFrom::Directory(_))
        && put.parts.is_some_and(|parts| source.known_len().is_none_or(|len| len <= parts.len));
    match put.parts.filter(|_| !short) {
        Some(parts) => {
            let key = put.mode.customer_key()?;
            put_in_parts(store, name, mode, key.as_ref(), source, parts, bar)
        }
        None => Ok(Stored { len: put_whole(store, name, mode, source, bar)?, parts: None }),
    }
}

/// Encrypts and stores `source` under a fresh data key. Returns the plaintext length in bytes.
pub(crate) fn put_whole(
    store: &Store,
    name: &str,
    mode: impl Into<AnyMode>,
    source: Source,
    bar: &ProgressBar,
) -> Outcome<u64> {
    check(name, &source, None)?;
    let object = store.object(name)?;
    let sse = store.sse().blocking();
    // A length that is known beforehand is authenticated with the envelope, so that every later read knows it at once.
    let (envelope, encryptor) = match source.known_len() {
        Some(len) => sse.encryptor_of_len(&object, mode.into(), len)?,
        None => sse.encryptor(&object, mode.into())?,
    };
    let body = store.objects().new_body()?;
    let mut writer = EncryptWriter::new(encryptor, body.file());
    let source = bar.wrap_read(source.into_reader()?);
    let len = streams::copy(source, &mut writer).about(printable(name))?;
    // Dropping the writer instead would leave a body that never opens.
    writer.finish().about(printable(name))?;
    store.commit(name, body.prepared()?, InPlaceOf::Anything, envelope)?;
    store.remove_plain(name)?;
    Ok(len)
}

/// Stores `source` in parts, with several threads.
pub(crate) fn put_in_parts(
    store: &Store,
    name: &str,
    mode: impl Into<AnyMode>,
    key: Option<&CustomerKey>,
    source: Source,
    parts: Parts,
    bar: &ProgressBar,
) -> Outcome<Stored> {
    check(name, &source, Some(parts))?;
    let upload = parts::begin(store, name, mode.into())?;
    let len = parts::store_all(&upload, source, parts, bar).about(printable(name))?;
    let (count, envelope) = parts::complete(store, &upload, customer_key::unlock(key)).about(printable(name))?;
    store.commit(name, upload.files.prepared(), InPlaceOf::Anything, envelope)?;
    reach(Step::UploadCommitted);
    store.remove_plain(name)?;
    Ok(Stored { len, parts: Some(count) })
}

/// Returns the mode of a new object, with its keys.
pub(crate) fn put_mode(store: &Store, mode: &PutMode) -> Outcome<AnyMode> {
    let kms_key = |named: &Option<String>| store.kms().key_to_write_under(named.as_deref());
    Ok(match mode {
        PutMode::SseS3 => SseS3.into(),
        PutMode::SseKms { key_id } => SseKms::new(kms_key(key_id)?).into(),
        PutMode::DsseKms { key_id } => DsseKms::new(kms_key(key_id)?).into(),
        PutMode::SseC { key_file } => SseC::new(customer_key::read(key_file)?).into(),
    })
}

impl PutMode {
    fn mode_name(&self) -> &'static str {
        mode_name(match self {
            Self::SseS3 => atrest::ModeId::SseS3,
            Self::SseKms { .. } => atrest::ModeId::SseKms,
            Self::DsseKms { .. } => atrest::ModeId::DsseKms,
            Self::SseC { .. } => atrest::ModeId::SseC,
        })
    }

    /// The unlock that completes an upload: SSE-C needs the key again.
    fn customer_key(&self) -> Outcome<Option<CustomerKey>> {
        match self {
            Self::SseC { key_file } => customer_key::read(key_file).map(Some),
            _ => Ok(None),
        }
    }
}
