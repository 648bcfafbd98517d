//! An encrypted object store in a directory, in one file. Read this example first.
//!
//! The store puts, gets, reads ranges, rotates its master key and restarts, in all four modes.
//! The manual's page *howto* walks through this file.
//!
//! ```text
//! cargo run --example store
//! ```

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use atrest::io::{DecryptReader, EncryptWriter};
use atrest::rotation::{Entry, EnvelopeStore, StoreFuture, Sweep};
use atrest::{
    AnyMode, ByteRange, CustomerKey, Decryptor, DsseKms, Envelope, KeyProvider, Keyring, KmsKeys, ObjectName, RootKey,
    Sse, SseC, SseKms, SseS3, Unlock,
};
use data_encoding::HEXLOWER;
use tempfile::NamedTempFile;

#[path = "store/demo_kms.rs"]
mod demo_kms;

use demo_kms::{DemoKms, KEY_ID};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// An encrypted store: `bodies/` holds ciphertexts, `records/` one record for each object.
struct Store {
    root: PathBuf,
    keyring: Keyring,
    sse: Sse,
    /// Held while a record is read and replaced. One process at a time opens the store.
    commits: Mutex<()>,
}

/// What the store keeps of an object: the file name of its body, and its envelope.
struct Record {
    body: String,
    envelope: Vec<u8>,
}

impl Store {
    /// Creates a store. This runs once: it refuses to replace a key.
    fn create(root: &Path) -> Result<()> {
        fs::create_dir_all(root.join("bodies"))?;
        fs::create_dir_all(root.join("records"))?;
        let root_key = RootKey::create_file(root.join("root.key"))?; // better: on another disk
        Keyring::create_blocking(root.join("keyring.atrest"), &root_key)?;
        Ok(())
    }

    /// Opens a store. This runs at every start.
    fn open(root: &Path, kms: Arc<dyn KeyProvider>) -> Result<Self> {
        let root_key = RootKey::open_file(root.join("root.key"))?;
        let keyring = Keyring::open_blocking(root.join("keyring.atrest"), &root_key)?;
        let kms_keys = KmsKeys::only([KEY_ID]); // the only KMS keys that an envelope may name
        let sse = Sse::builder().keyring(keyring.clone()).kms(kms, kms_keys).build()?;
        let store = Self { root: root.to_owned(), keyring, sse, commits: Mutex::new(()) };
        store.remove_bodies_without_record()?;
        Ok(store)
    }

    /// Stores an object. A crash at any point leaves the old object or the new one.
    fn put(&self, key: &str, mode: impl Into<AnyMode>, plaintext: &[u8]) -> Result<()> {
        let record = self.write_body(key, mode.into(), plaintext)?;
        let _one_at_a_time = self.commits.lock().expect("no thread panics");
        let old = self.record(key)?;
        self.write_record(key, &record)?; // readers see the new pair from now on
        old.map(|old| fs::remove_file(self.root.join("bodies").join(old.body))).transpose()?;
        Ok(())
    }

    /// Encrypts a body into a new file. No stored record names the file yet.
    fn write_body(&self, key: &str, mode: AnyMode, mut plaintext: &[u8]) -> Result<Record> {
        let (sse, len) = (self.sse.blocking(), plaintext.len() as u64);
        let (envelope, encryptor) = sse.encryptor_of_len(&name(key)?, mode, len)?;
        let file = NamedTempFile::new_in(self.root.join("bodies"))?; // an unused name
        let mut writer = EncryptWriter::new(encryptor, file);
        io::copy(&mut plaintext, &mut writer)?; // on an error the file is removed
        let (file, path) = writer.finish()?.keep()?;
        file.sync_all()?;
        sync_directory(&self.root.join("bodies"))?;
        let body = path.file_name().ok_or("no file name")?.to_string_lossy().into_owned();
        Ok(Record { body, envelope: envelope.encode() })
    }

