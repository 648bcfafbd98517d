//! The commands `put` and `get` with whole directories.

use std::fs;

use crate::program::{Program, all_files, pattern};

impl Program {
    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("made");
        fs::write(path, bytes).expect("written");
    }
}

#[test]
fn a_directory_is_put_under_the_paths_in_it_and_got_back_as_it_was() {
    let program = Program::new();
    let files = [("a", 0), ("b/c", 10), ("b/d/e f", 70_000), ("b/ünï", 3), ("z", 200_000)];
    for (name, len) in files {
        program.write(&format!("source/{name}"), &pattern(len));
    }
    let said = program.ok_text(["put", "--part-size", "50000", "source"]);
    assert!(said.ends_with("5 stored\n"), "{said}");
    assert!(said.contains("stored z: 200,000 bytes in 4 parts") && said.contains("stored b/c: 10 bytes, "), "{said}");
    assert_eq!(program.ok_text(["ls"]).lines().count(), 5);

    program.ok(["get", "--all", "target"]);
    for (name, len) in files {
        assert_eq!(fs::read(program.path("target").join(name)).expect("there"), pattern(len), "{name}");
    }
    assert_eq!(all_files(&program.path("target")).len(), 5);
    // An existing file is never replaced.
    assert!(program.fails(1, ["get", "--all", "target"]).contains("not empty"));
}

#[test]
fn a_put_of_the_directory_that_the_store_is_in_does_not_store_the_store() {
    let program = Program::new();
    program.write("a", b"meow");
    for _ in 0..2 {
        let said = program.ok_text(["put", "."]);
        assert!(said.contains("the store itself"), "{said}");
    }
    // The customer key in the same directory opens the object.
    assert_eq!(program.ok_text(["ls"]).lines().count(), 2);
}

#[test]
fn what_cannot_be_stored_is_said_and_the_rest_is_stored() {
    let program = Program::new();
    program.write("source/a", b"meow");
    program.write(&format!("source/{}", "n".repeat(151)), b"too long a name");
    program.write("source/z", b"meow");
    let run = program.run(["put", "source"]);
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.code, Some(1), "{said}");
    assert!(said.contains("at most 150") && said.contains("2 stored"), "{said}");
    assert_eq!(program.ok_text(["ls"]).lines().count(), 2);
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_not_followed() {
    use std::os::unix::fs::symlink;

    let program = Program::new();
    program.write("source/a", b"meow");
    program.write("elsewhere/secret", b"not to be stored");
    symlink("../elsewhere", program.path("source/directory")).expect("linked");
    symlink("../elsewhere/secret", program.path("source/file")).expect("linked");
    symlink(".", program.path("source/round")).expect("linked");
    let said = program.ok_text(["put", "source"]);
    assert_eq!(said.matches("a symbolic link, not followed").count(), 3, "{said}");
    assert_eq!(program.ok_text(["ls"]).lines().count(), 1);
}

#[test]
fn no_name_leads_out_of_the_directory_that_is_written_to() {
    let program = Program::new();
    let harmless = ["a", "b/c"];
    let harmful = ["../out", "/out", "b/../../out", ".", "..", "b//c", "b/c/", "b/./c"];
    for name in harmless.iter().chain(&harmful) {
        program.put("sse-s3", name, name.as_bytes());
    }
    let run = program.run(["get", "--all", "deep/er/target"]);
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.code, Some(1));
    assert!(said.contains("2 of 10 written"), "{said}");
    assert_eq!(said.matches("not the name of a file below").count(), harmful.len(), "{said}");
    assert_eq!(all_files(&program.path("deep")).len(), 2);
}
