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

pub(crate) struct Moto {
    server: Child,
    address: SocketAddr,
}

impl Moto {
    /// Starts a server, installed if it is not there. `None` if the environment says to do without.
    pub(crate) fn start() -> Option<Self> {
        let program = program()?;
        // The port is free now; moto takes no listener of ours.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { server, address };
        let is_up = || TcpStream::connect(address).is_ok();
        for _ in 0..1_200 {
            if is_up() {
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
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

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
