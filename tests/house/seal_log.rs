//! The seal log, which detects repeated (key, nonce) pairs: its entries, and its check over a whole run.
//!
//! The last test checks the log that `ATREST_SEAL_LOG_CHECK` names.

use std::process::Command;
use std::sync::{Arc, Mutex};

use atrest::testing::SealLog;
use atrest::{AnyMode, Backend, DsseKms, Keyring, KmsKeys, ObjectName, PartNumber, Sse, SseKms, SseS3};

/// Runs one test of this file in a process of its own that logs to this file.
fn logged(test: &str, log: &std::path::Path) {
    let program = std::env::current_exe().unwrap();
    let status = Command::new(program)
        .args(["--exact", &format!("seal_log::{test}"), "--include-ignored"])
        .env("ATREST_SEAL_LOG", log)
        .env("ATREST_SEAL_LOG_CHILD", "1")
        .status()
        .unwrap();
    assert!(status.success());
}

fn is_child() -> bool {
    std::env::var_os("ATREST_SEAL_LOG_CHILD").is_some()
}

/// A generator that gives the same bytes for ever.
struct Stuck;

impl rand_core::TryRng for Stuck {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(7)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(7)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(7);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Stuck {}

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
        let builder = Sse::builder().keyring(Keyring::generate().unwrap()).generator(|| Stuck);
        encrypt_twice(builder.build().unwrap(), b"purr");
    }
}

#[test]
fn child_with_a_stuck_generator_and_the_same_plaintext() {
    if is_child() {
        let builder = Sse::builder().keyring(Keyring::generate().unwrap()).generator(|| Stuck);
        encrypt_twice(builder.build().unwrap(), b"meow");
    }
}

/// A generator that after its first draw gives the same bytes for ever: what begins the upload is random, and every
/// salt behind it repeats.
#[derive(Clone, Default)]
struct Repeating(Arc<Mutex<usize>>);

impl rand_core::TryRng for Repeating {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(7)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(7)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let mut drawn = self.0.lock().unwrap();
        let first = *drawn == 0;
        bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = if first { at as u8 ^ 0x5C } else { 7 });
        *drawn += 1;
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Repeating {}

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
        let repeating = Repeating::default();
        let builder = Sse::builder().keyring(Keyring::generate().unwrap());
        upload_the_same_part_twice(&builder.generator(move || repeating.clone()).build().unwrap(), SseS3.into());
    }
}

#[test]
fn the_same_part_twice_with_other_bytes_repeats_nothing() {
    let log = tempfile::NamedTempFile::new().unwrap();
    logged("child_that_uploads_a_part_twice_with_other_bytes", log.path());
    let seen = SealLog::read(log.path()).unwrap();
    // For each of the two modes of one layer on one backend at least: a wrap, two parts and two receipts.
    assert!(seen.seals >= 10 && seen.repeated == 0 && seen.broken == 0, "{seen:?}");
}

#[test]
fn a_salt_that_repeats_for_the_same_part_is_seen() {
    let log = tempfile::NamedTempFile::new().unwrap();
    logged("child_that_uploads_a_part_twice_under_a_salt_that_repeats", log.path());
    let seen = SealLog::read(log.path()).unwrap();
    // The part, and its receipt.
    assert!(seen.broken >= 2, "{seen:?}");
}

#[test]
fn a_healthy_run_repeats_nothing() {
    let log = tempfile::NamedTempFile::new().unwrap();
    logged("child_with_a_healthy_generator", log.path());
    let seen = SealLog::read(log.path()).unwrap();
    // Two objects for each backend: a wrap and one chunk each.
    assert!(seen.seals >= 4 && seen.repeated == 0 && seen.broken == 0, "{seen:?}");
}

#[test]
fn a_repeated_key_and_nonce_with_another_plaintext_is_seen() {
    let log = tempfile::NamedTempFile::new().unwrap();
    logged("child_with_a_stuck_generator", log.path());
    let seen = SealLog::read(log.path()).unwrap();
    assert!(seen.broken > 0, "{seen:?}");
}

#[test]
fn a_repeat_of_the_very_same_seal_is_counted_apart() {
    let log = tempfile::NamedTempFile::new().unwrap();
    logged("child_with_a_stuck_generator_and_the_same_plaintext", log.path());
    let seen = SealLog::read(log.path()).unwrap();
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
