//! A new master key, without touching a single byte of the data.
//!
//! ```text
//! cargo run --example rotate
//! ```

use std::error::Error;

use atrest::{Encrypted, KeyUsage, KeyringFile, ObjectName, RootKey, Sse, SseS3, Unlock};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let root_key = RootKey::create_file(directory.path().join("root.key"))?;
    let keyring = KeyringFile::create_blocking(directory.path().join("master.atrest"), &root_key)?;
    let sse = Sse::builder().keyring(keyring.clone()).build()?;

    let object = ObjectName::new("photos", "2026/cat.jpg")?;
    let Encrypted { envelope, ciphertext, .. } = sse.blocking().encrypt(&object, SseS3, b"meow")?;
    println!("encrypted under version {:?}", envelope.key_version());

    // 1. Another version becomes the primary. `sse` follows: new objects are under it, old ones still open.
    let old_version = keyring.primary();
    let new_version = keyring.blocking().rotate()?;
    println!("rotated from version {old_version} to {new_version}");

    // 2. What is there from now on is counted; everything in the store belongs in it. (Over a whole store a `Sweep` of
    //    `atrest::rotation` does this and the next step.)
    let mut usage = KeyUsage::begin(&keyring);

    // 3. Every envelope under the old version is wrapped again. It is small, and the only thing that changes: the
    //    body is not even an argument. Store the new envelope in place of the one you read, and only of that one.
    assert!(sse.needs_rewrap(&envelope));
    let fresh = sse.blocking().rewrap(&object, &envelope, Unlock::Server)?;
    assert!(!sse.needs_rewrap(&fresh));
    println!("rewrapped to version {:?}", fresh.key_version());
    usage.add(new_version, 1, 0);
    usage.finish();

    // 4. When nothing is left under it, the old version is disabled. Should something have been forgotten, it
    //    fails loudly now, and `enable` brings it back.
    keyring.blocking().disable(old_version)?;
    let forgotten = sse.blocking().decryptor(&object, &envelope, Unlock::Server);
    println!("the old envelope now: {}", forgotten.err().ok_or("opened under a disabled version")?);

    // 5. After a while without complaints it is retired, for good; the usage is the proof that nothing is lost with it.
    //    (How long a while: the manual, on keys.)
    keyring.blocking().retire(old_version, &usage)?;

    let plaintext = sse.blocking().decrypt(&object, &Encrypted::new(fresh, ciphertext), Unlock::Server)?;
    assert_eq!(plaintext, b"meow");
    println!("the body, as it was written: {}", String::from_utf8_lossy(&plaintext));
    Ok(())
}
