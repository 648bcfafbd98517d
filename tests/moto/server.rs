//! A server of moto, an emulator of AWS in Python, for the tests of the companions, which include this file by its
//! path.
//!
//! The tests install moto from PyPI into a virtual environment of their own. `ATREST_MOTO_SERVER` names the program
//! `moto_server` of an installation instead; the value `none` skips the tests.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const MOTO: &str = "moto[server]==5.2.5";
/// Runs the server until its own standard input ends, which it does however the process of the test ends.
const UNTIL_THE_END: &str = r#""$@" & cat; kill $!"#;

/// A running server. It ends when it is dropped, and with the process at the latest.
pub(crate) struct Moto {
    address: SocketAddr,
    shell: Child,
}

impl Moto {
    /// Starts a server, installed if it is not there. `None` if the environment says to do without.
    pub(crate) fn start() -> Option<Self> {
        let program = program()?;
        // The port is free now; moto takes no listener of ours.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let shell = Command::new("sh")
            .args(["-c", UNTIL_THE_END, "sh"])
            .arg(program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { address, shell };
        for _ in 0..1_200 {
            if TcpStream::connect(address).is_ok() {
                return Some(moto);
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("moto does not listen");
    }

    /// Returns the URL of the server.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Returns the program, installed if it is not there. `None` if the environment says to do without.
fn program() -> Option<PathBuf> {
    match env::var_os("ATREST_MOTO_SERVER") {
        Some(program) if program == "none" => return None,
        Some(program) => return Some(program.into()),
        None => {}
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto");
    let program = directory.join("bin/moto_server");
    if !program.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory));
        run(Command::new(directory.join("bin/pip")).args(["install", "--quiet", MOTO]));
    }
    Some(program)
}

fn run(command: &mut Command) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said: Vec<_> = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).collect();
    assert!(child.wait().unwrap().success(), "moto cannot be installed (ATREST_MOTO_SERVER=none skips it): {said:?}");
}
