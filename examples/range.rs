//! Range reads of a large object: only the chunks of the range are fetched, and every chunk is authenticated.
//!
//! ```text
//! cargo run --release --example range
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use atrest::io::{DecryptReader, EncryptWriter};
use atrest::{ByteRange, Decryptor, Keyring, ObjectName, Sse, SseS3, Unlock};

const LINE_LEN: u64 = 12;
const LINES: u64 = 500_000;

fn main() -> Result<(), Box<dyn Error>> {
    // A master key for this run only; `quickstart` shows how to store one.
    let sse = Sse::builder().keyring(Keyring::generate()?).build()?;
    let object = ObjectName::new("logs", "numbers.txt")?;
    let mut body = tempfile::tempfile()?;

    // Writes half a million numbered lines as a stream.
    let (envelope, encryptor) = sse.blocking().encryptor(&object, SseS3)?;
    let mut writer = EncryptWriter::new(encryptor, &body);
    for number in 0..LINES {
        writeln!(writer, "line {number:06}")?;
    }
    writer.finish()?;
    let body_len = body.metadata()?.len();
    println!("stored {} bytes of plaintext as a body of {body_len} bytes", LINES * LINE_LEN);

    // One decryptor serves any number of reads.
    let decryptor = sse.blocking().decryptor(&object, &envelope, Unlock::Server)?;

    let start = 123_456 * LINE_LEN;
    print_range(&decryptor, &mut body, body_len, "three lines", start..start + 3 * LINE_LEN)?;
    print_range(&decryptor, &mut body, body_len, "the last line", ByteRange::last(LINE_LEN))?;

    // Reads through `DecryptReader`, an ordinary reader that can seek.
    body.seek(SeekFrom::Start(0))?;
    let mut reader = DecryptReader::new(decryptor, body);
    reader.seek(SeekFrom::Start(400_000 * LINE_LEN))?;
    let mut line = [0; LINE_LEN as usize];
    reader.read_exact(&mut line)?;
    print!("sought and read:\n    {}", String::from_utf8_lossy(&line));
    Ok(())
}

/// Plans, fetches and decrypts a range. The plan names the bytes that it needs; the caller fetches them from the body.
fn print_range(
    decryptor: &Decryptor,
    body: &mut File,
    body_len: u64,
    what: &str,
    range: impl Into<ByteRange>,
) -> Result<(), Box<dyn Error>> {
    let plan = decryptor.range(range, body_len)?;
    println!("{what}:");

    let mut fetched = Vec::new();
    for fetch in plan.fetches() {
        println!("    fetched {} bytes of the body, from {}", fetch.end - fetch.start, fetch.start);
        body.seek(SeekFrom::Start(fetch.start))?;
        let mut reader = Read::by_ref(body).take(fetch.end - fetch.start);
        reader.read_to_end(&mut fetched)?;
    }

    let plaintext = plan.decrypt(&fetched)?;
    for line in String::from_utf8_lossy(&plaintext).lines() {
        println!("    {line}");
    }
    Ok(())
}
