//! Rotates the master key without changing the stored data.
//!
//! ```text
//! cargo run --example rotate
//! ```

use std::error::Error;

use atrest::{Encrypted, KeyUsage, Keyring, ObjectName, Rewrap, RootKey, Sse, SseS3, Unlock};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let root_key = RootKey::create_file(directory.path().join("root.key"))?;
    let keyring = Keyring::create_blocking(directory.path().join("master.atrest"), &root_key)?;
    let sse = Sse::builder().keyring(keyring.clone()).build()?;

    let object = ObjectName::new("photos", "2026/cat.jpg")?;
    let Encrypted { envelope, ciphertext, .. } = sse.blocking().encrypt(&object, SseS3, b"meow")?;
    println!("encrypted under version {:?}", envelope.key_version());

    // 1. Make another version the primary. `sse` follows: new objects use it, and old objects still open.
    let old_version = keyring.primary();
    let new_version = keyring.blocking().rotate()?;
    println!("rotated from version {old_version} to {new_version}");

    // 2. Begin to count which version each object is under. The count must cover the whole store. (Over a whole store,
    // a `Sweep` of `atrest::rotation` does this step and the next.)
    let mut usage = KeyUsage::begin(&keyring);

    // 3. Rewrap every envelope under the old version. Only the small envelope changes; the body is not an argument.
    // Store the new envelope by compare-and-swap on the envelope that was read.
    assert!(sse.needs_rewrap(&envelope));
    let fresh = sse.blocking().rewrap(Rewrap::of(&object, &envelope, Unlock::Server))?;
    assert!(!sse.needs_rewrap(&fresh));
    println!("rewrapped to version {:?}", fresh.key_version());
    usage.add(new_version, 1, 0);
    usage.finish();

    // 4. Disable the old version when no object is left under it. A forgotten object now fails to open, and `enable`
    // reverts the step.
    keyring.blocking().disable(old_version)?;
    let forgotten = sse.blocking().decryptor(&object, &envelope, Unlock::Server);
    println!("the old envelope now: {}", forgotten.err().ok_or("opened under a disabled version")?);

    // 5. Retire the old version after a while without failures. The usage proves that no object is lost. (The manual's
    // page *keys* says how long to wait.)
    keyring.blocking().retire(old_version, &usage)?;

    let plaintext = sse.blocking().decrypt(&object, &Encrypted::new(fresh, ciphertext), Unlock::Server)?;
    assert_eq!(plaintext, b"meow");
    println!("the body, as it was written: {}", String::from_utf8_lossy(&plaintext));
    Ok(())
}
