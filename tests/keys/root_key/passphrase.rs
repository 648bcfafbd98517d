//! Root keys from passphrases: the error when memory is exhausted.

use std::env;
use std::io::ErrorKind;
use std::process::Command;

use atrest::{Error, Keyring, RootKey};

const CHILD: &str = "ATREST_TEST_WITHOUT_MEMORY";

/// PITFALL: a temporary lack of memory, taken as damage of the file, keeps a node from its new master key for ever.
#[test]
fn a_lack_of_memory_says_nothing_about_the_file() {
    let passphrase = RootKey::from_passphrase("correct horse battery staple").unwrap();
    let mut sealed = Keyring::generate().unwrap().blocking().seal(&passphrase).unwrap();
    // A file that asks for 1 GiB, which the default accepts.
    sealed[11..15].copy_from_slice(&(1024 * 1024_u32).to_be_bytes());
    if env::var_os(CHILD).is_some() {
        let said = match Keyring::from_sealed_blocking(&sealed, &passphrase) {
            Err(Error::Io(error)) => format!("{:?}", error.kind()),
            other => format!("{other:?}"),
        };
        println!("<{said}>");
        return;
    }
    let child = Command::new("sh")
        .args(["-c", "ulimit -v 800000 && exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args(["root_key::passphrase::a_lack_of_memory_says_nothing_about_the_file", "--exact", "--nocapture"])
        .args(["--test-threads", "1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(said.contains(&format!("<{:?}>", ErrorKind::OutOfMemory)), "{child:?}");
}
