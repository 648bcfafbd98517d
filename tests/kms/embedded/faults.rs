//! Key stores with damaged files, unwritable directories, full disks, and a second process.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use atrest::error::{KeyStoreError, SealedFileError};
use atrest::kms::{EmbeddedKms, KeyPolicy, NewKey, Permission};
use atrest::{Error, RootKey};

use super::kit::{Store, generate, owner, unwrap};

/// The variable that names the file for a test that runs in a child process.
const CHILD: &str = "ATREST_KMS_CHILD";

fn child() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Runs one test of this file in a process of its own.
fn run(command: &mut Command, test: &str, on: &Path) -> Output {
    command.args(["--exact", &format!("embedded::faults::{test}"), "--nocapture"]).env(CHILD, on).output().unwrap()
}

fn passed(output: &Output) -> bool {
    let ran = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    eprintln!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output.status.success() && ran
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_an_error_and_stays_as_it_is() {
    let store = Store::new();
    store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    let path = store.path();
    let Store { directory: _directory, root_key, kms } = store;
    drop(kms);
    let whole = fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let opened = EmbeddedKms::open(&path, &root_key);
        assert!(matches!(opened, Err(Error::SealedFile(_) | Error::Inauthentic)), "{opened:?}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "what is damaged is not replaced");
        // Nor by a new one, when a caller asks for that.
        assert!(matches!(EmbeddedKms::create(&path, &root_key, owner()), Err(Error::Io(_))));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    };
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        refused(&changed);
    }
    for len in 0..whole.len() {
        refused(&whole[..len]);
    }
    refused(&[&whole[..], b"x"].concat());
    fs::write(&path, &whole).unwrap();
    EmbeddedKms::open(&path, &root_key).unwrap().requested_by(owner()).describe_key("alias/app").unwrap();
}

#[test]
fn a_wrong_root_key_opens_nothing_and_changes_nothing() {
    let store = Store::new();
    let path = store.path();
    let before = fs::read(&path).unwrap();
    let Store { directory: _directory, root_key, kms } = store;
    drop(kms);
    let wrong = |key: &RootKey| {
        let opened = EmbeddedKms::open(&path, key);
        assert!(matches!(opened, Err(Error::SealedFile(SealedFileError::WrongRootKey))), "{opened:?}");
    };
    wrong(&RootKey::generate().unwrap());
    wrong(&RootKey::from_passphrase("a passphrase for a file under a key").unwrap());
    assert_eq!(fs::read(&path).unwrap(), before);
    EmbeddedKms::open(&path, &root_key).unwrap();
}

#[cfg(feature = "passphrase")]
#[test]
fn a_store_under_a_passphrase_opens_with_it_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kms.atrest");
    let passphrase = RootKey::from_passphrase("correct horse \u{e9}").unwrap();
    let kms = EmbeddedKms::create(&path, &passphrase, owner()).unwrap();
    kms.requested_by(owner()).create_key(NewKey::new().alias("alias/app")).unwrap();
    drop(kms);
    for wrong in [RootKey::from_passphrase("correct horse e\u{301}").unwrap(), RootKey::generate().unwrap()] {
        let opened = EmbeddedKms::open(&path, &wrong);
        assert!(matches!(opened, Err(Error::SealedFile(SealedFileError::WrongRootKey))), "{opened:?}");
    }
    let kms = EmbeddedKms::open(&path, &passphrase).unwrap();
    kms.requested_by(owner()).describe_key("alias/app").unwrap();
}

