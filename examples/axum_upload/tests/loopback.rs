//! The service, run as a program and asked over the loopback interface.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_axum_upload");

struct Server {
    directory: TempDir,
    process: Child,
    address: String,
}

struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(found, _)| *found == name).map(|(_, value)| value))
    }
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let created = Command::new(PROGRAM).arg("create").arg(directory.path()).status().unwrap();
        assert!(created.success());
        let mut process = Command::new(PROGRAM)
            .arg("serve")
            .arg(directory.path())
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self { directory, process, address }
    }

    fn send(&self, method: &str, name: &str, headers: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{method} /{name} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{headers}\r\n").unwrap();
        stream.write_all(body).unwrap();
        stream
    }

    fn ask(&self, method: &str, name: &str, headers: &str, body: &[u8]) -> Answer {
        let mut bytes = Vec::new();
        // A response that is broken off may end in a reset.
        let _ = self.send(method, name, headers, body).read_to_end(&mut bytes);
        // Nothing at all comes if the response is broken off before its head is flushed.
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Answer { head: "http/1.1 broken-off".to_owned(), body: Vec::new() };
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        Answer { head, body: bytes[end + 4..].to_vec() }
    }

    fn put(&self, name: &str, plain: &[u8]) {
        let answer = self.ask("PUT", name, &format!("Content-Length: {}\r\n", plain.len()), plain);
        assert_eq!(answer.status(), "201", "{}", answer.head);
    }

    fn put_chunked(&self, name: &str, plain: &[u8]) {
        let mut body = Vec::new();
        for piece in plain.chunks(5_000) {
            write!(body, "{:x}\r\n", piece.len()).unwrap();
            body.extend_from_slice(piece);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        assert_eq!(self.ask("PUT", name, "Transfer-Encoding: chunked\r\n", &body).status(), "201");
    }

    fn get(&self, name: &str, range: &str) -> Answer {
        let range = if range.is_empty() { String::new() } else { format!("Range: bytes={range}\r\n") };
        self.ask("GET", name, &range, &[])
    }

    fn files(&self, folder: &str) -> usize {
        fs::read_dir(self.directory.path().join(folder)).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 256) as u8).collect()
}

#[test]
fn an_upload_of_any_length_comes_back_whole_and_in_ranges() {
    let server = Server::start();
    for len in [0, 1, 16_383, 16_384, 16_385, 300_000] {
        let plain = plain(len);
        server.put("known", &plain);
        server.put_chunked("chunked", &plain);
        for name in ["known", "chunked"] {
            let whole = server.get(name, "");
            assert_eq!(
                (whole.status(), whole.header("content-length")),
                ("200", Some(&*len.to_string())),
                "{}",
                whole.head
            );
            assert!(whole.body == plain, "{name} of {len}");
            let head = server.ask("HEAD", name, "", &[]);
            assert_eq!((head.header("content-length"), head.body.len()), (Some(&*len.to_string()), 0));
            if len > 1_000 {
                for (range, expected) in
                    [("0-0", 0..1), ("100-199", 100..200), ("-500", len - 500..len), ("900-", 900..len)]
                {
                    let part = server.get(name, range);
                    assert_eq!(part.status(), "206", "{range}: {}", part.head);
                    let said = format!("bytes {}-{}/{len}", expected.start, expected.end - 1);
                    assert_eq!(part.header("content-range"), Some(&*said));
                    assert!(part.body == plain[expected], "{name} of {len}: {range}");
                }
            }
            let nothing = server.get(name, &format!("{len}-"));
            assert_eq!((nothing.status(), nothing.header("content-range")), ("416", Some(&*format!("bytes */{len}"))));
        }
    }
}

#[test]
fn no_plaintext_is_in_the_directory() {
    let server = Server::start();
    let secret = b"a secret that is long enough to be found".repeat(1_000);
    server.put("secret", &secret);
    let stored = fs::read(server.directory.path().join("objects/secret")).unwrap();
    assert!(stored.len() > secret.len() && !stored.windows(40).any(|window| window == &secret[..40]));
}

#[test]
fn an_upload_that_breaks_off_leaves_no_object_and_no_file() {
    let server = Server::start();
    server.put("cat.jpg", b"the old one");
    for (headers, body) in
        [("Content-Length: 100000\r\n", plain(50_000)), ("Transfer-Encoding: chunked\r\n", b"5\r\nmeow!\r\n".to_vec())]
    {
        let mut stream = server.send("PUT", "cat.jpg", headers, &body);
        // The server may have refused it already.
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(server.get("cat.jpg", "").body, b"the old one");
    }
    // The file goes away in the task of the request, which may end after its connection.
    while server.files("unfinished") > 0 {
        std::thread::yield_now();
    }
    assert_eq!(server.files("objects"), 1);
}

#[test]
fn a_damaged_object_breaks_its_download_off() {
    let server = Server::start();
    let plain = plain(300_000);
    server.put("cat.jpg", &plain);
    let path = server.directory.path().join("objects/cat.jpg");
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[200_000] ^= 1;
    for stored in [&damaged[..], &whole[..whole.len() - 1]] {
        fs::write(&path, stored).unwrap();
        let answer = server.get("cat.jpg", "");
        if answer.status() == "200" {
            assert_eq!(answer.header("content-length"), Some("300000"));
            assert!(answer.body.len() < plain.len(), "the client sees that something is missing");
            assert!(plain.starts_with(&answer.body));
        } else {
            assert!(["500", "broken-off"].contains(&answer.status()), "{}", answer.head);
        }
    }
    fs::write(&path, &whole[..500]).unwrap();
    assert_eq!(server.get("cat.jpg", "").status(), "500", "a cut envelope");
}

#[test]
fn names_that_are_no_objects_are_refused() {
    let server = Server::start();
    assert_eq!(server.get("nothing", "").status(), "404");
    assert_eq!(server.ask("DELETE", "nothing", "", &[]).status(), "404");
    for name in ["..", "..%2Froot.key", ".hidden", "a%00b"] {
        assert_ne!(server.get(name, "").status(), "200", "{name}");
    }
    server.put("cat.jpg", b"meow");
    assert_eq!(server.ask("DELETE", "cat.jpg", "", &[]).status(), "204");
    assert_eq!(server.get("cat.jpg", "").status(), "404");
}
