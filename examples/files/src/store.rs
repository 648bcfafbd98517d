//! A store: a directory with its keys, its objects and an id.
//!
//! ```text
//! DIR/store                the store's id and that of its keys
//!     keys/root.key        the root key, 0600: opens the others. A real service keeps it elsewhere.
//!     keys/master.atrest   the keyring, sealed: the master key in all its versions
//!     kms/                 the key management service (kms/file_kms.rs). A real one is elsewhere, too.
//!     keys/kms.atrest      with --kms embedded in the place of these two (kms/embedded.rs)
//!     records/ bodies/ uploads/ tmp/ lock    the objects (objects.rs)
//!     sweep/               how far a rewrap has come, and what the last one found
//!     plain/               what an older program left in the clear (plain.rs)
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use atrest::{Envelope, Keyring, ObjectName, Sse, Unlock};

use crate::failure::{About, Failure, Outcome};
use crate::kms::{Kms, KmsKind};
use crate::objects::{InPlaceOf, NewUpload, Objects, Prepared, sync_directory};
use crate::plain::PlainFiles;
use crate::record::{BodyName, random_hex};
use crate::steps::{Step, reach};

const FIRST_LINE: &str = "atrest-store 1";

/// Where the objects are when `--store` does not say.
const DEFAULT_DIRECTORY: &str = "atrest-store";

/// Which store, and as whom: the options that every command takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreOptions {
    /// `--store`
    pub(crate) directory: Option<PathBuf>,
    /// `--kms`: what a new store gets, and what is expected of one that is there.
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
    /// The store in this directory. A damaged or missing key is an error, and never replaced by a new one.
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

    /// The store in this directory, which is made on first use: where there is nothing, or an empty directory.
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

    /// The door to the library.
    pub(crate) fn sse(&self) -> &Sse {
        &self.sse
    }

    /// The name that an object's envelope is bound to. The realm keeps apart the objects of two stores.
    pub(crate) fn object(&self, name: &str) -> Outcome<ObjectName> {
        Ok(ObjectName::new("files", name)?.realm(&self.id)?)
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

    /// Makes a body and its envelope an object. Whoever rotates holds the same lock, so nothing that comes to be there
    /// after a rotation is under the version from before: a rewrap that begins then leaves nothing out.
    pub(crate) fn commit(&self, name: &str, body: Prepared<'_>, place: InPlaceOf, envelope: Envelope) -> Outcome<bool> {
        let object = self.object(name)?;
        self.objects.commit(name, body, place, || {
            self.keyring().reload()?;
            match self.sse.needs_rewrap(&envelope) {
                true => Ok(self.sse.blocking().rewrap(&object, &envelope, Unlock::Server)?),
                false => Ok(envelope),
            }
        })
    }

    /// Begins an upload, as [`commit`](Self::commit) ends one.
    pub(crate) fn new_upload(&self, id: BodyName, name: &str, envelope: &Envelope) -> Outcome<NewUpload> {
        let (object, upload_id) = (self.object(name)?, id.as_str().to_owned());
        self.objects.new_upload(id, name, || {
            self.keyring().reload()?;
            match self.sse.needs_rewrap(envelope) {
                true => {
                    let sse = self.sse.blocking();
                    Ok(sse.rewrap_upload(&object, upload_id.as_bytes(), envelope, Unlock::Server)?)
                }
                false => Ok(envelope.clone()),
            }
        })
    }

    /// Removes what lies in the clear under a name that a put has overwritten.
    pub(crate) fn remove_plain(&self, name: &str) -> Outcome<()> {
        if let Some(path) = self.plain.find(name)? {
            reach(Step::PlainOverwritten);
            fs::remove_file(&path).about(path.display())?;
        }
        Ok(())
    }

    /// Where a file of this name lies that a sweep keeps.
    pub(crate) fn sweep_file(&self, name: &str) -> PathBuf {
        self.directory.join("sweep").join(name)
    }
}

/// Builds the store beside its place and moves it there whole, so that one that was killed half way is not taken
/// for a store that lost its keys.
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
            // Nothing is left at the temporary place that would have to be removed.
            let _moved: PathBuf = new.keep();
            sync_directory(parent)
        }
        // Someone else made it in the meantime: theirs it is.
        Err(_) if directory.join("store").try_exists()? => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What the file `store` says.
#[derive(Debug)]
pub(crate) struct Config {
    id: String,
    kms: KmsKind,
    /// Which keyring or embedded KMS is expected: another one is not taken for it.
    pub(crate) keys_id: String,
}

impl Config {
    /// Of a store that has the KMS that the options name, if they name one.
    pub(crate) fn read(options: &StoreOptions) -> Outcome<Self> {
        let (directory, file) = (options.directory().display(), options.directory().join("store"));
        let text = fs::read_to_string(&file).about(format!("no store in {directory} ({})", file.display()))?;
        let config = Self::decode(&text).ok_or_else(|| Failure::rule("damaged, or not a store's"));
        let config = config.about(file.display())?;
        match options.kms {
            Some(kms) if kms != config.kms => {
                let (has, asked) = (config.kms.name(), kms.name());
                Err(Failure::rule(format!("was made with --kms {has}, and not {asked}"))).about(directory)
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
