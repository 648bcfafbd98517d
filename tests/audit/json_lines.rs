//! `JsonLines`: the audit sink that writes a file of JSON lines.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use atrest::audit::{Fsync, JsonLines, JsonLinesBuilder};
use atrest::{Error, ObjectName, SseS3};
use serde_json::Value;

use crate::kit::Audited;
use atrest_kit::Service;

pub(crate) fn service(options: JsonLinesBuilder) -> Service {
    Audited::new().recording_into(Arc::new(options.open().unwrap()))
}

pub(crate) fn encrypt(service: &Service, key: &str) -> atrest::Result<()> {
    service.sse.blocking().encrypt(&ObjectName::new("photos", key).unwrap(), SseS3, b"meow").map(drop)
}

/// The keys of the objects in the lines that can be read, and the number of lines that cannot.
pub(crate) fn keys(path: &Path) -> (Vec<String>, usize) {
    let text = fs::read(path).unwrap();
    let (mut keys, mut torn) = (Vec::new(), 0);
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice::<Value>(line) {
            Ok(record) => keys.push(record["requestParameters"]["key"].as_str().unwrap().to_owned()),
            Err(_) => torn += 1,
        }
    }
    (keys, torn)
}

/// The names in a directory, except that of the lock.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<_> = names.filter(|name| !name.ends_with(".lock")).collect();
    names.into_iter().collect()
}

#[test]
fn every_event_is_a_line_and_a_new_sink_goes_on_where_the_last_one_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    for (round, fsync) in
        [Fsync::EveryEvent, Fsync::Every(Duration::ZERO), Fsync::Every(Duration::from_secs(3_600)), Fsync::Never]
            .into_iter()
            .enumerate()
    {
        let service = service(JsonLines::builder(&path).fsync(fsync));
        encrypt(&service, &format!("{round}-a")).unwrap();
        encrypt(&service, &format!("{round}-b")).unwrap();
    }
    let (keys, torn) = keys(&path);
    assert_eq!((keys.join(" "), torn), ("0-a 0-b 1-a 1-b 2-a 2-b 3-a 3-b".into(), 0));
    assert!(fs::read(&path).unwrap().ends_with(b"}\n"));
    let sink = JsonLines::builder(&path).fsync(Fsync::Never).open().unwrap();
    sink.blocking().sync().unwrap();
}

#[test]
#[cfg(unix)]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let service = service(JsonLines::builder(&path).max_len(1));
    encrypt(&service, "a").unwrap();
    encrypt(&service, "b").unwrap();
    for file in ["audit.jsonl", "audit.jsonl.000001", "audit.jsonl.lock"] {
        let mode = fs::metadata(directory.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_file_that_is_long_enough_is_put_aside_and_none_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (path, aside) = (directory.path().join("audit.jsonl"), |number: u32| format!("audit.jsonl.{number:06}"));
    let of = |number| directory.path().join(aside(number));
    {
        let service = service(JsonLines::builder(&path));
        encrypt(&service, "00").unwrap();
    }
    let line = fs::metadata(&path).unwrap().len();
    // Two lines and no third; another process takes a number meanwhile.
    let service = self::service(JsonLines::builder(&path).max_len(2 * line));
    for at in 1..4 {
        encrypt(&service, &format!("{at:02}")).unwrap();
    }
    fs::write(of(2), b"another's").unwrap();
    for at in 4..9 {
        encrypt(&service, &format!("{at:02}")).unwrap();
    }
    assert_eq!(files(directory.path()), ["audit.jsonl".to_owned(), aside(1), aside(2), aside(3), aside(4), aside(5)]);
    assert_eq!(fs::read(of(2)).unwrap(), b"another's");
    let found: Vec<_> = [of(1), of(3), of(4), of(5), path.clone()].iter().map(|path| keys(path).0.join(" ")).collect();
    assert_eq!(found, ["00 01", "02 03", "04 05", "06 07", "08"]);
    drop(service);

    // A new sink goes on with the numbers, also where earlier ones were taken away.
    fs::remove_file(of(1)).unwrap();
    let service = self::service(JsonLines::builder(&path).max_len(1));
    encrypt(&service, "09").unwrap();
    assert_eq!((keys(&of(6)).0, keys(&path).0), (vec!["08".to_owned()], vec!["09".to_owned()]));
    assert!(!of(1).exists());
}

#[test]
fn a_line_that_is_longer_than_the_file_may_be_has_one_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let service = service(JsonLines::builder(&path).max_len(10));
    encrypt(&service, "a").unwrap();
    assert_eq!(files(directory.path()), ["audit.jsonl"]);
    encrypt(&service, "b").unwrap();
    assert_eq!(files(directory.path()), ["audit.jsonl", "audit.jsonl.000001"]);
}

#[test]
fn a_file_that_somebody_else_put_aside_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let service = service(JsonLines::builder(&path).max_len(1));
    encrypt(&service, "a").unwrap();
    fs::rename(&path, directory.path().join("elsewhere")).unwrap();
    encrypt(&service, "b").unwrap();
    assert_eq!(files(directory.path()), ["audit.jsonl", "elsewhere"]);
    assert_eq!((keys(&path).0, keys(&directory.path().join("elsewhere")).0), (vec!["b".into()], vec!["a".into()]));
}

