//! The entries of the store for the library's sweeps, and `EnvelopeStore`: how an envelope is replaced.

use std::fs;
use std::io;

use atrest::rotation::{Cursor, Entry, EnvelopeStore, Report, StoreFuture};

use crate::failure::{About, Failure, Outcome};
use crate::objects::file_names;
use crate::record::{BodyName, Record, UploadRecord};
use crate::steps::{Step, reach};
use crate::store::Store;
use crate::tree::Found;

/// An object, upload or unencrypted file: everything that has, or should have, an envelope.
pub(crate) enum Place {
    Object { name: String },
    Plain { name: String, len: u64 },
    Upload { id: BodyName },
}

impl Place {
    /// The position in a listing; listings are sorted by it.
    fn position(&self) -> Vec<u8> {
        match self {
            Self::Object { name } => format!("object/{name}"),
            Self::Plain { name, .. } => format!("plain/{name}"),
            Self::Upload { id } => format!("upload/{}", id.as_str()),
        }
        .into_bytes()
    }

    /// Returns the sweep's entry; `None` if it no longer exists. The caller asks for lengths if it needs them.
    fn entry(&self, store: &Store, with_len: bool) -> Outcome<Option<Entry>> {
        let objects = store.objects();
        let (entry, len) = match self {
            Self::Object { name } => {
                let object = store.object(name)?;
                let bytes = match objects.record_bytes(name) {
                    Err(_) if !objects.exists(name)? => return Ok(None),
                    outcome => outcome?,
                };
                // An unreadable record counts as a damaged envelope: the sweep reports it by name.
                let envelope = Record::decode(&bytes).map_or(bytes, |record| record.envelope);
                let len = || objects.open(name).and_then(|stored| stored.body.stored_len()).ok();
                (Entry::object(object, envelope), with_len.then(len).flatten())
            }
            Self::Plain { name, len } => (Entry::unencrypted(store.object(name)?), Some(*len)),
            Self::Upload { id } => {
                let Some(bytes) = objects.upload_bytes(id)? else {
                    return Ok(None);
                };
                let upload = UploadRecord::decode(&bytes).and_then(|upload| Ok((store.object(&upload.name)?, upload)));
                let (object, envelope) = match upload {
                    Ok((object, upload)) => (object, upload.envelope),
                    // The object's name is unknown: the entry has the path as its name, with bytes that are not an
                    // envelope.
                    Err(_) => (store.object(&format!("uploads/{}", id.as_str()))?, bytes),
                };
                let len = with_len.then(|| objects.upload_len(id).ok()).flatten();
                (Entry::upload(object, id.as_str(), envelope), len)
            }
        };
        let entry = entry.with_position(self.position());
        Ok(Some(match len {
            Some(len) => entry.with_stored_len(len),
            None => entry,
        }))
    }
}

/// Lists everything in the store after a position, in order.
pub(crate) fn places(store: &Store, after: Option<&[u8]>) -> Outcome<Vec<Place>> {
    let mut places: Vec<_> = store.objects().names()?.into_iter().map(|name| Place::Object { name }).collect();
    for found in store.plain().list()? {
        // Entries that are not regular files are not objects; `encrypt-existing` reports them.
        if let Found::File { name, len, .. } = found {
            places.push(Place::Plain { name, len });
        }
    }
    places.extend(store.objects().upload_ids()?.into_iter().map(|id| Place::Upload { id }));
    places.retain(|place| after.is_none_or(|after| *place.position() > *after));
    places.sort_by_key(Place::position);
    Ok(places)
}

/// Lists the entries for the library's sweep.
pub(crate) fn entries(store: &Store, places: &[Place], with_len: bool) -> impl Iterator<Item = io::Result<Entry>> {
    places.iter().filter_map(move |place| place.entry(store, with_len).map_err(io::Error::from).transpose())
}

impl EnvelopeStore for Store {
    fn replace<'a>(&'a self, entry: &'a Entry, old: &'a [u8], new: &'a [u8]) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            Ok(match upload_of(entry)? {
                Some(id) => self.objects().replace_upload_envelope(&id, old, new)?,
                None => self.objects().replace_envelope(&name_of(entry)?, old, new)?,
            })
        })
    }

    fn read<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            Ok(match upload_of(entry)? {
                Some(id) => self.objects().upload(&id)?.map(|upload| upload.envelope),
                None => Some(self.objects().record(&name_of(entry)?)?.envelope),
            })
        })
    }
}

/// The name under which an entry was listed.
pub(crate) fn name_of(entry: &Entry) -> Outcome<String> {
    String::from_utf8(entry.name().key().to_vec()).map_err(|_| Failure::rule("a name that is not UTF-8"))
}

fn upload_of(entry: &Entry) -> Outcome<Option<BodyName>> {
    let parse = |id: &[u8]| std::str::from_utf8(id).ok().and_then(BodyName::parse);
    entry.upload_id().map(|id| parse(id).ok_or_else(|| Failure::rule("not the id of an upload"))).transpose()
}

/// The files that a rewrap keeps on the disk, so that a killed rewrap can be resumed.
pub(crate) struct SweepFiles<'a> {
    store: &'a Store,
    /// One file for each primary: after a rotation every entry has to be checked again.
    cursor: String,
}

const REPORT: &str = "report";

impl<'a> SweepFiles<'a> {
    pub(crate) fn new(store: &'a Store, all: bool) -> Self {
        let what = if all { "all" } else { "needed" };
        Self { store, cursor: format!("{what}-under-{}.cursor", store.keyring().primary()) }
    }

    /// The cursor of a killed rewrap. An unreadable cursor is ignored: the rewrap then starts again.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        Cursor::from_bytes(&fs::read(self.store.sweep_file(&self.cursor)).ok()?).ok()
    }

    pub(crate) fn save_cursor(&self, cursor: &Cursor) -> Outcome<()> {
        self.save(&self.cursor, &cursor.to_bytes())?;
        reach(Step::CursorStored);
        Ok(())
    }

    /// Stores the report and removes the cursor of a complete sweep.
    pub(crate) fn finish(&self, report: &Report) -> Outcome<()> {
        self.save(REPORT, &report.to_bytes())?;
        reach(Step::ReportStored);
        // Also removes cursors under other primaries, which cannot be resumed any more.
        let of_today = format!("-under-{}.cursor", self.store.keyring().primary());
        for name in file_names(&self.store.sweep_file(""))? {
            if name == self.cursor || (name.ends_with(".cursor") && !name.ends_with(&of_today)) {
                fs::remove_file(self.store.sweep_file(&name))?;
            }
        }
        Ok(())
    }

    fn save(&self, name: &str, bytes: &[u8]) -> Outcome<()> {
        let path = self.store.sweep_file(name);
        let _lock = self.store.objects().lock_exclusive()?;
        fs::create_dir_all(self.store.sweep_file(""))?;
        self.store.objects().replace_file(&path, bytes)
    }
}

/// The report of the last complete rewrap.
pub(crate) fn last_report(store: &Store) -> Outcome<Report> {
    let bytes = fs::read(store.sweep_file(REPORT))
        .map_err(|_| Failure::rule("run `rewrap` first: it counts the envelopes under each version"))?;
    Report::from_bytes(&bytes).about("the report of the last rewrap")
}
