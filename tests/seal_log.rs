//! The (key, nonce) instrument: what it sees, and what it says of a whole run.
//!
//! With `ATREST_SEAL_LOG_CHECK` naming the log of a run, the last test reads it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

use atrest::testing::SealLog;
use atrest::{Backend, Keyring, ObjectName, Sse, SseS3};

/// Runs one test of this file in a process of its own that logs to this file.
fn logged(test: &str, log: &std::path::Path) {
    let program = std::env::current_exe().unwrap();
    let status = Command::new(program)
        .args(["--exact", test, "--include-ignored"])
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
        for backend in [Backend::AwsLc, Backend::RustCrypto].into_iter().filter(|backend| backend.is_compiled()) {
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
