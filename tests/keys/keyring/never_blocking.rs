//! No async call blocks its thread: a second task on the same thread continues while a keyring waits.

use std::fs;
use std::future::Future;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atrest::multipart::CompletedPart;
use atrest::{Error, Keyring, PartNumber, RootKey, SseS3, Unlock};
use futures_util::future::{join, join3};
use tokio::task::yield_now;

use super::kit::{Fault, Files, Row, is_unavailable, name, sse, write};

/// Ends the process if a test hangs. The limit is generous, and no test measures a time.
struct Watchdog(Arc<AtomicBool>);

impl Watchdog {
    fn new() -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let watched = done.clone();
        std::thread::spawn(move || {
            for _ in 0..1_200 {
                std::thread::sleep(Duration::from_millis(100));
                if watched.load(Ordering::Relaxed) {
                    return;
                }
            }
            eprintln!("a call blocks its thread");
            std::process::abort();
        });
        Self(done)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs on one thread.
fn run(test: impl Future<Output = ()>) {
    let _watchdog = Watchdog::new();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
}

async fn count() -> u32 {
    let mut counted = 0;
    while counted < 1_000 {
        yield_now().await;
        counted += 1;
    }
    counted
}

/// Every call that can wait for a keyring, each while a second task counts.
async fn every_call(keyring: &Keyring, unknown: &atrest::Encrypted) {
    let sse = sse(keyring);
    let object = name();
    let upload = sse.begin_multipart(&object, b"upload", SseS3).await;
    macro_rules! answers {
        ($call:expr) => {{
            let (counted, answer) = join(tokio::spawn(count()), $call).await;
            assert_eq!(counted.unwrap(), 1_000);
            if let Err(error) = answer.map(drop) {
                let is_of_the_file = matches!(&error, Error::Io(error) if error.kind() == ErrorKind::InvalidInput);
                assert!(is_unavailable(&error) || is_of_the_file, "{error:?}");
            }
        }};
    }
    answers!(keyring.reload());
    answers!(keyring.rotate());
    answers!(keyring.stage());
    answers!(keyring.disable(1));
    answers!(keyring.raise_next_version(7));
    answers!(keyring.adopt_stored_losing_own_versions());
    answers!(keyring.replace_stored_by_own());
    answers!(sse.encrypt(&object, SseS3, b"meow"));
    answers!(sse.decrypt(&object, unknown, Unlock::Server));
    if let Ok(upload) = upload {
        let one = PartNumber::new(1).unwrap();
        let (stored, receipt) = upload.encrypt_part(one, b"meow", b"").unwrap();
        let part = [CompletedPart::new(one, b"", &receipt, &stored)];
        answers!(sse.complete_multipart(&upload, Unlock::Server, part));
    }
    let all = || async { join3(keyring.reload(), keyring.rotate(), sse.encrypt(&object, SseS3, b"meow")).await };
    let (counted, _) = join(tokio::spawn(count()), all()).await;
    assert_eq!(counted.unwrap(), 1_000);
}

#[test]
fn while_a_lock_is_held() {
    let (files, other) = Files::new();
    other.blocking().rotate().unwrap();
    let unknown = write(&other).unwrap();
    for max_age in [Duration::ZERO, Duration::from_secs(300)] {
        let keyring = files.file().max_age(max_age).open_blocking(&files.root_key).unwrap();
        let lock = fs::File::options().write(true).open(files.beside("master.atrest.lock")).unwrap();
        lock.lock().unwrap();
        run(every_call(&keyring, &unknown));
    }
}

#[cfg(unix)]
#[test]
fn while_a_fifo_stands_in_the_files_place() {
    for max_age in [Duration::ZERO, Duration::from_secs(300)] {
        let (files, _) = Files::new();
        let keyring = files.file().max_age(max_age).open_blocking(&files.root_key).unwrap();
        let other = files.open();
        other.blocking().rotate().unwrap();
        let unknown = write(&other).unwrap();
        fs::remove_file(&files.path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&files.path).status().unwrap().success());
        run(async {
            every_call(&keyring, &unknown).await;
            let open = files.file().open(&files.root_key);
            let (counted, opened) = join(tokio::spawn(count()), open).await;
            assert_eq!((counted.unwrap(), opened.is_err()), (1_000, true));
        });
    }
}

#[test]
fn while_a_storage_never_answers() {
    for max_age in [Duration::ZERO, Duration::from_secs(300)] {
        let (row, root_key) = (Row::new(), RootKey::generate().unwrap());
        row.file().create_blocking(&root_key).unwrap();
        let keyring = row.file().max_age(max_age).open_blocking(&root_key).unwrap();
        let other = row.file().open_blocking(&root_key).unwrap();
        other.blocking().rotate().unwrap();
        let unknown = write(&other).unwrap();
        *row.loads.lock().unwrap() = Some(Fault::Never);
        run(every_call(&keyring, &unknown));
        run(async {
            let open = row.file().open(&root_key);
            let (counted, opened) = join(tokio::spawn(count()), open).await;
            assert_eq!((counted.unwrap(), opened.is_err()), (1_000, true));
        });
    }
}

/// The thread that waits for the lock also releases it, so a call that blocks would never end.
#[test]
fn the_thread_that_waits_goes_on_with_other_tasks_meanwhile() {
    let (files, _) = Files::new();
    let keyring = Keyring::builder(&files.path).wait(Duration::from_secs(600));
    let keyring = keyring.open_blocking(&files.root_key).unwrap();
    let lock = fs::File::options().write(true).open(files.beside("master.atrest.lock")).unwrap();
    lock.lock().unwrap();
    run(async {
        let letting_go = async {
            count().await;
            lock.unlock().unwrap();
        };
        let (rotated, ()) = join(keyring.rotate(), letting_go).await;
        assert_eq!(rotated.unwrap(), 2);
    });
}

#[cfg(feature = "passphrase")]
#[test]
fn while_a_passphrase_is_stretched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.atrest");
    run(async {
        let root_key = RootKey::from_passphrase("correct horse battery staple").unwrap();
        let done = AtomicBool::new(false);
        let counting = async {
            let mut counted = 0_u64;
            while !done.load(Ordering::Relaxed) {
                yield_now().await;
                counted += 1;
            }
            counted
        };
        let stretching = async {
            let keyring = Keyring::create(&path, &root_key).await.unwrap();
            keyring.rotate().await.unwrap();
            let sealed = keyring.seal(&root_key).await.unwrap();
            assert_eq!(Keyring::from_sealed(&sealed, &root_key).await.unwrap().primary(), 2);
            done.store(true, Ordering::Relaxed);
        };
        let (counted, ()) = join(counting, stretching).await;
        assert!(counted >= 1_000, "{counted} steps of another task beside six times Argon2id");
    });
}
