//! Keyring files: owners, modes, directories, full disks, invalid files, and held locks.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use atrest::{Error, Keyring, RootKey};

use super::kit::{Files, is_unavailable, read, reads, write};

const KEY: [u8; 32] = [0x5a; 32];
const NOBODY: u32 = 65_534;

/// A task for this test program as a child process, which `access::child_process` performs.
struct Task<'a> {
    task: &'a str,
    path: &'a Path,
    uid: Option<u32>,
    shell: &'a str,
}

impl Task<'_> {
    fn start(&self) -> Child {
        // Another user cannot reach the directory of the build.
        let program = self.path.parent().unwrap().join("program");
        if !program.exists() {
            fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{} exec \"$0\" \"$@\"", self.shell)]).arg(&program);
        command.args(["--exact", "keyring::access::child_process", "--nocapture", "--test-threads=1"]);
        command.env("KEYRING_TASK", self.task).env("KEYRING_PATH", self.path).env_remove("ATREST_SEAL_LOG");
        command.current_dir("/").stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command.spawn().unwrap()
    }

    /// The output of the task.
    fn run(&self) -> Vec<String> {
        let output = self.start().wait_with_output().unwrap();
        let said: Vec<String> = said(&output.stdout[..]).collect();
        assert!(!said.is_empty(), "{}: {}", self.task, String::from_utf8_lossy(&output.stdout));
        said
    }
}

fn said(stdout: impl std::io::Read) -> impl Iterator<Item = String> {
    let lines = BufReader::new(stdout).lines().map_while(Result::ok);
    lines.filter_map(|line| line.split_once("said: ").map(|(_, said)| said.to_owned()))
}

#[test]
fn child_process() {
    let Ok(task) = std::env::var("KEYRING_TASK") else {
        return; // not a child: there is nothing to do
    };
    let path = PathBuf::from(std::env::var_os("KEYRING_PATH").unwrap());
    if task == "hold the lock" {
        let lock = fs::File::options().write(true).open(path.with_extension("atrest.lock")).unwrap();
        lock.lock().unwrap();
        println!("said: held");
        loop {
            std::thread::park();
        }
    }
    let keyring = match Keyring::open_blocking(&path, &RootKey::from_bytes(&mut KEY.clone()).unwrap()) {
        Ok(keyring) => keyring,
        Err(error) => return println!("said: cannot open: {error:?}"),
    };
    for _ in 0..3 {
        match keyring.blocking().rotate() {
            Ok(version) => println!("said: version {version}"),
            Err(Error::Io(error)) => println!("said: {:?} {error}", error.kind()),
            Err(error) => println!("said: {error:?}"),
        }
    }
}

fn files() -> Files {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    let (path, root_key) = (directory.path().join("master.atrest"), RootKey::from_bytes(&mut KEY.clone()).unwrap());
    Keyring::create_blocking(&path, &root_key).unwrap();
    Files { directory, path, root_key }
}

