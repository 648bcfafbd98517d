//! The `files` example, end to end: each command runs as a child process, and tests inspect the store's files in
//! between.

mod damage;
mod directories;
mod embedded;
#[cfg(feature = "embedded-kms")]
mod embedded_backups;
mod keys;
mod kill;
mod parts;
mod program;
#[path = "../../src/steps.rs"]
#[expect(dead_code, reason = "the program counts its steps, the tests only name them")]
mod steps;
mod sweeps;
mod world;
mod writers;

use std::fs;

use program::{CHUNK_LEN, MODES, Program, customer_key_for, pattern};

#[test]
fn what_was_put_is_got_back_in_every_mode() {
    let program = Program::new();
    for mode in MODES {
        for len in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 300_000] {
            let bytes = pattern(len);
            program.put(mode, "object", &bytes);
            assert_eq!(program.cat(mode, "object"), bytes, "{mode} {len}");

            let mut get = vec!["get", "object", "target"];
            get.extend(customer_key_for(mode));
            program.ok(&get);
            assert_eq!(fs::read(program.path("target")).expect("written"), bytes, "{mode} {len}");
        }
    }
}

#[test]
fn standard_input_and_output_are_a_minus() {
    let program = Program::new();
    let bytes = pattern(100_000);
    let put = program.run_with_input(["put", "object", "-"], &bytes);
    assert_eq!(put.code, Some(0), "{}", put.stderr);
    assert_eq!(program.ok(["get", "object", "-"]), bytes);
    assert!(program.ok_text(["stat", "object"]).contains("100,000 bytes, authenticated"));
    assert_eq!(program.ok(["cat", "--range", "-7", "object"]), bytes[99_993..]);
}

#[test]
fn ranges_are_those_of_http() {
    let program = Program::new();
    let bytes = pattern(3 * CHUNK_LEN + 500);
    for mode in MODES {
        program.put(mode, "object", &bytes);
        let range = |range: &str| {
            let mut arguments = vec!["cat", "--range", range, "object"];
            arguments.extend(customer_key_for(mode));
            program.run(arguments)
        };
        let last = bytes.len() - 1;
        assert_eq!(range("0-0").stdout, bytes[..1]);
        assert_eq!(range("16383-16384").stdout, bytes[16_383..=16_384]);
        assert_eq!(range("100-40000").stdout, bytes[100..=40_000]);
        assert_eq!(range("40000-").stdout, bytes[40_000..]);
        assert_eq!(range(&format!("{last}-99999999")).stdout, bytes[last..]);
        assert_eq!(range("-1").stdout, bytes[last..]);
        assert_eq!(range("-99999999").stdout, bytes);
        for beyond in [format!("{}-", bytes.len()), "99999999-".to_owned(), "-0".to_owned()] {
            let run = range(&beyond);
            assert_eq!((run.code, run.stdout.len()), (Some(1), 0), "{mode} {beyond}");
        }
        for wrong in ["", "5", "x-y", "5-4", "-", "--5", "1-2-3"] {
            assert_eq!(range(wrong).code, Some(2), "{mode} {wrong:?}");
        }
    }
}

#[test]
fn a_name_may_hold_anything() {
    let program = Program::new();
    let longest = "n".repeat(150);
    let names =
        ["a", "A", "a/b", "a//b", "/a", "../../a", "..", ".", "a b", "-x", "--mode", "ünï/✓", "a\nb", "con", &longest];
    for name in names {
        program.put("sse-s3", name, name.as_bytes());
    }
    for name in names {
        assert_eq!(program.cat("sse-s3", name), name.as_bytes(), "{name:?}");
    }
    let listed = program.ok_text(["ls"]);
    assert_eq!(listed.lines().count(), names.len(), "{listed}");
    assert!(listed.contains("a\\nb"), "{listed}");

    let too_long = "n".repeat(151);
    assert!(program.fails(1, ["put", &too_long, "source"]).contains("at most 150"));
    program.fails(1, ["put", "", "source"]);
}

#[test]
fn an_overwritten_object_is_the_new_one_and_leaves_no_old_body() {
    let program = Program::new();
    for mode in MODES {
        program.put(mode, "object", format!("now in {mode}").as_bytes());
        assert_eq!(program.cat(mode, "object"), format!("now in {mode}").as_bytes());
        program.only_file("records");
        program.only_file("bodies");
        assert!(program.files("tmp").is_empty());
    }
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let program = Program::new();
    assert!(program.fails(1, ["ls"]).contains("no store in atrest-store"));
    program.put("sse-s3", "object", b"here");
    for command in ["get", "cat", "stat"] {
        assert!(program.fails(1, [command, "nothing"]).contains("no such object"));
    }
    program.fails(1, ["put", "object", "no-such-file"]);
    program.fails(1, ["put", "object", "."]);
    let said = program.fails(1, ["get", "object", "no/such"]);
    assert!(said.starts_with("files: no: ") && !said.contains("tmp"), "{said}");
    assert!(program.fails(1, ["get", "object", "source/such"]).starts_with("files: source: is not a directory"));
    assert!(program.fails(1, ["get", "--all", "source"]).starts_with("files: source: is not a directory"));
    assert_eq!(program.cat("sse-s3", "object"), b"here");
}

#[test]
fn a_put_that_cannot_be_makes_no_store() {
    let program = Program::new();
    fs::write(program.path("source"), pattern(100_001)).expect("written");
    for put in [&["put", "object", "no-such-file"][..], &["put", "", "source"], &["put", "object", "."]] {
        program.fails(1, put);
    }
    let said = program.fails(1, ["put", "--part-size", "10", "object", "source"]);
    assert!(said.starts_with("files: object: more than 10000 parts"), "{said}");
    program.fails(2, ["put", "--part-size", "0", "object", "source"]);
    assert!(!program.path("atrest-store").exists());
    program.ok(["put", "--part-size", "11", "object", "source"]);
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    let program = Program::new();
    let wrong: [&[&str]; 9] = [
        &["frobnicate"],
        &["put", "object"],
        &["put", "--mode", "rot13", "object", "source"],
        &["put", "--mode", "sse-c", "object", "source"],
        &["put", "--mode", "sse-s3", "--key-id", "alias/app", "object", "source"],
        &["put", "--customer-key", "customer.key", "object", "source"],
        &["get", "--mode", "sse-s3", "object"],
        &["ls", "object"],
        &["cat", "--colour", "object"],
    ];
    for arguments in wrong {
        program.fails(2, arguments);
    }
    let help = program.ok_text(["help"]);
    assert!(help.contains("demo PATH"));
    assert!(help.lines().all(|line| line.len() <= 120), "{help}");
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn the_demo_tells_its_story_of_files_of_any_size() {
    let program = Program::new();
    for len in [0, 1, 999, 5 * CHUNK_LEN] {
        fs::write(program.path("story"), pattern(len)).expect("written");
        let story = program.ok_text(["demo", "story"]);
        for mode in MODES {
            assert!(story.lines().any(|line| line.trim_start().starts_with(mode)), "{story}");
        }
        assert!(story.ends_with("Everything held.\n"), "{story}");
        assert!(!program.path("atrest-store").exists());
    }
    program.ok(["--store", "kept", "demo", "story"]);
    program.ok(["--store", "kept", "verify", "--customer-key", "kept/customer.key"]);
    program.fails(1, ["--store", "kept", "demo", "story"]);
    program.fails(1, ["demo", "no-such-file"]);
    program.fails(1, ["demo", "."]);
}
