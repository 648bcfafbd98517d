//! Complete rotations, inventories, and the encryption of unencrypted files.

use std::fs;

use crate::program::{MODES, Program, pattern};

impl Program {
    fn leave_in_the_clear(&self, name: &str, bytes: &[u8]) {
        let path = self.path("atrest-store/plain").join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("made");
        fs::write(path, bytes).expect("written");
    }

    fn is_in_the_clear(&self, name: &str) -> bool {
        self.path("atrest-store/plain").join(name).exists()
    }

    fn rows(&self) -> Vec<serde_json::Value> {
        let rows = self.ok_text(["inventory", "--json"]);
        rows.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect()
    }
}

#[test]
fn a_version_is_retired_once_a_whole_rewrap_found_nothing_under_it() {
    let program = Program::new();
    for mode in MODES {
        program.put(mode, mode, b"meow");
    }
    program.ok(["rotate"]);
    program.fails(1, ["disable", "2"]);
    program.ok(["disable", "1"]);
    assert!(program.fails(1, ["retire", "1"]).contains("`rewrap` first"));
    // An object under a disabled version cannot be rewrapped, and the report names it.
    let run = program.run(["rewrap"]);
    assert_eq!(run.code, Some(1));
    assert!(String::from_utf8_lossy(&run.stdout).contains("FAILED     sse-s3: "));
    assert!(program.fails(1, ["retire", "1"]).contains("still wraps"));

    program.ok(["enable", "1"]);
    let said = program.ok_text(["rewrap"]);
    assert!(said.contains("under version 1: 0 objects, 0 uploads"), "{said}");
    assert!(program.fails(1, ["retire", "1"]).contains("not disabled"));
    program.ok(["disable", "1"]);
    program.ok(["retire", "1"]);
    program.fails(1, ["enable", "1"]);
    program.fails(2, ["retire", "x"]);
    for mode in MODES {
        assert_eq!(program.cat(mode, mode), b"meow");
    }
}

#[test]
fn a_report_from_before_a_rotation_retires_nothing() {
    let program = Program::new();
    program.put("sse-s3", "object", b"meow");
    program.ok(["rewrap"]);
    program.ok(["rotate"]);
    program.ok(["disable", "1"]);
    program.fails(1, ["retire", "1"]);
    program.ok(["enable", "1"]);
    assert_eq!(program.cat("sse-s3", "object"), b"meow");
}

#[test]
fn a_stopped_rewrap_goes_on_where_it_was() {
    let program = Program::new();
    for number in 0..120 {
        program.put("sse-s3", &format!("{number:03}"), b"meow");
    }
    program.ok(["rotate"]);
    program.stop_at("cursor-stored", ["rewrap"]);
    let said = program.ok_text(["rewrap"]);
    assert!(said.starts_with("continuing after 100 entries\n") && said.contains("20 rewrapped"), "{said}");
    assert!(said.contains("under version 2: 120 objects"), "{said}");
    // The rewrap is complete, and the next rotation starts again.
    assert!(!program.ok_text(["rewrap"]).contains("continuing"));
    program.ok(["rotate"]);
    program.stop_at("cursor-stored", ["rewrap"]);
    program.ok(["rotate"]);
    let said = program.ok_text(["rewrap"]);
    assert!(!said.contains("continuing") && said.contains("120 rewrapped"), "{said}");
    assert_eq!(program.files("sweep").len(), 1, "the report, and no cursor");
}

#[test]
fn an_inventory_says_how_everything_is_encrypted() {
    let program = Program::new();
    for mode in MODES {
        program.put(mode, &format!("{mode} ü"), &pattern(1_000));
    }
    program.leave_in_the_clear("old/one", &pattern(77));
    let rows = program.rows();
    assert_eq!(rows.len(), MODES.len() + 1);
    for mode in MODES {
        let row = rows.iter().find(|row| row["key"] == format!("{mode}%20%C3%BC")).expect("listed");
        assert_eq!(row["status"], mode.to_uppercase());
        assert_eq!(row["plaintext_len"], 1_000);
    }
    let row = rows.last().expect("some");
    assert_eq!((&row["status"], &row["key"], &row["stored_len"]), (&"NOT-SSE".into(), &"old/one".into(), &77.into()));

    let csv = program.run(["inventory", "--csv"]);
    assert_eq!(String::from_utf8_lossy(&csv.stdout).lines().count(), rows.len() + 1);
    assert!(csv.stderr.starts_with("status,key_id,"), "{}", csv.stderr);
    let table = program.ok_text(["inventory"]);
    assert!(table.contains("NOT-SSE") && table.contains("plaintext"), "{table}");
    program.fails(2, ["inventory", "--csv", "--json"]);

    fs::write(program.files("records").pop().expect("one"), b"not a record").expect("written");
    assert!(program.ok_text(["inventory"]).contains("DAMAGED"));
    assert_eq!(program.run(["rewrap"]).code, Some(1));
}

