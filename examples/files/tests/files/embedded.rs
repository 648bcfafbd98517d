//! `--kms embedded`: the library's own KMS behind the command line.

#[cfg(not(feature = "embedded-kms"))]
#[test]
fn a_build_without_the_embedded_kms_names_the_features_that_it_takes() {
    use crate::program::Program;

    let program = Program::new();
    std::fs::write(program.path("source"), b"meow").expect("written");
    for asking in [&["--kms", "embedded", "put", "object", "source"][..], &["keys", "ls"], &["keys", "create"]] {
        let said = program.fails(1, asking);
        assert!(said.contains("--features embedded-kms"), "{said}");
    }
    assert!(!program.path("atrest-store").exists());
    // A store created with an embedded KMS is refused with another KMS.
    program.put("sse-s3", "object", b"meow");
    let file = program.path("atrest-store/store");
    let config = std::fs::read_to_string(&file).expect("read").replace("keyring ", "embedded-kms ");
    std::fs::write(&file, config).expect("written");
    assert!(program.fails(1, ["cat", "object"]).contains("--features embedded-kms"));
}

#[cfg(feature = "embedded-kms")]
pub(crate) mod built {
    use std::fs;
    use std::io::Write;

    use serde_json::Value;

    use crate::keys::{check_private, no_key_is_made_anew};
    use crate::program::{MODES, Program, Run, pattern};

    const LOG: &str = "atrest-store/keys/audit.jsonl";

    /// A program whose store has an embedded KMS with the key `alias/app`, without any permission.
    pub(crate) fn program_with_a_key() -> Program {
        let program = Program::new();
        let said = program.ok_text(["--kms", "embedded", "keys", "create", "--alias", "alias/app"]);
        assert!(said.starts_with("created arn:aws:kms:"), "{said}");
        program
    }

    impl Program {
        /// Stores bytes under `alias/app`, on behalf of a requester.
        pub(crate) fn put_as(&self, requester: &str, name: &str, bytes: &[u8]) -> Run {
            let put = ["--as", requester, "put", "--mode", "sse-kms", "--key-id", "alias/app", name, "-"];
            self.run_with_input(put, bytes)
        }

        #[track_caller]
        pub(crate) fn says(&self, command: &str, expected: &str) {
            let said = self.ok_text(command.split(' '));
            assert!(said.contains(expected), "{command}: {said}");
        }

        #[track_caller]
        pub(crate) fn refuses(&self, command: &str, expected: &str) {
            let said = self.fails(1, command.split(' '));
            assert!(said.contains(expected), "{command}: {said}");
        }
    }

    #[test]
    fn a_store_keeps_the_kms_that_it_was_made_with() {
        let program = Program::new();
        fs::write(program.path("source"), b"meow").expect("written");
        program.ok(["--kms", "embedded", "put", "first", "source"]);
        for mode in MODES {
            program.put(mode, mode, b"meow");
            assert_eq!(program.cat(mode, mode), b"meow", "{mode}");
        }
        program.says("keys ls", "alias/aws/s3");
        program.says("stat sse-kms", "KMS key arn:aws:kms:local:000000000000:key/");
        assert!(!program.path("atrest-store/keys/master.atrest").exists());
        assert!(!program.path("atrest-store/kms").exists());
        #[cfg(unix)]
        check_private(&program.files("keys"));

        program.refuses("--kms files ls", "was created with --kms embedded, not files");
        program.refuses("kms-create app", "`keys create --alias alias/app`");
        program.ok(["--kms", "embedded", "ls"]);

        program.ok(["--store", "other", "put", "object", "source"]);
        program.refuses("--store other --kms embedded ls", "was created with --kms files, not embedded");
        program.refuses("--store other keys ls", "was created with --kms files, not embedded");
        assert!(program.fails(2, ["--store", "other", "--as", "alice", "ls"]).contains("--as"));
    }