#[test]
fn a_directory_that_goes_away_fails_the_operation_until_it_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, away) = (directory.path().join("logs"), directory.path().join("away"));
    fs::create_dir(&logs).unwrap();
    let service = service(JsonLines::builder(logs.join("audit.jsonl")).max_len(1));
    encrypt(&service, "a").unwrap();
    fs::rename(&logs, &away).unwrap();
    for _ in 0..2 {
        let Err(Error::Audit(error)) = encrypt(&service, "b") else { panic!("there is nowhere to put the file") };
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
    fs::rename(&away, &logs).unwrap();
    encrypt(&service, "c").unwrap();
    assert_eq!(keys(&logs.join("audit.jsonl")).0, ["c"]);
    assert_eq!(keys(&logs.join("audit.jsonl.000001")).0, ["a"]);
}

#[test]
fn a_line_that_was_cut_costs_no_other_wherever_it_was_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let write = |key: &str| {
        let service = service(JsonLines::builder(&path));
        encrypt(&service, key).unwrap();
    };
    write("a");
    let first = fs::read(&path).unwrap();
    write("b");
    let both = fs::read(&path).unwrap();
    for cut in (first.len()..=both.len()).step_by(7).chain([first.len() + 1, both.len() - 1, both.len()]) {
        fs::write(&path, &both[..cut]).unwrap();
        write("c");
        let (keys, torn) = keys(&path);
        let kept = if cut >= both.len() - 1 { "a b c" } else { "a c" };
        assert_eq!((keys.join(" "), torn), (kept.into(), usize::from(kept == "a c" && cut > first.len())), "{cut}");
        assert!(fs::read(&path).unwrap().starts_with(&both[..cut]), "nothing is overwritten");
    }
}

#[test]
fn a_second_sink_is_refused_in_this_process_and_in_another() {
    const FILE: &str = "ATREST_TEST_AUDIT_FILE";
    let refused = |path: &Path| {
        let Err(Error::Io(error)) = JsonLines::builder(path).open() else { panic!("two sinks have one file") };
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        assert!(error.to_string().contains("another process has it open"), "{error}");
    };
    if let Some(path) = std::env::var_os(FILE) {
        return refused(&PathBuf::from(path)); // this is the other process
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let service = service(JsonLines::builder(&path).max_len(1));
    encrypt(&service, "a").unwrap();
    encrypt(&service, "b").unwrap(); // the lock goes with the name, not with the file that was put aside
    refused(&path);
    let this = thread::current().name().unwrap().to_owned();
    let child =
        Command::new(std::env::current_exe().unwrap()).args(["--exact", &this]).env(FILE, &path).output().unwrap();
    let shown = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && shown.contains("1 passed"), "{shown}");
    #[cfg(unix)]
    {
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        refused(&link);
    }
    drop(service);
    JsonLines::builder(&path).open().unwrap();
}

#[test]
fn lines_of_many_threads_are_whole_and_all_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let service = service(JsonLines::builder(&path).max_len(20_000));
    thread::scope(|scope| {
        for thread in 0..8 {
            let service = &service;
            scope.spawn(move || (0..25).for_each(|at| encrypt(service, &format!("{thread}-{at:02}")).unwrap()));
        }
    });
    let mut found = Vec::new();
    for file in files(directory.path()) {
        let (keys, torn) = keys(&directory.path().join(&file));
        assert_eq!(torn, 0);
        assert!(fs::metadata(directory.path().join(file)).unwrap().len() <= 20_000);
        found.extend(keys);
    }
    found.sort();
    let all = (0..8).flat_map(|thread| (0..25).map(move |at| format!("{thread}-{at:02}")));
    assert_eq!(found, all.collect::<Vec<_>>());
}

#[test]
fn a_line_of_another_program_that_appends_is_left_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let service = service(JsonLines::builder(&path));
    encrypt(&service, "a").unwrap();
    let mut other = OpenOptions::new().append(true).open(&path).unwrap();
    other.write_all(b"{\"requestParameters\":{\"key\":\"other\"}}\n").unwrap();
    encrypt(&service, "b").unwrap();
    assert_eq!(keys(&path), (vec!["a".into(), "other".into(), "b".into()], 0));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_fails_the_operation() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let full = service(JsonLines::builder(&path));
    for _ in 0..2 {
        let Err(Error::Audit(error)) = encrypt(&full, "a") else { panic!("there is no room") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
    drop(full);
    let Err(Error::Io(error)) = JsonLines::builder(&path).max_len(1).open() else {
        panic!("a device is not put aside")
    };
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn what_cannot_be_opened_says_so() {
    let directory = tempfile::tempdir().unwrap();
    for (path, kind) in [
        (directory.path().join("none/audit.jsonl"), io::ErrorKind::NotFound),
        (directory.path().to_path_buf(), io::ErrorKind::IsADirectory),
    ] {
        let Err(Error::Io(error)) = JsonLines::builder(&path).open() else { panic!("{path:?}") };
        assert_eq!(error.kind(), kind);
        assert!(!error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}