/// Returns whether the test runs as root, which may change owners and users.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[test]
fn a_change_by_root_keeps_owner_group_and_mode_and_locks_no_one_out() {
    if !is_root() {
        return;
    }
    let files = files();
    fs::remove_file(files.beside("master.atrest.lock")).unwrap();
    chown(&files.path, Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(&files.path, Permissions::from_mode(0o640)).unwrap();
    files.open().blocking().rotate().unwrap();
    let kept = fs::metadata(&files.path).unwrap();
    assert_eq!((kept.uid(), kept.gid(), kept.mode() & 0o7777), (NOBODY, NOBODY, 0o640));
    let service = Task { task: "rotate", path: &files.path, uid: Some(NOBODY), shell: "" };
    assert_eq!(service.run(), ["version 3", "version 4", "version 5"]);
    assert_eq!(files.open().primary(), 5);
}

#[test]
fn a_change_by_another_user_is_refused_before_anything_is_written() {
    if !is_root() {
        return;
    }
    for lock_is_there in [false, true] {
        let files = files();
        chown(&files.path, Some(1_234), Some(1_234)).unwrap();
        fs::set_permissions(&files.path, Permissions::from_mode(0o644)).unwrap();
        if lock_is_there {
            fs::set_permissions(files.beside("master.atrest.lock"), Permissions::from_mode(0o666)).unwrap();
        } else {
            fs::remove_file(files.beside("master.atrest.lock")).unwrap();
        }
        let before = fs::read(&files.path).unwrap();
        let other = Task { task: "rotate", path: &files.path, uid: Some(NOBODY), shell: "" };
        for refused in other.run() {
            assert!(refused.starts_with("PermissionDenied"), "{refused}");
        }
        assert_eq!(fs::read(&files.path).unwrap(), before);
        assert!(!files.beside("master.atrest.tmp").exists());
        assert_eq!(files.beside("master.atrest.lock").exists(), lock_is_there, "what would lock the owner out");
    }
}

#[test]
fn in_a_directory_that_cannot_be_read_a_change_is_refused_before_anything_is_written() {
    if !is_root() {
        return;
    }
    let files = files();
    for path in [files.directory.path(), &files.path, &files.beside("master.atrest.lock")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let task = Task { task: "rotate", path: &files.path, uid: Some(NOBODY), shell: "" };
    assert_eq!(task.run(), ["version 2", "version 3", "version 4"], "it is the directory that matters");
    fs::set_permissions(files.directory.path(), Permissions::from_mode(0o300)).unwrap();
    for refused in task.run() {
        assert!(refused.starts_with("PermissionDenied"), "{refused}");
    }
    assert_eq!(files.open().primary(), 4, "no version was made that its maker does not know of");
}

#[test]
fn a_full_disk_leaves_the_file_and_the_keyring_as_they_were() {
    let files = files();
    let before = fs::read(&files.path).unwrap();
    let full = Task { task: "rotate", path: &files.path, uid: None, shell: "trap '' XFSZ; ulimit -f 0;" };
    for refused in full.run() {
        assert!(refused.starts_with("FileTooLarge"), "{refused}");
    }
    assert_eq!(fs::read(&files.path).unwrap(), before);
    assert!(!files.beside("master.atrest.tmp").exists());
    assert_eq!(files.open().blocking().rotate().unwrap(), 2);
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let (files, ours) = Files::new();
    let other = files.open();
    other.blocking().rotate().unwrap();
    let unknown = write(&other).unwrap();
    let sealed = fs::read(&files.path).unwrap();
    fs::remove_file(&files.path).unwrap();
    assert!(Command::new("mkfifo").arg(&files.path).status().unwrap().success());
    for _ in 0..2 {
        let refused = ours.blocking().reload().unwrap_err();
        assert!(matches!(&refused, Error::Io(error) if error.kind() == ErrorKind::InvalidInput), "{refused:?}");
        assert!(ours.blocking().rotate().is_err());
        assert!(is_unavailable(&read(&ours, &unknown).unwrap_err()));
        assert!(reads(&ours, &write(&ours).unwrap()));
        assert!(files.file().open_blocking(&files.root_key).is_err());
    }
    fs::remove_file(&files.path).unwrap();
    fs::create_dir(&files.path).unwrap();
    assert!(ours.blocking().reload().is_err() && ours.blocking().rotate().is_err());
    fs::remove_dir(&files.path).unwrap();
    fs::write(&files.path, vec![7; 3_000_000]).unwrap();
    assert!(matches!(ours.blocking().reload(), Err(Error::Io(error)) if error.kind() == ErrorKind::FileTooLarge));
    files.put(&sealed);
    assert!(reads(&ours, &unknown));
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_the_old_one_or_the_new_one() {
    let (files, ours) = Files::new();
    let other = files.open();
    std::thread::scope(|scope| {
        let rotating = scope.spawn(|| {
            for _ in 0..60 {
                other.blocking().rotate().unwrap();
            }
        });
        let mut last = 1;
        while !rotating.is_finished() {
            ours.blocking().reload().unwrap();
            assert!(ours.primary() >= last);
            last = ours.primary();
        }
    });
    // Written in place, as a copy program does it: whole again in the end, and no verdict stays.
    let sealed = fs::read(&files.path).unwrap();
    for len in [0, 1, 50, sealed.len() - 1] {
        fs::write(&files.path, &sealed[..len]).unwrap();
        assert!(ours.blocking().reload().is_err());
    }
    fs::write(&files.path, &sealed).unwrap();
    ours.blocking().reload().unwrap();
    assert_eq!(ours.primary(), 61);
}

#[test]
fn a_lock_that_is_held_is_waited_for_a_while_and_one_whose_holder_is_gone_is_free() {
    let files = files();
    let keyring = files.open();
    let mut holder = Task { task: "hold the lock", path: &files.path, uid: None, shell: "" }.start();
    assert_eq!(said(holder.stdout.take().unwrap()).next().unwrap(), "held");
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &holder.id().to_string()]).status().unwrap();
        assert!(sent.success());
    };
    signal("-STOP");
    let before = fs::read(&files.path).unwrap();
    for _ in 0..2 {
        let refused = keyring.blocking().rotate().unwrap_err();
        assert!(is_unavailable(&refused), "{refused:?}");
        keyring.blocking().reload().unwrap();
        assert!(reads(&keyring, &write(&keyring).unwrap()));
    }
    assert_eq!((fs::read(&files.path).unwrap(), keyring.primary()), (before, 1));
    signal("-KILL");
    holder.wait().unwrap();
    assert_eq!(keyring.blocking().rotate().unwrap(), 2);
}

#[test]
fn a_read_does_not_wait_for_a_change_that_waits_for_a_lock() {
    let (files, _) = Files::new();
    // Waits for half a minute: as long as the lock is held the change does not end.
    let keyring = Keyring::builder(&files.path).wait(std::time::Duration::from_secs(60));
    let keyring = keyring.open_blocking(&files.root_key).unwrap();
    let other = files.open();
    other.blocking().rotate().unwrap();
    let unknown = write(&other).unwrap();
    let lock = fs::File::options().write(true).open(files.beside("master.atrest.lock")).unwrap();
    lock.lock().unwrap();
    std::thread::scope(|scope| {
        let rotating = scope.spawn(|| keyring.blocking().rotate());
        while keyring.primary() == 1 {
            std::thread::yield_now(); // until the change has read the file and waits for the lock
        }
        assert!(reads(&keyring, &unknown));
        other.blocking().reload().unwrap();
        keyring.blocking().reload().unwrap();
        assert!(!rotating.is_finished());
        lock.unlock().unwrap();
        assert_eq!(rotating.join().unwrap().unwrap(), 3);
    });
}
