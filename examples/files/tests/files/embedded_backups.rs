//! Backup and restore of an embedded KMS.

use std::fs;

use atrest::Envelope;
use data_encoding::{BASE32_NOPAD, BASE64};

use crate::embedded::built::program_with_a_key;
#[cfg(unix)]
use crate::keys::check_private;
use crate::program::Program;

#[test]
fn lost_keys_come_back_from_a_backup() {
    let program = program_with_a_key();
    assert_eq!(program.put_as("files", "object", b"meow").code, Some(0));
    program.put("sse-s3", "another", b"purr");
    program.ok(["keys", "backup", "backup", "backup.key"]);
    program.refuses("keys backup backup another.key", "exists");
    program.refuses("keys restore backup backup.key", "exists");
    #[cfg(unix)]
    check_private(&["backup", "backup.key"].map(|file| program.path(file)));

    for lost in [&["kms.atrest"][..], &["kms.atrest", "root.key"]] {
        lost.iter().for_each(|file| fs::remove_file(program.path("atrest-store/keys").join(file)).expect("removed"));
        program.fails(1, ["cat", "object"]);
        program.ok(["keys", "restore", "backup", "backup.key"]);
        program.says("verify", "2 of 2 verified");
    }
    // A backup can only be restored into its own store.
    program.ok(["--store", "other", "--kms", "embedded", "put", "object", "backup"]);
    fs::remove_file(program.path("other/keys/kms.atrest")).expect("removed");
    program.fails(1, ["--store", "other", "keys", "restore", "backup", "backup.key"]);
    assert!(!program.path("other/keys/kms.atrest").exists());
}

/// A version that was created after the backup is lost. An object under it misses its key, but has not been tampered
/// with.
#[test]
fn after_a_restore_no_new_version_of_the_master_key_is_taken_for_a_lost_one() {
    let program = program_with_a_key();
    program.put("sse-s3", "before", b"meow");
    program.ok(["rewrap"]);
    program.ok(["keys", "backup", "backup", "backup.key"]);
    program.ok(["rotate"]);
    program.ok(["rotate"]);
    program.put("sse-s3", "lost", b"purr");
    program.ok(["put", "--part-size", "1000", "lost-parts", "source"]);
    forge_version(&program, "lost", i32::MAX as u32);

    fs::remove_file(program.path("atrest-store/keys/kms.atrest")).expect("removed");
    program.says("keys restore backup backup.key", "an implausible version of the master key: 1\n");
    assert_eq!(fs::read_dir(program.path("atrest-store/keys")).expect("there").count(), 5, "nothing left behind");
    let missing = "version 3: no such key or version";
    for _ in 0..2 {
        program.says("cat before", "meow");
        program.refuses("cat lost-parts", missing);
        program.says("rotate", "the primary is now version ");
    }
    program.refuses("cat lost-parts", missing);
    program.refuses("retire 1", "`rewrap` first");
    program.put("sse-s3", "after", b"hiss");
    program.says("stat after", "version 5");
}

/// Adds a copy of an object whose envelope names an invented version of the keyring.
fn forge_version(program: &Program, like: &str, version: u32) {
    program.put("sse-s3", "forged", b"");
    let records = program.files("records");
    let record = |of: &str| {
        let name = BASE32_NOPAD.encode(of.as_bytes());
        records.iter().find(|path| path.file_stem().is_some_and(|stem| *stem == *name)).expect("there")
    };
    let text = fs::read_to_string(record(like)).expect("read");
    let (body, envelope) = text.split_once("envelope ").expect("one");
    let envelope = BASE64.decode(envelope.trim_end().as_bytes()).expect("base64");
    let forgeries = (0..envelope.len() - 3).map(|at| {
        let mut forged = envelope.clone();
        forged[at..at + 4].copy_from_slice(&version.to_be_bytes());
        forged
    });
    let names_it = |bytes: &Vec<u8>| Envelope::decode(bytes).is_ok_and(|e| e.key_version() == Some(version));
    let forged = forgeries.into_iter().find(names_it).expect("the field of the version");
    fs::write(record("forged"), format!("{body}envelope {}\n", BASE64.encode(&forged))).expect("written");
}
