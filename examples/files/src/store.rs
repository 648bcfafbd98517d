//! `Store`: a directory with its keys, its objects and an id.
//!
//! ```text
//! DIR/store                the store's id and that of its keys
//!     keys/root.key        the root key, 0600: opens the others. A real service keeps it elsewhere.
//!     keys/master.atrest   the keyring, sealed: the master key in all its versions
//!     kms/                 the key management service (kms/file_kms.rs). A real one is elsewhere.
//!     keys/kms.atrest      with --kms embedded, instead of these two (kms/embedded.rs)
//!     records/ bodies/ uploads/ tmp/ lock    the objects (objects.rs)
//!     sweep/               the cursor of a rewrap, and the report of the last one
//!     plain/               unencrypted files of an older program (plain.rs)
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use atrest::{Envelope, Keyring, ObjectName, Rewrap, Sse, Unlock};

use crate::failure::{About, Failure, Outcome};
use crate::kms::{Kms, KmsKind};
use crate::objects::{InPlaceOf, NewUpload, Objects, Prepared, sync_directory};
use crate::plain::PlainFiles;
use crate::record::{BodyName, random_hex};
use crate::steps::{Step, reach};

const FIRST_LINE: &str = "atrest-store 1";

/// The default of `--store`.
const DEFAULT_DIRECTORY: &str = "atrest-store";

/// The options that every command takes: which store, and which requester.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreOptions {
    /// `--store`
    pub(crate) directory: Option<PathBuf>,
    /// `--kms`: the KMS of a new store, and the expected KMS of an existing one.
    pub(crate) kms: Option<KmsKind>,
    /// `--as`
    pub(crate) requester: Option<String>,
}

impl StoreOptions {
    pub(crate) fn directory(&self) -> &Path {
        self.directory.as_deref().unwrap_or(Path::new(DEFAULT_DIRECTORY))
    }
}

#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    id: String,
    kms: Kms,
    sse: Sse,
    objects: Objects,
    plain: PlainFiles,
}

impl Store {
    /// Opens the store in this directory. A damaged or missing key is an error, and is never replaced by a new one.
    pub(crate) fn open(options: &StoreOptions) -> Outcome<Self> {
        let directory = options.directory();
        let config = Config::read(options)?;
        let kms = Kms::open(config.kms, &config.keys_id, directory, options)?;
        Ok(Self {
            directory: directory.to_owned(),
            id: config.id,
            sse: kms.sse()?,
            kms,
            objects: Objects::new(directory.to_owned()),
            plain: PlainFiles::new(directory.join("plain")),
        })
    }

    /// Opens the store in this directory, or creates it if the directory is missing or empty.
    pub(crate) fn open_or_create(options: &StoreOptions) -> Outcome<Self> {
        let directory = options.directory();
        let is_new = match fs::read_dir(directory) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(error).about(directory.display()),
        };
        if is_new {
            create(directory, options.kms.unwrap_or(KmsKind::Files)).about(directory.display())?;
        }
        Self::open(options)
    }

    /// The [`Sse`] of this store.
    pub(crate) fn sse(&self) -> &Sse {
        &self.sse
    }

    /// The name that an object's envelope is bound to. The realm separates the objects of two stores.
    pub(crate) fn object(&self, name: &str) -> Outcome<ObjectName> {
        Ok(ObjectName::new("files", name)?.with_realm(&self.id)?)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        self.kms.keyring()
    }

    pub(crate) fn kms(&self) -> &Kms {
        &self.kms
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    pub(crate) fn plain(&self) -> &PlainFiles {
        &self.plain
    }

    /// Commits a body and its envelope. A rotation takes the same lock, so that no object under the old version becomes
    /// visible after a rotation: a rewrap that begins then finds every object.
    pub(crate) fn commit(&self, name: &str, body: Prepared<'_>, place: InPlaceOf, envelope: Envelope) -> Outcome<bool> {
        let object = self.object(name)?;
        self.objects.commit(name, body, place, || {
            self.keyring().blocking().reload()?;
            match self.sse.needs_rewrap(&envelope) {
                true => Ok(self.sse.blocking().rewrap(Rewrap::of(&object, &envelope, Unlock::Server))?),
                false => Ok(envelope),
            }
        })
    }

    /// Begins an upload under the same lock as [`commit`](Self::commit).
    pub(crate) fn new_upload(&self, id: BodyName, name: &str, envelope: &Envelope) -> Outcome<NewUpload> {
        let (object, upload_id) = (self.object(name)?, id.as_str().to_owned());
        self.objects.new_upload(id, name, || {
            self.keyring().blocking().reload()?;
            match self.sse.needs_rewrap(envelope) {
                true => {
                    let sse = self.sse.blocking();
                    Ok(sse.rewrap(Rewrap::upload(&object, upload_id.as_bytes(), envelope, Unlock::Server))?)
                }
                false => Ok(envelope.clone()),
            }
        })
    }

    /// Removes the unencrypted file of a name that a put has overwritten.
    pub(crate) fn remove_plain(&self, name: &str) -> Outcome<()> {
        if let Some(path) = self.plain.find(name)? {
            reach(Step::PlainOverwritten);
            fs::remove_file(&path).about(path.display())?;
        }
        Ok(())
    }

    /// The path of a file that a sweep keeps.
    pub(crate) fn sweep_file(&self, name: &str) -> PathBuf {
        self.directory.join("sweep").join(name)
    }
}

