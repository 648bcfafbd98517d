//! The embedded KMS, killed at any moment while it creates keys, rotates them and schedules their deletion: the store
//! opens, and every acknowledged key unwraps what it wrapped.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, thread};

use atrest::kms::{EmbeddedKms, KeyState, NewKey};
use atrest::{EncryptionContext, KeyProvider, KeyRequest, Requester, RootKey, WrappedKey};
use data_encoding::HEXLOWER;
use pollster::block_on;

const CHILD: &str = "ATREST_KMS_KILL_CHILD";
const ARN_LEN: usize = "arn:aws:kms:local:000000000000:key/".len() + 36;
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn owner() -> Requester {
    Requester::new("owner")
}

fn request(key: &str) -> KeyRequest {
    KeyRequest::new(key, EncryptionContext::new(), owner())
}

fn open(directory: &Path) -> EmbeddedKms {
    let root_key = RootKey::open_file(directory.join("root.key")).unwrap();
    EmbeddedKms::open(directory.join("kms.atrest"), &root_key).unwrap()
}

/// Prints a finished operation: `verb key more`.
fn acknowledge(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "+{line}").and_then(|()| out.flush()).unwrap();
}

/// Works until it is killed.
fn work(directory: &Path) -> ! {
    let kms = Arc::new(open(directory));
    let admin = kms.requested_by(owner());
    acknowledge("open");
    loop {
        let key = admin.create_key(NewKey::new()).unwrap().arn;
        let wrapped = || {
            let generated = block_on(kms.clone().generate_key(request(&key))).unwrap();
            let (wrapped, kek) = (generated.wrapped().as_bytes(), generated.kek().expose_secret());
            acknowledge(&format!("wrapped {key} {} {}", HEXLOWER.encode(wrapped), HEXLOWER.encode(kek)));
        };
        acknowledge(&format!("created {key}"));
        wrapped();
        for _ in 0..2 {
            let version = admin.rotate_key(&key).unwrap();
            acknowledge(&format!("rotated {key} {version}"));
            wrapped();
        }
        admin.schedule_deletion(&key, WEEK).unwrap();
        acknowledge(&format!("scheduled {key}"));
        admin.cancel_deletion(&key).unwrap();
        admin.enable_key(&key).unwrap();
        acknowledge(&format!("enabled {key}"));
    }
}

/// The acknowledged operations on a key.
#[derive(Default)]
struct Known {
    versions: u32,
    scheduled: bool,
    enabled: bool,
    wrapped: Vec<(Vec<u8>, Vec<u8>)>,
}

fn entry<'a>(known: &'a mut BTreeMap<String, Known>, key: &str) -> &'a mut Known {
    known.entry(key.to_owned()).or_default()
}

/// Runs the work, kills it after some time, and records the acknowledged operations.
fn killed_after(directory: &Path, time: Duration, known: &mut BTreeMap<String, Known>) {
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new(program)
        .args(["--exact", "kill::a_store_that_is_killed_at_any_moment_loses_nothing", "--nocapture"])
        .env(CHILD, directory)
        .env_remove("ATREST_SEAL_LOG")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.ends_with("+open")), "the store does not open");
    let reading = thread::spawn(move || lines.collect::<Vec<_>>());
    thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
    for line in reading.join().unwrap() {
        // A line that was cut was not acknowledged.
        let words: Vec<&str> = line.trim_start_matches('+').split(' ').collect();
        match words[..] {
            ["created", key] if key.len() == ARN_LEN => entry(known, key).versions = 1,
            ["rotated", key, version] => entry(known, key).versions = version.parse().unwrap(),
            ["scheduled", key] if key.len() == ARN_LEN => entry(known, key).scheduled = true,
            ["enabled", key] if key.len() == ARN_LEN => entry(known, key).enabled = true,
            ["wrapped", key, wrapped, kek] if kek.len() == 64 => {
                let decoded = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
                entry(known, key).wrapped.push((decoded(wrapped), decoded(kek)));
            }
            _ => {}
        }
    }
}

#[test]
fn a_store_that_is_killed_at_any_moment_loses_nothing() {
    if let Some(directory) = std::env::var_os(CHILD) {
        work(&PathBuf::from(directory));
    }
    let rounds = std::env::var("KMS_KILL_ROUNDS").map_or(1_000, |rounds| rounds.parse().unwrap());
    let mut store = tempfile::tempdir().unwrap();
    let mut known = BTreeMap::new();
    let began = Instant::now();
    let mut random = RandomState::new().build_hasher();
    let mut acknowledged = 0;
    for round in 0..rounds {
        // A new store now and then: one that has grown is slower, and rarely caught at its beginnings.
        if round % 25 == 0 {
            store = tempfile::tempdir().unwrap();
            known.clear();
            let root_key = RootKey::create_file(store.path().join("root.key")).unwrap();
            drop(EmbeddedKms::create(store.path().join("kms.atrest"), &root_key, owner()).unwrap());
        }
        random.write_u32(round);
        let time = Duration::from_micros(random.finish() % 30_000);
        killed_after(store.path(), time, &mut known);

        let kms = Arc::new(open(store.path()));
        let admin = kms.requested_by(owner());
        for (key, known) in &known {
            let info = admin.describe_key(key).unwrap();
            assert!(info.versions.len() as u32 >= known.versions, "a version that was acknowledged is there");
            match info.state {
                KeyState::PendingDeletion { .. } => assert!(!known.enabled, "{key} was enabled again"),
                KeyState::Enabled => assert!(!known.scheduled || info.versions.len() == 3, "{key}"),
                _ => assert!(known.scheduled, "{key} was never disabled"),
            }
            // Once it works again, whatever it had come to.
            match info.state {
                KeyState::PendingDeletion { .. } => {
                    admin.cancel_deletion(key).unwrap();
                    admin.enable_key(key).unwrap();
                }
                KeyState::Disabled => admin.enable_key(key).unwrap(),
                _ => {}
            }
            for (wrapped, kek) in &known.wrapped {
                let opened = block_on(kms.clone().unwrap_key(WrappedKey::new(&wrapped[..]), request(key))).unwrap();
                assert_eq!(opened.kek().expose_secret(), &kek[..]);
                acknowledged += 1;
            }
        }
        // What has been seen to open needs to be seen again only if something could still happen to it.
        for known in known.values_mut() {
            known.enabled = true;
        }
        let left: Vec<_> = fs::read_dir(store.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.len() <= 4, "a key file, a store, its lock and at most one temporary file: {left:?}");
    }
    assert!(acknowledged > 0, "it was never killed late enough to have done anything");
    eprintln!("{rounds} rounds in {:?}, {acknowledged} keys unwrapped", began.elapsed());
}
