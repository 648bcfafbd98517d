//! A store: a directory with its keys, its objects and an id.
//!
//! ```text
//! DIR/store                the store's id and that of its keyring
//!     keys/root.key        the root key, 0600: opens the keyring. A real service keeps it elsewhere.
//!     keys/master.atrest   the keyring, sealed: the master key in all its versions
//!     kms/                 the key management service (kms.rs). A real one is elsewhere, too.
//!     records/ bodies/ uploads/ tmp/ lock    the objects (objects.rs)
//!     sweep/               how far a rewrap has come, and what the last one found
//!     plain/               what an older program left in the clear (plain.rs)
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atrest::{Envelope, Keyring, KeyringFile, KmsKeys, ObjectName, RootKey, Sse, Unlock};

use crate::failure::{About, Failure, Outcome};
use crate::kms::FileKms;
use crate::objects::{InPlaceOf, NewUpload, Objects, Prepared, sync_directory};
use crate::plain::PlainFiles;
use crate::record::{BodyName, random_hex};
use crate::steps::{Step, reach};

const FIRST_LINE: &str = "atrest-store 1";

#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    id: String,
    keyring: Keyring,
    kms: Arc<FileKms>,
    sse: Sse,
    objects: Objects,
    plain: PlainFiles,
}

impl Store {
    /// The store in this directory. A damaged or missing key is an error, and never replaced by a new one.
    pub(crate) fn open(directory: &Path) -> Outcome<Self> {
        let config_file = directory.join("store");
        let config = fs::read_to_string(&config_file).about(format!(
            "no store in {} ({})",
            directory.display(),
            config_file.display()
        ))?;
        let (id, keyring_id) = parse_config(&config).about(config_file.display())?;

        let root_key_file = directory.join("keys/root.key");
        let root_key = RootKey::open_file(&root_key_file).about(root_key_file.display())?;
        let keyring_file = directory.join("keys/master.atrest");
        let keyring = KeyringFile::at(&keyring_file)
            .key_id(keyring_id)
            .open_expecting(&root_key)
            .about(keyring_file.display())?;

        // This KMS serves this store and nobody else, so whatever it opens was written here. One that serves others
        // too calls for `KmsKeys::only`: envelopes are written by whoever can write the directory, and do not choose.
        let kms = Arc::new(FileKms::open(directory.join("kms"))?);
        let sse = Sse::builder().keyring(keyring.clone()).kms(kms.clone(), KmsKeys::all()).build()?;

        Ok(Self {
            directory: directory.to_owned(),
            id: id.to_owned(),
            keyring,
            kms,
            sse,
            objects: Objects::new(directory.to_owned()),
            plain: PlainFiles::new(directory.join("plain")),
        })
    }

    /// The store in this directory, which is made on first use: where there is nothing, or an empty directory.
    pub(crate) fn open_or_create(directory: &Path) -> Outcome<Self> {
        let is_new = match fs::read_dir(directory) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(error).about(directory.display()),
        };
        if is_new {
            create(directory).about(directory.display())?;
        }
        Self::open(directory)
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
        &self.keyring
    }

    pub(crate) fn kms(&self) -> &FileKms {
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
            self.keyring.reload()?;
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
            self.keyring.reload()?;
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
fn create(directory: &Path) -> Outcome<()> {
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)?;
    let new = tempfile::Builder::new().prefix(".new-store-").tempdir_in(parent)?;

    let keys = new.path().join("keys");
    fs::create_dir(&keys)?;
    let root_key = RootKey::create_file(keys.join("root.key"))?;
    let keyring = KeyringFile::create(keys.join("master.atrest"), &root_key)?;
    FileKms::create(&new.path().join("kms"))?;
    Objects::create(new.path())?;
    fs::create_dir(new.path().join("sweep"))?;

    let config = format!("{FIRST_LINE}\nid {}\nkeyring {}\n", random_hex()?, keyring.key_id());
    let config_file = new.path().join("store");
    fs::write(&config_file, config)?;
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

/// The store's id and its keyring's.
fn parse_config(config: &str) -> Outcome<(&str, &str)> {
    let fields = config.strip_prefix(FIRST_LINE).and_then(|rest| {
        let (id, keyring) = rest.strip_prefix("\nid ")?.split_once("\nkeyring ")?;
        Some((id, keyring.strip_suffix('\n')?))
    });
    fields.ok_or_else(|| Failure::rule("damaged, or not a store's"))
}