    #[test]
    fn the_master_key_is_rotated_and_retired_as_in_any_other_store() {
        let program = Program::with_options(&["--kms", "embedded"]);
        program.put("sse-s3", "object", b"meow");
        program.says("rotate", "the primary is now version 2");
        program.says("rewrap", "1 rewrapped");
        program.ok(["disable", "1"]);
        program.ok(["retire", "1"]);
        assert_eq!(program.cat("sse-s3", "object"), b"meow");
        program.refuses("enable 1", "version 1");
    }

    #[test]
    fn whoever_the_policy_of_a_key_does_not_name_is_refused() {
        let program = program_with_a_key();
        let denied = "the requester may not do this with the key";
        assert!(program.put_as("alice", "object", b"meow").stderr.contains(denied));
        program.says("keys allow alias/app write alice", "alice");
        assert_eq!(program.put_as("alice", "object", b"meow").code, Some(0));
        // The permission to write does not include reading.
        program.refuses("--as alice cat object", denied);
        program.says("keys allow alias/app read alice bob", "bob");
        for reader in ["alice", "bob", "files"] {
            program.says(&format!("--as {reader} cat object"), "meow");
        }
        assert!(program.put_as("bob", "object", b"of bob").stderr.contains(denied));
        program.refuses("--as bob keys rotate alias/app", denied);
        program.refuses("--as bob keys create", "only the owner");
        program.says("keys allow alias/app administer bob", "bob");
        program.says("--as bob keys rotate alias/app", "version 2");

        // The policy belongs to the key, whatever alias names it, and is not a default for other keys.
        program.ok(["keys", "alias", "alias/other", "alias/app"]);
        program.refuses("--as eve put --mode sse-kms --key-id alias/other object customer.key", denied);
        program.refuses("--as alice put --mode sse-kms object customer.key", denied);

        // Only the owner may set aliases: an alias chooses the key of every new object that names it.
        program.refuses("--as bob keys alias alias/other alias/app", "owner");
        program.refuses("--as bob keys alias alias/of-bob alias/app", "owner");

        program.ok(["keys", "owner-only", "alias/app"]);
        program.refuses("--as alice cat object", denied);
        program.says("cat object", "meow");
    }

    #[test]
    fn a_permission_is_taken_back_from_those_who_have_it() {
        let program = program_with_a_key();
        let denied = "the requester may not do this with the key";
        assert_eq!(program.put_as("files", "object", b"meow").code, Some(0));
        program.refuses("keys forbid alias/app read alice", "no permission to revoke");
        program.says("keys allow alias/app read alice bob", "read: alice bob files;");
        program.refuses("keys forbid alias/app read alice blob", "\"blob\" does not have this permission");
        program.says("--as alice cat object", "meow");
        program.says("keys forbid alias/app read alice files", "write: files; read: bob; administer: files");
        program.says("--as bob cat object", "meow");
        for reader in ["alice", "files"] {
            program.refuses(&format!("--as {reader} cat object"), denied);
        }

        program.refuses("keys forbid alias/app read --everyone", "not everyone has this permission");
        program.says("keys allow alias/app read --everyone", "read: everyone;");
        program.says("--as eve cat object", "meow");
        program.refuses("keys forbid alias/app read eve", "--everyone");
        program.says("keys forbid alias/app read --everyone", "read: no requester;");
        program.refuses("--as eve cat object", denied);
        assert!(program.put_as("eve", "object", b"meow").stderr.contains(denied));
    }

    #[test]
    fn the_master_key_and_the_maintenance_are_the_owners() {
        let program = program_with_a_key();
        program.put("sse-s3", "object", b"meow");
        program.ok(["rotate"]);
        program.ok(["rewrap"]);
        let before = fs::read(program.path("atrest-store/keys/kms.atrest")).expect("read");
        for command in ["rotate", "disable 1", "enable 1", "retire 1", "keys maintain", "keys backup b b.key"] {
            program.refuses(&format!("--as alice {command}"), "owner");
        }
        assert_eq!(fs::read(program.path("atrest-store/keys/kms.atrest")).expect("read"), before);
        assert!(!program.path("b.key").exists());
        program.ok(["--as", "files", "disable", "1"]);
    }

