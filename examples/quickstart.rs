//! The first code to write: keys in files, one object encrypted, stored, read back.
//!
//! ```text
//! cargo run --example quickstart            in a temporary directory
//! cargo run --example quickstart DIR        in DIR, where the keys stay: run it twice
//! ```

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use atrest::{Encrypted, Envelope, Keyring, KeyringFile, ObjectName, RootKey, Sse, SseS3, Unlock};

fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let directory = std::env::args_os().nth(1).map_or_else(|| temporary.path().to_owned(), PathBuf::from);

    let sse = Sse::builder().keyring(open_keyring(&directory)?).build()?;
    let object = ObjectName::new("photos", "2026/cat.jpg")?;

    // Encrypt. The envelope and the ciphertext belong together; where they are kept is up to you.
    let encrypted = sse.blocking().encrypt(&object, SseS3, b"meow")?;
    fs::write(directory.join("cat.jpg.envelope"), encrypted.envelope.encode())?;
    fs::write(directory.join("cat.jpg.body"), &encrypted.ciphertext)?;

    // Decrypt. The mode and the key's version are in the envelope; the name is not: it has to be the same.
    let envelope = Envelope::decode(&fs::read(directory.join("cat.jpg.envelope"))?)?;
    let body = fs::read(directory.join("cat.jpg.body"))?;
    let plaintext = sse.blocking().decrypt(&object, &Encrypted::new(envelope, body), Unlock::Server)?;

    println!("{}", String::from_utf8_lossy(&plaintext));
    Ok(())
}

/// The keyring of this directory, made on first use. A key that is damaged, or gone while the other is there, is an
/// error: a new one in its place would open nothing that is already stored.
fn open_keyring(directory: &Path) -> Result<Keyring, Box<dyn Error>> {
    let root_key_file = directory.join("root.key"); // in real life not beside what it protects
    let keyring_file = directory.join("master.atrest");

    if !root_key_file.try_exists()? && !keyring_file.try_exists()? {
        fs::create_dir_all(directory)?;
        let root_key = RootKey::create_file(&root_key_file)?;
        return Ok(KeyringFile::create_blocking(&keyring_file, &root_key)?);
    }
    let root_key = RootKey::open_file(&root_key_file)?;
    Ok(KeyringFile::open_blocking(&keyring_file, &root_key)?)
}
