//! Writers that are killed, compete, or write much data.

use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::program::{Program, Run, pattern};

#[test]
fn a_killed_put_leaves_the_old_object_and_nothing_for_long() {
    let program = Program::new();
    program.put("sse-s3", "object", b"the old one");
    let mut child = program.spawn(["put", "object", "-"]);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&pattern(1 << 20)).expect("taken");
    assert_eq!(program.files("tmp").len(), 1);

    // Another put and a `gc` leave an upload under way untouched.
    program.put("sse-s3", "another", b"meanwhile");
    program.ok(["gc"]);
    assert_eq!(program.files("tmp").len(), 1);

    child.kill().expect("killed");
    child.wait().expect("ended");
    drop(stdin);
    assert_eq!(program.cat("sse-s3", "object"), b"the old one");
    assert_eq!(program.ok_text(["ls"]).lines().count(), 2);

    let nobodys = program.path("atrest-store/bodies").join("0".repeat(32));
    fs::write(nobodys, b"its writer died before the record was there").expect("written");
    assert!(program.ok_text(["gc"]).contains("removed 1 temporary files and 1 orphaned bodies"));
    assert!(program.files("tmp").is_empty());
    assert_eq!(program.files("bodies").len(), 2);
    program.ok(["verify"]);
}

#[test]
fn puts_of_one_name_at_once_leave_one_of_them_whole() {
    let program = Program::new();
    let children: Vec<_> = (0..6u8)
        .map(|writer| {
            let mut child = program.spawn(["put", "object", "-"]);
            let mut stdin = child.stdin.take().expect("a pipe");
            stdin.write_all(&[writer; 50_000]).expect("taken");
            child
        })
        .collect();
    for child in children {
        let run = Run::from(child.wait_with_output().expect("ended"));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    let object = program.cat("sse-s3", "object");
    assert_eq!(object.len(), 50_000);
    assert!(object.iter().all(|byte| *byte == object[0]));
    program.only_file("bodies");
}

#[test]
fn writers_in_parts_and_sweeps_do_not_trip_over_each_other() {
    const WRITERS: usize = 3;
    let program = Program::new();
    let bytes = pattern(60_000);
    program.put("sse-s3", "source", &bytes);
    let busy = AtomicUsize::new(WRITERS);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (program, busy, name) = (&program, &busy, format!("object {writer}"));
            scope.spawn(move || {
                let _done = Done(busy);
                for _ in 0..25 {
                    program.ok(["put", "--part-size", "20000", &name, "source"]);
                }
            });
        }
        while busy.load(Ordering::SeqCst) > 0 {
            program.ok(["gc"]);
            program.ok(["rewrap", "--all"]);
        }
    });
    for writer in 0..WRITERS {
        assert_eq!(program.cat("sse-s3", &format!("object {writer}")), bytes);
    }
    program.ok(["gc"]);
    assert!(program.files("uploads").is_empty());
}

/// Counts a writer as done however it ends, so that no thread waits for a writer that failed.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_rewrap_never_puts_an_old_envelope_beside_a_new_body() {
    let program = Program::new();
    let write = |(path, bytes): &(std::path::PathBuf, Vec<u8>)| fs::write(path, bytes).expect("written");
    let state = || {
        let read = |path: std::path::PathBuf| (path.clone(), fs::read(path).expect("read"));
        (read(program.only_file("records")), read(program.only_file("bodies")))
    };
    program.put("sse-s3", "object", b"the old one");
    let (old_record, old_body) = state();
    program.put("sse-s3", "object", b"the new one");
    let (new_record, _) = state();

    // A rewrap that has read the old record waits for the lock; when it gets the lock, the new object exists.
    write(&old_body);
    write(&old_record);
    let lock = fs::File::open(program.path("atrest-store/lock")).expect("there");
    lock.lock().expect("locked");
    let rewrap = program.spawn(["rewrap", "--all"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    write(&new_record);
    fs::remove_file(&old_body.0).expect("removed");
    lock.unlock().expect("unlocked");

    let rewrap = Run::from(rewrap.wait_with_output().expect("ended"));
    assert_eq!(rewrap.code, Some(0), "{}", rewrap.stderr);
    assert_eq!(program.cat("sse-s3", "object"), b"the new one");
}

#[cfg(target_os = "linux")]
#[test]
fn an_object_of_any_size_takes_the_same_memory() {
    use crate::program::{MODES, customer_key_for};
    use std::io::Read;

    const LEN: usize = 64 << 20;
    const MOST: u64 = 16 << 20;
    let program = Program::new();
    let ways: [&[&str]; 2] = [&[], &["--part-size", "20M"]];
    for (mode, way) in MODES.iter().flat_map(|mode| ways.map(|way| (mode, way))) {
        let mut put = vec!["put", "--mode", mode, "large", "-"];
        put.extend(customer_key_for(mode));
        put.extend(way);
        let mut child = program.spawn(put);
        let mut stdin = child.stdin.take().expect("a pipe");
        let piece = pattern(1 << 20);
        for _ in 0..LEN / piece.len() {
            stdin.write_all(&piece).expect("taken");
        }
        assert!(peak_memory(child.id()) < MOST, "{mode}: {}", peak_memory(child.id()));
        drop(stdin);
        assert_eq!(Run::from(child.wait_with_output().expect("ended")).code, Some(0));

        for range in [&[][..], &["--range", "1-"]] {
            let mut cat = vec!["cat", "large"];
            cat.extend(customer_key_for(mode));
            cat.extend(range);
            let mut child = program.spawn(cat);
            let mut stdout = child.stdout.take().expect("a pipe");
            let mut most = vec![0; LEN - (1 << 20)];
            stdout.read_exact(&mut most).expect("there");
            assert!(peak_memory(child.id()) < MOST, "{mode}: {}", peak_memory(child.id()));
            let mut rest = Vec::new();
            stdout.read_to_end(&mut rest).expect("there");
            assert_eq!(most.len() + rest.len(), LEN - range.len() / 2);
            assert!(child.wait().expect("ended").success());
        }
    }
}

/// The peak memory of a process, in bytes.
#[cfg(target_os = "linux")]
fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("running");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
