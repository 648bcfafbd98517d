//! Objects that are put in parts.

use std::fs;
use std::io::Write;

use crate::program::{CHUNK_LEN, MODES, Program, Run, customer_key_for, pattern};

impl Program {
    /// Stores bytes in parts, from a file.
    #[track_caller]
    fn put_in_parts(&self, mode: &str, part_size: &str, bytes: &[u8]) -> String {
        fs::write(self.path("source"), bytes).expect("written");
        let mut put = vec!["put", "--mode", mode, "--part-size", part_size, "object", "source"];
        put.extend(customer_key_for(mode));
        self.ok_text(put)
    }
}

#[test]
fn what_was_put_in_parts_is_got_back_whole_by_ranges_and_part_by_part() {
    let program = Program::new();
    let part_len = CHUNK_LEN + 700;
    for mode in MODES {
        for len in [0, 1, part_len - 1, part_len, part_len + 1, 5 * part_len, 5 * part_len + 9] {
            let bytes = pattern(len);
            let count = len.div_ceil(part_len).max(1);
            let said = program.put_in_parts(mode, &part_len.to_string(), &bytes);
            assert!(said.contains(&format!("in {count} part")), "{said}");
            assert_eq!(program.cat(mode, "object"), bytes, "{mode} {len}");

            let cat = |what: [&str; 2]| {
                let mut cat = vec!["cat", what[0], what[1], "object"];
                cat.extend(customer_key_for(mode));
                program.run(cat)
            };
            for (index, part) in bytes.chunks(part_len).enumerate() {
                assert_eq!(cat(["--part", &(index + 1).to_string()]).stdout, part, "{mode} {len}");
            }
            let beyond = cat(["--part", &(count + 1).to_string()]);
            assert_eq!((beyond.code, beyond.stdout.len()), (Some(1), 0));
            for (first, last) in [(0, 0), (part_len - 1, part_len), (100, 3 * part_len), (len / 2, len + 10)] {
                if first < len {
                    let range = cat(["--range", &format!("{first}-{last}")]);
                    assert_eq!(range.stdout, bytes[first..len.min(last + 1)], "{mode} {len} {first}-{last}");
                }
            }
        }
        let mut stat = vec!["stat", "object"];
        stat.extend(customer_key_for(mode));
        let said = program.ok_text(stat);
        assert!(said.contains("parts     6, authenticated"), "{said}");
        program.ok(["verify", "--customer-key", "customer.key"]);
        assert!(program.files("uploads").is_empty());
        assert_eq!(program.files("bodies").len(), 7, "six parts and the manifest, and nothing of those before");
    }
}

#[test]
fn standard_input_is_put_in_parts_of_any_size_that_is_said() {
    let program = Program::new();
    let bytes = pattern(3_000_000);
    for (size, count) in [("1M", 3), ("1MiB", 3), ("1MB", 3), ("1000000", 3), ("700K", 5), ("700KB", 5), ("1G", 1)] {
        let put = program.run_with_input(["put", "--part-size", size, "--threads", "2", "object", "-"], &bytes);
        assert_eq!(put.code, Some(0), "{}", put.stderr);
        assert_eq!(program.cat("sse-s3", "object"), bytes);
        assert!(program.ok_text(["stat", "object"]).contains(&format!("parts     {count}, ")), "{size}");
    }
    for wrong in ["0", "-1", "", "M", "5T", "1.5M", "6GiB", "99999999999999999999G", "5 M"] {
        program.fails(2, ["put", "--part-size", wrong, "object", "-"]);
    }
    for wrong in ["0", "65", "x"] {
        program.fails(2, ["put", "--part-size", "1M", "--threads", wrong, "object", "-"]);
    }
    program.fails(2, ["put", "--threads", "2", "object", "-"]);
    program.fails(2, ["cat", "--part", "0", "object"]);
    program.fails(2, ["cat", "--part", "10001", "object"]);
    program.fails(2, ["cat", "--part", "1", "--range", "0-1", "object"]);
    program.put("sse-s3", "whole", &bytes);
    assert!(program.fails(1, ["cat", "--part", "1", "whole"]).contains("whole: was not put in parts"));
}

#[test]
fn too_many_parts_are_refused_with_a_size_that_would_do() {
    let program = Program::new();
    fs::write(program.path("source"), pattern(100_001)).expect("written");
    let said = program.fails(1, ["put", "--part-size", "10", "object", "source"]);
    assert!(said.contains("more than 10000 parts") && said.contains("--part-size 11 "), "{said}");
    program.ok(["put", "--part-size", "1000", "object", "source"]);

    let said = program.run_with_input(["put", "--part-size", "1", "object", "-"], &[7; 10_001]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("--part-size 10"), "{}", said.stderr);
    assert_eq!(program.cat("sse-s3", "object"), pattern(100_001));
    assert!(program.files("uploads").is_empty(), "what was refused leaves nothing");
}