    #[test]
    fn a_key_that_is_disabled_or_waits_for_its_deletion_opens_nothing() {
        let program = program_with_a_key();
        assert_eq!(program.put_as("files", "object", b"meow").code, Some(0));
        program.ok(["keys", "disable", "alias/app"]);
        program.refuses("cat object", "disabled");
        assert!(program.put_as("files", "another", b"meow").stderr.contains("disabled"));
        program.ok(["keys", "enable", "alias/app"]);
        program.says("cat object", "meow");

        program.refuses("keys delete alias/app --days 6", "7 to 30 days");
        program.says("keys delete alias/app --days 7", "`keys cancel` cancels the deletion");
        program.says("keys show alias/app", "pending deletion from ");
        program.refuses("cat object", "pending deletion");
        program.says("keys maintain", "0 deleted");
        program.ok(["keys", "cancel", "alias/app"]);
        program.ok(["keys", "enable", "alias/app"]);
        program.says("cat object", "meow");
    }

    #[test]
    fn a_rotated_key_opens_what_it_wrote_and_a_rewrap_of_all_leaves_the_old_version() {
        let program = program_with_a_key();
        assert_eq!(program.put_as("files", "object", b"meow").code, Some(0));
        program.says("keys rotate alias/app", "version 2");
        program.says("cat object", "meow");
        assert_eq!(program.version_of_last("Decrypt"), 1);
        program.says("rewrap --all", "1 rewrapped");
        program.says("cat object", "meow");
        assert_eq!(program.version_of_last("Decrypt"), 2);

        // A changed alias affects only new objects.
        program.ok([
            "keys",
            "create",
            "--alias",
            "alias/next",
            "--rotate-every",
            "90",
            "--description",
            "the next one",
        ]);
        program.says("keys show alias/next", "every 90 days");
        program.ok(["keys", "alias", "alias/app", "alias/next"]);
        program.says("cat object", "meow");
        assert_eq!(program.put_as("files", "another", b"meow").code, Some(0));
        assert_eq!(program.version_of_last("GenerateDataKey"), 1);
    }

    #[test]
    fn a_second_process_is_told_that_the_store_is_in_use() {
        let program = program_with_a_key();
        let mut child = program.spawn(["put", "object", "-"]);
        let mut stdin = child.stdin.take().expect("a pipe");
        // The input is longer than the pipe: when all of it is taken, the store is open.
        stdin.write_all(&pattern(1 << 20)).expect("taken");
        for command in ["ls", "keys ls", "cat object"] {
            program.refuses(command, "in use");
        }
        drop(stdin);
        assert_eq!(Run::from(child.wait_with_output().expect("ended")).code, Some(0));
        program.says("ls", "1,048,576  object");
    }

