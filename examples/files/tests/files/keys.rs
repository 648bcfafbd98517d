//! Keys: which key opens an object, where the keys are stored, and the effects of a rotation.

use std::fs;

use crate::program::{MODES, Program, restrict};

#[test]
fn a_kms_key_is_made_before_it_is_used() {
    let program = Program::new();
    program.put("sse-kms", "default", b"under alias/default");
    fs::write(program.path("source"), b"under another").expect("written");
    let put = ["put", "--mode", "sse-kms", "--key-id", "alias/app", "object", "source"];
    program.fails(1, put);
    assert!(program.ok_text(["kms-create", "app"]).contains("files-kms:app"));
    program.fails(1, ["kms-create", "app"]);
    program.fails(1, ["kms-create", "../app"]);
    program.ok(put);
    assert_eq!(program.cat("sse-kms", "object"), b"under another");
    assert!(program.ok_text(["stat", "object"]).contains("KMS key files-kms:app"));

    // Without its key in the KMS the object does not open; without the other keys it does.
    let key = program.path("atrest-store/kms/app.atrest");
    fs::rename(&key, program.path("app.atrest")).expect("moved");
    program.fails(1, ["cat", "object"]);
    assert_eq!(program.cat("sse-kms", "default"), b"under alias/default");
}

#[test]
fn sse_c_wants_its_own_customer_key_and_the_other_modes_want_none() {
    let program = Program::new();
    program.ok(["customer-key", "another.key"]);
    program.fails(1, ["customer-key", "another.key"]);
    for mode in MODES {
        program.put(mode, mode, b"secret");
    }
    program.fails(1, ["cat", "sse-c"]);
    program.fails(1, ["cat", "--customer-key", "another.key", "sse-c"]);
    program.fails(1, ["stat", "sse-c"]);
    program.fails(1, ["cat", "--customer-key", "customer.key", "sse-s3"]);

    fs::write(program.path("short.key"), [7; 31]).expect("written");
    restrict(&program.path("short.key"));
    program.fails(1, ["cat", "--customer-key", "short.key", "sse-c"]);

    // `verify` chooses the right key among several, and reports an object whose key is missing.
    assert!(program.fails(1, ["verify"]).contains("1 did not verify"));
    program.ok(["verify", "--customer-key", "another.key", "--customer-key", "customer.key"]);
}

#[test]
fn a_missing_or_damaged_key_is_an_error_and_never_a_new_key() {
    let program = Program::new();
    program.put("sse-kms", "object", b"meow");
    no_key_is_made_anew(&program, &["keys/root.key", "keys/master.atrest", "kms/root.key"]);
}

/// Creates a store with an object in SSE-KMS.
pub(crate) fn no_key_is_made_anew(program: &Program, keys: &[&str]) {
    for key in keys {
        let path = program.path("atrest-store").join(key);
        let good = fs::read(&path).expect("read");
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 1;
        for damaged in [Some(&good[..good.len() - 1]), Some(&flipped), Some(&[]), None] {
            fs::remove_file(&path).expect("removed");
            if let Some(bytes) = damaged {
                fs::write(&path, bytes).expect("written");
                restrict(&path);
            }
            program.fails(1, ["cat", "object"]);
            program.fails(1, ["put", "--mode", "sse-kms", "another", "customer.key"]);
            assert_eq!(fs::read(&path).ok().as_deref(), damaged, "{key}");
            fs::write(&path, &good).expect("written");
            restrict(&path);
        }
        assert_eq!(program.cat("sse-kms", "object"), b"meow");
    }
}

#[test]
fn a_rotation_and_a_rewrap_change_envelopes_and_no_body() {
    let program = Program::new();
    for mode in MODES {
        program.put(mode, mode, format!("in {mode}").as_bytes());
    }
    let contents = |directory: &str| {
        let files = program.files(directory);
        files.into_iter().map(|path| (fs::read(&path).expect("read"), path)).collect::<Vec<_>>()
    };
    let (bodies, records) = (contents("bodies"), contents("records"));
    let under_master_key = if MODES.contains(&"dsse-kms") { 2 } else { 1 };

    let rotated = program.ok_text(["rotate"]);
    assert!(rotated.contains(&format!("to rewrap: {under_master_key}")), "{rotated}");
    assert!(program.ok_text(["stat", "sse-s3"]).contains("rewrap    needed"));
    let rewrapped = program.ok_text(["rewrap"]);
    assert!(rewrapped.contains(&format!("{under_master_key} rewrapped")), "{rewrapped}");
    assert!(program.ok_text(["stat", "sse-s3"]).contains("rewrap    not needed"));
    assert!(program.ok_text(["rewrap"]).contains("0 rewrapped"));
    let changed = contents("records").iter().zip(&records).filter(|(new, old)| new != old).count();
    assert_eq!(changed, under_master_key);

    assert!(program.fails(1, ["rewrap", "--all"]).contains("1 could not be rewrapped"));
    let all = program.ok_text(["rewrap", "--all", "--customer-key", "customer.key"]);
    assert!(all.contains(&format!("{} rewrapped", MODES.len())), "{all}");
    assert!(contents("records").iter().zip(&records).all(|(new, old)| new != old));

    assert_eq!(contents("bodies"), bodies);
    for mode in MODES {
        assert_eq!(program.cat(mode, mode), format!("in {mode}").as_bytes());
    }
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let program = Program::new();
    program.put("sse-kms", "object", b"meow");
    let keys = [program.files("keys"), program.files("kms"), vec![program.path("customer.key")]].concat();
    assert!(keys.len() >= 5, "{keys:?}");
    check_private(&keys);
    let loose = fs::Permissions::from_mode(0o644);
    fs::set_permissions(program.path("customer.key"), loose).expect("changed");
    fs::write(program.path("source"), b"meow").expect("written");
    let put = ["put", "--mode", "sse-c", "--customer-key", "customer.key", "object", "source"];
    assert!(program.fails(1, put).contains("chmod 600"));
}

#[cfg(unix)]
pub(crate) fn check_private(keys: &[std::path::PathBuf]) {
    use std::os::unix::fs::MetadataExt;
    for path in keys {
        assert_eq!(fs::metadata(path).expect("there").mode() & 0o077, 0, "{}", path.display());
    }
}
