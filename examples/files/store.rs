//! A store: a directory with its keys, its objects and an id.
//!
//! ```text
//! DIR/store                the store's id and that of its keyring
//!     keys/root.key        the root key, 0600: opens the keyring. A real service keeps it elsewhere.
//!     keys/master.atrest   the keyring, sealed: the master key in all its versions
//!     kms/                 the key management service (kms.rs). A real one is elsewhere, too.
//!     records/ bodies/ tmp/ lock    the objects (objects.rs)
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atrest::{Keyring, KeyringFile, KmsKeys, ObjectName, RootKey, Sse};

use crate::failure::{About, Failure, Outcome};
use crate::kms::FileKms;
use crate::objects::{Objects, sync_directory};
use crate::record::random_hex;

const FIRST_LINE: &str = "atrest-store 1";

#[derive(Debug)]
pub(crate) struct Store {
    id: String,
    keyring: Keyring,
    kms: Arc<FileKms>,
    sse: Sse,
    objects: Objects,
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

        Ok(Self { id: id.to_owned(), keyring, kms, sse, objects: Objects::new(directory.to_owned()) })
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

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    pub(crate) fn kms(&self) -> &FileKms {
        &self.kms
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
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

    let config = format!("{FIRST_LINE}\nid {}\nkeyring {}\n", random_hex()?, keyring.key_id());
    let config_file = new.path().join("store");
    fs::write(&config_file, config)?;
    File::open(&config_file)?.sync_all()?;
    sync_directory(new.path())?;

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
