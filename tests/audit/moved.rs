//! `JsonLines` when its file is moved, removed, truncated or replaced under a running sink.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use atrest::Error;
use atrest::audit::{Fsync, JsonLines};
use pollster::block_on;

use crate::json_lines::{encrypt, files, keys, service};
use crate::kit::Audited;

const FSYNCS: [Fsync; 2] = [Fsync::EveryEvent, Fsync::Never];

fn read(path: &Path) -> String {
    keys(path).0.join(" ")
}

#[test]
fn after_the_file_was_moved_lines_go_into_a_new_one_at_its_path() {
    for fsync in FSYNCS {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let service = service(JsonLines::builder(at("audit.jsonl")).fsync(fsync));
        encrypt(&service, "a").unwrap();
        fs::rename(at("audit.jsonl"), at("audit.jsonl.1")).unwrap();
        encrypt(&service, "b").unwrap();
        encrypt(&service, "c").unwrap();
        assert_eq!((read(&at("audit.jsonl.1")), read(&at("audit.jsonl"))), ("a".into(), "b c".into()));
        assert_eq!(fs::metadata(at("audit.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn after_the_file_was_removed_lines_go_into_a_new_one_at_its_path() {
    for fsync in FSYNCS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let service = service(JsonLines::builder(&path).fsync(fsync));
        for key in ["a", "b", "c"] {
            encrypt(&service, key).unwrap();
            assert_eq!(read(&path), key);
            fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn a_rotation_that_creates_the_new_file_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let service = service(JsonLines::builder(at("audit.jsonl")));
    for round in 0..5 {
        encrypt(&service, &format!("{round}")).unwrap();
        fs::rename(at("audit.jsonl"), at(&format!("audit.jsonl.{round}"))).unwrap();
        File::create(at("audit.jsonl")).unwrap();
    }
    encrypt(&service, "5").unwrap();
    (0..5).for_each(|round| assert_eq!(read(&at(&format!("audit.jsonl.{round}"))), round.to_string()));
    assert_eq!(read(&at("audit.jsonl")), "5");
}

#[test]
fn a_rotation_that_copies_and_cuts_the_file_leaves_no_hole_and_no_torn_line() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let service = service(JsonLines::builder(at("audit.jsonl")).max_len(100_000));
    encrypt(&service, "a").unwrap();
    fs::copy(at("audit.jsonl"), at("audit.jsonl.copy")).unwrap();
    File::options().write(true).open(at("audit.jsonl")).unwrap().set_len(0).unwrap();
    encrypt(&service, "b").unwrap();
    assert_eq!(read(&at("audit.jsonl.copy")), "a");
    let text = fs::read(at("audit.jsonl")).unwrap();
    assert!(text.starts_with(b"{") && text.ends_with(b"}\n") && !text.contains(&0));
    assert_eq!(keys(&at("audit.jsonl")), (vec!["b".into()], 0));
}

#[test]
fn a_moved_file_is_opened_again_when_asked_and_by_its_own_lock_too() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let sink = Arc::new(JsonLines::builder(at("audit.jsonl")).open().unwrap());
    let service = Audited::new().recording_into(sink.clone());
    encrypt(&service, "a").unwrap();
    fs::rename(at("audit.jsonl"), at("audit.jsonl.1")).unwrap();
    sink.blocking().reopen().unwrap();
    assert_eq!((read(&at("audit.jsonl.1")), read(&at("audit.jsonl"))), ("a".into(), "".into()));
    // Where nothing was moved it goes on with the same file.
    block_on(sink.reopen()).unwrap();
    encrypt(&service, "b").unwrap();
    assert_eq!(read(&at("audit.jsonl")), "b");
    let Err(Error::Io(error)) = JsonLines::builder(at("audit.jsonl")).open() else { panic!("two sinks have one file") };
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
}

#[test]
fn a_directory_that_a_link_leads_to_is_followed_and_its_lock_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let swap = |to: &str| {
        symlink(to, at("new")).unwrap();
        fs::rename(at("new"), at("logs")).unwrap();
    };
    let busy = |path: &Path| match JsonLines::builder(path).open() {
        Err(Error::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::ResourceBusy),
        other => panic!("{other:?}"),
    };
    fs::create_dir(at("1")).unwrap();
    fs::create_dir(at("2")).unwrap();
    swap("1");
    let service = service(JsonLines::builder(at("logs/audit.jsonl")));
    encrypt(&service, "a").unwrap();
    busy(&at("1/audit.jsonl"));
    swap("2");
    encrypt(&service, "b").unwrap();
    assert_eq!((read(&at("1/audit.jsonl")), read(&at("2/audit.jsonl"))), ("a".into(), "b".into()));
    busy(&at("2/audit.jsonl"));
    let old = JsonLines::builder(at("1/audit.jsonl")).open().unwrap();
    // A place that another sink has is not taken from it.
    swap("1");
    let Err(Error::Audit(error)) = encrypt(&service, "c") else { panic!("another sink has the place") };
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    drop(old);
    encrypt(&service, "d").unwrap();
    assert_eq!(read(&at("1/audit.jsonl")), "a d");
}

#[test]
fn a_directory_that_is_replaced_is_followed_as_well_as_its_lock() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("logs")).unwrap();
    let service = service(JsonLines::builder(at("logs/audit.jsonl")));
    encrypt(&service, "a").unwrap();
    fs::rename(at("logs"), at("old")).unwrap();
    let Err(Error::Audit(_)) = encrypt(&service, "b") else { panic!("there is nowhere to write") };
    fs::create_dir(at("logs")).unwrap();
    encrypt(&service, "c").unwrap();
    assert_eq!(read(&at("logs/audit.jsonl")), "c");
    JsonLines::builder(at("logs/audit.jsonl")).open().expect_err("its lock is held");
    JsonLines::builder(at("old/audit.jsonl")).open().unwrap();
}

