//! The seal log, which detects repeated (key, nonce) pairs: its entries, and its check over a whole run.
//!
//! The last test checks the log that `ATREST_SEAL_LOG_CHECK` names.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atrest::testing::SealLog;
use atrest::{AnyMode, Backend, DsseKms, Keyring, KmsKeys, ObjectName, PartNumber, Sse, SseKms, SseS3};
use atrest_kit::stuck_generator;

/// Runs one test of this file in a process of its own, with a log of its own, which it returns.
fn seen_of(test: &str) -> SealLog {
    let log = tempfile::NamedTempFile::new().unwrap();
    let program = std::env::current_exe().unwrap();
    let status = Command::new(program)
        .args(["--exact", &format!("seal_log::{test}"), "--include-ignored"])
        .env("ATREST_SEAL_LOG", log.path())
        .env("ATREST_SEAL_LOG_CHILD", "1")
        .status()
        .unwrap();
    assert!(status.success());
    SealLog::read(log.path()).unwrap()
}

fn is_child() -> bool {
    std::env::var_os("ATREST_SEAL_LOG_CHILD").is_some()
}

fn encrypt_twice(sse: Sse, second: &[u8]) {
    for plaintext in [b"meow", second] {
        sse.blocking().encrypt(&ObjectName::unbound(), SseS3, plaintext).unwrap();
    }
}

#[test]
fn child_with_a_healthy_generator() {
    if is_child() {
        for backend in Backend::available() {
            let builder = Sse::builder().keyring(Keyring::generate().unwrap()).backend(backend);
            encrypt_twice(builder.build().unwrap(), b"purr");
        }
    }
}

#[test]
fn child_with_a_stuck_generator() {
    if is_child() {
        let builder = Sse::builder().keyring(Keyring::generate().unwrap()).generator(|| stuck_generator(7));
        encrypt_twice(builder.build().unwrap(), b"purr");
    }
}

#[test]
fn child_with_a_stuck_generator_and_the_same_plaintext() {
    if is_child() {
        let builder = Sse::builder().keyring(Keyring::generate().unwrap()).generator(|| stuck_generator(7));
        encrypt_twice(builder.build().unwrap(), b"meow");
    }
}

/// PITFALL: a part's key made from its number alone, so that uploading it again repeats key and nonce.
fn upload_the_same_part_twice(sse: &Sse, mode: AnyMode) {
    let object = ObjectName::new("photos", "cat").unwrap();
    let upload = sse.blocking().begin_multipart(&object, b"upload-1", mode).unwrap();
    let number = PartNumber::new(3).unwrap();
    for plaintext in [b"meow", b"purr"] {
        // The labels differ too: a receipt is a sealed value with a salt of its own.
        upload.encrypt_part(number, plaintext, plaintext).unwrap();
    }
}

#[test]
fn child_that_uploads_a_part_twice_with_other_bytes() {
    if is_child() {
        for backend in Backend::available() {
            let kms = Arc::new(atrest::testing::MemoryKms::new());
            let key_id = kms.create_key("app").unwrap();
            let builder = Sse::builder().keyring(Keyring::generate().unwrap()).backend(backend);
            let sse = builder.kms(kms, KmsKeys::all()).build().unwrap();
            upload_the_same_part_twice(&sse, SseS3.into());
            upload_the_same_part_twice(&sse, SseKms::new(&*key_id).into());
            if Backend::available().count() > 1 {
                upload_the_same_part_twice(&sse, DsseKms::new(&*key_id).into());
            }
        }
    }
}

#[test]
fn child_that_uploads_a_part_twice_under_a_salt_that_repeats() {
    if is_child() {
        // What begins the upload is random, and every salt behind it repeats.
        let drawn = AtomicBool::new(false);
        let repeating = move || stuck_generator(if drawn.swap(true, Ordering::SeqCst) { 7 } else { 0x5C });
        let builder = Sse::builder().keyring(Keyring::generate().unwrap());
        upload_the_same_part_twice(&builder.generator(repeating).build().unwrap(), SseS3.into());
    }
}

#[test]
fn the_same_part_twice_with_other_bytes_repeats_nothing() {
    let seen = seen_of("child_that_uploads_a_part_twice_with_other_bytes");
    // For each of the two modes of one layer on one backend at least: a wrap, two parts and two receipts.
    assert!(seen.seals >= 10 && seen.repeated == 0 && seen.broken == 0, "{seen:?}");
}

#[test]
fn a_salt_that_repeats_for_the_same_part_is_seen() {
    let seen = seen_of("child_that_uploads_a_part_twice_under_a_salt_that_repeats");
    // The part, and its receipt.
    assert!(seen.broken >= 2, "{seen:?}");
}

#[test]
fn a_healthy_run_repeats_nothing() {
    let seen = seen_of("child_with_a_healthy_generator");
    // Two objects for each backend: a wrap and one chunk each.
    assert!(seen.seals >= 4 && seen.repeated == 0 && seen.broken == 0, "{seen:?}");
}

#[test]
fn a_repeated_key_and_nonce_with_another_plaintext_is_seen() {
    let seen = seen_of("child_with_a_stuck_generator");
    assert!(seen.broken > 0, "{seen:?}");
}

#[test]
fn a_repeat_of_the_very_same_seal_is_counted_apart() {
    let seen = seen_of("child_with_a_stuck_generator_and_the_same_plaintext");
    assert!(seen.repeated > 0 && seen.broken == 0, "{seen:?}");
}

#[test]
fn the_log_of_the_whole_run_repeats_no_key_and_nonce_with_another_plaintext() {
    if let Some(log) = std::env::var_os("ATREST_SEAL_LOG_CHECK") {
        let seen = SealLog::read(log).unwrap();
        println!("{seen:?}");
        assert!(seen.seals > 0, "the run logged nothing");
        assert_eq!(seen.broken, 0, "{seen:?}");
    }
}