#[test]
fn a_store_that_is_missing_is_an_error_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let root_key = RootKey::generate().unwrap();
    for path in ["kms.atrest", "no/such/directory/kms.atrest"] {
        let path = directory.path().join(path);
        match EmbeddedKms::open(&path, &root_key) {
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::NotFound),
            other => panic!("{other:?}"),
        }
    }
    let created = EmbeddedKms::create(directory.path().join("no/kms.atrest"), &root_key, owner());
    assert!(matches!(created, Err(Error::Io(error)) if error.kind() == ErrorKind::NotFound));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_store_is_open_once_in_all_processes() {
    if let Some(directory) = child() {
        let root_key = RootKey::open_file(directory.join("root.key")).unwrap();
        let opened = EmbeddedKms::open(directory.join("kms.atrest"), &root_key);
        assert!(matches!(opened, Err(Error::KeyStore(KeyStoreError::InUse))), "{opened:?}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kms.atrest");
    let root_key = RootKey::create_file(directory.path().join("root.key")).unwrap();
    let in_use = |opened: Result<EmbeddedKms, Error>| {
        assert!(matches!(opened, Err(Error::KeyStore(KeyStoreError::InUse))), "{opened:?}");
    };
    let kms = EmbeddedKms::create(&path, &root_key, owner()).unwrap();
    let another = || {
        in_use(EmbeddedKms::open(&path, &root_key));
        in_use(EmbeddedKms::create(&path, &root_key, owner()));
        let mut program = Command::new(std::env::current_exe().unwrap());
        assert!(passed(&run(&mut program, "a_store_is_open_once_in_all_processes", directory.path())));
    };
    another();
    // A clone, and the keyring, are handles too.
    let (clone, keyring) = (kms.clone(), kms.keyring());
    drop(kms);
    another();
    drop(clone);
    another();
    keyring.blocking().rotate().unwrap();
    drop(keyring);
    let kms = EmbeddedKms::open(&path, &root_key).unwrap();
    assert_eq!(kms.keyring().primary(), 2);
}

#[test]
fn a_store_whose_file_is_not_the_one_it_wrote_changes_nothing() {
    let store = Store::new();
    let key = store.admin().create_key(NewKey::new().alias("alias/app")).unwrap().arn;
    // The lock goes, and with it what keeps a second one out.
    fs::remove_file(store.path().with_file_name("kms.atrest.lock")).unwrap();
    let second = EmbeddedKms::open(store.path(), &store.root_key).unwrap();
    let theirs = second.requested_by(owner()).create_key(NewKey::new()).unwrap().arn;
    let conflict = |outcome: Result<(), Error>| {
        assert!(matches!(outcome, Err(Error::KeyStore(KeyStoreError::Conflict))), "{outcome:?}");
    };
    conflict(store.admin().rotate_key(&key).map(drop));
    conflict(store.kms.keyring().blocking().rotate().map(drop));
    second.requested_by(owner()).rotate_key(&key).unwrap();
    generate(&store.kms, &key, &owner()).unwrap();
    drop(second);
    let store = store.reopened();
    store.admin().describe_key(&theirs).unwrap();
    assert_eq!(store.admin().describe_key(&key).unwrap().versions.len(), 2);
}

/// Checks a store that cannot be written: its keys work, changes are refused, and nothing is lost.
fn works_without_storing(kms: &EmbeddedKms, path: &Path) {
    let admin = kms.requested_by(owner());
    let (before, stored) = (admin.list_keys().unwrap(), fs::read(path).unwrap());
    let generated = generate(kms, "alias/app", &owner()).unwrap();
    for outcome in [
        admin.create_key(NewKey::new().description("d".repeat(8_000))).map(drop),
        admin.rotate_key("alias/app").map(drop),
        admin.schedule_deletion("alias/app", std::time::Duration::from_secs(7 * 86_400)).map(drop),
        kms.keyring().blocking().rotate().map(drop),
    ] {
        assert!(matches!(outcome, Err(Error::Io(_))), "{outcome:?}");
        eprintln!("{}", outcome.unwrap_err());
    }
    unwrap(kms, "alias/app", generated.wrapped(), &owner()).unwrap();
    assert_eq!(admin.list_keys().unwrap(), before);
    assert_eq!(kms.keyring().primary(), 1);
    assert_eq!(fs::read(path).unwrap(), stored);
    assert!(!path.with_file_name("kms.atrest.tmp").exists(), "nothing is left of what could not be written");
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_written_is_an_error_and_keys_go_on_working() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;

    if let Some(directory) = child() {
        let root_key = RootKey::open_file(directory.join("root.key")).unwrap();
        let path = directory.join("store/kms.atrest");
        let mode = |mode| fs::set_permissions(directory.join("store"), PermissionsExt::from_mode(mode)).unwrap();
        let denied = |opened: Result<EmbeddedKms, Error>| match opened {
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}"),
            other => panic!("{other:?}"),
        };
        mode(0o555);
        denied(EmbeddedKms::create(&path, &root_key, owner()));
        assert_eq!(fs::read_dir(directory.join("store")).unwrap().count(), 0);
        mode(0o755);
        let kms = EmbeddedKms::create(&path, &root_key, owner()).unwrap();
        kms.requested_by(owner()).create_key(NewKey::new().alias("alias/app")).unwrap();
        mode(0o555);
        works_without_storing(&kms, &path);
        mode(0o755);
        kms.requested_by(owner()).rotate_key("alias/app").unwrap();
        // It may be written, and not be read to be synchronised: what was changed is taken back.
        mode(0o300);
        let admin = kms.requested_by(owner());
        let everyone = KeyPolicy::new().allow_everyone(Permission::Generate);
        assert!(matches!(admin.set_policy("alias/app", Some(everyone)), Err(Error::Io(_))));
        assert_eq!(admin.describe_key("alias/app").unwrap().policy, None);
        mode(0o755);
        admin.set_tag("alias/app", "team", "photos").unwrap();
        let told = admin.describe_key("alias/app").unwrap();
        drop((admin, kms));
        let kms = EmbeddedKms::open(&path, &root_key).unwrap();
        assert_eq!(kms.requested_by(owner()).describe_key("alias/app").unwrap(), told);
        drop(kms);
        fs::remove_file(path.with_file_name("kms.atrest.lock")).unwrap();
        mode(0o555);
        denied(EmbeddedKms::open(&path, &root_key));
        mode(0o755);
        return;
    }
    // Root may write everywhere, so another user tries, with a program that this user can reach.
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::create_dir(directory.path().join("store")).unwrap();
    RootKey::create_file(directory.path().join("root.key")).unwrap();
    let probe = directory.path().join("probe");
    fs::create_dir(&probe).unwrap();
    fs::set_permissions(&probe, PermissionsExt::from_mode(0o555)).unwrap();
    let mut command = Command::new(&program);
    if fs::write(probe.join("file"), b"").is_ok() {
        const NOBODY: u32 = 65_534;
        for path in [directory.path(), &directory.path().join("store"), &directory.path().join("root.key")] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY).env_remove("ATREST_SEAL_LOG");
    }
    let test = "a_directory_that_cannot_be_written_is_an_error_and_keys_go_on_working";
    assert!(passed(&run(&mut command, test, directory.path())));
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_keys_go_on_working() {
    const TEST: &str = "a_full_disk_is_an_error_and_keys_go_on_working";
    if let Some(directory) = child() {
        let root_key = RootKey::generate().unwrap();
        let path = directory.join("kms.atrest");
        let kms = EmbeddedKms::create(&path, &root_key, owner()).unwrap();
        let admin = kms.requested_by(owner());
        admin.create_key(NewKey::new().alias("alias/app")).unwrap();
        // Until there is no more room.
        let filler = NewKey::new().description("d".repeat(8_000));
        let mut made = vec![admin.describe_key("alias/app").unwrap().id];
        while let Ok(key) = admin.create_key(filler.clone()) {
            made.push(key.id);
            assert!(made.len() < 1_000, "the disk does not fill");
        }
        assert!(made.len() > 1, "there was no room at all");
        // To the last byte.
        for step in [512, 16, 1] {
            let description = |key: &str| admin.describe_key(key).unwrap().description.len();
            while admin.set_description("alias/app", &"d".repeat(description("alias/app") + step)).is_ok() {}
        }
        works_without_storing(&kms, &path);
        drop((admin, kms));
        let kms = EmbeddedKms::open(&path, &root_key).unwrap();
        let there: Vec<_> = kms.requested_by(owner()).list_keys().unwrap().into_iter().map(|key| key.id).collect();
        made.sort();
        assert_eq!(there, made);
        return;
    }
    let program = std::env::current_exe().unwrap();
    // A file that may not grow: this much every system can do.
    let directory = tempfile::tempdir().unwrap();
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""]).arg(&program).env_remove("ATREST_SEAL_LOG");
    assert!(passed(&run(&mut limited, TEST, directory.path())));
    // A file system that is full: where a test may mount one.
    let directory = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=128k tmpfs \"$0\" || exit 77; exec \"$@\"";
    let mut mounted = Command::new("unshare");
    mounted.args(["-rm", "sh", "-c", mount]).arg(directory.path()).arg(&program).env_remove("ATREST_SEAL_LOG");
    match mounted
        .args(["--exact", &format!("embedded::faults::{TEST}"), "--nocapture"])
        .env(CHILD, directory.path())
        .output()
    {
        Ok(output) if output.status.code() != Some(77) && !output.stdout.is_empty() => assert!(passed(&output)),
        other => eprintln!("no file system of its own here, the limit on files has to do: {other:?}"),
    }
}
