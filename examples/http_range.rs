//! Answers HTTP range requests: 200, 206 and 416, with `Content-Range`, in constant memory.
//!
//! ```text
//! cargo run --example http_range
//! ```

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use atrest::{ByteRange, Decryptor, Keyring, ObjectName, Sse, SseS3, Unlock};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// An encrypted object as the server holds it.
struct Stored {
    decryptor: Decryptor,
    body: Vec<u8>,
}

/// Answers one request. The value of the header `Range` decides on the status.
fn answer(stored: &Stored, range: Option<&str>, client: &mut impl Write) -> Result<()> {
    // A header that is malformed, or asks for several ranges, gets the whole object.
    let range = range.and_then(|header| ByteRange::parse(header).ok().flatten());
    let body_len = stored.body.len() as u64;
    let plan = match stored.decryptor.range(range.unwrap_or((0..).into()), body_len) {
        Err(atrest::Error::RangeNotSatisfiable { plaintext_len, .. }) => {
            write!(client, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{plaintext_len}\r\n")?;
            return Ok(write!(client, "Content-Length: 0\r\n\r\n")?);
        }
        plan => plan?,
    };
    // `None` if the length was unknown at the write: then verify the end first (`Decryptor::verify_end`).
    let resolved = plan.resolved().ok_or("the length is not known")?;
    match (range, resolved.content_range()) {
        (Some(_), Some(content_range)) => {
            write!(client, "HTTP/1.1 206 Partial Content\r\nContent-Range: {content_range}\r\n")?;
        }
        _ => write!(client, "HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\n")?,
    }
    let range = resolved.range();
    write!(client, "Content-Length: {}\r\n\r\n", range.end - range.start)?;

    // Every byte that `update` returns is authenticated. An error ends the connection early.
    let mut reader = plan.reader();
    let mut plaintext = Vec::new();
    for fetch in plan.fetches() {
        for piece in stored.body[fetch.start as usize..fetch.end as usize].chunks(64 * 1024) {
            plaintext.resize(plaintext.len().max(reader.update_len(piece.len())), 0);
            let len = reader.update(piece, &mut plaintext)?;
            client.write_all(&plaintext[..len])?;
        }
    }
    plaintext.resize(plaintext.len().max(reader.finish_len()), 0);
    let len = reader.finish(&mut plaintext)?;
    Ok(client.write_all(&plaintext[..len])?)
}

/// Reads one request from a connection and answers it.
fn serve(stored: &Stored, mut client: TcpStream) -> Result<()> {
    let mut range = None;
    for line in BufReader::new(client.try_clone()?).lines() {
        let line = line?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("range") => range = Some(value.trim().to_owned()),
            _ if line.is_empty() => break, // the end of the headers
            _ => {}
        }
    }
    answer(stored, range.as_deref(), &mut client)
}

fn main() -> Result<()> {
    let sse = Sse::builder().keyring(Keyring::generate()?).build()?;
    let object = ObjectName::new("logs", "numbers.txt")?;
    let plaintext: String = (0..100_000).map(|number| format!("line {number:06}\n")).collect();
    let encrypted = sse.blocking().encrypt(&object, SseS3, plaintext.as_bytes())?;
    let decryptor = sse.blocking().decryptor(&object, &encrypted.envelope, Unlock::Server)?;
    let stored = Stored { decryptor, body: encrypted.ciphertext };

    let requests = [
        ("bytes=1200-1223", "206 Partial Content", "line 000100\nline 000101\n"),
        ("bytes=-12", "206 Partial Content", "line 099999\n"),
        ("bytes=1200000-", "416 Range Not Satisfiable", ""),
        ("lines=1-2", "200 OK", &plaintext),
    ];
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let clients = requests.len();
    let server =
        thread::spawn(move || listener.incoming().take(clients).try_for_each(|client| serve(&stored, client?)));
    for (range, status, expected) in requests {
        let mut server = TcpStream::connect(address)?;
        write!(server, "GET /logs/numbers.txt HTTP/1.1\r\nRange: {range}\r\n\r\n")?;
        let mut response = String::new();
        server.read_to_string(&mut response)?;
        let (headers, body) = response.split_once("\r\n\r\n").ok_or("no headers")?;
        println!("Range: {range}\n    {}", headers.replace("\r\n", "\n    "));
        assert!(headers.starts_with(&format!("HTTP/1.1 {status}\r\n")) && body == expected);
    }
    server.join().expect("the server does not panic")
}
