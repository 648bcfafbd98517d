//! Changed, truncated and moved bodies and records.

use std::fs;

use crate::program::{CHUNK_LEN, MODES, Program, all_files, customer_key_for, pattern};

#[test]
fn a_changed_body_is_detected_wherever_it_was_changed() {
    let program = Program::new();
    let bytes = pattern(2 * CHUNK_LEN + 100);
    for mode in MODES {
        program.put(mode, "object", &bytes);
        let path = program.only_file("bodies");
        let body = fs::read(&path).expect("read");
        let with_key = |command: &[&'static str]| {
            program.run(command.iter().copied().chain(customer_key_for(mode).iter().copied()))
        };
        let mut damaged = Vec::new();
        for place in [0, 24, 56, body.len() / 2, body.len() - 1] {
            let mut changed = body.clone();
            changed[place] ^= 0x80;
            damaged.push(changed);
        }
        damaged.extend([0, 1, 72, CHUNK_LEN, body.len() - 1].map(|len| body[..len].to_vec()));
        damaged.push([&body[..], &[0]].concat());

        for changed in damaged {
            fs::write(&path, &changed).expect("written");
            let _ = fs::remove_file(program.path("target"));
            assert_eq!(with_key(&["get", "object", "target"]).code, Some(1), "{mode} {}", changed.len());
            assert!(!program.path("target").exists());
            assert_eq!(with_key(&["verify"]).code, Some(1));
            // The output before the damage is a prefix of the object.
            let cat = with_key(&["cat", "object"]);
            assert_eq!(cat.code, Some(1));
            assert!(bytes.starts_with(&cat.stdout));
        }
        fs::write(&path, &body).expect("written");
        assert_eq!(program.cat(mode, "object"), bytes);
    }
}

#[test]
fn a_changed_or_truncated_record_is_detected_and_its_body_is_kept() {
    let program = Program::new();
    program.put("sse-s3", "object", b"meow");
    let path = program.only_file("records");
    let record = fs::read(&path).expect("read");
    for len in 0..record.len() {
        // Each length needs one or two child processes, so only the ends and a sample of the middle are tested.
        if len > 80 && len % 37 != 0 && len + 8 < record.len() {
            continue;
        }
        fs::write(&path, &record[..len]).expect("written");
        program.fails(1, ["cat", "object"]);
    }
    for place in (0..record.len()).step_by(11) {
        let mut changed = record.clone();
        changed[place] ^= 1;
        fs::write(&path, &changed).expect("written");
        program.fails(1, ["cat", "object"]);
    }
    fs::write(&path, &record[..record.len() - 1]).expect("written");
    assert!(String::from_utf8_lossy(&program.run(["ls"]).stdout).contains("DAMAGED"));
    program.fails(1, ["verify"]);
    program.fails(1, ["gc"]);

    fs::write(&path, &record).expect("written");
    program.ok(["gc"]);
    assert_eq!(program.cat("sse-s3", "object"), b"meow");
}

#[test]
fn a_record_under_another_name_or_in_another_store_opens_nothing() {
    let program = Program::new();
    for mode in MODES {
        program.put(mode, "aaaaa", b"meow");
        let record = program.only_file("records");
        let moved = record.with_file_name("MJRGEYTC.record"); // "bbbbb"
        fs::rename(&record, &moved).expect("moved");
        let mut cat = vec!["cat", "bbbbb"];
        cat.extend(customer_key_for(mode));
        program.fails(1, &cat);
        fs::rename(&moved, &record).expect("moved back");
    }
    // The same keys with the id of another store.
    let config = program.path("atrest-store/store");
    let text = fs::read_to_string(&config).expect("read");
    let id = text.split_once("id ").and_then(|(_, rest)| rest.get(..32)).expect("an id");
    fs::write(&config, text.replace(id, &"0".repeat(32))).expect("written");
    program.fails(1, ["cat", "--customer-key", "customer.key", "aaaaa"]);
}

#[test]
fn nothing_that_is_stored_holds_the_plaintext() {
    let program = Program::new();
    let canary = b"the canary sings in the clear";
    for mode in MODES {
        program.put(mode, mode, &canary.repeat(2_000));
    }
    program.ok(["rotate"]);
    program.ok(["rewrap"]);
    for path in all_files(&program.path("atrest-store")) {
        let bytes = fs::read(&path).expect("read");
        assert!(!bytes.windows(8).any(|window| window == &canary[..8]), "{}", path.display());
    }
}