    #[test]
    fn the_audit_trail_says_who_did_what_and_what_was_refused() {
        let program = program_with_a_key();
        program.ok(["keys", "allow", "alias/app", "write", "alice"]);
        fs::remove_file(program.path(LOG)).expect("removed");
        assert_eq!(program.put_as("alice", "object", b"meow").code, Some(0));
        program.refuses("--as alice cat object", "may not");
        program.says("cat object", "meow");
        program.ok(["keys", "disable", "alias/app"]);
        program.refuses("cat object", "disabled");

        let text = |record: &Value, path| record.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned();
        let seen = |record: &Value| {
            ["/userIdentity/userName", "/eventName", "/requestParameters/key", "/errorCode"].map(|at| text(record, at))
        };
        let events: Vec<_> = program.records().iter().map(|record| seen(record).join(" ")).collect();
        let expected = [
            "files OpenKeyStore - -",
            "alice GenerateDataKey - -",
            "alice PutObject object -",
            "files OpenKeyStore - -",
            "alice Decrypt - AccessDenied",
            "alice GetObject object AccessDenied",
            "files OpenKeyStore - -",
            "files Decrypt - -",
            "files GetObject object -",
            "files OpenKeyStore - -",
            "files DisableKey - -",
            "files OpenKeyStore - -",
            "files Decrypt - DisabledException",
            "files GetObject object DisabledException",
        ];
        assert_eq!(events, expected);

        let table = program.ok_text(["keys", "log"]);
        // A line of names before the events, and the opening of this command after them.
        assert_eq!(table.lines().count(), 1 + expected.len() + 1, "{table}");
        assert!(table.lines().nth(2).is_some_and(|row| row.contains("alias/app")), "{table}");
        assert!(table.lines().nth(5).is_some_and(|row| row.ends_with("AccessDenied")), "{table}");
    }

    #[test]
    fn what_cannot_be_recorded_is_not_done() {
        let program = program_with_a_key();
        fs::remove_file(program.path(LOG)).expect("removed");
        fs::create_dir(program.path(LOG)).expect("made");
        program.fails(1, ["keys", "disable", "alias/app"]);
        fs::remove_dir(program.path(LOG)).expect("removed");
        program.says("keys show alias/app", "enabled");
    }

    #[test]
    fn a_missing_or_damaged_kms_is_an_error_and_never_a_new_one() {
        let program = Program::with_options(&["--kms", "embedded"]);
        program.put("sse-kms", "object", b"meow");
        no_key_is_made_anew(&program, &["keys/root.key", "keys/kms.atrest"]);
        // The key store of another store is refused.
        program.ok(["--store", "other", "put", "object", "source"]);
        for file in ["root.key", "kms.atrest"] {
            fs::copy(program.path("other/keys").join(file), program.path("atrest-store/keys").join(file))
                .expect("copied");
        }
        program.fails(1, ["cat", "object"]);
    }

    #[test]
    fn wrong_usage_of_the_keys_commands_is_told_apart_from_failure() {
        let program = program_with_a_key();
        let wrong = [
            "keys",
            "keys frobnicate",
            "keys show",
            "keys rotate alias/app alias/app",
            "keys delete alias/app --days many",
            "keys allow alias/app everything alice",
            "keys allow alias/app read",
            "keys allow alias/app read alice --everyone",
            "keys forbid alias/app read",
            "keys show alias/app --everyone",
            "keys ls --alias alias/app",
            "--kms cloud ls",
        ];
        for command in wrong {
            program.fails(2, command.split(' '));
        }
        let said = program.fails(2, ["keys", "allow", "alias/app", "reed", "alice"]);
        assert!(said.contains("no such permission: reed (write, read, administer)"), "{said}");
        program.refuses("keys show alias/none", "no such key");
        program.refuses("keys create --alias alias/app", "there is an alias of this name already");
        program.refuses("keys create --alias app", "an alias is alias/");
    }

    #[cfg(feature = "aws-lc-rs")]
    #[test]
    fn the_demo_tells_the_same_story() {
        let program = Program::new();
        fs::write(program.path("story"), pattern(50_000)).expect("written");
        assert!(program.ok_text(["--kms", "embedded", "demo", "story"]).ends_with("Everything held.\n"));
    }

    impl Program {
        fn records(&self) -> Vec<Value> {
            let log = fs::read_to_string(self.path(LOG)).expect("there");
            log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        }

        /// The version of the KMS key in the last event of this name.
        fn version_of_last(&self, event: &str) -> u64 {
            let records = self.records();
            let last = records.iter().rev().find(|record| record["eventName"] == event).expect("one");
            last["additionalEventData"]["keyVersion"].as_u64().expect("a version")
        }
    }
}