    /// Replaces a record atomically: the old record stays until the new one is on the disk.
    fn write_record(&self, key: &str, record: &Record) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(self.root.join("bodies"))?;
        writeln!(file, "{}", record.body)?;
        file.write_all(&record.envelope)?;
        file.as_file().sync_all()?;
        file.persist(self.record_path(key))?;
        sync_directory(&self.root.join("records"))
    }

    /// Returns the path of a record: the object's key in hex, so that every key is a file name.
    fn record_path(&self, key: &str) -> PathBuf {
        self.root.join("records").join(HEXLOWER.encode(key.as_bytes()))
    }

    fn record(&self, key: &str) -> io::Result<Option<Record>> {
        let bytes = match fs::read(self.record_path(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let mut fields = bytes.splitn(2, |&byte| byte == b'\n').map(<[u8]>::to_vec);
        let body = String::from_utf8(fields.next().unwrap_or_default()).map_err(io::Error::other)?;
        Ok(Some(Record { body, envelope: fields.next().unwrap_or_default() }))
    }

    /// Reads all records, with the names of their objects.
    fn records(&self) -> Result<Vec<(ObjectName, Record)>> {
        let mut records = Vec::new();
        for file in fs::read_dir(self.root.join("records"))? {
            let key = String::from_utf8(HEXLOWER.decode(file?.file_name().as_encoded_bytes())?)?;
            let object = name(&key)?;
            records.extend(self.record(&key)?.map(|record| (object, record)));
        }
        Ok(records)
    }

    /// Removes the bodies of writes that a crash interrupted. This runs before any write.
    fn remove_bodies_without_record(&self) -> Result<()> {
        let records = self.records()?;
        for file in fs::read_dir(self.root.join("bodies"))? {
            let file = file?;
            if !records.iter().any(|(_, record)| *record.body == *file.file_name()) {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }

    /// Unlocks an object and opens its body.
    fn unlock(&self, key: &str, unlock: Unlock<'_>) -> Result<(Decryptor, File)> {
        let one_at_a_time = self.commits.lock().expect("no thread panics");
        let record = self.record(key)?.ok_or("no such object")?;
        let body = File::open(self.root.join("bodies").join(record.body))?;
        drop(one_at_a_time); // the open file stays readable when another write removes its name
        let envelope = Envelope::decode(&record.envelope)?;
        let decryptor = self.sse.blocking().decryptor(&name(key)?, &envelope, unlock)?;
        Ok((decryptor, body))
    }

    /// Reads a whole object.
    fn get(&self, key: &str, unlock: Unlock<'_>) -> Result<Vec<u8>> {
        let (decryptor, body) = self.unlock(key, unlock)?;
        let mut plaintext = Vec::new();
        DecryptReader::new(decryptor, body).read_to_end(&mut plaintext)?;
        Ok(plaintext)
    }

    /// Reads a range: only the chunks that it touches. `ByteRange::parse` reads an HTTP header.
    fn get_range(&self, key: &str, range: ByteRange, unlock: Unlock<'_>) -> Result<Vec<u8>> {
        let (decryptor, mut body) = self.unlock(key, unlock)?;
        let plan = decryptor.range(range, body.metadata()?.len())?;
        let mut fetched = Vec::new();
        for fetch in plan.fetches() {
            body.seek(SeekFrom::Start(fetch.start))?;
            Read::by_ref(&mut body).take(fetch.end - fetch.start).read_to_end(&mut fetched)?;
        }
        Ok(plan.decrypt(&fetched)?)
    }

    /// Rotates the master key, rewraps all envelopes, and retires the old version. `&mut self`: no
    /// write that began under the old version is under way.
    fn rotate(&mut self) -> Result<()> {
        let old_version = self.keyring.primary();
        self.keyring.blocking().rotate()?;
        let entry = |(object, record): (_, Record)| Ok(Entry::object(object, record.envelope));
        let listing = self.records()?.into_iter().map(entry);
        let report = Sweep::new(&self.sse).blocking().rewrap(listing, &*self)?;
        // A disabled version unwraps nothing. `retire` refuses a version that is in use.
        self.keyring.blocking().disable(old_version)?;
        let usage = report.usage().ok_or("the sweep counted no versions")?;
        Ok(self.keyring.blocking().retire(old_version, usage)?)
    }
}

/// The store as a sweep sees it. In an async runtime the file I/O belongs on another thread.
impl EnvelopeStore for Store {
    fn replace<'a>(&'a self, entry: &'a Entry, old: &'a [u8], new: &'a [u8]) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let key = String::from_utf8_lossy(entry.name().key());
            let _one_at_a_time = self.commits.lock().expect("no thread panics");
            match self.record(&key)? {
                Some(record) if record.envelope == old => {
                    self.write_record(&key, &Record { envelope: new.to_vec(), ..record })?;
                    Ok(true)
                }
                _ => Ok(false), // overwritten or deleted meanwhile
            }
        })
    }

    fn read<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
        let record = self.record(&String::from_utf8_lossy(entry.name().key()));
        Box::pin(async { Ok(record?.map(|record| record.envelope)) })
    }
}

/// Names an object. Reading needs the same name as writing.
fn name(key: &str) -> atrest::Result<ObjectName> {
    ObjectName::new("photos", key)
}

/// Makes the renames in a directory durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let kms = Arc::new(DemoKms::default());
    let customer_key = Arc::new(CustomerKey::generate()?);
    Store::create(directory.path())?;
    let mut store = Store::open(directory.path(), kms.clone())?;
    let plaintext = b"meow".repeat(25_000);
    let objects: [(&str, AnyMode, Unlock<'_>); 4] = [
        ("sse-s3.jpg", SseS3.into(), Unlock::Server),
        ("sse-kms.jpg", SseKms::new(KEY_ID).into(), Unlock::Server),
        ("dsse-kms.jpg", DsseKms::new(KEY_ID).into(), Unlock::Server),
        ("sse-c.jpg", SseC::new(customer_key.clone()).into(), Unlock::CustomerKey(&customer_key)),
    ];
    for (key, mode, unlock) in &objects {
        store.put(key, mode.clone(), &plaintext)?;
        assert_eq!(store.get(key, *unlock)?, plaintext);
        assert_eq!(store.get_range(key, ByteRange::last(6), *unlock)?, b"owmeow");
        println!("{key}: stored, read, and read from the end");
    }
    assert!(store.get("sse-c.jpg", Unlock::Server).is_err(), "SSE-C needs the customer key");
    store.rotate()?;
    println!("rotated the master key to version {}", store.keyring.primary());
    // A crash between body and record: the old object stays; the next start removes the body.
    store.write_body("sse-s3.jpg", SseS3.into(), b"an interrupted write")?;
    drop(store);
    let store = Store::open(directory.path(), kms)?;
    assert_eq!(fs::read_dir(directory.path().join("bodies"))?.count(), objects.len());
    for (key, _, unlock) in &objects {
        assert_eq!(store.get(key, *unlock)?, plaintext);
    }
    println!("restarted: all {} objects are as they were stored", objects.len());
    Ok(())
}
