//! `Program`: the example as a child process, with a store of its own.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) const CHUNK_LEN: usize = 16 * 1024;

/// The modes of this build: DSSE-KMS needs both implementations of the cryptography.
pub(crate) const MODES: &[&str] = if cfg!(feature = "aws-lc-rs") {
    &["sse-s3", "sse-kms", "dsse-kms", "sse-c"]
} else {
    &["sse-s3", "sse-kms", "sse-c"]
};

/// A directory with a store, a customer key and other files of the test.
pub(crate) struct Program {
    directory: TempDir,
    /// The first arguments of every command.
    options: &'static [&'static str],
}

/// The result of a child process.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self::with_options(&[])
    }

    pub(crate) fn with_options(options: &'static [&'static str]) -> Self {
        let program = Self { directory: tempfile::tempdir().expect("a temporary directory"), options };
        program.ok(["customer-key", "customer.key"]);
        program
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs the program until it ends.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        self.run_with_input(arguments, b"")
    }

    pub(crate) fn run_with_input<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, input: &[u8]) -> Run {
        let mut child = self.spawn(arguments);
        let mut stdin = child.stdin.take().expect("a pipe");
        // A program that refuses its arguments does not read its input: its message is more useful than a broken pipe.
        let _ = stdin.write_all(input);
        drop(stdin);
        Run::from(child.wait_with_output().expect("the child ends"))
    }

    /// Runs the program, which must succeed, and returns its output.
    #[track_caller]
    pub(crate) fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Vec<u8> {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run.stdout
    }

    #[track_caller]
    pub(crate) fn ok_text<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        String::from_utf8(self.ok(arguments)).expect("UTF-8")
    }

    /// Runs the program, which must fail with a message, and returns the message.
    #[track_caller]
    pub(crate) fn fails<S: AsRef<OsStr>>(&self, code: i32, arguments: impl IntoIterator<Item = S>) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(code), "{} {}", run.stderr, String::from_utf8_lossy(&run.stdout));
        assert!(run.stderr.starts_with("files: "), "{}", run.stderr);
        run.stderr
    }

    pub(crate) fn spawn<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Child {
        self.command(arguments).spawn().expect("the example starts")
    }

    /// Runs the program until it reaches a step between two writes, where it ends as if it had been killed.
    #[track_caller]
    pub(crate) fn stop_at<S: AsRef<OsStr>>(&self, step: &str, arguments: impl IntoIterator<Item = S>) -> Run {
        let run = Run::from(self.command(arguments).env("FILES_STOP_AT", step).output().expect("the example starts"));
        assert!(!matches!(run.code, Some(0..=2)), "{step} was not reached: {:?} {}", run.code, run.stderr);
        run
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_files"));
        command.current_dir(self.directory.path()).args(self.options).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Stores bytes under a name, in a mode.
    #[track_caller]
    pub(crate) fn put(&self, mode: &str, name: &str, bytes: &[u8]) {
        let source = self.path("source");
        fs::write(&source, bytes).expect("written");
        let mut arguments = vec!["put", "--mode", mode];
        arguments.extend(customer_key_for(mode));
        arguments.extend(["--", name, "source"]);
        self.ok(arguments);
    }

    /// Reads an object of a mode whole.
    #[track_caller]
    pub(crate) fn cat(&self, mode: &str, name: &str) -> Vec<u8> {
        let mut arguments = vec!["cat"];
        arguments.extend(customer_key_for(mode));
        arguments.extend(["--", name]);
        self.ok(arguments)
    }

    /// The only file of a directory of the store.
    #[track_caller]
    pub(crate) fn only_file(&self, directory: &str) -> PathBuf {
        let files = self.files(directory);
        assert_eq!(files.len(), 1, "{files:?}");
        files.into_iter().next().expect("one")
    }

    pub(crate) fn files(&self, directory: &str) -> Vec<PathBuf> {
        all_files(&self.path("atrest-store").join(directory))
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

pub(crate) fn customer_key_for(mode: &str) -> &'static [&'static str] {
    if mode == "sse-c" { &["--customer-key", "customer.key"] } else { &[] }
}

/// Every file below a directory.
pub(crate) fn all_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(all_files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Bytes without nearby repetition, so that a misplaced chunk is detected.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[1]).collect()
}

/// Sets the permissions that the program gives to its own key files: only the owner may read them.
pub(crate) fn restrict(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("changed");
    }
    #[cfg(not(unix))]
    let _ = path;
}
