//! The first program to write: keys in files; one object encrypted, stored, and read back.
//!
//! ```text
//! cargo run --example quickstart            in a temporary directory
//! cargo run --example quickstart DIR        in DIR, where the keys stay: run it twice
//! ```

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use atrest::{Encrypted, Envelope, Keyring, ObjectName, RootKey, Sse, SseS3, Unlock};

fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let directory = std::env::args_os().nth(1).map_or_else(|| temporary.path().to_owned(), PathBuf::from);

    let sse = Sse::builder().keyring(open_keyring(&directory)?).build()?;
    let object = ObjectName::new("photos", "2026/cat.jpg")?;

    // Encrypts. The envelope and the ciphertext belong together; the service chooses where to store them.
    let encrypted = sse.blocking().encrypt(&object, SseS3, b"meow")?;
    fs::write(directory.join("cat.jpg.envelope"), encrypted.envelope.encode())?;
    fs::write(directory.join("cat.jpg.body"), &encrypted.ciphertext)?;

    // Decrypts. The envelope names the mode and the key version. The caller passes the name, which must be the same.
    let envelope = Envelope::decode(&fs::read(directory.join("cat.jpg.envelope"))?)?;
    let body = fs::read(directory.join("cat.jpg.body"))?;
    let plaintext = sse.blocking().decrypt(&object, &Encrypted::new(envelope, body), Unlock::Server)?;

    println!("{}", String::from_utf8_lossy(&plaintext));
    Ok(())
}

/// Opens the keyring of this directory, or creates it on first use. A damaged key, or one missing key of the two, is an
/// error: a new key would open no object that is already stored.
fn open_keyring(directory: &Path) -> Result<Keyring, Box<dyn Error>> {
    let root_key_file = directory.join("root.key"); // in production: not beside the keyring
    let keyring_file = directory.join("master.atrest");

    if !root_key_file.try_exists()? && !keyring_file.try_exists()? {
        fs::create_dir_all(directory)?;
        let root_key = RootKey::create_file(&root_key_file)?;
        return Ok(Keyring::create_blocking(&keyring_file, &root_key)?);
    }
    let root_key = RootKey::open_file(&root_key_file)?;
    Ok(Keyring::open_blocking(&keyring_file, &root_key)?)
}
