//! A small HTTP/1.1 server on the loopback interface, which keeps its connections open.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

/// A request of the JSON protocol.
pub(crate) struct Request {
    /// `TrentService.GenerateDataKey`, or another operation.
    pub(crate) target: String,
    pub(crate) body: Value,
}

/// What the server does with a request.
pub(crate) enum Answer {
    Http {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// The connection stays open and silent.
    Never,
    /// The first half of an answer, and then the end of the connection.
    Dies(Vec<u8>),
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Http { status, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "__type": code, "message": message }))
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a server, whose threads live as long as the process.
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
        let counted = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, counted) = (answer.clone(), counted.clone());
                thread::spawn(move || serve(stream, &*answer, &counted));
            }
        });
        Self { address, requests }
    }

    /// The number of requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Answers the requests of one connection until it ends.
fn serve(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Answer, counted: &AtomicUsize) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut received = Vec::new();
    loop {
        let request = read_request(&mut stream, &mut received)?;
        let number = counted.fetch_add(1, Ordering::SeqCst);
        let id = format!("x-amzn-requestid: request-{number}\r\n");
        match answer(&request) {
            Answer::Http { status, headers, body } => {
                let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let len = body.len();
                let head = format!("HTTP/1.1 {status} Reason\r\n{id}{headers}content-length: {len}\r\n\r\n");
                stream.write_all(&[head.into_bytes(), body].concat()).ok()?;
            }
            Answer::Never => {
                // Ends when the client closes the connection.
                let _ = stream.read(&mut [0; 1]);
                return None;
            }
            Answer::Dies(body) => {
                let head = format!("HTTP/1.1 200 OK\r\n{id}content-length: {}\r\n\r\n", 2 * body.len());
                stream.write_all(&[head.into_bytes(), body].concat()).ok()?;
                return None;
            }
        }
    }
}

fn read_request(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some((request, len)) = parse(received) {
            received.drain(..len);
            return Some(request);
        }
        let mut piece = [0; 16_384];
        match stream.read(&mut piece) {
            Ok(len @ 1..) => received.extend_from_slice(&piece[..len]),
            _ => return None,
        }
    }
}

/// The first request of these bytes, with its length. `None` if it is not complete.
fn parse(bytes: &[u8]) -> Option<(Request, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head_len) = head.parse(bytes).unwrap() else { return None };
    let header = |name: &str| {
        let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8(header.value.to_vec()).unwrap())
    };
    let body_len: usize = header("content-length").map_or(0, |len| len.parse().unwrap());
    let body = bytes.get(head_len..head_len + body_len)?;
    let request = Request {
        target: header("x-amz-target").unwrap_or_default(),
        body: serde_json::from_slice(body).unwrap_or_default(),
    };
    Some((request, head_len + body_len))
}