#[test]
fn a_damaged_upload_is_named_and_the_rest_is_listed_and_rewrapped() {
    let program = Program::new();
    for mode in MODES {
        program.put(mode, mode, b"meow");
    }
    program.stop_at("part-stored", ["put", "--part-size", "10", "object", "source"]);
    let uploads = program.files("uploads");
    let record = uploads.iter().find(|path| path.ends_with("upload")).expect("there");
    let good = fs::read_to_string(record).expect("read");
    let (first, rest) = good.split_once("name ").expect("a name");
    let (_, envelope) = rest.split_once('\n').expect("an envelope");
    let nameless = format!("{first}name \n{envelope}");
    let cut = good.len() - 9;
    for damaged in ["", "not a record", &good[..20], &good[..cut], &format!("{}\n", &good[..cut]), &nameless] {
        fs::write(record, damaged).expect("written");
        let rows = program.rows();
        assert_eq!(rows.len(), MODES.len() + 1, "{damaged:?}");
        let row = rows.last().expect("some");
        assert_eq!(row["status"], "DAMAGED", "{damaged:?}");
        assert!(row["upload_id"].is_string() && row["problem"].is_string(), "{row}");

        program.ok(["rotate"]);
        let run = program.run(["rewrap"]);
        let said = String::from_utf8_lossy(&run.stdout);
        assert_eq!(run.code, Some(1), "{damaged:?}: {said}");
        assert!(said.contains("rewrapped  sse-s3    sse-s3\n") && said.contains(" (upload): "), "{said}");
        assert!(run.stderr.contains("1 could not be rewrapped"), "{}", run.stderr);
    }
    program.ok(["gc"]);
    program.ok(["rewrap"]);
}

#[test]
fn what_lay_in_the_clear_is_encrypted_and_then_removed() {
    for mode in MODES {
        let program = Program::new();
        program.put("sse-s3", "object", b"meow");
        let names = ["a", "b/c d", "b/ünï"];
        for (index, name) in names.iter().enumerate() {
            program.leave_in_the_clear(name, &pattern(index * 40_000));
        }
        let mut encrypt = vec!["encrypt-existing", "--mode", mode];
        encrypt.extend(crate::program::customer_key_for(mode));
        assert!(program.fails(1, ["cat", "a"]).contains("no such object"), "an unencrypted file is never read");
        assert!(program.ok_text(encrypt.clone()).contains("3 encrypted, 0 removed"));
        for (index, name) in names.iter().enumerate() {
            assert!(!program.is_in_the_clear(name));
            assert_eq!(program.cat(mode, name), pattern(index * 40_000), "{mode} {name}");
        }
        assert!(program.ok_text(encrypt).contains("0 encrypted, 0 removed"));
        assert!(program.rows().iter().all(|row| row["status"] != "NOT-SSE"));
    }
}

#[test]
fn a_put_overwrites_what_lies_in_the_clear_under_its_name() {
    let program = Program::new();
    program.put("sse-s3", "another", b"meow");
    program.leave_in_the_clear("object", b"in the clear");
    program.put("sse-s3", "object", b"encrypted");
    assert!(!program.is_in_the_clear("object"));
    assert_eq!(program.cat("sse-s3", "object"), b"encrypted");

    program.leave_in_the_clear("object", b"in the clear");
    program.ok(["put", "--part-size", "4", "object", "customer.key"]);
    assert!(!program.is_in_the_clear("object"));
}

#[test]
fn an_object_and_a_file_in_the_clear_are_one_only_if_they_are_the_same() {
    let program = Program::new();
    for (name, plain) in [("same", &b"meow"[..]), ("longer", b"meow!"), ("shorter", b"meo"), ("other", b"moew")] {
        program.put("sse-s3", name, b"meow");
        program.leave_in_the_clear(name, plain);
    }
    program.put("sse-c", "locked", b"meow");
    program.leave_in_the_clear("locked", b"meow");

    let run = program.run(["encrypt-existing"]);
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.code, Some(1), "{said}");
    assert!(said.contains("0 encrypted, 1 removed"), "{said}");
    assert_eq!(said.matches("differs from the object of its name").count(), 3, "{said}");
    assert!(!program.is_in_the_clear("same"));
    for name in ["longer", "shorter", "other", "locked"] {
        assert!(program.is_in_the_clear(name), "{name}");
    }
    assert!(program.is_in_the_clear("locked"), "the command line has no key for it");
    program.run(["encrypt-existing", "--customer-key", "customer.key"]);
    assert!(!program.is_in_the_clear("locked"));
    for name in ["same", "longer", "shorter", "other"] {
        assert_eq!(program.cat("sse-s3", name), b"meow");
    }
}

#[cfg(unix)]
#[test]
fn a_link_in_the_clear_leads_to_nothing_that_is_read_or_removed() {
    use std::os::unix::fs::symlink;

    let program = Program::new();
    program.put("sse-s3", "another", b"meow");
    program.leave_in_the_clear("a", b"in the clear");
    fs::create_dir(program.path("elsewhere")).expect("made");
    fs::write(program.path("elsewhere/file"), b"somebody's").expect("written");
    symlink(program.path("elsewhere"), program.path("atrest-store/plain/link")).expect("linked");
    program.put("sse-s3", "link/file", b"meow");
    assert_eq!(fs::read(program.path("elsewhere/file")).expect("there"), b"somebody's");

    let run = program.run(["encrypt-existing"]);
    assert_eq!(run.code, Some(1));
    assert!(String::from_utf8_lossy(&run.stdout).contains("a symbolic link, not followed"));
    assert_eq!(fs::read(program.path("elsewhere/file")).expect("there"), b"somebody's");
    assert_eq!(program.ok_text(["ls"]).lines().count(), 3);
}