#[test]
fn a_lock_that_was_removed_is_taken_again_with_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let service = service(JsonLines::builder(at("audit.jsonl")));
    fs::remove_file(at("audit.jsonl")).unwrap();
    fs::remove_file(at("audit.jsonl.lock")).unwrap();
    encrypt(&service, "a").unwrap();
    JsonLines::builder(at("audit.jsonl")).open().expect_err("its lock is held");
}

#[test]
fn of_the_lines_of_many_threads_none_is_lost_while_the_file_is_moved_again_and_again() {
    for max_len in [None, Some(4_000)] {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let options = JsonLines::builder(at("audit.jsonl"));
        let service = service(max_len.into_iter().fold(options, |options, len| options.max_len(len)));
        // Ends the scope's last thread where another one panics too.
        let under_way = AtomicUsize::new(8);
        let recorded = AtomicUsize::new(0);
        struct Done<'a>(&'a AtomicUsize);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        thread::scope(|scope| {
            let (service, under_way, recorded) = (&service, &under_way, &recorded);
            for thread in 0..8 {
                scope.spawn(move || {
                    let _done = Done(under_way);
                    for n in 0..40 {
                        encrypt(service, &format!("{thread}-{n:02}")).unwrap();
                        recorded.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            let (mut moved, mut seen) = (0, 0);
            while under_way.load(Ordering::SeqCst) > 0 {
                if recorded.load(Ordering::SeqCst) < seen + 5 {
                    thread::yield_now();
                    continue;
                }
                seen = recorded.load(Ordering::SeqCst);
                // The file may not be there for a moment, and is not moved then.
                let _ = fs::rename(at("audit.jsonl"), at(&format!("moved-{moved:06}")));
                moved += 1;
            }
        });
        let mut found: Vec<String> = Vec::new();
        for file in files(directory.path()) {
            let (keys, torn) = keys(&directory.path().join(&file));
            assert_eq!(torn, 0, "{file}");
            found.extend(keys);
        }
        found.sort();
        found.dedup(); // a line may be doubled
        let all: Vec<_> = (0..8).flat_map(|thread| (0..40).map(move |n| format!("{thread}-{n:02}"))).collect();
        assert_eq!(found, all);
    }
}

#[test]
fn an_event_that_began_after_the_file_was_removed_is_never_in_the_removed_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let service = service(JsonLines::builder(&path));
    for round in 0..20 {
        thread::scope(|scope| {
            let busy: Vec<_> = (0..4)
                .map(|thread| {
                    let service = &service;
                    scope.spawn(move || (0..5).for_each(|n| encrypt(service, &format!("{thread}-{n}")).unwrap()))
                })
                .collect();
            let removed = File::open(&path).ok();
            let _ = fs::remove_file(&path);
            encrypt(&service, &format!("after-{round}")).unwrap();
            assert!(read(&path).contains(&format!("after-{round}")));
            busy.into_iter().for_each(|thread| thread.join().unwrap());
            let mut text = String::new();
            if let Some(mut removed) = removed {
                removed.read_to_string(&mut text).unwrap();
            }
            let there = text + &fs::read_to_string(&path).unwrap();
            for line in (0..4).flat_map(|thread| (0..5).map(move |n| format!("\"{thread}-{n}\""))) {
                assert!(there.contains(&line), "{line} is lost");
            }
        });
        fs::write(&path, "").unwrap();
    }
}

#[test]
fn a_file_behind_a_link_is_put_aside_where_it_is_and_the_link_stays() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("logs")).unwrap();
    fs::write(at("logs/file"), "").unwrap();
    symlink("logs/file", at("link")).unwrap();
    let service = service(JsonLines::builder(at("link")).max_len(1));
    for key in ["a", "b", "c"] {
        encrypt(&service, key).unwrap();
    }
    assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
    assert_eq!(files(&at("logs")), ["file", "file.000001", "file.000002"]);
    assert_eq!(["file.000001", "file.000002", "file"].map(|name| read(&at("logs").join(name))), ["a", "b", "c"]);
    JsonLines::builder(at("logs/file")).open().expect_err("its lock is held");
}

#[test]
fn the_lines_of_a_file_that_was_moved_reach_the_disk_before_the_file_is_left() {
    for fsync in [Fsync::Every(Duration::from_secs(86_400)), Fsync::Never] {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let sink = Arc::new(JsonLines::builder(at("audit.jsonl")).fsync(fsync).open().unwrap());
        let service = Audited::new().recording_into(sink.clone());
        encrypt(&service, "a").unwrap();
        assert_eq!(sink.stats().fsyncs, 0);
        fs::rename(at("audit.jsonl"), at("audit.jsonl.1")).unwrap();
        encrypt(&service, "b").unwrap();
        assert_eq!(sink.stats().fsyncs, 1, "{fsync:?}: `sync` synchronises the new file alone");
        sink.blocking().sync().unwrap();
        fs::rename(at("audit.jsonl"), at("audit.jsonl.2")).unwrap();
        encrypt(&service, "c").unwrap();
        assert_eq!(sink.stats().fsyncs, 2, "{fsync:?}: nothing is synchronised twice");
    }
}

#[test]
fn what_the_sink_did_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let sink = Arc::new(JsonLines::builder(&path).open().unwrap());
    let service = Audited::new().recording_into(sink.clone());
    encrypt(&service, "a").unwrap();
    encrypt(&service, "b").unwrap();
    let stats = sink.stats();
    assert_eq!((stats.events, stats.batches, stats.fsyncs, stats.written_again), (2, 2, 2, 0));
}