#[test]
fn parts_that_were_changed_exchanged_or_cut_are_detected() {
    let program = Program::new();
    let bytes = pattern(3 * 20_000);
    program.put_in_parts("sse-s3", "20000", &bytes);
    let files = program.files("bodies");
    let read = |index: usize| fs::read(&files[index]).expect("read");
    assert_eq!(files.len(), 4, "three parts and the manifest");

    for (index, file) in files.iter().enumerate() {
        let good = read(index);
        let mut flipped = good.clone();
        flipped[good.len() - 1] ^= 1;
        let longer = [&good[..], b"x"].concat();
        for bad in [&flipped[..], &longer, &good[..good.len() - 1], &good[..0], &read((index + 1) % 3)] {
            fs::write(file, bad).expect("written");
            program.fails(1, ["verify"]);
            assert_eq!(program.run(["get", "object", "target"]).code, Some(1));
            assert!(!program.path("target").exists());
        }
        fs::remove_file(file).expect("removed");
        program.fails(1, ["verify"]);
        fs::write(file, good).expect("written");
    }
    program.ok(["verify"]);
    // Damage in one part does not affect other parts.
    fs::write(&files[2], b"gone").expect("written");
    assert_eq!(program.ok(["cat", "--range", "100-30000", "object"]), bytes[100..=30_000]);
    assert_eq!(program.ok(["cat", "--part", "2", "object"]), bytes[20_000..40_000]);
    program.fails(1, ["cat", "--range", "39999-40000", "object"]);
}

#[test]
fn an_upload_under_way_is_rewrapped_listed_and_left_alone_by_gc() {
    let program = Program::new();
    program.put("sse-s3", "object", b"the old one");
    let bytes = pattern(200_000);
    let mut child = program.spawn(["put", "--part-size", "50000", "object", "-"]);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&bytes[..120_000]).expect("taken");
    let stored = || program.files("uploads").iter().filter(|path| path.ends_with("body/00001")).count();
    wait_until(|| stored() == 1);

    program.ok(["gc"]);
    assert_eq!(stored(), 1, "its writer lives");
    assert!(program.ok_text(["inventory"]).contains("object (upload)"));
    program.ok(["rotate"]);
    let said = program.ok_text(["rewrap"]);
    assert!(said.contains("object (upload)") && said.contains("2 rewrapped"), "{said}");
    assert!(said.contains("under version 1: 0 objects, 0 uploads"), "{said}");
    program.ok(["disable", "1"]);
    program.ok(["retire", "1"]);

    // The writer began under a version that is retired; its object is under the current primary.
    stdin.write_all(&bytes[120_000..]).expect("taken");
    drop(stdin);
    let run = Run::from(child.wait_with_output().expect("ended"));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(program.cat("sse-s3", "object"), bytes);
    assert!(program.ok_text(["stat", "object"]).contains("version 2"));
}

#[test]
fn a_killed_upload_is_removed_by_gc_and_by_the_next() {
    let program = Program::new();
    let killed = || {
        let mut child = program.spawn(["put", "--part-size", "50000", "object", "-"]);
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(&pattern(120_000)).expect("taken");
        wait_until(|| program.files("uploads").iter().any(|path| path.ends_with("body/00001")));
        child.kill().expect("killed");
        child.wait().expect("ended");
    };
    program.put("sse-s3", "another", b"meow");
    killed();
    assert!(program.ok_text(["gc"]).contains("1 uploads"));
    assert!(program.files("uploads").is_empty());
    killed();
    program.put_in_parts("sse-s3", "50000", &pattern(100_000));
    assert!(program.files("uploads").is_empty());
    program.ok(["verify"]);
}

#[cfg(unix)]
#[test]
fn an_object_that_is_overwritten_while_it_is_read_in_parts_is_read_to_its_end() {
    use std::io::Read;

    let program = Program::new();
    let bytes = pattern(2_000_000);
    program.put_in_parts("sse-s3", "100000", &bytes);
    let mut child = program.spawn(["cat", "object"]);
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut first = vec![0; 1_000];
    stdout.read_exact(&mut first).expect("there");

    program.put_in_parts("sse-s3", "100000", b"the new one");
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).expect("there");
    assert_eq!([first, rest].concat(), bytes);
    assert!(child.wait().expect("ended").success());
    program.ok(["gc"]);
    assert_eq!(program.files("bodies").len(), 2, "no reader is left");
}

/// Waits for a condition that another process fulfils.
fn wait_until(mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("the condition never held");
}