/// Builds the store beside its final place and moves it there whole, so that a half-built store is never taken for a
/// store that lost its keys.
fn create(directory: &Path, kms: KmsKind) -> Outcome<()> {
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)?;
    let new = tempfile::Builder::new().prefix(".new-store-").tempdir_in(parent)?;

    let keys_id = Kms::create(kms, new.path())?;
    Objects::create(new.path())?;
    fs::create_dir(new.path().join("sweep"))?;

    let config = Config { id: random_hex()?, kms, keys_id };
    let config_file = new.path().join("store");
    fs::write(&config_file, config.encode())?;
    File::open(&config_file)?.sync_all()?;
    sync_directory(new.path())?;
    reach(Step::StoreBuilt);

    match fs::rename(new.path(), directory) {
        Ok(()) => {
            // The temporary place has nothing left to remove.
            let _moved: PathBuf = new.keep();
            sync_directory(parent)
        }
        // Another process created the store in the meantime: use that store.
        Err(_) if directory.join("store").try_exists()? => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The content of the file `store`.
#[derive(Debug)]
pub(crate) struct Config {
    id: String,
    kms: KmsKind,
    /// The id of the expected keyring or embedded KMS; another one is refused.
    pub(crate) keys_id: String,
}

impl Config {
    /// Reads the file of a store, and errors if the store has another KMS than the options name.
    pub(crate) fn read(options: &StoreOptions) -> Outcome<Self> {
        let (directory, file) = (options.directory().display(), options.directory().join("store"));
        let text = fs::read_to_string(&file).about(format!("no store in {directory} ({})", file.display()))?;
        let config = Self::decode(&text).ok_or_else(|| Failure::rule("damaged, or not the file of a store"));
        let config = config.about(file.display())?;
        match options.kms {
            Some(kms) if kms != config.kms => {
                let (has, asked) = (config.kms.name(), kms.name());
                Err(Failure::rule(format!("was created with --kms {has}, not {asked}"))).about(directory)
            }
            _ => Ok(config),
        }
    }

    fn encode(&self) -> String {
        format!("{FIRST_LINE}\nid {}\n{} {}\n", self.id, self.kms.field(), self.keys_id)
    }

    fn decode(text: &str) -> Option<Self> {
        let (id, keys) = text.strip_prefix(FIRST_LINE)?.strip_prefix("\nid ")?.split_once('\n')?;
        let (field, keys_id) = keys.strip_suffix('\n')?.split_once(' ')?;
        let kms = KmsKind::ALL.into_iter().find(|kms| kms.field() == field)?;
        Some(Self { id: id.to_owned(), kms, keys_id: keys_id.to_owned() })
    }
}
